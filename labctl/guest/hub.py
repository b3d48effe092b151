"""The hub: relays frames between one guest channel and many local clients, in one thread of the lab's daemon.

Towards the guest it never has more than the link's window unacknowledged (UML's serial line has no flow control and
loses bytes); towards a client the per-stream windows bound what can pile up.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from labctl.guest.agent import wire

PING_EVERY = 5.0


class Hub:
    """Owns the channel, in a thread of its own, until the channel closes or `stop` is called."""

    def __init__(self, channel: socket.socket, path: Path, *, window: int) -> None:
        self._channel = channel
        self._path = path
        self._window = window
        self._unacked = 0
        self._to_guest: collections.deque[bytes] = collections.deque()
        self._routes: dict[int, tuple[asyncio.StreamWriter, int, dict[int, int]]] = {}
        """The guest's stream number → its client, whose own number, and all of that client's: theirs → the guest's."""
        self._numbers = itertools.count(1)
        self.open = threading.Event()
        """Set when the guest has spoken: bytes sent before its line is open are lost."""
        self.ended = threading.Event()
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        threading.Thread(target=self._run, name="hub", daemon=True).start()

    def stop(self) -> None:
        """End it, close everything. Idempotent."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            asyncio.run(self._relay())
        finally:
            self._listener.close()
            self._path.unlink(missing_ok=True)
            self._channel.close()
            self.ended.set()

    async def _relay(self) -> None:
        reader, self._guest = await asyncio.open_unix_connection(sock=self._channel)
        server = await asyncio.start_unix_server(self._serve, sock=self._listener)
        self._ping()
        async for frames in _frames(reader):
            self.open.set()
            for kind, number, payload in frames:
                if kind == wire.ACK:
                    self._unacked -= number
                elif number in self._routes:
                    writer, theirs, numbers = self._routes[number]
                    writer.write(wire.HEADER.pack(kind, theirs, len(payload)) + payload)
                    if kind == wire.END:
                        del self._routes[number], numbers[theirs]
            self._flush()
        self._window = 0
        server.close()
        self._guest.transport.abort()

    def _flush(self) -> None:
        """Write what the link's window allows."""
        while self.open.is_set() and self._to_guest and self._unacked + len(self._to_guest[0]) <= self._window:
            piece = self._to_guest.popleft()
            self._unacked += len(piece)
            self._guest.write(piece)

    def _ping(self) -> None:
        if self.open.is_set():
            self._to_guest.append(wire.frame(wire.PING, 0))
            self._flush()
        asyncio.get_running_loop().call_later(PING_EVERY, self._ping)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it goes away: then what runs for it is ended."""
        numbers: dict[int, int] = {}
        try:
            async for frames in _frames(reader):
                for kind, theirs, payload in frames:
                    if theirs not in numbers:
                        if kind & ~wire.MORE != wire.REQUEST:
                            continue
                        numbers[theirs] = next(self._numbers)
                        self._routes[numbers[theirs]] = writer, theirs, numbers
                    number = numbers[theirs]
                    self._to_guest.append(wire.HEADER.pack(kind, number, len(payload)) + payload)
                    if kind == wire.CLOSE:
                        del self._routes[number], numbers[theirs]
                self._flush()
        except asyncio.CancelledError:
            return  # the hub ends
        finally:
            writer.transport.abort()
            for number in numbers.values():
                del self._routes[number]
                self._to_guest.append(wire.frame(wire.CLOSE, number))
            self._flush()


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[list[tuple[int, int, bytes]]]:
    parser = wire.Parser()
    with contextlib.suppress(OSError):
        while data := await reader.read(262144):
            yield parser.feed_raw(data)
