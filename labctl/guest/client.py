"""The agent of a machine: many calls from many threads over one stream (a unix socket of the hub, or a socket pair)."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import queue
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

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


class Stream(wire.Stream):
    """One call as its client sees it."""

    def __init__(self, client: Agent, number: int) -> None:
        super().__init__(client.send, number, wire.TO_GUEST)
        self._client = client
        self._owed = 0
        self._ended: dict[str, Any] | None = None

    def next(self, timeout: float | None = None) -> tuple[int, bytes]:
        """The next (kind, payload): DATA, EVENT or END. Raises AgentTimeout."""
        if self._ended is not None:
            return wire.END, b""
        try:
            kind, payload = self._inbox.get(timeout=timeout)
        except queue.Empty:
            self.close()
            raise AgentTimeout(f"the machine did not answer within {timeout:.0f} s") from None
        if kind == wire.DATA:
            self._owed += len(payload) - 1
            if self._owed >= _GRANT_AT:
                self.grant(self._owed)
                self._owed = 0
        elif kind == wire.END:
            self._ended = json.loads(payload)
            self._client.forget(self.number)
        return kind, payload

    def data(self, timeout: float | None = None) -> bytes | None:
        """The next DATA, the byte that says which output it is before it; None at the end."""
        while True:
            kind, payload = self.next(timeout)
            if kind != wire.EVENT:
                return payload if kind == wire.DATA else None

    def result(self, timeout: float | None = None) -> tuple[Any, bytes, bytes]:
        """Wait for the end: (result, stdout, stderr). Raises AgentError with the machine's words."""
        outputs = {wire.STDOUT: bytearray(), wire.STDERR: bytearray()}
        while (piece := self.data(timeout)) is not None:
            outputs[piece[0]] += piece[1:]
        return self.value(), bytes(outputs[wire.STDOUT]), bytes(outputs[wire.STDERR])

    def value(self) -> Any:
        """What the verb gave; valid after the end."""
        assert self._ended is not None  # noqa: S101
        if "error" in self._ended:
            kind = AgentTimeout if self._ended.get("late") else AgentError
            raise kind(str(self._ended["error"]), cause=self._ended.get("cause"))
        return self._ended.get("ok")

    def write(self, data: bytes) -> None:
        """DATA to the verb; blocks while the window is full."""
        self.send_data(wire.STDIN, data)

    def control(self, **body: Any) -> None:
        self.say(wire.CONTROL, body)

    def close(self) -> None:
        """Give the call up; what runs for it is ended."""
        if self._ended is None:
            self._client.forget(self.number)
            with contextlib.suppress(AgentGone):
                self._client.send(wire.frame(wire.CLOSE, self.number))


class _Exec(Stream):
    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        piece = self.data()
        if piece is None:
            return None
        return ("stderr" if piece[0] == wire.STDERR else "stdout"), piece[1:]

    def close_stdin(self) -> None:
        self.control(close_stdin=True)

    def resize(self, size: TtySize) -> None:
        self.control(resize=size)

    def signal(self, number: int) -> None:
        self.control(signal=number)

    def code(self) -> int:
        return int(self.value())


class _Bytes(Stream):
    sendall = Stream.write
    _left = b""

    def recv(self, size: int) -> bytes:
        while not self._left:
            piece = self.data()
            if piece is None:
                return b""
            self._left = piece[1:]
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def shutdown_write(self) -> None:
        self.control(shutdown=True)


class _Capture(Stream):
    def read(self, timeout: float | None = None) -> bytes | None:
        piece = self.data(timeout)
        if piece is None:
            self.value()
            return None
        return piece[1:]

    def end(self) -> None:
        self.control(stop=True)

    def stop(self) -> bytes:
        self.end()
        return b"".join(iter(lambda: self.read(limit("call")), None))


S = TypeVar("S", bound=Stream)


