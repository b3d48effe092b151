"""Collects what the containerlab findings are made from. Changes nothing, asks nothing of the network, never hangs."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labctl.doctor.containerlab import dockerapi, kernel
from labctl.doctor.containerlab.hostfindings import ALL_MODULES
from labctl.doctor.containerlab.model import ContainerHostFacts, ContainerlabFact
from labctl.doctor.containerlab.needs import LabNeeds
from labctl.guest.userns import number
from labctl.guest.userns import text as read_text
from labctl.hostload import memory_free
from labctl.peers import numbers

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


def collect(needs: LabNeeds | None, *, lab_known: bool = False, edge: Edge | None = None) -> ContainerHostFacts:
    """Look at this host, for one lab or for none in particular."""
    at = edge or Edge()
    root = os.geteuid() == 0
    release = platform.release()
    address = dockerapi.address_of(at.environment)
    asked = dockerapi.ask(address, [image.reference for image in needs.images] if needs else [])
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
        lacking_capabilities=kernel.lacking_capabilities(at.proc, dockerapi.daemon_pid(at.run, at.proc) or "self"),
        docker_address=address,
        docker_trouble=asked.trouble,
        docker_words=asked.words,
        dockerd=shutil.which("dockerd", path=f"{path}:{SYSTEM_FOLDERS}") is not None,
        docker_cli=shutil.which("docker", path=path),
        docker_context=dockerapi.context_of(at.environment),
        docker=asked.facts,
        containerlab=containerlab(path, at.environment),
        modules=kernel.modules(ALL_MODULES, release, at.sys, at.modules),
        inotify_watches=number(at.proc / "sys/fs/inotify/max_user_watches"),
        inotify_instances=number(at.proc / "sys/fs/inotify/max_user_instances"),
        virtualisation=kernel.virtualisation(at.proc),
        in_container=kernel.in_container(at.proc),
        kvm=kernel.kvm_refusal(at.kvm, root=root),
        docker_user_chain=docker_user_chain(path) if root and asked.facts else None,
        ipv6=kernel.ipv6(at.proc),
        routes=kernel.routes(at.proc),
        kind_network=at.environment.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or "kind",
        lab_known=lab_known,
    )


def debian(os_release: Path) -> int | None:
    """Debian's major version; None elsewhere."""
    text = read_text(os_release)
    if not re.search(r'^ID="?debian"?$', text, re.MULTILINE):
        return None
    version = re.search(r'^VERSION_ID="?(\d+)', text, re.MULTILINE)
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


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a uid that has no name
        return str(os.getuid())


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
