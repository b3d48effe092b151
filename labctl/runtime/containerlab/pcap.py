"""Several captures as one: the members of a port-channel, merged into a single pcap stream.

Layout: pcap(5): a file header of 24 bytes, then records of a 16-byte header and the kept bytes.
"""

from __future__ import annotations

import queue
import struct
import threading
from collections.abc import Iterator, Sequence

from labctl.guest.api import AgentError, Capture

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


class MergedCapture:
    """`labctl.guest.api.Capture` over several that all capture already."""

    def __init__(self, captures: Sequence[Capture]) -> None:
        self._captures = tuple(captures)
        self._pieces: queue.SimpleQueue[bytes | AgentError | None] = queue.SimpleQueue()
        self._header_written = threading.Lock()
        self._header = b""
        self._readers: list[threading.Thread] = []
        self._ended = 0

    def stop(self) -> bytes:
        """All packets by their time."""
        header = b""
        packets: list[tuple[tuple[int, int], bytes]] = []
        for capture in self._captures:
            records = Records()
            packets += [(records.moment(record), record) for record in records.feed(capture.stop())]
            header = _same(header, records.header)
        return header + b"".join(record for _, record in sorted(packets, key=lambda packet: packet[0]))

    def end(self) -> None:
        """All of them; `read` gives what is left."""
        for capture in self._captures:
            capture.end()

    def read(self) -> bytes | None:
        """Packets as they come; None when all have ended."""
        if not self._readers:
            self._readers = [threading.Thread(target=self._feed, args=(one,), daemon=True) for one in self._captures]
            for reader in self._readers:
                reader.start()
        while self._ended < len(self._captures):
            piece = self._pieces.get()
            if isinstance(piece, AgentError):
                raise piece
            if piece is not None:
                return piece
            self._ended += 1
        return None

    def close(self) -> None:
        for capture in self._captures:
            capture.close()

    def _feed(self, capture: Capture) -> None:
        records = Records()
        try:
            while (piece := capture.read()) is not None:
                for record in records.feed(piece):
                    self._begin(records.header)
                    self._pieces.put(record)
                if records.header:
                    self._begin(records.header)
        except AgentError as error:
            self._pieces.put(error)
        else:
            self._pieces.put(None)

    def _begin(self, header: bytes) -> None:
        """The file's header goes out once, before any record."""
        with self._header_written:
            if not self._header:
                self._pieces.put(header)
            self._header = _same(self._header, header)


def _same(known: bytes, header: bytes) -> bytes:
    """One header for all: every capture was made by the same program on the same machine."""
    if known and header and known != header:
        raise AgentError("captures of two kinds cannot be one file")
    return known or header
