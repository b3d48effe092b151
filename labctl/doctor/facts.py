"""What the findings are made from: this host, read once. Changes nothing, asks nothing of the network, never hangs.

Files are read, a few programs asked for their ``--version``, and the Docker daemon for itself, within seconds; a daemon
that cannot be asked is a fact too.
"""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import filterfalse
from pathlib import Path
from typing import Any, Literal

from labctl.doctor.needs import LabNeeds
from labctl.errors import HostError
from labctl.guest import trial, userns
from labctl.guest.image import GuestImage, missing_packages
from labctl.guest.launchers import LAUNCHERS, note, refusal
from labctl.host import memory_free, number, text
from labctl.kube.kubectl import find_kubectl
from labctl.peers import Version, numbers
from labctl.runtime.containerlab.dockerhost import DockerHost
from labctl.setup.parts import PartStatus, control_plane, found_part, guest_image

Json = Mapping[str, Any]
MACHINE = "x86_64"
"""The guest image is Debian's amd64, and so are the images of switches and nodes."""
ModuleState = Literal["loaded", "loadable", "missing", "unknown"]
"""Unknown: neither loaded as a module nor told of by files of the running kernel; it may be built in."""
Trouble = Literal["remote", "missing", "denied", "silent", "foreign"]
"""Why Docker cannot be asked: its address is elsewhere, nothing listens, no right, no answer, or it is not Docker."""
RUN_TOOLS = ("setpriv", "taskset")
OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
BASIC_MODULES = ("bonding", "8021q", "vxlan")
"""bond0, its VLANs and overlays."""
CONTAINERLAB_MODULES = ("ip_tables", "ip6_tables")
"""containerlab loads them itself, and gives up when the kernel has none."""
CLUSTER_MODULES = ("ipip",)
VIRTUAL_MACHINE_MODULES = ("sch_ingress", "act_mirred", "cls_flower")
"""vrnetlab's links between a container's interface and its virtual machine's."""
STANDIN_MODULES = ("vrf", "bridge", "dummy")
ALL_MODULES = (*BASIC_MODULES, *CONTAINERLAB_MODULES, *CLUSTER_MODULES, *VIRTUAL_MACHINE_MODULES, *STANDIN_MODULES)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a uid that has no name
        return str(os.geteuid())


