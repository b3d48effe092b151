"""Remote command execution: a program's streams over SPDY or websocket channels (Kubernetes remotecommand v4, v5)."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from wsproto import ConnectionType
from wsproto.connection import Connection as WebSocketFraming
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from labctl.errors import LabError
from labctl.guest.api import ExecStream, TtySize
from labctl.standin.cluster.server.spdy import Data, Opened, Spdy, SpdyError
from labctl.standin.cluster.server.tls import TlsStream

CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}
CLOSE_CHANNEL = 255

Output = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Stdin:
    """Typed by the user; None is the end."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class Resize:
    """The user's terminal changed."""

    size: TtySize


Incoming = Stdin | Resize


class Channels(Protocol):
    """The client's side of one execution."""

    def receive(self) -> Incoming | None:
        """What the client sent; None when it has gone. Blocks."""

    def send(self, output: Output, data: bytes) -> None: ...

    def finish(self, status: Mapping[str, object]) -> None:
        """The final status; nothing is sent after it."""


def status_of(code: int) -> dict[str, object]:
    """A metav1.Status that says how the program ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    number = 128 - code if code < 0 else code
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {number}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(number)}]},
    }


def execute(start: Callable[[], ExecStream], channels: Channels, *, stdin: bool = True) -> None:
    """Run to the end. A client that goes away ends the program; without ``stdin`` the program finds its input ended."""
    try:
        program = start()
    except LabError as error:
        channels.finish(
            {"metadata": {}, "status": "Failure", "message": str(error), "reason": "InternalError", "code": 500}
        )
        return
    if not stdin:
        program.close_stdin()
    feeder = threading.Thread(target=_feed, args=(program, channels), daemon=True)
    feeder.start()
    try:
        while (piece := program.read()) is not None:
            channels.send(*piece)
        channels.finish(status_of(program.code()))
    except OSError:
        program.signal(9)
    finally:
        program.close()


def _feed(program: ExecStream, channels: Channels) -> None:
    with suppress(LabError):
        while (incoming := channels.receive()) is not None:
            if isinstance(incoming, Resize):
                program.resize(incoming.size)
            elif incoming.data is None:
                program.close_stdin()
            else:
                program.write(incoming.data)
        program.signal(1)


def parse_resize(data: bytes) -> TtySize | None:
    """``{"Width":80,"Height":24}``."""
    try:
        body = json.loads(data)
        return TtySize(int(body["Height"]), int(body["Width"]))
    except (ValueError, KeyError, TypeError):
        return None


class SpdyChannels:
    """Streams named by their ``streamType`` header; all are there before the program is started."""

    def __init__(self, stream: TlsStream, wanted: set[str]) -> None:
        self._spdy = Spdy(stream, stream.sendall)
        self._by_type: dict[str, int] = {}
        self._types: dict[int, str] = {}
        self._ended = False
        while wanted - set(self._by_type):
            frame = self._spdy.read()
            if frame is None:
                raise SpdyError("the client closed before its streams were there")
            if isinstance(frame, Opened):
                kind = frame.headers.get("streamtype", "")
                self._by_type[kind] = frame.stream
                self._types[frame.stream] = kind
                self._spdy.reply(frame.stream)

    def receive(self) -> Incoming | None:
        if self._ended:
            self._ended = False
            return Stdin(None)
        while True:
            try:
                frame = self._spdy.read()
            except SpdyError:
                return None
            if frame is None:
                return None
            if not isinstance(frame, Data):
                continue
            kind = self._types.get(frame.stream)
            if kind == "resize" and (size := parse_resize(frame.data)):
                return Resize(size)
            if kind == "stdin":
                if frame.data and frame.fin:
                    self._ended = True  # told at the next call
                if frame.data:
                    return Stdin(frame.data)
                if frame.fin:
                    return Stdin(None)

    def send(self, output: Output, data: bytes) -> None:
        if output in self._by_type:
            self._spdy.send(self._by_type[output], data)

    def finish(self, status: Mapping[str, object]) -> None:
        with suppress(OSError):
            self._spdy.send(self._by_type["error"], json.dumps(status).encode(), fin=True)
            for kind in ("stdout", "stderr"):
                if kind in self._by_type:
                    self._spdy.send(self._by_type[kind], b"", fin=True)
            self._spdy.goodbye()


class WebSocketChannels:
    """One websocket, the first byte of a message is the channel."""

    def __init__(self, stream: TlsStream) -> None:
        self._stream = stream
        self._framing = WebSocketFraming(ConnectionType.SERVER)
        self._partial = b""

    def receive(self) -> Incoming | None:
        while True:
            for event in self._framing.events():
                if isinstance(event, CloseConnection):
                    return None
                if isinstance(event, Ping):
                    self._stream.sendall(self._framing.send(event.response()))
                if isinstance(event, BytesMessage | TextMessage):
                    piece = event.data if isinstance(event.data, bytes | bytearray) else event.data.encode()
                    self._partial += bytes(piece)
                    if event.message_finished:
                        message, self._partial = self._partial, b""
                        incoming = self._incoming(message)
                        if incoming:
                            return incoming
            data = self._stream.recv(65536)
            if not data:
                return None
            self._framing.receive_data(data)

    @staticmethod
    def _incoming(message: bytes) -> Incoming | None:
        if not message:
            return None
        channel, data = message[0], message[1:]
        if channel == CHANNELS["stdin"] and data:
            return Stdin(data)
        if channel == CHANNELS["resize"] and (size := parse_resize(data)):
            return Resize(size)
        if channel == CLOSE_CHANNEL and data == bytes([CHANNELS["stdin"]]):
            return Stdin(None)
        return None

    def send(self, output: Output, data: bytes) -> None:
        self._message(CHANNELS[output], data)

    def finish(self, status: Mapping[str, object]) -> None:
        with suppress(OSError, LocalProtocolError):
            self._message(CHANNELS["error"], json.dumps(status).encode())
            self._stream.sendall(self._framing.send(CloseConnection(1000)))

    def _message(self, channel: int, data: bytes) -> None:
        try:
            framed = self._framing.send(BytesMessage(struct.pack("B", channel) + data))
        except LocalProtocolError:
            raise BrokenPipeError("the client has closed its websocket") from None
        self._stream.sendall(framed)
