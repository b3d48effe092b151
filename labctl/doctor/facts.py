"""Collects what the findings are made from. Reads files and runs a few ``--version``; asks nothing of the network."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from labctl.doctor.findings import OPT_IN, HostFacts, LauncherFact, PartFact
from labctl.errors import HostError
from labctl.guest import trial, userns
from labctl.guest.hostkernel import netns_refusal
from labctl.guest.image import GuestImage, missing_packages
from labctl.guest.launch import memory_folder
from labctl.guest.names import AUTO
from labctl.hostload import memory_free
from labctl.kube.kubectl import find_kubectl
from labctl.setup.parts import control_plane, guest_image
from labctl.setup.status import PartStatus, found_part
from labctl.standin.cluster.controlplane import gobuild

RUN_TOOLS = ("setpriv", "taskset")


def collect(cache: Path, shared: Sequence[Path] = ()) -> HostFacts:
    """Look at this host. No guest is booted: what is known of launchers is what became of earlier boots."""
    caches = (cache, *shared)
    image, plane = (found_part(part, caches, full=False) for part in (guest_image, control_plane))
    release = platform.freedesktop_os_release() if _has_os_release() else {}
    root = os.geteuid() == 0
    user = _user()
    folder, uml_refusal = memory_folder()
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
        subuids=longest_range(_lines("/etc/subuid"), user, os.geteuid()),
        subgids=longest_range(_lines("/etc/subgid"), user, os.geteuid()),
        user_namespaces=None if root or image.state == "whole" else userns.refusal(),
        launchers=tuple(_launcher(name, image) for name in (*AUTO, *OPT_IN)),
        uml_memory=None if uml_refusal else str(folder),
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


def _has_os_release() -> bool:
    return any(Path(path).is_file() for path in ("/etc/os-release", "/usr/lib/os-release"))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a uid that has no name
        return str(os.geteuid())


def _part(status: PartStatus) -> PartFact:
    return PartFact(status.state, status.why, status.part.version)


def _launcher(name: str, image: PartStatus) -> LauncherFact:
    """As the launcher itself says, and what became of it when it was tried; no module is loaded."""
    found = GuestImage(image.part.folder, image.part.version)
    if name not in OPT_IN:
        known = trial.standing(name, found)
        return LauncherFact(name, known.refusal, known.tried.date if known.tried else None)
    if image.state != "whole" and os.geteuid() == 0:
        return LauncherFact(name, "a box is tried with the guest image, which is not there", untried=True)
    return LauncherFact(name, netns_refusal(found.root, load=False))


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


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def longest_range(lines: Iterable[str], user: str, uid: int) -> int:
    """The longest range of a user in subuid(5): ``name-or-uid:first:count`` lines."""
    counts = [0]
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in {user, str(uid)} and fields[2].isdecimal():
            counts.append(int(fields[2]))
    return max(counts)
