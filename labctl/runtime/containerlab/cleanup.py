"""Taking a lab away by labels and record: what containerlab's own ``destroy`` leaves, and all of it without one.

``containerlab destroy`` answers 0 with deletions that failed, leaves the management network when no container was
made, and knows nothing of a cluster once the topology file is gone (containerlab.md 3.3, containerlab-run.md 3 and 7).
Artifacts on this host outside Docker are files, namespaces, half links, backups: only exact names of the lab are
touched, and what cannot be removed is returned by name, never passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import HostError
from labctl.pace import paced
from labctl.runtime.api import Progress
from labctl.runtime.containerlab.dockerhost import Container, DockerHost, Network
from labctl.runtime.containerlab.nodes import TOPOLOGY
from labctl.runtime.containerlab.ownership import Owned
from labctl.runtime.containerlab.record import KIND_NETWORK, Record, other_records
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for


@dataclass(frozen=True, slots=True)
class HostPaths:
    """Read from containerlab's source (core/hostsfile.go, core/sshconfig.go, utils/netlink.go, types/topo_paths.go)."""

    hosts: Path = Path("/etc/hosts")
    hosts_lock: Path = Path("/run/lock/clab-hosts.lock")
    """containerlab's own lock for that file."""
    ssh_config: Path = Path("/etc/ssh/ssh_config.d")
    namespaces: Path = Path("/run/netns")
    backups: Path = Path("/tmp/.clab/bak")  # noqa: S108 - containerlab's choice
    interfaces: Path = Path("/sys/class/net")
    processes: Path = Path("/proc")


HALF_LINK = re.compile(r"clab-[0-9a-f]{8}")
"""Names of a link's ends before they are moved into their containers (containerlab's links/link.go)."""
PARKED = "clab-park-"
"""Prefix of namespaces that hold the links of a container that is being replaced (utils/netlink.go)."""


def half_links(paths: HostPaths) -> tuple[str, ...]:
    """Ends of links in this host's own network namespace that are nobody's interface."""
    return tuple(sorted(path.name for path in paths.interfaces.glob("clab-*") if HALF_LINK.fullmatch(path.name)))


def remove_artifacts(lab: str, root: Path, record: Record, paths: HostPaths, progress: Progress) -> list[str]:
    """Remove all of them; returns what is still there and why."""
    left: list[str] = []
    for name, remove in _artifacts(lab, root, record, paths):
        try:
            if remove():
                progress(f"removed {name}")
        except (OSError, subprocess.SubprocessError) as error:
            left.append(f"{name} ({_reason(error)})")
    return left


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        words = (error.stderr or b"").decode(errors="replace").strip()
        return words or f"{error.cmd[0]} ended with code {error.returncode}"
    return getattr(error, "strerror", None) or str(error)


def _artifacts(lab: str, root: Path, record: Record, paths: HostPaths) -> Iterator[tuple[str, Callable[[], bool]]]:
    if record.began:
        yield f"{lab}'s lines of {paths.hosts}", lambda: _hosts_block(lab, paths)
        config = paths.ssh_config / f"clab-{lab}.conf"
        yield str(config), lambda: _unlink(config)
        for container in record.containers:
            link = paths.namespaces / container
            yield str(link), lambda link=link: _symlink(link)  # type: ignore[misc]
            parked = paths.namespaces / f"{PARKED}{container}"
            yield str(parked), lambda parked=parked: _namespace(parked)  # type: ignore[misc]
        if not _containerlab_runs(paths):
            for name in half_links(paths):
                if name not in record.veths_before:
                    yield f"interface {name}", lambda name=name: _interface(name)  # type: ignore[misc]
        for backup in _backups(record, paths):
            yield str(backup), lambda backup=backup: _unlink(backup)  # type: ignore[misc]
        if not record.backups_before:
            yield str(paths.backups.parent), lambda: _empty(paths.backups)
    yield str(root / "clab"), lambda: _tree(root / "clab")


def _hosts_block(lab: str, paths: HostPaths) -> bool:
    """The block that containerlab wrote, whole or cut short, under containerlab's own lock."""
    if not paths.hosts.exists() or _without_block(paths.hosts.read_text(), lab) is None:
        return False
    with _locked(paths.hosts_lock):
        text = _without_block(paths.hosts.read_text(), lab)
        if text is None:
            return False
        paths.hosts.write_text(text)  # in place: in a container it is a mount and cannot be replaced
    return True


def _without_block(text: str, lab: str) -> str | None:
    """The text without the lab's block; None when there is none."""
    begin, end = f"###### CLAB-{lab}-START ######", f"###### CLAB-{lab}-END ######"
    kept, inside, found = [], False, False
    for line in text.splitlines(keepends=True):
        if line.strip() == begin:
            inside = found = True
        elif inside and line.strip() == end:
            inside = False
        elif not inside or (line.strip() and f"clab-{lab}-" not in line and "# Kind:" not in line):
            inside = False  # a block without its end: what is not one of its lines is somebody else's
            kept.append(line)
    return "".join(kept) if found else None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _symlink(path: Path) -> bool:
    """containerlab makes links to /proc; a namespace that somebody named alike is a file and stays."""
    return path.is_symlink() and _unlink(path)


def _namespace(path: Path) -> bool:
    if not path.exists():
        return False
    subprocess.run(("ip", "netns", "delete", path.name), check=True, capture_output=True, timeout=30)
    return True


