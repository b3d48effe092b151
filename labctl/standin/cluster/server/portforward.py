"""``kubectl port-forward``: pairs of SPDY streams (data, error), each a TCP connection inside the pod."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from labctl.errors import LabError
from labctl.guest.api import ByteStream
from labctl.standin.cluster.server.spdy import Data, Opened, Reset, Spdy, SpdyError
from labctl.standin.cluster.server.tls import TlsStream

Dial = Callable[[int], ByteStream]


@dataclass(slots=True)
class Pair:
    """The two streams of one forwarded connection."""

    port: int
    data: int | None = None
    error: int | None = None
    connection: ByteStream | None = None
    early: list[bytes] = field(default_factory=list)
    finished: bool = False
    """The client has sent all; it may say so before the connection is there."""
    refused: bool = False
    ended: bool = False


class PortForward:
    """One upgraded connection; any number of forwarded ones in it."""

    def __init__(self, stream: TlsStream, dial: Dial) -> None:
        self._spdy = Spdy(stream, stream.sendall)
        self._dial = dial
        self._pairs: dict[str, Pair] = {}
        self._by_stream: dict[int, Pair] = {}

    def run(self) -> None:
        """Until the client goes."""
        try:
            while (frame := self._spdy.read()) is not None:
                if isinstance(frame, Opened):
                    self._opened(frame)
                elif isinstance(frame, Data):
                    self._data(frame)
                elif isinstance(frame, Reset) and frame.stream in self._by_stream:
                    self._close(self._by_stream[frame.stream])
        except (SpdyError, OSError):
            return
        finally:
            for pair in self._pairs.values():
                self._close(pair)

    def _opened(self, frame: Opened) -> None:
        headers = frame.headers
        request, port = headers.get("requestid", str(frame.stream)), headers.get("port", "0")
        pair = self._pairs.setdefault(request, Pair(int(port) if port.isdecimal() else 0))
        self._by_stream[frame.stream] = pair
        if headers.get("streamtype") == "error":
            pair.error = frame.stream
        else:
            pair.data = frame.stream
            pair.finished = frame.fin
        self._spdy.reply(frame.stream)
        if pair.data is not None and pair.error is not None and pair.connection is None and not pair.refused:
            self._connect(pair)

    def _connect(self, pair: Pair) -> None:
        try:
            pair.connection = self._dial(pair.port)
        except LabError as error:
            pair.refused = True
            assert pair.error is not None  # noqa: S101 - both streams were looked at
            assert pair.data is not None  # noqa: S101
            message = f"failed to connect to port {pair.port} inside the pod: {error}"
            self._spdy.send(pair.error, message.encode(), fin=True)
            self._spdy.send(pair.data, b"", fin=True)
            return
        with suppress(LabError, OSError):
            for piece in pair.early:
                pair.connection.sendall(piece)
            if pair.finished:
                pair.connection.shutdown_write()
        pair.early.clear()
        threading.Thread(target=self._pump, args=(pair,), daemon=True).start()

    def _data(self, frame: Data) -> None:
        pair = self._by_stream.get(frame.stream)
        if pair is None or frame.stream != pair.data or pair.refused:
            return
        pair.finished = pair.finished or frame.fin
        with suppress(LabError, OSError):
            if pair.connection is None:
                pair.early.append(frame.data)
                return
            if frame.data:
                pair.connection.sendall(frame.data)
            if frame.fin:
                pair.connection.shutdown_write()

    def _pump(self, pair: Pair) -> None:
        assert pair.connection is not None  # noqa: S101 - made before this thread
        assert pair.data is not None  # noqa: S101
        assert pair.error is not None  # noqa: S101
        with suppress(LabError, OSError):
            while data := pair.connection.recv(32768):
                self._spdy.send(pair.data, data)
        with suppress(OSError):
            self._spdy.send(pair.data, b"", fin=True)
            self._spdy.send(pair.error, b"", fin=True)
        self._close(pair)

    @staticmethod
    def _close(pair: Pair) -> None:
        if pair.connection is not None and not pair.ended:
            pair.ended = True
            pair.connection.close()
