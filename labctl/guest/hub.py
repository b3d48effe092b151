"""The hub: relays frames between one guest channel and many local clients, in one thread of the lab's daemon.

Towards the guest it never has more than the link's window unacknowledged (UML's serial line has no flow control and
loses bytes); towards a client the per-stream windows bound what can pile up.
"""

from __future__ import annotations

import collections
import os
import selectors
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.guest.agent import wire

if TYPE_CHECKING:  # a test runs the hub where nothing but the standard library is
    from labctl.guest.client import Agent
    from labctl.guest.machine import RunningGuest

PING_EVERY = 5.0


class _Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.parser = wire.Parser()
        self.out = bytearray()
        self.streams: dict[int, int] = {}
        """The client's stream number → the guest's."""


class Hub:
    """Owns the channel; `run` blocks until the channel closes or `stop` is called."""

    def __init__(self, channel: socket.socket | int, path: Path, *, window: int) -> None:
        self._channel = channel if isinstance(channel, int) else channel.fileno()
        self._keep = channel
        self._path = path
        self._window = window
        self._unacked = 0
        self._to_guest: collections.deque[bytes] = collections.deque()
        self._blocked = b""
        self.open = threading.Event()
        """Set when the guest has spoken: bytes sent before its line is open are lost."""
        self._from_guest = wire.Parser()
        self._routes: dict[int, tuple[_Client, int]] = {}
        self._next = 1
        self._stop_read, self._stop_write = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._over = False
        self.ended = threading.Event()
        os.set_blocking(self._channel, False)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        self._listener.setblocking(False)  # noqa: FBT003

    def start(self) -> None:
        """Run in a thread of its own."""
        threading.Thread(target=self.run, name="hub", daemon=True).start()

    def stop(self) -> None:
        """End `run`, close everything. Idempotent."""
        try:
            os.write(self._stop_write, b"x")
        except OSError:
            return

    def run(self) -> None:
        selector = self._selector
        selector.register(self._channel, selectors.EVENT_READ, "channel")
        selector.register(self._listener, selectors.EVENT_READ, "listener")
        selector.register(self._stop_read, selectors.EVENT_READ, "stop")
        try:
            while not self._over:
                events = selector.select(PING_EVERY)
                if not events and self.open.is_set():
                    self._to_guest.append(wire.frame(wire.PING, 0))
                for key, mask in events:
                    self._handle(key, mask)
                self._flush_channel()
        finally:
            self._close()

    def _handle(self, key: selectors.SelectorKey, mask: int) -> None:
        if key.data == "channel":
            if mask & selectors.EVENT_READ:
                self._read_channel()
        elif key.data == "listener":
            self._accept()
        elif key.data == "stop":
            self._over = True
        else:
            client: _Client = key.data
            if mask & selectors.EVENT_WRITE:
                self._flush_client(client)
            if mask & selectors.EVENT_READ:
                self._read_client(client)

    # --- guest side -------------------------------------------------------------------------------------------

    def _read_channel(self) -> None:
        try:
            data = os.read(self._channel, 262144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._over = True
            return
        self.open.set()
        touched = set()
        for kind, number, payload in self._from_guest.feed_raw(data):
            if kind == wire.ACK:
                self._unacked -= number
                continue
            route = self._routes.get(number)
            if route is None:
                continue
            client, theirs = route
            client.out += wire.HEADER.pack(kind, theirs, len(payload)) + payload
            touched.add(client)
            if kind == wire.END:
                del self._routes[number]
                client.streams.pop(theirs, None)
        for client in touched:
            self._flush_client(client)

    def _flush_channel(self) -> None:
        """Write what the link's window allows."""
        if not self.open.is_set():
            return
        while self._blocked or self._to_guest:
            piece = self._blocked or self._to_guest.popleft()
            if not self._blocked and self._unacked + len(piece) > self._window:
                self._to_guest.appendleft(piece)
                break
            if not self._blocked:
                self._unacked += len(piece)
            try:
                written = os.write(self._channel, piece)
            except BlockingIOError:
                written = 0
            except OSError:
                self._over = True
                return
            self._blocked = piece[written:]
            if self._blocked:
                break
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._blocked else 0)
        self._selector.modify(self._channel, wanted, "channel")

    # --- client side ------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)  # noqa: FBT003
        self._selector.register(connection, selectors.EVENT_READ, _Client(connection))

    def _read_client(self, client: _Client) -> None:
        try:
            data = client.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        for kind, theirs, payload in client.parser.feed_raw(data):
            number = client.streams.get(theirs)
            if number is None:
                if kind & ~wire.MORE != wire.REQUEST:
                    continue
                number = self._next
                self._next += 1
                client.streams[theirs] = number
                self._routes[number] = (client, theirs)
            self._to_guest.append(wire.HEADER.pack(kind, number, len(payload)) + payload)
            if kind == wire.CLOSE:
                self._routes.pop(number, None)
                client.streams.pop(theirs, None)

    def _flush_client(self, client: _Client) -> None:
        if client.connection.fileno() < 0:
            return
        try:
            while client.out:
                sent = client.connection.send(client.out)
                del client.out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
        self._selector.modify(client.connection, wanted, client)

    def _drop(self, client: _Client) -> None:
        """The client went away: what runs for it is ended."""
        if client.connection.fileno() < 0:
            return
        self._selector.unregister(client.connection)
        client.connection.close()
        for number in client.streams.values():
            self._routes.pop(number, None)
            self._to_guest.append(wire.frame(wire.CLOSE, number))
        client.streams.clear()

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Client):
                key.data.connection.close()
        self._selector.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for descriptor in (self._stop_read, self._stop_write):
            os.close(descriptor)
        if isinstance(self._keep, socket.socket):
            self._keep.close()
        else:
            os.close(self._keep)
        self.ended.set()


class GuestBox:
    """Owns a guest from its start on: what it says goes through a hub, whose socket is at ``path``."""

    def __init__(self, guest: RunningGuest, path: Path) -> None:
        self.guest = guest
        self._socket = path
        self._hub = Hub(guest.channel, path, window=guest.window)
        self._hub.start()

    def answers(self) -> bool:
        """Whether the guest's agent has said a word."""
        return self._hub.open.is_set()

    def connect(self) -> Agent:
        """The agent, of a guest that answers."""
        from labctl.guest.client import connect

        return connect(self._socket)

    def exit_code(self) -> int | None:
        """Of a guest whose process ended; negative for the signal that ended it."""
        return self.guest.process.poll()

    def console_text(self) -> str:
        """All that the guest has written to its console."""
        return self.guest.console_text()

    def power_off(self) -> None:
        """End the hub, and with it the guest."""
        self._hub.stop()
        self._hub.ended.wait(2.0)
        self.guest.power_off()