def _interface(name: str) -> bool:
    done = subprocess.run(("ip", "link", "delete", name), check=False, capture_output=True, timeout=30)
    if done.returncode != 0 and b"Cannot find device" in done.stderr:
        return False  # it was the other end of one that has just gone
    done.check_returncode()
    return True


def _containerlab_runs(paths: HostPaths) -> bool:
    """Whether one runs on this host, for any lab: its half links are not ours to judge."""
    for path in paths.processes.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == "containerlab":
                return True
    return False


def _backups(record: Record, paths: HostPaths) -> Iterator[Path]:
    """Copies of the lab's topology (core/options_clab.go keeps one of each deployment)."""
    for path in sorted(paths.backups.glob(f"*_{TOPOLOGY}")):
        with contextlib.suppress(OSError):
            made_since = path.stat().st_mtime >= record.began - 1
            if made_since and hashlib.sha256(path.read_bytes()).hexdigest() in record.topologies:
                yield path


def _empty(folder: Path) -> bool:
    """Remove the folder of backups and the one around it when nothing is in them."""
    removed = False
    for path in (folder, folder.parent):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
            removed = True
    return removed


def _tree(path: Path) -> bool:
    if not path.exists():
        return False
    shutil.rmtree(path)
    return True


GONE_LIMIT = 60.0
"""Seconds for Docker to be done with containers whose removal it has taken on."""
PARALLEL = 4


def as_root(state: LabState, command: str) -> str:
    """The command for a shell, by root if we are not: with this user's labs, not root's own."""
    return command if os.geteuid() == 0 else f"sudo env LABCTL_STATE_DIR={state.root.parent.parent} {command}"


class Cleanup:
    """One lab's removal."""

    def __init__(
        self, docker: DockerHost, state: LabState, record: Record, paths: HostPaths, progress: Progress
    ) -> None:
        self._docker = docker
        self._state = state
        self._record = record
        self._paths = paths
        self._progress = progress
        self._owned = Owned(docker, state, record)
        self._left: list[str] = []

    def all(self) -> None:
        """Remove everything. Raises `HostError` that names what stays."""
        if self._record.began:  # else Docker was never asked for anything, and may not even be there
            self._in_docker()
        self._left += remove_artifacts(self._state.name, self._state.root, self._record, self._paths, self._progress)
        self._state.kubeconfig.unlink(missing_ok=True)
        self._state.kubeconfig.with_name("kubeconfig.lock").unlink(missing_ok=True)
        if self._left:
            raise HostError(
                f"lab {self._state.name} is not wholly removed; still there: {'; '.join(self._left)}",
                code="left-behind",
                hint=None if os.geteuid() == 0 else "root may remove what this user may not",
                next_command=as_root(self._state, f"labctl down {self._state.name}"),
            )

    def _in_docker(self) -> None:
        self._containers()
        network = self._owned.network(self._record.network)
        if network is not None:
            self._network(network)
        if self._record.kind_network_ours:
            self._kind_network()

    def _containers(self) -> None:
        found = self._owned.containers()
        with ThreadPoolExecutor(PARALLEL) as pool:
            for node, trouble in zip(found, pool.map(self._remove, found), strict=True):
                self._progress(f"container {node.name}: {trouble}" if trouble else f"removed container {node.name}")
        if not found:
            return

        def gone() -> bool | NotYet:
            left = self._owned.containers()
            return NotYet(", ".join(node.name for node in left)) if left else True

        try:
            wait_for(gone, Deadline(paced(GONE_LIMIT)), every=0.3)
        except DeadlinePassed as passed:
            self._left.append(f"container {passed.reason}")

    def _remove(self, node: Container) -> str | None:
        """None, or why Docker would not: whether it is gone all the same is looked up afterwards."""
        try:
            self._docker.remove(node.id)
        except HostError as error:
            return error.message
        return None

    def _network(self, network: Network) -> None:
        if network.users:
            self._left.append(f"network {network.name}, with {', '.join(network.users)} on it")
            return
        try:
            self._docker.remove_network(network.id)
        except HostError as error:
            self._left.append(f"network {network.name} ({error.message})")
            return
        self._progress(f"removed network {network.name}")
        self._firewall(network)

    def _kind_network(self) -> None:
        """kind never removes it: the last lab of this user that needed it does, when nobody else is on it."""
        if any(other.cluster for other in other_records(self._state)):
            return
        network = self._docker.network(KIND_NETWORK)
        if network is None or network.users:
            return
        try:
            self._docker.remove_network(network.id)
        except HostError as error:
            self._left.append(f"network {network.name} ({error.message})")
        else:
            self._progress(f"removed network {network.name}")

    def _firewall(self, network: Network) -> None:
        """Rules for a bridge that is gone, which containerlab removes only together with the network."""
        for program in ("iptables", "ip6tables"):
            if os.geteuid() != 0 or shutil.which(program) is None:
                continue
            listed = subprocess.run((program, "-S", "DOCKER-USER"), capture_output=True, check=False, timeout=30)
            for line in listed.stdout.decode(errors="replace").splitlines():
                if re.search(rf"(-i|-o) {re.escape(network.bridge)}\b", line) and "set by containerlab" in line:
                    rule = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
                    done = subprocess.run((program, "-D", *rule[1:]), capture_output=True, check=False, timeout=30)
                    if done.returncode != 0:
                        self._left.append(f"firewall rule {line}")
