"""What a Linux machine that holds a lab's namespaces gives and takes: values, streams and errors of its `Agent`.

The agent itself, `labctl.guest.client.Agent`, speaks to such a machine over a socket; tests have scripted ones.

A namespace (``ns``) is a network namespace made with ``ip netns add NAME``; ``None`` is the machine's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

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


class MachineInfo(NamedTuple):
    """Read from the machine itself: kernel release, processors, memory in bytes."""

    kernel: str
    cpus: int
    memory: int


OpKind = Literal["ip", "bridge", "tc", "sysctl", "nft", "iptables", "ip6tables"]


class Op(NamedTuple):
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


class Completed(NamedTuple):
    """A program that has ended: exit code (negative = signal), everything it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


class Isolation(NamedTuple):
    """What a started program has of its own, beside its network namespace.

    ``hostname``: a UTS namespace with that name. ``pids``: a PID namespace with its own /proc.
    ``root``: (implies a mount namespace) a private writable view of the machine's files: an overlay of ``/``
    whose upper layer lives and dies with the program. ``binds``: (source, target) bind mounts in its mount namespace.
    """

    hostname: str | None = None
    pids: bool = False
    root: bool = False
    binds: tuple[tuple[str, str], ...] = ()


class TtySize(NamedTuple):
    """Rows and columns of a terminal."""

    rows: int = 24
    columns: int = 80


class VtyReply(NamedTuple):
    """FRR's answer to one vty line: its text, and the vty status byte (0 success, 1 warning, 2 no match, …)."""

    text: str
    status: int


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
