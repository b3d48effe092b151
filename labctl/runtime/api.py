"""The runtime protocol: what turns an artifact folder into nodes, and how the engine reaches them.

A runtime gets the artifact folder and nothing else. It does not push configuration, set up bonds, apply
manifests or judge anything: those are engine steps, one code for all runtimes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from labctl.guest.api import ByteStream, Capture, Completed, ExecStream, TtySize

if TYPE_CHECKING:
    from labctl.state import LabState

NodeKind = Literal["switch", "kube-node", "host", "cluster"]
NodeState = Literal["running", "starting", "stopped", "dead", "broken", "unknown"]
"""``broken``: it runs, but has lost links or bond0; the detail says which, and what to type."""


@dataclass(frozen=True, slots=True)
class SwitchLogin:
    """The account that containerlab gives to the switches (vrnetlab makes it). The password is not in its repr."""

    username: str = "admin"
    password: str = field(default="admin", repr=False)


@dataclass(frozen=True, slots=True)
class SshEndpoint:
    """Where a switch's SSH server answers, and how to log in. Secrets do not appear in its repr."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    config_file: Path | None = None
    """An OpenSSH client configuration whose host alias is the switch's name."""
    first_keys: Path | None = None
    """Where the key is kept that the switch shows at the first login; None: its key is known beforehand."""
    key_file: Path | None = None
    """A private key that logs in, too; None: the password alone does."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node as the runtime sees it now."""

    name: str
    """The lab's name of the node: ``leaf2101``, ``node01``, ``ext1``."""
    kind: NodeKind
    state: NodeState
    management: str | None = None
    """Address of eth0/mgmt0, without prefix length."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is there now: never computed from the folder."""

    runtime: str
    launcher: str | None
    alive: bool
    nodes: Mapping[str, NodeStatus]
    detail: str = ""
    complete: bool = True
    """False: the creation of its nodes was cut short, so nothing can go on with them."""
    speed: float | None = None
    """Of the guest (without one: of this host), as a factor of the reference, measured when it had booted."""
    guest: int | None = None
    """Process id of the guest on this host; None where there is none."""


class Endpoints(Protocol):
    """How the engine and the user reach the nodes of a running lab."""

    def ssh(self, switch: str) -> SshEndpoint: ...

    def kubeconfig(self) -> Path:
        """Path of the admin kubeconfig (0600)."""

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None) -> Completed:
        """Run a command in a node's (or host's, or switch's) network and file view, to its end.

        ``timeout``: seconds, None: as long as a call may take (`labctl.pace`). Raises `AgentTimeout` then.
        """

    def stream(self, node: str, argv: Sequence[str], *, tty: TtySize | None = None) -> ExecStream: ...

    def capture(self, node: str, interface: str, expression: str = "") -> Capture:
        """A capture on an interface as the folder names it (``bond0``, ``Ethernet1/1``, ``port-channel11``).

        For a port-channel of a stand-in leaf that is its bridge filtered by the VLAN tag: the captured frames then
        carry the tag, as on the wire of the paper (reference: white paper, curl capture).
        """

    def console(self, switch: str) -> ByteStream:
        """The switch's serial console, which answers before SSH does. Raises HostError where there is none."""


Progress = Callable[[str], None]


class Host(Protocol):
    """What a runtime asks of this machine: told by ``labctl doctor``, and made sure of before ``up`` boots."""

    def topology_reader(self) -> str | None:
        """Version of the containerlab that reads topology.clab.yml here, where labctl would write it for another."""

    def examine(self, source: Path | None) -> Examined:
        """Judge this host for any lab, or for that of a spec or folder. Raises `UsageError` where that is senseless."""

    def ensure(self, render: Callable[[Path], None]) -> None:
        """It can run the lab that ``render`` writes to a path. Raises `HostError`, `HostUnfit` with all reasons."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found. ``subject`` is what it was judged for, in words; ``more``: further keys of the JSON."""

    findings: Sequence[Any]
    """`labctl.doctor.findings.Finding`, which is above runtimes."""
    subject: str
    more: Mapping[str, Any] = field(default_factory=dict)


class Runtime(Protocol):
    """Create, observe, destroy. Who wants to know what a runtime can asks these attributes, never its name."""

    name: str
    images: bool
    """Its nodes are containers of images: a target may have real parts (n9kv, kind), ``--image`` says what they run,
    and the switches get an account that the user chooses."""
    reached: bool
    """Addresses of nodes are reached from this host."""
    kept: bool
    """Nodes take so long to make that they stay for a look as soon as they are there, whatever fails then."""
    limit: float
    """Seconds for a whole ``up`` with stand-ins."""

    @classmethod
    def of(cls, state: LabState, *, launcher: str = "auto", login: SwitchLogin | None = None) -> Runtime:
        """For a lab in its state folder. ``launcher``: what boots a guest; ``login``: the account of new switches."""

    def create(self, folder: Path, *, progress: Progress) -> Endpoints:
        """Make every node and every link of the folder. Raises HostError, InconclusiveError or SpecError."""

    def observe(self) -> Observation: ...

    def pids(self) -> Mapping[str, int]:
        """Processes of the lab on this host that run, by name; none where nobody can tell."""

    def endpoints(self) -> Endpoints:
        """Of a lab that runs already."""

    def destroy(self, *, progress: Progress) -> None:
        """Remove everything that carries the lab's label. Idempotent; works without the folder."""

    def rebuild(self, switch: str, *, progress: Progress) -> None:
        """Make one switch anew, its links and all other nodes as they are. Raises HostError, LabError."""

    def recover(self, node: str, *, progress: Progress) -> None:
        """Give a node that was started again its links back. Raises HostError, LabError with what to do instead."""

    def logs(self, node: str | None = None) -> str: ...

    def last_line(self, node: str) -> str:
        """The newest line of a node's console or log; empty when there is none."""
