"""A TLS connection that one thread reads while others write.

OpenSSL does not allow two threads in one connection at a time, so every call holds a lock and none blocks inside it.
"""

from __future__ import annotations

import select
import ssl
import threading


class TlsStream:
    """``recv`` and ``sendall`` on a server's `ssl.SSLSocket`."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        connection.setblocking(False)  # noqa: FBT003

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes, b"" at the end, also when we have closed it ourselves. Blocks."""
        try:
            while True:
                try:
                    with self._lock:
                        return self._connection.recv(size)
                except ssl.SSLWantReadError:
                    select.select([self._connection], [], [])
                except ssl.SSLWantWriteError:
                    select.select([], [self._connection], [])
        except (OSError, ValueError):  # a closed socket has no number to wait for
            return b""

    def sendall(self, data: bytes) -> None:
        """Raises OSError when the peer has gone."""
        view = memoryview(data)
        with self._write_lock:
            while view:
                try:
                    with self._lock:
                        sent = self._connection.send(view)
                    view = view[sent:]
                except ssl.SSLWantWriteError:
                    self._wait(write=True)
                except ssl.SSLWantReadError:
                    self._wait(write=False)

    def _wait(self, *, write: bool) -> None:
        try:
            select.select([] if write else [self._connection], [self._connection] if write else [], [])
        except ValueError:
            raise OSError("the connection was closed") from None
