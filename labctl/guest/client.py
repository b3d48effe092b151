"""The agent of a machine: many calls from many threads over one stream (a unix socket of the hub, or a socket pair)."""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import socket
import struct
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from labctl.guest.agent import wire
from labctl.guest.api import (
    AgentError,
    AgentGone,
    AgentTimeout,
    ByteStream,
    Capture,
    Completed,
    ExecStream,
    Isolation,
    MachineInfo,
    Op,
    OpFailure,
    TtySize,
    VtyReply,
)
from labctl.pace import Kind, limit

_GRANT_AT = wire.STREAM_WINDOW // 4


class Stream:
    """One call as its client sees it: a queue of what came, a window for what goes."""

    def __init__(self, client: Agent, number: int) -> None:
        self._client = client
        self.number = number
        self._inbox: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._credit = wire.STREAM_WINDOW
        self._granted = threading.Condition()
        self._owed = 0
        self.ended: dict[str, Any] | None = None

    def arrived(self, kind: int, payload: bytes) -> None:
        """From the reader thread."""
        if kind == wire.WINDOW:
            with self._granted:
                self._credit += struct.unpack(">I", payload)[0]
                self._granted.notify_all()
            return
        if kind == wire.END:
            with self._granted:
                self._credit = 1 << 40  # nobody reads any more: a blocked writer must not hang
                self._granted.notify_all()
        self._inbox.put((kind, payload))

    def next(self, timeout: float | None = None) -> tuple[int, bytes]:
        """The next (kind, payload): DATA, EVENT or END. Raises AgentGone, or AgentTimeout."""
        if self.ended is not None:
            return wire.END, b""
        try:
            kind, payload = self._inbox.get(timeout=timeout)
        except queue.Empty:
            self.abandon()
            raise AgentTimeout(f"the machine did not answer within {timeout:.0f} s") from None
        if kind == wire.CLOSE:
            raise AgentGone("the channel to the machine is closed")
        if kind == wire.DATA:
            self._owed += len(payload) - 1
            if self._owed >= _GRANT_AT:
                self._client.send(wire.frame(wire.WINDOW, self.number, struct.pack(">I", self._owed)))
                self._owed = 0
        elif kind == wire.END:
            self.ended = json.loads(payload)
            self._client.forget(self.number)
        return kind, payload

    def result(self, timeout: float | None = None) -> tuple[Any, bytearray, bytearray]:
        """Wait for the end: (result, stdout, stderr). Raises AgentError with the machine's words."""
        out, err = bytearray(), bytearray()
        while True:
            kind, payload = self.next(timeout)
            if kind == wire.DATA:
                (err if payload[0] == wire.STDERR else out).extend(payload[1:])
            elif kind == wire.END:
                return self.value(), out, err

    def value(self) -> Any:
        """What the verb gave; valid after the end."""
        assert self.ended is not None  # noqa: S101
        if "error" in self.ended:
            kind = AgentTimeout if self.ended.get("late") else AgentError
            raise kind(str(self.ended["error"]), cause=self.ended.get("cause"))
        return self.ended.get("ok")

    def write(self, data: bytes) -> None:
        """DATA to the verb; blocks while the window is full."""
        view = memoryview(data)
        while view:
            with self._granted:
                while self._credit <= 0:
                    self._granted.wait()
                size = min(len(view), wire.TO_GUEST - 1, self._credit)
                self._credit -= size
            self._client.send(wire.frame(wire.DATA, self.number, b"\x00" + bytes(view[:size])))
            view = view[size:]

    def control(self, body: Mapping[str, Any]) -> None:
        self._client.send_message(wire.CONTROL, self.number, body)

    def abandon(self) -> None:
        """Give the call up; what runs for it is ended."""
        if self.ended is None:
            self._client.forget(self.number)
            try:
                self._client.send(wire.frame(wire.CLOSE, self.number))
            except AgentGone:
                return


class _Exec:
    """`ExecStream` over a call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        while True:
            kind, payload = self._stream.next()
            if kind == wire.END:
                return None
            if kind == wire.DATA:
                return ("stderr" if payload[0] == wire.STDERR else "stdout"), payload[1:]

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def close_stdin(self) -> None:
        self._stream.control({"close_stdin": True})

    def resize(self, size: TtySize) -> None:
        self._stream.control({"resize": [size.rows, size.columns]})

    def signal(self, number: int) -> None:
        self._stream.control({"signal": number})

    def code(self) -> int:
        return int(self._stream.value()["code"])

    def close(self) -> None:
        self._stream.abandon()


class _Bytes:
    """`ByteStream` over a call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._left = b""

    def recv(self, size: int) -> bytes:
        while not self._left:
            kind, payload = self._stream.next()
            if kind == wire.END:
                return b""
            if kind == wire.DATA:
                self._left = payload[1:]
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def sendall(self, data: bytes) -> None:
        self._stream.write(data)

    def shutdown_write(self) -> None:
        self._stream.control({"shutdown": True})

    def close(self) -> None:
        self._stream.abandon()