def _groups() -> frozenset[str]:
    """This user's; a number without a name is no group that anything here asks for."""
    names = set()
    for group in {os.getegid(), *os.getgroups()}:
        with suppress(KeyError):
            names.add(grp.getgrgid(group).gr_name)
    return frozenset(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is asked of every host."""

    machine: str
    user: str = field(default_factory=_user)
    root: bool = field(default_factory=lambda: os.geteuid() == 0)
    cpus: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
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
    python: tuple[int, int, int] = field(default_factory=lambda: sys.version_info[:3])
    missing_packages: tuple[str, ...]
    """Debian packages for building the guest image that are not here."""
    missing_tools: tuple[str, ...] = field(default_factory=lambda: tuple(filterfalse(shutil.which, RUN_TOOLS)))
    """util-linux's programs that a running lab needs and that are not on PATH."""
    subuids: int
    subgids: int
    """Length of the user's longest range of subordinate ids."""
    user_namespaces: userns.Refusal | None
    """Why this user may not make user namespaces; None when that is allowed, or not needed."""
    launchers: tuple[LauncherFact, ...]
    """In the order in which ``auto`` tries them; those that it does not try behind them."""
    disk_free: int
    cache_writable: bool
    cache: str
    image: PartStatus
    control_plane: PartStatus
    kubectl: str | None
    ssh: str | None = field(default_factory=lambda: shutil.which("ssh"))
    tshark: str | None = field(default_factory=lambda: shutil.which("tshark"))


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
    groups: frozenset[str] = field(default_factory=_groups)
    clab_group: bool = field(default_factory=lambda: "clab_admins" in [group.gr_name for group in grp.getgrall()])
    """Whether a group clab_admins exists: containerlab asks for membership only then."""
    kernel: str = field(default_factory=platform.release)
    lacking_capabilities: tuple[str, ...]
    """Of those that a privileged container gets from Docker, the ones that nothing on this machine can have."""
    docker_address: str
    docker_trouble: Trouble | None
    docker_said: str
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


def host_facts(cache: Path, shared: Sequence[Path] = ()) -> HostFacts:
    """For the embedded runtime. No guest is booted: what is known of launchers is what became of earlier boots."""
    caches = (cache, *shared)
    image, plane = (found_part(part, caches, full=False) for part in (guest_image, control_plane))
    release = platform.freedesktop_os_release() if any(map(Path.is_file, OS_RELEASE)) else {}
    root, user = os.geteuid() == 0, _user()
    return HostFacts(
        machine=platform.machine(),
        memory_free=memory_free(),
        os_id=release.get("ID", "unknown"),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", platform.system()),
        missing_packages=(*missing_packages(), *(() if root or shutil.which("newuidmap") else ("uidmap",))),
        subuids=longest_range(text(Path("/etc/subuid")).splitlines(), user, os.geteuid()),
        subgids=longest_range(text(Path("/etc/subgid")).splitlines(), user, os.geteuid()),
        user_namespaces=None if root or image.state == "whole" else userns.refusal(),
        launchers=tuple(_launcher(name, image) for name in LAUNCHERS),
        disk_free=shutil.disk_usage(_there(cache)).free,
        cache_writable=os.access(_there(cache), os.W_OK),
        cache=str(cache),
        image=image,
        control_plane=plane,
        kubectl=_kubectl(plane),
    )


def _launcher(name: str, image: PartStatus) -> LauncherFact:
    """As the launcher itself says, and what became of it when it was tried; no module is loaded."""
    found, row = GuestImage(image.part.folder, image.part.version), LAUNCHERS[name]
    if row.auto:
        known = trial.standing(name, found)
        tried = known.tried.date if known.tried else None
        return LauncherFact(name, known.refusal, tried, slower=row.slower, note=note(name))
    if image.state != "whole" and os.geteuid() == 0:
        return LauncherFact(name, "a node is tried with the guest image, which is not there", untried=True, auto=False)
    return LauncherFact(name, refusal(name, found, load=False), auto=False)


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _kubectl(plane: PartStatus) -> str | None:
    try:
        return str(find_kubectl(plane.part.folder / "kubectl" if plane.state == "whole" else None))
    except HostError:
        return None


def longest_range(lines: Iterable[str], user: str, uid: int) -> int:
    """The longest range of a user in subuid(5): ``name-or-uid:first:count`` lines."""
    counts = [0]
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in {user, str(uid)} and fields[2].isdecimal():
            counts.append(int(fields[2]))
    return max(counts)


PROGRAM_LIMIT = 15
"""Seconds for a program to say its version: a start of containerlab takes 1.2 s under emulation."""
SYSTEM_FOLDERS = "/usr/sbin:/sbin"
"""Not on a user's PATH in Debian."""


def container_host_facts(needs: LabNeeds | None, *, lab_known: bool = False) -> ContainerHostFacts:
    """For containerlab: for one lab, or for none in particular."""
    proc, environment = Path("/proc"), os.environ
    address = environment.get("DOCKER_HOST") or DEFAULT_ADDRESS  # as containerlab, which knows no contexts
    docker, trouble, said = ask(address, [image.reference for image in needs.images] if needs else [])
    path = environment.get("PATH", os.defpath)
    return ContainerHostFacts(
        machine=platform.machine(),
        debian=debian(OS_RELEASE[0]),
        memory_free=memory_free(),
        lacking_capabilities=lacking_capabilities(proc),
        docker_address=address,
        docker_trouble=trouble,
        docker_said=said,
        dockerd=shutil.which("dockerd", path=f"{path}:{SYSTEM_FOLDERS}") is not None,
        docker_cli=shutil.which("docker", path=path),
        docker=docker,
        containerlab=containerlab(path, environment),
        modules=modules(ALL_MODULES, platform.release(), Path("/sys"), Path("/lib/modules")),
        inotify_watches=number(proc / "sys/fs/inotify/max_user_watches"),
        inotify_instances=number(proc / "sys/fs/inotify/max_user_instances"),
        virtualisation=virtualisation(proc),
        in_container=in_container(proc),
        kvm=kvm_refusal(Path("/dev/kvm"), root=os.geteuid() == 0),
        ipv6=ipv6(proc),
        routes=routes(proc),
        kind_network=environment.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or "kind",
        lab_known=lab_known,
    )


def debian(os_release: Path) -> int | None:
    """Debian's major version; None elsewhere."""
    rows = dict(re.findall(r'^(ID|VERSION_ID)="?([\w.]+)', text(os_release), re.MULTILINE))
    return int(rows["VERSION_ID"].split(".")[0]) if rows.get("ID") == "debian" and "VERSION_ID" in rows else None


def containerlab(path: str, environment: Mapping[str, str]) -> ContainerlabFact | None:
    """The program on PATH, and the version that it says it is."""
    program = shutil.which("containerlab", path=path)
    if program is None:
        return None
    real = Path(program).stat()
    setuid = bool(real.st_mode & stat.S_ISUID) and real.st_uid == 0
    version = None
    try:
        done = subprocess.run(
            [program, "version"],
            env={**environment, "CLAB_VERSION_CHECK": "disable"},  # else it asks the network for a newer one
            stdin=subprocess.DEVNULL, capture_output=True, errors="replace", timeout=PROGRAM_LIMIT, check=False,
        )  # fmt: skip
        version = re.search(r"^\s*version:\s*v?(\d+(?:\.\d+)+)", done.stdout, re.MULTILINE)
        said = (done.stderr or done.stdout).strip().rpartition("\n")[2] or f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        said = f"no answer within {PROGRAM_LIMIT} s"
    except OSError as error:
        said = str(error.strerror)
    return ContainerlabFact(program, numbers(version[1]) if version else None, setuid, "" if version else said)


CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24}
"""Bits of linux/capability.h, without one of which a privileged container does not start or cannot mount and link."""


