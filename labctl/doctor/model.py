"""The facts about a host that findings are made from, and what a lab asks is in `labctl.doctor.needs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Literal

from labctl.guest.userns import Refusal
from labctl.peers import Version
from labctl.setup.parts import PartStatus

Json = Mapping[str, Any]
MACHINE = "x86_64"
"""The guest image is Debian's amd64, and so are the images of switches and nodes."""
ModuleState = Literal["loaded", "loadable", "missing", "unknown"]
"""Unknown: neither loaded as a module nor told of by files of the running kernel; it may be built in."""
Trouble = Literal["remote", "missing", "denied", "silent", "foreign"]
"""Why Docker cannot be asked: its address is elsewhere, nothing listens, no right, no answer, or it is not Docker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is asked of every host."""

    machine: str
    user: str
    root: bool
    cpus: int
    memory_free: int

    def as_root(self, command: str) -> str:
        """The command as this user types it."""
        return command if self.root else f"sudo {command}"

    def install(self, *packages: str) -> str:
        """The command that brings Debian packages."""
        return self.as_root(f"apt-get install {' '.join(packages)}")


@dataclass(frozen=True, slots=True)
class LauncherFact:
    """A launcher and why it cannot be used; None when it can, or may be tried. ``untried``: that is known later."""

    name: str
    refusal: str | None
    tried: str | None = None
    """When a guest was last booted with it; None when none was."""
    untried: bool = False
    auto: bool = True
    """Whether ``auto`` takes it: that one of the others cannot be used here is no fault of a host."""
    slower: str = ""
    note: str = ""
    """What there is to say of one that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts(Facts):
    """Everything that the findings for the embedded runtime are made from."""

    os_id: str
    os_version: str
    os_name: str
    python: tuple[int, int, int]
    missing_packages: tuple[str, ...]
    """Debian packages for building the guest image that are not here."""
    missing_tools: tuple[str, ...]
    """util-linux's programs that a running lab needs and that are not on PATH."""
    subuids: int
    subgids: int
    """Length of the user's longest range of subordinate ids."""
    user_namespaces: Refusal | None
    """Why this user may not make user namespaces; None when that is allowed, or not needed."""
    launchers: tuple[LauncherFact, ...]
    """In the order in which ``auto`` tries them; those that it does not try behind them."""
    disk_free: int
    cache_writable: bool
    cache: str
    image: PartStatus
    control_plane: PartStatus
    kubectl: str | None
    ssh: str | None
    tshark: str | None


@dataclass(frozen=True, slots=True)
class DockerFacts:
    """What the daemon answered, as its API has it (Docker Engine API: SystemInfo, ImageInspect, Network, Container)."""

    version: str
    info: Json
    images: Mapping[str, Json | None]
    """Of the references that the lab asks for; None is not there."""
    networks: Sequence[Json]
    containers: Sequence[Json]
    disk_free: int | None
    """Bytes; None when its folder cannot be seen from here."""


@dataclass(frozen=True, slots=True)
class ContainerlabFact:
    """The program: where it is, what it says it is, and whether it gets root by itself. No version: it did not say."""

    path: str
    version: Version | None
    setuid: bool
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerHostFacts(Facts):
    """Everything that the findings for containerlab are made from."""

    debian: int | None
    """Major version; None on other systems."""
    groups: frozenset[str]
    clab_group: bool
    """Whether a group clab_admins exists: containerlab asks for membership only then."""
    kernel: str
    lacking_capabilities: tuple[str, ...]
    """Of those that a privileged container gets from Docker, the ones that nothing on this machine can have."""
    docker_address: str
    docker_trouble: Trouble | None
    docker_words: str
    """What the attempt to ask Docker came to, in its own words."""
    dockerd: bool
    """Whether the daemon's program is installed."""
    docker_cli: str | None
    docker: DockerFacts | None
    containerlab: ContainerlabFact | None
    modules: Mapping[str, ModuleState]
    inotify_watches: int | None
    inotify_instances: int | None
    virtualisation: bool
    """vmx or svm among the processor's flags."""
    in_container: bool
    """containerlab takes itself to be in a container (no kthreadd) and does not look at the flags."""
    kvm: str | None
    """Why /dev/kvm cannot be used; None when it can."""
    ipv6: bool
    routes: tuple[tuple[IPv4Network, str], ...]
    """Of its main table but default ones, with the interface."""
    kind_network: str
    lab_known: bool
    """Whether this user's labctl has a lab of that name."""
