"""A pcap stream that comes in pieces, record by record.

Layout: pcap(5): a file header of 24 bytes, then records of a 16-byte header and the kept bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

FILE_HEADER = 24
RECORD_HEADER = 16
_LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


class Records:
    """Cuts a pcap stream that comes in pieces into its header and its records."""

    def __init__(self) -> None:
        self.header = b""
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The records that are whole now."""
        self._rest += piece
        if not self.header:
            if len(self._rest) < FILE_HEADER:
                return
            self.header, self._rest = self._rest[:FILE_HEADER], self._rest[FILE_HEADER:]
        while len(self._rest) >= RECORD_HEADER:
            whole = RECORD_HEADER + struct.unpack_from(f"{self.order}I", self._rest, 8)[0]
            if len(self._rest) < whole:
                return
            record, self._rest = self._rest[:whole], self._rest[whole:]
            yield record

    @property
    def order(self) -> str:
        """Byte order of the file, as `struct` writes it."""
        return "<" if self.header[:4] in _LITTLE else ">"

    def moment(self, record: bytes) -> tuple[int, int]:
        """Seconds and fractions of a record."""
        seconds, fraction = struct.unpack_from(f"{self.order}II", record)
        return seconds, fraction