class _Capture:
    """`Capture` over a call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self) -> bytes | None:
        return self._next(None)

    def _next(self, timeout: float | None) -> bytes | None:
        while True:
            kind, payload = self._stream.next(timeout)
            if kind == wire.END:
                self._stream.value()
                return None
            if kind == wire.DATA:
                return payload[1:]

    def end(self) -> None:
        self._stream.control({"stop": True})

    def stop(self) -> bytes:
        self.end()
        data = bytearray()
        while (piece := self._next(limit("call"))) is not None:
            data += piece
        return bytes(data)

    def close(self) -> None:
        self._stream.abandon()


class Agent:
    """The verbs of a machine, over a connected socket.

    All methods are thread-safe and block; an `AgentError` is raised when the machine refuses or the channel is gone, an
    `AgentTimeout` when it does not answer in time.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._gone = False
        self._reader = threading.Thread(target=self._read, name="agent-client", daemon=True)
        self._reader.start()

    # --- frames -----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        with self._lock:
            if self._gone:
                raise AgentGone("the channel to the machine is closed")
            try:
                self._socket.sendall(data)
            except OSError as error:
                raise AgentGone(f"the channel to the machine is closed: {error}") from None

    def send_message(self, kind: int, stream: int, body: object) -> None:
        self.send(b"".join(wire.message(kind, stream, body, wire.TO_GUEST)))

    def forget(self, number: int) -> None:
        self._streams.pop(number, None)

    def _read(self) -> None:
        parser = wire.Parser()
        while True:
            try:
                data = self._socket.recv(262144)
            except OSError:
                data = b""
            if not data:
                break
            for kind, number, payload in parser.feed(data):
                stream = self._streams.get(number)
                if stream is not None:
                    stream.arrived(kind, payload)
        self._gone = True
        for stream in list(self._streams.values()):
            stream.arrived(wire.END, b'{"error": "the channel to the machine is closed"}')

    def _open(self, verb: str, **body: Any) -> Stream:
        with self._lock:
            number = self._next
            self._next += 1
        stream = Stream(self, number)
        self._streams[number] = stream
        request = {"verb": verb, **{key: value for key, value in body.items() if value is not None}}
        self.send_message(wire.REQUEST, number, request)
        if self._gone:
            raise AgentGone("the channel to the machine is closed")
        return stream

    def _call(self, verb: str, kind: Kind = "call", **body: Any) -> Any:
        return self._open(verb, **body).result(limit(kind))[0]

    def _expect(self, stream: Stream) -> None:
        """The verb's EVENT that says it has begun, or its error."""
        kind, _ = stream.next(limit("call"))
        if kind == wire.END:
            stream.value()
            raise AgentError("the machine ended the call before it began")

    # --- verbs ------------------------------------------------------------------------------------------------

    def info(self) -> MachineInfo:
        return MachineInfo(**self._call("info"))

    def speed(self) -> float:
        """How fast it does the work of a lab now, as a factor of the reference (`labctl.guest.agent.speed`)."""
        return float(self._call("speed"))

    def batch(self, ns: str | None, ops: Sequence[Op]) -> list[OpFailure]:
        """Do all operations, in order, going on after a refusal (``ip -force``); returns the refusals."""
        return self.batches([(ns, ops)])[0]

    def batches(self, groups: Iterable[tuple[str | None, Sequence[Op]]]) -> list[list[OpFailure]]:
        """Several batches in one round trip."""
        body = [[ns, [[op.kind, op.text] for op in ops]] for ns, ops in groups]
        return [
            [OpFailure(*row) for row in rows]
            for rows in self._call("batches", "batch", groups=body, limit=limit("batch"))
        ]

    def run(
        self,
        argv: Sequence[str],
        *,
        ns: str | None = None,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        join: int | None = None,
    ) -> Completed:
        """Run to its end. ``join``: enter all the namespaces of that process id.

        ``timeout``: seconds, None: as long as a call may take (`labctl.pace`). Then it is killed: `AgentTimeout`.
        """
        timeout = limit("call") if timeout is None else timeout
        encoded = base64.b64encode(stdin).decode() if stdin else None
        stream = self._open(
            "run", argv=list(argv), ns=ns, stdin=encoded, env=dict(env) if env else None, timeout=timeout, join=join
        )
        result, out, err = stream.result(timeout + limit("call"))
        return Completed(int(result["code"]), bytes(out), bytes(err))

    def start(
        self,
        argv: Sequence[str],
        *,
        ns: str | None = None,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
        isolation: Isolation | None = None,
    ) -> int:
        """Start a program that stays (a daemon in the foreground); returns its process id in the machine.

        Both outputs are appended to the file ``log`` when given. With ``isolation.pids`` the id is that of the
        program's first process as seen from the machine.
        """
        wanted = asdict(isolation) if isolation else None
        answer = self._call("start", argv=list(argv), ns=ns, env=dict(env) if env else None, log=log, isolation=wanted)
        return int(answer["pid"])

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process started here (to its whole process group). A dead one is no error."""
        self._call("signal", pid=pid, number=number)

    def wait(self, pid: int, timeout: float | None = None) -> int | None:
        """Exit code of a started program; None when it still runs after ``timeout`` seconds (None = for ever)."""
        stream = self._open("wait", pid=pid, timeout=timeout)
        code = stream.result(None if timeout is None else timeout + limit("call"))[0]["code"]
        return None if code is None else int(code)

    def stream(
        self,
        argv: Sequence[str],
        *,
        ns: str | None = None,
        env: Mapping[str, str] | None = None,
        tty: TtySize | None = None,
        join: int | None = None,
    ) -> ExecStream:
        """Run with live streams; with ``tty`` stdout and stderr are one terminal."""
        size = [tty.rows, tty.columns] if tty else None
        return _Exec(self._open("stream", argv=list(argv), ns=ns, env=dict(env) if env else None, tty=size, join=join))

    def vty(self, path: str, commands: Sequence[str]) -> list[VtyReply]:
        """Speak to an FRR daemon's vty socket; the connection is kept per path, its node (mode) as it was left."""
        return [VtyReply(text, status) for text, status in self._call("vty", "vty", path=path, commands=list(commands))]

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str | None = None) -> None:
        """Write a file, making its folders; ``owner`` is ``user`` or ``user:group``."""
        stream = self._open("write", path=path, mode=mode, owner=owner)
        stream.write(data)
        stream.control({"end": True})
        stream.result(limit("call"))

    def read_file(self, path: str, *, offset: int = 0) -> bytes:
        return bytes(self._open("read", path=path, offset=offset).result(limit("call"))[1])

    def remove(self, path: str) -> None:
        """Remove a file or a folder tree; a missing one is no error."""
        self._call("remove", path=path)

    def capture(
        self, ns: str | None, interface: str, expression: str = "", *, snaplen: int = 0, join: int | None = None
    ) -> Capture:
        """Capture on an interface with a pcap filter; returns once packets are being captured.

        ``join``: in the network namespace of that process id (``ns`` is None then).
        """
        stream = self._open("capture", ns=ns, interface=interface, expression=expression, snaplen=snaplen, join=join,
                            limit=limit("call"))  # fmt: skip
        self._expect(stream)
        return _Capture(stream)

    def connect(self, ns: str | None, address: tuple[str, int] | str) -> ByteStream:
        """A TCP stream to ``(host, port)`` from inside the namespace, or to a unix socket path."""
        stream = self._open("connect", ns=ns, address=address if isinstance(address, str) else list(address),
                            limit=limit("call"))  # fmt: skip
        self._expect(stream)
        return _Bytes(stream)

    def close(self) -> None:
        """Close our end; programs started by `start` go on."""
        self._gone = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def connect(path: Path) -> Agent:
    """Connect to a hub's unix socket. Raises AgentGone when nobody listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(limit("connect"))
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise AgentGone(f"nobody answers on the lab's agent socket: {error}") from None
    connection.settimeout(None)
    return Agent(connection)


def local_agent() -> Agent:
    """For the machine (container) that this process runs in: the agent's server in a thread. Most verbs need root."""
    from labctl.guest.agent.server import Server

    ours, theirs = socket.socketpair()
    server = Server(lambda: theirs.recv(65536), theirs.sendall, link_acks=False)
    threading.Thread(target=server.serve, name="local-agent", daemon=True).start()
    return Agent(ours)
