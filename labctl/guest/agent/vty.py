"""FRR's vty protocol over a daemon's unix socket, without a process.

A command goes out with a NUL behind it; the answer is text that ends in three NULs and a status byte
(FRR lib/vty.c, the vtysh protocol). The connection is kept, and with it the node (mode) of the terminal.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

END = b"\x00\x00\x00"
_TIMEOUT = 60.0


class Vty:
    """One kept connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, commands: Sequence[str]) -> list[tuple[str, int]]:
        """Send each line, read each answer. A connection that the daemon closed is made anew once."""
        with self._lock:
            fresh = self._socket is None
            try:
                return self._ask(commands)
            except OSError:
                self._drop()
                if fresh:
                    raise
                return self._ask(commands)

    def _ask(self, commands: Sequence[str]) -> list[tuple[str, int]]:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(_TIMEOUT)
            self._socket.connect(self._path)
            self._one("enable")
        return [self._one(command) for command in commands]

    def _one(self, command: str) -> tuple[str, int]:
        assert self._socket is not None
        self._socket.sendall(command.encode() + b"\x00")
        data = bytearray()
        while not (len(data) >= 4 and data[-4:-1] == END):
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError(f"{self._path}: the daemon closed the connection")
            data += piece
        return bytes(data[:-4]).decode(errors="replace"), data[-1]

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Vtys:
    """All kept connections, by socket path."""

    def __init__(self) -> None:
        self._vtys: dict[str, Vty] = {}
        self._lock = threading.Lock()

    def ask(self, path: str, commands: Sequence[str]) -> list[tuple[str, int]]:
        with self._lock:
            vty = self._vtys.setdefault(path, Vty(path))
        return vty.ask(commands)
