"""Several captures as one: the members of a port-channel, merged into a single pcap stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from labctl.guest.api import AgentError, Capture
from labctl.runtime.pcap import Records


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
