"""The serial console of a switch in a VM: vrnetlab's QEMU serves it by telnet (RFC 854) on port 5000."""

from __future__ import annotations

import contextlib
import socket

from labctl.errors import InconclusiveError
from labctl.pace import limit

PORT = 5000
IAC, SB, SE = 255, 250, 240
WITH_OPTION = range(251, 255)
"""WILL, WONT, DO, DONT: each is followed by one option."""


class Telnet:
    """Takes telnet's commands out of a byte stream; they may be cut anywhere."""

    def __init__(self) -> None:
        self._held = b""

    def text(self, data: bytes) -> bytes:
        """What is left for a person."""
        data = self._held + data
        out = bytearray()
        position = 0
        while position < len(data):
            if data[position] != IAC:
                out.append(data[position])
                position += 1
                continue
            size = self._command(data[position:])
            if size is None:
                break
            if data[position + 1] == IAC:
                out.append(IAC)
            position += size
        self._held = data[position:]
        return bytes(out)

    @staticmethod
    def _command(data: bytes) -> int | None:
        """Length of the command at the beginning; None when it is not whole yet."""
        if len(data) < 2:
            return None
        if data[1] in WITH_OPTION:
            return 3 if len(data) >= 3 else None
        if data[1] == SB:
            end = data.find(bytes((IAC, SE)), 2)
            return None if end < 0 else end + 2
        return 2


class Console:
    """`labctl.guest.api.ByteStream` of a serial console."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._telnet = Telnet()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                data = self._socket.recv(size)
            except OSError:
                return b""
            if not data:
                return b""
            text = self._telnet.text(data)
            if text:
                return text

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data.replace(b"\xff", b"\xff\xff"))

    def shutdown_write(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the other side may have been first
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._socket.close()


def connect(lab: str, switch: str, address: str, port: int = PORT) -> Console:
    """Raises `InconclusiveError` when nobody answers there."""
    try:
        connection = socket.create_connection((address, port), timeout=limit("connect"))
    except OSError as error:
        raise InconclusiveError(
            f"the console of {switch} does not answer at {address} port {port}: {error}",
            code="no-console",
            hint="its virtual machine is not started yet, or has ended",
            next_command=f"labctl logs {lab} {switch}",
        ) from None
    connection.settimeout(None)
    return Console(connection)
