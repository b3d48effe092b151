"""What a Linux machine that holds a lab's namespaces can do for us: the `Agent` protocol.

There are three implementations, all with the same meaning:

* ``labctl.guest.client.AgentClient``: over a socket (the daemon's hub, and behind it the channel into the guest);
* ``labctl.guest.local.LocalAgent``: in this very machine (a stand-in container, tests);
* ``tests`` have scripted ones.

A namespace (``ns``) is a network namespace made with ``ip netns add NAME``; ``None`` is the machine's own.
All methods are thread-safe and block; an `AgentError` is raised when the machine refuses or the channel is gone, an
`AgentTimeout` when it does not answer in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from labctl.errors import InconclusiveError, LabError
from labctl.waiting import Late


class AgentError(LabError):
    """The machine could not do it; the message holds its own words.

    ``cause``: errno's name of what the kernel refused (``ENOENT``), ``filter`` for a capture filter that is none.
    """

    code = "agent"

    def __init__(self, message: str, *, code: str | None = None, cause: str | None = None) -> None:
        super().__init__(message, code=code)
        self.cause = cause


class AgentTimeout(AgentError, InconclusiveError, Late):
    """The machine was asked and has not answered in time: nothing can be said (exit 3)."""

    code = "agent-timeout"


class AgentGone(AgentError):
    """The channel to the machine is closed."""

    code = "agent-gone"


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """Read from the machine itself: kernel release, architecture, processors, memory in bytes, tool versions."""

    kernel: str
    arch: str
    cpus: int
    memory: int
    versions: Mapping[str, str] = field(default_factory=dict)


OpKind = Literal["ip", "bridge", "tc", "sysctl", "nft", "iptables", "ip6tables"]


@dataclass(frozen=True, slots=True)
class Op:
    """One kernel change inside a batch.

    ``ip``, ``bridge``, ``tc``: a line as ``ip -batch`` takes it (no program name, no leading ``-6``).
    ``sysctl``: ``net/ipv4/ip_forward=1`` (slashes). ``iptables``/``ip6tables``: a whole ``iptables-restore``
    text, applied with ``--noflush``. Consecutive operations of one kind run as one process.
    """

    kind: OpKind
    text: str


@dataclass(frozen=True, slots=True)
class OpFailure:
    """An operation that the kernel refused: its index in the batch, its text and the tool's words."""

    index: int
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended: exit code (negative = signal), everything it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a started program has of its own, beside its network namespace.

    ``hostname``: a UTS namespace with that name. ``pids``: a PID namespace with its own /proc.
    ``root``: (implies a mount namespace) a private writable view of the machine's files: an overlay of ``/``
    whose upper layer lives and dies with the program. ``binds``: (source, target) bind mounts in its mount namespace.
    """

    hostname: str | None = None
    pids: bool = False
    root: bool = False
    binds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TtySize:
    """Rows and columns of a terminal."""

    rows: int = 24
    columns: int = 80


@dataclass(frozen=True, slots=True)
class VtyReply:
    """FRR's answer to one vty line: its text, and the vty status byte (0 success, 1 warning, 2 no match, …)."""

    text: str
    status: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A program started with `Agent.start` has ended."""

    pid: int
    code: int


class ExecStream(Protocol):
    """A running program with its streams."""

    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        """The next piece of output; None when the program has ended and all was read. Blocks."""

    def write(self, data: bytes) -> None:
        """To its standard input. Blocks while the window is full."""

    def close_stdin(self) -> None: ...

    def resize(self, size: TtySize) -> None: ...

    def signal(self, number: int) -> None: ...

    def code(self) -> int:
        """Exit code; valid after `read` gave None."""

    def close(self) -> None:
        """Kill it if it runs and forget it."""


class ByteStream(Protocol):
    """A connected TCP or unix stream inside the machine."""

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes; ``b""`` at the end. Blocks."""

    def sendall(self, data: bytes) -> None: ...

    def shutdown_write(self) -> None: ...

    def close(self) -> None: ...


class Capture(Protocol):
    """A packet capture that is known to be capturing when it is returned."""

    def stop(self) -> bytes:
        """End it and give the whole pcap file. For a short one: what is not read meanwhile may be dropped."""

    def read(self) -> bytes | None:
        """The next bytes of the pcap stream, None at its end. For live use; do not mix with `stop`."""

    def end(self) -> None:
        """End it while somebody reads: `read` gives what is left, then None."""

    def close(self) -> None: ...


class Agent(Protocol):
    """The verbs."""

    def info(self) -> MachineInfo: ...

    def speed(self) -> float:
        """How fast it does the work of a lab now, as a factor of the reference (`labctl.guest.agent.speed`)."""

    def batch(self, ns: str | None, ops: Sequence[Op]) -> list[OpFailure]:
        """Do all operations, in order, going on after a refusal (``ip -force``); returns the refusals."""

    def batches(self, groups: Iterable[tuple[str | None, Sequence[Op]]]) -> list[list[OpFailure]]:
        """Several batches in one round trip."""

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

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process started here (to its whole process group). A dead one is no error."""

    def wait(self, pid: int, timeout: float | None = None) -> int | None:
        """Exit code of a started program; None when it still runs after ``timeout`` seconds (None = for ever)."""

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

    def vty(self, path: str, commands: Sequence[str]) -> list[VtyReply]:
        """Speak to an FRR daemon's vty socket; the connection is kept per path, its node (mode) as it was left."""

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, owner: str | None = None) -> None:
        """Write a file, making its folders; ``owner`` is ``user`` or ``user:group``."""

    def read_file(self, path: str, *, offset: int = 0) -> bytes: ...

    def remove(self, path: str) -> None:
        """Remove a file or a folder tree; a missing one is no error."""

    def capture(
        self, ns: str | None, interface: str, expression: str = "", *, snaplen: int = 0, join: int | None = None
    ) -> Capture:
        """Capture on an interface with a pcap filter; returns once packets are being captured.

        ``join``: in the network namespace of that process id (``ns`` is None then).
        """

    def connect(self, ns: str | None, address: tuple[str, int] | str) -> ByteStream:
        """A TCP stream to ``(host, port)`` from inside the namespace, or to a unix socket path."""

    def close(self) -> None:
        """Close our end; programs started by `start` go on."""