def lacking_capabilities(proc: Path) -> tuple[str, ...]:
    """Which of `CAPABILITIES` this process' bounding set lacks: nothing under it can ever have them."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", text(proc / "self" / "status"), re.MULTILINE)
    bits = int(found[1], 16) if found else -1
    return tuple(name for name, bit in CAPABILITIES.items() if not bits >> bit & 1)


def modules(names: Iterable[str], release: str, sys: Path, lib: Path) -> dict[str, ModuleState]:
    """State of each module, read as modprobe reads it, which is not on a user's PATH in Debian."""
    folder = lib / release
    builtin = {_stem(line) for line in text(folder / "modules.builtin").splitlines()}
    loadable = {_stem(line.partition(":")[0]) for line in text(folder / "modules.dep").splitlines()}
    otherwise: ModuleState = "missing" if (folder / "modules.dep").is_file() else "unknown"
    states: dict[str, ModuleState] = {}
    for name in names:
        if (sys / "module" / name).is_dir() or name in builtin:
            states[name] = "loaded"
        else:
            states[name] = "loadable" if name in loadable else otherwise
    return states


def _stem(path: str) -> str:
    """``kernel/net/bonding/bonding.ko.xz`` → ``bonding``, with the underscores that the kernel uses."""
    return path.strip().rpartition("/")[2].partition(".")[0].replace("-", "_")


def virtualisation(proc: Path) -> bool:
    """Whether the processor's flags have vmx or svm, found as containerlab finds them: anywhere in the text."""
    flags = text(proc / "cpuinfo")
    return "vmx" in flags or "svm" in flags


def in_container(proc: Path) -> bool:
    """Whether containerlab takes itself to be in a container: process 2 is not the kernel's thread daemon."""
    return "kthreadd" not in text(proc / "2" / "status").partition("\n")[0]


def kvm_refusal(device: Path, *, root: bool) -> str | None:
    """Why /dev/kvm cannot be used; None when it can. Opened, not booted with."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"there is no {device}"
    except PermissionError:
        # a privileged container opens it as root: this user's own right does not matter
        return f"{device} may not be opened here, not even by root" if root else None
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    return None


def ipv6(proc: Path) -> bool:
    """Whether the kernel has IPv6 and it is not switched off."""
    return (proc / "net" / "if_inet6").exists() and number(proc / "sys/net/ipv6/conf/all/disable_ipv6") != 1


def routes(proc: Path) -> tuple[tuple[IPv4Network, str], ...]:
    """IPv4 routes of the main table but default ones (proc(5): hexadecimal, in the byte order of x86)."""
    found = []
    for line in text(proc / "net" / "route").splitlines()[1:]:
        interface, *fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(field)[::-1], "big") for field in (fields[0], fields[6]))
        if mask:
            found.append((IPv4Network((address, mask.bit_count())), interface))
    return tuple(found)


# --- Docker ----------------------------------------------------------------------------------------------------------

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
CONNECT_LIMIT = 2.0
"""Seconds until a daemon's socket takes a connection."""
ANSWER_LIMIT = 10
"""Seconds for each answer: a machine that boots another lab at the same time takes some."""
Asked = tuple[DockerFacts | None, Trouble | None, str]
"""What came of asking: facts, or what is wrong and in which words."""


def ask(address: str, references: Iterable[str]) -> Asked:
    """Ask the daemon at an address for itself, some images, and all networks and containers."""
    scheme, _, path = address.partition("://")
    if scheme != "unix":
        return None, "remote", f"{scheme} address"
    with socket.socket(socket.AF_UNIX) as probe:  # the library gives all of this as one exception
        probe.settimeout(CONNECT_LIMIT)
        try:
            probe.connect(path)
        except PermissionError:
            return None, "denied", f"{path}: permission denied"
        except (FileNotFoundError, ConnectionRefusedError):
            return None, "missing", f"nothing listens on {path}"
        except OSError as error:
            return None, "silent", f"{path}: {error}"
    try:
        with DockerHost(Path(path), limit=ANSWER_LIMIT).asking("look at this host") as api:
            return _answers(api, references)
    except (HostError, ValueError) as error:
        return None, "silent", str(error.__cause__ or error)


def _answers(client: Any, references: Iterable[str]) -> Asked:
    from docker.errors import NotFound

    version, info = client.version(), client.info()
    if any("podman" in str(part.get("Name", "")).lower() for part in version.get("Components") or ()):
        return None, "foreign", "Podman answers there"
    images: dict[str, dict[str, Any] | None] = {}
    for reference in references:
        try:
            images[reference] = client.inspect_image(reference)
        except NotFound:
            images[reference] = None
    try:
        free = shutil.disk_usage(info.get("DockerRootDir", "")).free
    except OSError:
        free = None
    facts = DockerFacts(
        str(version.get("Version", "")), info, images, client.networks(), client.containers(all=True), free
    )
    return facts, None, ""
