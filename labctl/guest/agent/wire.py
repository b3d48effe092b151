"""Frames between clients, hub and agent: many calls over one byte stream.

A frame is ``kind (1 byte), stream (4), length (2)`` big-endian, then the payload. The high bit of ``kind`` says that
the message goes on in the next frame of the same kind and stream. A client numbers its streams; the hub renumbers.

========  =================  ==========================================================================
kind      direction          payload
========  =================  ==========================================================================
ACK       agent → hub        link level: ``stream`` holds the number of bytes that the agent has read
REQUEST   client → agent     JSON ``{"verb": …}``
DATA      both               one byte (0 stdin, 1 stdout, 2 stderr), then bytes
EVENT     agent → client     nothing: what was asked for has begun (a capture, a connection)
END       agent → client     JSON: the result; the stream is over
WINDOW    both               4 bytes: that many more DATA bytes may be sent
CONTROL   client → agent     JSON: resize, signal, close of standard input
CLOSE     client → agent     the client gives up; what runs for the stream is ended
PING      both               nothing: somebody is there (the agent's first frame: its line is open)
========  =================  ==========================================================================
"""

from __future__ import annotations

import json
import queue
import struct
import threading
from collections.abc import Callable, Iterator

HEADER = struct.Struct(">BIH")
MORE = 0x80
ACK, REQUEST, DATA, EVENT, END, WINDOW, CONTROL, CLOSE, PING = range(9)

STDIN, STDOUT, STDERR = range(3)

TO_GUEST = 1024
"""Largest payload towards the guest: UML's serial line loses bytes when much is under way."""
FROM_GUEST = 16384
STREAM_WINDOW = 128 * 1024
"""DATA bytes of one stream that may be under way before a WINDOW frame grants more."""


def frame(kind: int, stream: int, payload: bytes = b"", *, more: bool = False) -> bytes:
    return HEADER.pack(kind | (MORE if more else 0), stream, len(payload)) + payload


def message(kind: int, stream: int, body: object, limit: int) -> list[bytes]:
    """A JSON message as frames of at most ``limit`` payload bytes."""
    data = json.dumps(body, separators=(",", ":")).encode()
    pieces = [data[start : start + limit] for start in range(0, len(data), limit)] or [b""]
    last = len(pieces) - 1
    return [frame(kind, stream, piece, more=index < last) for index, piece in enumerate(pieces)]


class Stream:
    """One call as either end sees it: a queue of what came, a window for what goes."""

    def __init__(self, send: Callable[[bytes], None], number: int, limit: int) -> None:
        """``limit``: of a frame's payload, in bytes."""
        self.number = number
        self._send = send
        self._limit = limit
        self._inbox: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._credit = STREAM_WINDOW
        self._changed = threading.Condition()
        self._over = False

    def arrived(self, kind: int, payload: bytes) -> None:
        """From the reader of the whole channel, which never waits."""
        with self._changed:
            if kind == WINDOW:
                self._credit += int.from_bytes(payload, "big")
            elif kind in (END, CLOSE):
                self._over = True  # nobody reads any more: a writer must not hang
            self._changed.notify_all()
        if kind != WINDOW:
            self._inbox.put((kind, payload))

    def send_data(self, channel: int, data: bytes) -> None:
        """Blocks while the window is full. What nobody reads any more is dropped."""
        view = memoryview(data)
        while view:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._credit > 0)
                if self._over:
                    return
                size = min(len(view), self._limit - 1, self._credit)
                self._credit -= size
            self._send(frame(DATA, self.number, bytes([channel]) + view[:size]))
            view = view[size:]

    def grant(self, size: int) -> None:
        """So many DATA bytes were taken."""
        self._send(frame(WINDOW, self.number, size.to_bytes(4, "big")))

    def say(self, kind: int, body: object) -> None:
        self._send(b"".join(message(kind, self.number, body, self._limit)))


class Parser:
    """Bytes in, frames out; joins messages whose frames go on."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._partial: dict[tuple[int, int], bytearray] = {}

    def feed_raw(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Frames as they are: (kind with the MORE bit, stream, payload)."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            kind, stream, length = HEADER.unpack_from(self._buffer, start)
            end = start + HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append((kind, stream, bytes(self._buffer[start + HEADER.size : end])))
            start = end
        del self._buffer[:start]
        return frames

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Whole messages: (kind, stream, payload)."""
        messages = []
        for kind, stream, payload in self.feed_raw(data):
            key = (kind & ~MORE, stream)
            if kind & MORE:
                self._partial.setdefault(key, bytearray()).extend(payload)
            elif key in self._partial:
                messages.append((key[0], stream, bytes(self._partial.pop(key) + payload)))
            else:
                messages.append((kind, stream, payload))
        return messages


def messages(read: Callable[[], bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Whole messages of a byte stream, until it ends."""
    parser = Parser()
    while True:
        try:
            data = read()
        except OSError:
            return
        if not data:
            return
        yield from parser.feed(data)
