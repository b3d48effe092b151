"""Copying a live pcap stream packet by packet, so that what was written is a whole file whenever it ends.

Layout: pcap(5): 24 bytes of file header, then records of a 16-byte header and the kept bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Protocol

HEADER = 24
RECORD = 16


class PcapSource(Protocol):
    """What `labctl.guest.api.Capture` gives."""

    def read(self) -> bytes | None: ...

    def close(self) -> None: ...


def copy_pcap(source: PcapSource, target: BinaryIO, count: int | None) -> int:
    """Copy until the source ends, ``count`` packets were copied or the user presses Ctrl-C; returns their number."""
    packets = -1  # the first piece is the file's header
    try:
        for record in records(source):
            target.write(record)
            target.flush()
            packets += 1
            if count is not None and packets >= count:
                break
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        source.close()
    return max(packets, 0)


def records(source: PcapSource) -> Iterator[bytes]:
    """The file header, then one packet record after the other; half a record at the end is left out."""
    rest = b""
    size = HEADER
    order = "<"
    first = True
    while (piece := source.read()) is not None:
        rest += piece
        while len(rest) >= size:
            if first:
                order = "<" if rest[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
                yield rest[:HEADER]
                rest, size, first = rest[HEADER:], RECORD, False
                continue
            whole = RECORD + struct.unpack_from(f"{order}I", rest, 8)[0]
            if len(rest) < whole:
                size = whole
                break
            yield rest[:whole]
            rest, size = rest[whole:], RECORD
