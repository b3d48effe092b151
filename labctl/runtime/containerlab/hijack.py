"""A program's streams over Docker's API: the connection of one request, taken over after its headers.

Docker's own client for Python reads the headers through a buffer and then goes around it, so output that came along
with the headers is lost on a slow machine; here nothing is read past them that is not kept.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from labctl.guest.api import AgentError
from labctl.pace import limit

HEADER = struct.Struct(">BxxxI")
"""Before each piece when there is no terminal: 1 is stdout, 2 is stderr; then its length."""
STDERR = 2

Piece = tuple[Literal["stdout", "stderr"], bytes]


class Hijacked:
    """Both directions of a program's streams. ``framed`` is False on a terminal, where all output is one stream."""

    def __init__(self, connection: socket.socket, rest: bytes, *, framed: bool) -> None:
        self._socket = connection
        self._rest = rest
        self._framed = framed

    def settimeout(self, seconds: float | None) -> None:
        """How long one read may take (None: for ever); TimeoutError afterwards."""
        self._socket.settimeout(seconds)

    def read(self) -> Piece | None:
        """The next piece of output; None at the end."""
        if not self._framed:
            data = self._some(65536)
            return ("stdout", data) if data else None
        header = self._exactly(HEADER.size)
        if header is None:
            return None
        kind, size = HEADER.unpack(header)
        data = self._exactly(size) or b""
        return ("stderr" if kind == STDERR else "stdout"), data

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close_stdin(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the other side may have been first
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._socket.close()

    def _some(self, size: int) -> bytes:
        if self._rest:
            piece, self._rest = self._rest[:size], self._rest[size:]
            return piece
        try:
            return self._socket.recv(size)
        except TimeoutError:
            raise
        except OSError:
            return b""  # reset, or closed here by another thread

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            piece = self._some(size - len(data))
            if not piece:
                return None
            data += piece
        return data


def hijack(path: Path, target: str, body: Mapping[str, Any], *, framed: bool) -> Hijacked:
    """POST to Docker's socket and keep the connection. Raises `AgentError` with Docker's words."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(limit("connect"))
    try:
        connection.connect(str(path))
        rest = _ask(connection, target, json.dumps(body).encode())
    except OSError as error:
        connection.close()
        raise AgentError(f"Docker could not run it: {error}") from error
    except AgentError:
        connection.close()
        raise
    connection.settimeout(None)
    return Hijacked(connection, rest, framed=framed)


def _ask(connection: socket.socket, target: str, data: bytes) -> bytes:
    """Send the request and read the headers; returns what came along with them."""
    head = (
        f"POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(4096)
        if not piece:
            raise AgentError("Docker closed the connection of a program")
        answer += piece
    headers, _, rest = answer.partition(b"\r\n\r\n")
    if headers.split(b" ", 2)[1:2] not in ([b"101"], [b"200"]):
        words = rest.decode(errors="replace").strip() or headers.decode(errors="replace")
        raise AgentError(f"Docker could not run it: {words}")
    return rest
