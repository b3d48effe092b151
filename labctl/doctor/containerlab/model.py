"""The facts about a host that containerlab findings are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from typing import Literal

from labctl.peers import Version

ModuleState = Literal["loaded", "loadable", "missing", "unknown"]
"""Unknown: neither loaded as a module nor told of by files of the running kernel; it may be built in."""
Trouble = Literal["remote", "missing", "denied", "silent", "foreign"]
"""Why Docker cannot be asked: its address is elsewhere, nothing listens, no right, no answer, or it is not Docker."""


@dataclass(frozen=True, slots=True)
class ImageFact:
    """An image as the daemon has it. ``created`` is None where the image does not say."""

    entrypoint: tuple[str, ...]
    healthcheck: tuple[str, ...]
    labels: Mapping[str, str]
    ports: frozenset[str]
    created: datetime | None


@dataclass(frozen=True, slots=True)
class NetworkFact:
    """A Docker network."""

    name: str
    subnets: tuple[IPv4Network, ...]
    ipv6: bool
    labels: Mapping[str, str]
    bridge: str
    """Its bridge's interface on the host."""


@dataclass(frozen=True, slots=True)
class ContainerFact:
    """A container of the daemon, running or not."""

    name: str
    running: bool
    labels: Mapping[str, str]
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DockerFacts:
    """What the daemon answered."""

    version: str
    storage_driver: str
    cgroup_version: str
    kernel: str
    """Release of the kernel under the daemon."""
    system: str
    security: frozenset[str]
    """Its security options: apparmor, selinux, seccomp, rootless, userns, …"""
    root_dir: str
    disk_free: int | None
    """Bytes; None when its folder cannot be seen from here."""
    images: Mapping[str, ImageFact | None]
    """Of the references that the lab asks for; None is not there."""
    networks: tuple[NetworkFact, ...]
    containers: tuple[ContainerFact, ...]


@dataclass(frozen=True, slots=True)
class ContainerlabFact:
    """The program: where it is, what it says it is, and whether it gets root by itself. No version: it did not say."""

    path: str
    version: Version | None
    setuid: bool
    said: str = ""


@dataclass(frozen=True, slots=True)
class RouteFact:
    """A route of the host's main table."""

    network: IPv4Network
    interface: str


@dataclass(frozen=True, slots=True)
class ContainerHostFacts:
    """Everything about this host."""

    machine: str
    debian: int | None
    """Major version; None on other systems."""
    user: str
    root: bool
    groups: frozenset[str]
    clab_group: bool
    """Whether a group clab_admins exists: containerlab asks for membership only then."""
    kernel: str
    cpus: int
    memory_free: int
    lacking_capabilities: tuple[str, ...]
    """Of those that a privileged container gets from Docker, the ones that nothing on this machine can have."""
    docker_address: str
    docker_trouble: Trouble | None
    docker_words: str
    """What the attempt to ask Docker came to, in its own words."""
    dockerd: bool
    """Whether the daemon's program is installed."""
    docker_cli: str | None
    docker_context: str | None
    """A context that the CLI uses instead of the address above."""
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
    docker_user_chain: bool | None
    """None: only root can tell."""
    ipv6: bool
    routes: tuple[RouteFact, ...]
    kind_network: str
    lab_known: bool
    """Whether this user's labctl has a lab of that name."""