class Agent:
    """The verbs of a machine, over a connected socket.

    All methods are thread-safe and block; an `AgentError` is raised when the machine refuses or the channel is gone, an
    `AgentTimeout` when it does not answer in time.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._numbers = itertools.count(1)
        self._gone = False
        threading.Thread(target=self._read, name="agent-client", daemon=True).start()

    # --- frames -----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        with self._lock:
            if self._gone:
                raise AgentGone("the channel to the machine is closed")
            try:
                self._socket.sendall(data)
            except OSError as error:
                raise AgentGone(f"the channel to the machine is closed: {error}") from None

    def forget(self, number: int) -> None:
        self._streams.pop(number, None)

    def _read(self) -> None:
        for kind, number, payload in wire.messages(lambda: self._socket.recv(262144)):
            stream = self._streams.get(number)
            if stream is not None:
                stream.arrived(kind, payload)
        self._gone = True
        for stream in list(self._streams.values()):
            stream.arrived(wire.END, b'{"error": "the channel to the machine is closed"}')

    def _open(self, of: type[S], verb: str, *, begins: bool = False, **body: Any) -> S:
        """``begins``: return once the machine says that it has begun, or raise its error."""
        number = next(self._numbers)
        stream = self._streams[number] = of(self, number)
        request = {"verb": verb, **{key: value for key, value in body.items() if value is not None}}
        stream.say(wire.REQUEST, request)
        if self._gone:
            raise AgentGone("the channel to the machine is closed")
        if begins and stream.next(limit("call"))[0] == wire.END:
            stream.value()
        return stream

    def _call(self, verb: str, kind: Kind = "call", **body: Any) -> Any:
        return self._open(Stream, verb, **body).result(limit(kind))[0]

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
        answers = self._call("batches", "batch", groups=[*groups], limit=limit("batch"))
        return [[OpFailure(*row) for row in rows] for rows in answers]

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
            Stream, "run", argv=argv, ns=ns, stdin=encoded, env=dict(env or {}), timeout=timeout, join=join
        )
        return Completed(*stream.result(timeout + limit("call")))

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
        wanted = isolation._asdict() if isolation else {}
        return int(self._call("start", argv=argv, ns=ns, env=dict(env or {}), log=log, isolation=wanted))

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process started here (to its whole process group). A dead one is no error."""
        self._call("signal", pid=pid, number=number)

    def wait(self, pid: int, timeout: float | None = None) -> int | None:
        """Exit code of a started program; None when it still runs after ``timeout`` seconds (None = for ever)."""
        stream = self._open(Stream, "wait", pid=pid, timeout=timeout)
        code: int | None = stream.result(None if timeout is None else timeout + limit("call"))[0]
        return code

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
        return self._open(_Exec, "stream", argv=argv, ns=ns, env=dict(env or {}), tty=tty, join=join)

    def vty(self, path: str, commands: Sequence[str]) -> list[VtyReply]:
        """Speak to an FRR daemon's vty socket; the connection is kept per path, its node (mode) as it was left."""
        return [VtyReply(*row) for row in self._call("vty", "vty", path=path, commands=commands)]

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str | None = None) -> None:
        """Write a file, making its folders; ``owner`` is ``user`` or ``user:group``."""
        stream = self._open(Stream, "write", path=path, mode=mode, owner=owner)
        stream.write(data)
        stream.control(end=True)
        stream.result(limit("call"))

    def read_file(self, path: str) -> bytes:
        return self._open(Stream, "read", path=path).result(limit("call"))[1]

    def remove(self, path: str) -> None:
        """Remove a file or a folder tree; a missing one is no error."""
        self._call("remove", path=path)

    def capture(self, ns: str | None, interface: str, expression: str = "", *, join: int | None = None) -> Capture:
        """Capture on an interface with a pcap filter; returns once packets are being captured.

        ``join``: in the network namespace of that process id (``ns`` is None then).
        """
        return self._open(_Capture, "capture", begins=True, ns=ns, interface=interface, expression=expression,
                          join=join, limit=limit("call"))  # fmt: skip

    def connect(self, ns: str | None, address: tuple[str, int] | str) -> ByteStream:
        """A TCP stream to ``(host, port)`` from inside the namespace, or to a unix socket path."""
        return self._open(_Bytes, "connect", begins=True, ns=ns, address=address, limit=limit("call"))

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
