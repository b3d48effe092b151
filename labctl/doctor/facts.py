"""Collects what the findings are made from. Reads files and runs a few ``--version``; asks nothing of the network."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from labctl.doctor.findings import LAUNCHERS, OPT_IN, HostFacts, LauncherFact, PartFact
from labctl.errors import HostError
from labctl.guest.hostkernel import netns_refusal
from labctl.guest.image import GuestImage, find_image, missing_packages
from labctl.guest.launch import memory_folder, refusal
from labctl.hostmemory import memory_free
from labctl.kube.kubectl import find_kubectl
from labctl.setup.parts import control_plane, guest_image
from labctl.setup.status import PartStatus, part_status
from labctl.standin.cluster.controlplane import gobuild

RUN_TOOLS = ("setpriv", "taskset")


def collect(cache: Path) -> HostFacts:
    """Look at this host. With an image and a /dev/kvm, KVM is tried by booting once (8 s at most, then kept)."""
    image, plane = (part_status(part(cache), full=False) for part in (guest_image, control_plane))
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
        userns_clone=_number("/proc/sys/kernel/unprivileged_userns_clone"),
        max_user_namespaces=_number("/proc/sys/user/max_user_namespaces"),
        apparmor_userns=_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        launchers=tuple(_launcher(name, cache) for name in (*LAUNCHERS, *OPT_IN)),
        uml_memory=None if uml_refusal else str(folder),
        cpus=len(os.sched_getaffinity(0)),
        memory_free=memory_free(),
        disk_free=shutil.disk_usage(cache).free,
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


def _launcher(name: str, cache: Path) -> LauncherFact:
    """As the launcher itself says, but KVM is not probed before there is a kernel to boot, and no module is loaded."""
    image = find_image(cache)
    if name == "netns":
        return _netns(image)
    part = guest_image(cache)
    kvm = os.access("/dev/kvm", os.R_OK | os.W_OK) and shutil.which("qemu-system-x86_64")
    if name == "qemu-kvm" and image is None and kvm:
        return LauncherFact(name, "KVM is tried by booting the guest image, which is not there", untried=True)
    return LauncherFact(name, refusal(name, image or GuestImage(part.folder, part.version), cache))


def _netns(image: GuestImage | None) -> LauncherFact:
    if image is None and os.geteuid() == 0:
        return LauncherFact("netns", "a box is tried with the guest image, which is not there", untried=True)
    return LauncherFact("netns", netns_refusal(image.root if image else Path(), load=False))


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


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def longest_range(lines: Iterable[str], user: str, uid: int) -> int:
    """The longest range of a user in subuid(5): ``name-or-uid:first:count`` lines."""
    counts = [0]
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in {user, str(uid)} and fields[2].isdecimal():
            counts.append(int(fields[2]))
    return max(counts)
