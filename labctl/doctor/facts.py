"""What the findings are made from: this host, read once. Changes nothing, asks nothing of the network, never hangs.

Files are read and a few programs asked for their ``--version``; of Docker: `labctl.doctor.dockerfacts`.
"""

from __future__ import annotations

import errno
import grp
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from labctl.doctor.containerlab import ALL_MODULES
from labctl.doctor.dockerfacts import address_of, ask, context_of, daemon_pid
from labctl.doctor.model import (
    ContainerHostFacts,
    ContainerlabFact,
    HostFacts,
    LauncherFact,
    ModuleState,
    PartFact,
    RouteFact,
)
from labctl.doctor.needs import LabNeeds
from labctl.errors import HostError
from labctl.guest import trial, userns
from labctl.guest.image import GuestImage, missing_packages
from labctl.guest.launchers import LAUNCHERS, note, refusal
from labctl.host import memory_free, number, text
from labctl.kube.kubectl import find_kubectl
from labctl.peers import numbers
from labctl.setup.parts import PartStatus, control_plane, found_part, guest_image
from labctl.standin.cluster.controlplane import gobuild

RUN_TOOLS = ("setpriv", "taskset")
OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


def host_facts(cache: Path, shared: Sequence[Path] = ()) -> HostFacts:
    """For the embedded runtime. No guest is booted: what is known of launchers is what became of earlier boots."""
    caches = (cache, *shared)
    image, plane = (found_part(part, caches, full=False) for part in (guest_image, control_plane))
    release = platform.freedesktop_os_release() if any(map(Path.is_file, OS_RELEASE)) else {}
    root = os.geteuid() == 0
    user = _user()
    return HostFacts(
        os_id=release.get("ID", "unknown"),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", platform.system()),
        machine=platform.machine(),
        python=sys.version_info[:3],
        user=user,
        root=root,
        missing_packages=(*missing_packages(), *(() if root or shutil.which("newuidmap") else ("uidmap",))),
        missing_tools=tuple(name for name in RUN_TOOLS if shutil.which(name) is None),
        subuids=longest_range(text(Path("/etc/subuid")).splitlines(), user, os.geteuid()),
        subgids=longest_range(text(Path("/etc/subgid")).splitlines(), user, os.geteuid()),
        user_namespaces=None if root or image.state == "whole" else userns.refusal(),
        launchers=tuple(_launcher(name, image) for name in LAUNCHERS),
        cpus=len(os.sched_getaffinity(0)),
        memory_free=memory_free(),
        disk_free=shutil.disk_usage(_there(cache)).free,
        cache_writable=os.access(_there(cache), os.W_OK),
        cache=str(cache),
        image=_part(image),
        control_plane=_part(plane),
        go=_go(cache),
        kubectl=_kubectl(plane),
        ssh=shutil.which("ssh"),
        tshark=shutil.which("tshark"),
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a uid that has no name
        return str(os.geteuid())


def _part(status: PartStatus) -> PartFact:
    return PartFact(status.state, status.why, status.part.version)


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


def _go(cache: Path) -> str | None:
    for program in (shutil.which("go"), "/usr/local/go/bin/go", str(cache / "go" / "bin" / "go")):
        version = gobuild.go_version(program) if program else (0, 0)
        if version >= gobuild.GO_MINIMUM:
            return f"Go {version[0]}.{version[1]} ({program})"
    return None


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
"""Seconds for a program to say its version or list a chain: a start of containerlab takes 1.2 s under emulation."""
SYSTEM_FOLDERS = "/usr/sbin:/sbin"
"""Not on a user's PATH in Debian."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where to look: another host in a test."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    modules: Path = Path("/lib/modules")
    run: Path = Path("/run")
    os_release: Path = Path("/etc/os-release")
    kvm: Path = Path("/dev/kvm")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


def container_host_facts(
    needs: LabNeeds | None, *, lab_known: bool = False, edge: Edge | None = None
) -> ContainerHostFacts:
    """For containerlab: for one lab, or for none in particular."""
    at = edge or Edge()
    root = os.geteuid() == 0
    release = platform.release()
    address = address_of(at.environment)
    asked = ask(address, [image.reference for image in needs.images] if needs else [])
    path = at.environment.get("PATH", os.defpath)
    return ContainerHostFacts(
        machine=platform.machine(),
        debian=debian(at.os_release),
        user=_user(),
        root=root,
        groups=frozenset(_group_names()),
        clab_group=_group_exists("clab_admins"),
        kernel=release,
        cpus=len(os.sched_getaffinity(0)),
        memory_free=memory_free(at.proc, at.sys / "fs" / "cgroup"),
        lacking_capabilities=lacking_capabilities(at.proc, daemon_pid(at.run, at.proc) or "self"),
        docker_address=address,
        docker_trouble=asked.trouble,
        docker_words=asked.words,
        dockerd=shutil.which("dockerd", path=f"{path}:{SYSTEM_FOLDERS}") is not None,
        docker_cli=shutil.which("docker", path=path),
        docker_context=context_of(at.environment),
        docker=asked.facts,
        containerlab=containerlab(path, at.environment),
        modules=modules(ALL_MODULES, release, at.sys, at.modules),
        inotify_watches=number(at.proc / "sys/fs/inotify/max_user_watches"),
        inotify_instances=number(at.proc / "sys/fs/inotify/max_user_instances"),
        virtualisation=virtualisation(at.proc),
        in_container=in_container(at.proc),
        kvm=kvm_refusal(at.kvm, root=root),
        docker_user_chain=docker_user_chain(path) if root and asked.facts else None,
        ipv6=ipv6(at.proc),
        routes=routes(at.proc),
        kind_network=at.environment.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or "kind",
        lab_known=lab_known,
    )


def debian(os_release: Path) -> int | None:
    """Debian's major version; None elsewhere."""
    words = text(os_release)
    if not re.search(r'^ID="?debian"?$', words, re.MULTILINE):
        return None
    version = re.search(r'^VERSION_ID="?(\d+)', words, re.MULTILINE)
    return int(version[1]) if version else None


def containerlab(path: str, environment: Mapping[str, str]) -> ContainerlabFact | None:
    """The program on PATH, and the version that it says it is."""
    program = shutil.which("containerlab", path=path)
    if program is None:
        return None
    real = Path(program).stat()
    setuid = bool(real.st_mode & stat.S_ISUID) and real.st_uid == 0
    try:
        done = subprocess.run(
            [program, "version"],
            env={**environment, "CLAB_VERSION_CHECK": "disable"},  # else it asks the network for a newer one
            stdin=subprocess.DEVNULL, capture_output=True, errors="replace", timeout=PROGRAM_LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ContainerlabFact(program, None, setuid, f"no answer within {PROGRAM_LIMIT} s")
    except OSError as error:
        return ContainerlabFact(program, None, setuid, str(error.strerror))
    said = re.search(r"^\s*version:\s*v?(\d+(?:\.\d+)+)", done.stdout, re.MULTILINE)
    if said is None:
        words = (done.stderr or done.stdout).strip().splitlines()
        return ContainerlabFact(program, None, setuid, words[-1] if words else f"exit code {done.returncode}")
    return ContainerlabFact(program, numbers(said[1]), setuid)


def docker_user_chain(path: str) -> bool | None:
    """Whether Docker's chain for users' rules is there; None when nothing here can tell. For root."""
    program = shutil.which("iptables", path=f"{path}:{SYSTEM_FOLDERS}")
    if program is None:
        return None
    arguments = [program, "--wait", "2", "--numeric", "--list", "DOCKER-USER"]
    try:
        done = subprocess.run(
            arguments, capture_output=True, stdin=subprocess.DEVNULL, timeout=PROGRAM_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode == 0


def _group_names() -> list[str]:
    names = []
    for group in {os.getegid(), *os.getgroups()}:
        try:
            names.append(grp.getgrgid(group).gr_name)
        except KeyError:  # a number without a name is no group that anything here asks for
            continue
    return names


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24}
"""Bits of linux/capability.h, without one of which a privileged container does not start or cannot mount and link."""


def lacking_capabilities(proc: Path, pid: str = "self") -> tuple[str, ...]:
    """Which of `CAPABILITIES` the bounding set of a process lacks: nothing under it can ever have them."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", text(proc / pid / "status"), re.MULTILINE)
    if not found:
        return ()
    bits = int(found[1], 16)
    return tuple(name for name, bit in CAPABILITIES.items() if not bits >> bit & 1)


def modules(names: Iterable[str], release: str, sys: Path, lib: Path) -> dict[str, ModuleState]:
    """State of each module.

    Read as modprobe reads it (modules.dep, modules.builtin), since modprobe is not on a user's PATH in Debian.
    """
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
        why = errno.errorcode.get(error.errno or 0, "")
        return f"{device} cannot be opened: {error.strerror} ({why})"
    return None


def ipv6(proc: Path) -> bool:
    """Whether the kernel has IPv6 and it is not switched off."""
    return (proc / "net" / "if_inet6").exists() and number(proc / "sys/net/ipv6/conf/all/disable_ipv6") != 1


def routes(proc: Path) -> tuple[RouteFact, ...]:
    """IPv4 routes of the main table but default ones (proc(5): hexadecimal, in the byte order of x86)."""
    found = []
    for line in text(proc / "net" / "route").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        address, mask = (int.from_bytes(bytes.fromhex(field)[::-1], "big") for field in (fields[1], fields[7]))
        if mask:
            found.append(RouteFact(IPv4Network((address, mask.bit_count())), fields[0]))
    return tuple(found)
