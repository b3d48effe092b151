"""SPDY/3.1 framing, as far as Kubernetes streams need it (draft-mbelshe-httpbis-spdy-00, version 3).

Flow control is not used by the peers (moby/spdystream ignores WINDOW_UPDATE), so neither is it here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from labctl.standin.cluster.server.spdydict import DICTIONARY

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 0x01
MAX_FRAME = 1 << 20


class SpdyError(Exception):
    """The peer broke the protocol, or closed."""


class Connection(Protocol):
    """A byte stream: an upgraded TLS connection."""

    def recv(self, size: int) -> bytes: ...
    def sendall(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes on a stream; ``fin`` ends the peer's half."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The peer dropped a stream."""

    stream: int


Frame = Opened | Data | Reset


class Spdy:
    """The server's side of a connection. Reading is for one thread; writing is locked by the caller."""

    def __init__(self, connection: Connection, locked: Callable[[bytes], None]) -> None:
        self._connection = connection
        self._write = locked
        self._buffer = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def read(self) -> Frame | None:
        """The next frame that matters; None when the peer closed or said goodbye."""
        while True:
            head = self._exactly(8)
            if head is None:
                return None
            first, second = struct.unpack(">II", head)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes")
            body = self._exactly(length)
            if body is None:
                return None
            if not first & 0x80000000:
                return Data(first, body, bool(flags & FIN))
            try:
                frame, over = self._control(first & 0xFFFF, flags, body)
            except struct.error as error:
                raise SpdyError(f"a control frame of {length} bytes: {error}") from None
            if over:
                return None
            if frame is not None:
                return frame

    def _control(self, kind: int, flags: int, body: bytes) -> tuple[Frame | None, bool]:
        if kind == SYN_STREAM:
            stream = struct.unpack_from(">I", body)[0] & 0x7FFFFFFF
            return Opened(stream, self._headers(body[10:]), bool(flags & FIN)), False
        if kind == RST_STREAM:
            return Reset(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF), False
        if kind == PING:
            self._write(_control_frame(PING, 0, body))
        elif kind in (HEADERS, SYN_REPLY):
            self._headers(body[4:])  # keeps the shared compression state right
        return None, kind == GOAWAY

    def reply(self, stream: int) -> None:
        """Accept a stream."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._write(_control_frame(SYN_REPLY, 0, struct.pack(">I", stream) + block))

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Bytes on a stream."""
        for start in range(0, max(len(data), 1), 32768):
            piece = data[start : start + 32768]
            last = fin and start + 32768 >= len(data)
            self._write(struct.pack(">II", stream, (FIN << 24 if last else 0) | len(piece)) + piece)

    def goodbye(self) -> None:
        self._write(_control_frame(GOAWAY, 0, struct.pack(">II", 0, 0)))

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            data = self._inflate.decompress(block)
            count = struct.unpack_from(">I", data)[0]
            offset, result = 4, {}
            for _ in range(count):
                name, offset = _string(data, offset)
                value, offset = _string(data, offset)
                result[name.lower()] = value
        except (zlib.error, struct.error) as error:
            raise SpdyError(f"headers: {error}") from None
        return result

    def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            try:
                piece = self._connection.recv(65536)
            except OSError:
                return None
            if not piece:
                return None
            self._buffer += piece
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def _control_frame(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body


def _string(data: bytes, offset: int) -> tuple[str, int]:
    length = struct.unpack_from(">I", data, offset)[0]
    end = offset + 4 + length
    return data[offset + 4 : end].decode(errors="replace"), end
