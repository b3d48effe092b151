"""Taking a lab away by labels and record: what containerlab's own ``destroy`` leaves, and all of it without one.

``containerlab destroy`` answers 0 with deletions that failed, leaves the management network when no container was
made, and knows nothing of a cluster once the topology file is gone (containerlab.md 3.3, containerlab-run.md 3 and 7).
Artifacts on this host outside Docker are files, namespaces, half links, backups: only exact names of the lab are
touched, and what cannot be removed is named in the error, never passed over.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from labctl.errors import HostError
from labctl.folder import TOPOLOGY_FILE
from labctl.pace import paced
from labctl.runtime.api import Progress
from labctl.runtime.containerlab.dockerhost import Container, DockerHost, Network
from labctl.runtime.containerlab.ownership import KIND_NETWORK, Owned, Record, other_records
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

# read from containerlab's source (core/hostsfile.go, core/sshconfig.go, utils/netlink.go, types/topo_paths.go)
HOSTS = Path("/etc/hosts")
HOSTS_LOCK = Path("/run/lock/clab-hosts.lock")
"""containerlab's own lock for that file."""
SSH_CONFIG = Path("/etc/ssh/ssh_config.d")
NAMESPACES = Path("/run/netns")
BACKUPS = Path("/tmp/.clab/bak")  # noqa: S108 - containerlab's choice
INTERFACES = Path("/sys/class/net")
PROC = Path("/proc")
HALF_LINK = re.compile(r"clab-[0-9a-f]{8}")
"""Names of a link's ends before they are moved into their containers (containerlab's links/link.go)."""
PARKED = "clab-park-"
"""Prefix of namespaces that hold the links of a container that is being replaced (utils/netlink.go)."""
GONE_LIMIT = 60.0
"""Seconds for Docker to be done with containers whose removal it has taken on."""
PARALLEL = 4


def half_links() -> tuple[str, ...]:
    """Ends of links in this host's own network namespace that are nobody's interface."""
    return tuple(sorted(path.name for path in INTERFACES.glob("clab-*") if HALF_LINK.fullmatch(path.name)))


class Cleanup:
    """One lab's removal."""

    def __init__(self, docker: DockerHost, state: LabState, record: Record, progress: Progress) -> None:
        self._docker = docker
        self._state = state
        self._record = record
        self._progress = progress
        self._owned = Owned(docker, state, record)
        self._left: list[str] = []

    def all(self) -> None:
        """Remove everything. Raises `HostError` that names what stays."""
        name, root = self._state.name, self._state.root
        if self._record.began:  # else Docker was never asked for anything, and may not even be there
            self._containers()
            self._networks()
        try:
            for what, remove in _artifacts(name, root, self._record):
                self._removed(what, remove)
        except OSError as error:
            self._left.append(f"{error.filename} ({_reason(error)})")
        self._state.kubeconfig.unlink(missing_ok=True)
        self._state.kubeconfig.with_name("kubeconfig.lock").unlink(missing_ok=True)
        if self._left:
            root_is_asked = os.geteuid() != 0
            as_root = f"sudo env LABCTL_STATE_DIR={root.parent.parent} " if root_is_asked else ""  # not root's own labs
            raise HostError(
                f"lab {name} is not wholly removed; still there: {'; '.join(self._left)}",
                code="left-behind",
                hint="root may remove what this user may not" if root_is_asked else None,
                next_command=f"{as_root}labctl down {name}",
            )

    def _removed(self, what: str, remove: Callable[[], object]) -> bool:
        try:
            remove()
        except (HostError, OSError, subprocess.SubprocessError) as error:
            self._left.append(f"{what} ({_reason(error)})")
            return False
        self._progress(f"removed {what}")
        return True

    def _containers(self) -> None:
        found = self._owned.containers()
        with ThreadPoolExecutor(PARALLEL) as pool:
            for node, trouble in zip(found, pool.map(self._remove, found), strict=True):
                self._progress(f"container {node.name}: {trouble}" if trouble else f"removed container {node.name}")

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

    def _networks(self) -> None:
        network = self._owned.network(self._record.network)
        if network is not None and network.users:
            self._left.append(f"network {network.name}, with {', '.join(network.users)} on it")
        elif network is not None and self._network(network):
            self._firewall(f"br-{network.id[:12]}")  # as Docker calls it unless told otherwise
        if self._record.kind_network_ours and not any(other.cluster for other in other_records(self._state)):
            # kind never removes it: the last lab of this user that needed it does, when nobody else is on it
            network = self._docker.network(KIND_NETWORK)
            if network is not None and not network.users:
                self._network(network)

    def _network(self, network: Network) -> bool:
        def remove() -> None:
            with self._docker.asking(f"remove network {network.id}", 404) as api:
                api.remove_network(network.id)

        return self._removed(f"network {network.name}", remove)

    def _firewall(self, bridge: str) -> None:
        """Rules for a bridge that is gone, which containerlab removes only together with the network."""
        for program in ("iptables", "ip6tables"):
            if os.geteuid() != 0 or shutil.which(program) is None:
                continue
            listed = subprocess.run((program, "-S", "DOCKER-USER"), capture_output=True, check=False, timeout=30)
            for line in listed.stdout.decode(errors="replace").splitlines():
                if re.search(rf"(-i|-o) {bridge}\b", line) and "set by containerlab" in line:
                    self._removed(f"firewall rule {line}", partial(_run, program, "-D", *shlex.split(line)[1:]))


def _artifacts(lab: str, root: Path, record: Record) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is there outside of Docker, looked for when it is asked for, and how it is removed."""
    if (tree := root / "clab").exists():
        yield str(tree), partial(shutil.rmtree, tree)
    if not record.began:
        return
    if HOSTS.exists() and _without_block(HOSTS.read_text(), lab) is not None:
        yield f"{lab}'s lines of {HOSTS}", partial(_remove_block, lab)
    if (config := SSH_CONFIG / f"clab-{lab}.conf").exists():
        yield str(config), config.unlink
    yield from _links(record)
    for backup in sorted(BACKUPS.glob(f"*_{TOPOLOGY_FILE}")):
        if _is_copy(backup, record):
            yield str(backup), backup.unlink
    if not record.backups_before:
        for folder in (BACKUPS, BACKUPS.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                yield str(folder), folder.rmdir


def _links(record: Record) -> Iterator[tuple[str, Callable[[], object]]]:
    """Namespaces of containers, and half links."""
    for container in record.containers:
        # containerlab makes links to /proc; a namespace that somebody named alike is a file and stays
        if (link := NAMESPACES / container).is_symlink():
            yield str(link), link.unlink
        if (parked := NAMESPACES / f"{PARKED}{container}").exists():
            yield str(parked), partial(_run, "ip", "netns", "delete", parked.name)
    for name in half_links():
        # while a containerlab runs on this host, for any lab, they are not ours to judge
        if name not in record.veths_before and not _containerlab_runs():
            yield f"interface {name}", partial(_interface, name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def _interface(name: str) -> None:
    done = subprocess.run(("ip", "link", "delete", name), check=False, capture_output=True, timeout=30)
    if b"Cannot find device" not in done.stderr:  # else it was the other end of one that has just gone
        done.check_returncode()


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return error.stderr.decode(errors="replace").strip() or f"{error.cmd[0]} ended with code {error.returncode}"
    return getattr(error, "strerror", None) or str(error)


def _remove_block(lab: str) -> None:
    """The block that containerlab wrote, whole or cut short, under containerlab's own lock."""
    HOSTS_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with HOSTS_LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = _without_block(HOSTS.read_text(), lab)
        if text is not None:
            HOSTS.write_text(text)  # in place: in a container it is a mount and cannot be replaced


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


def _containerlab_runs() -> bool:
    for path in PROC.glob("[0-9]*/comm"):
        with suppress(OSError):
            if path.read_text().strip() == "containerlab":
                return True
    return False


def _is_copy(path: Path, record: Record) -> bool:
    """Of the lab's topology (core/options_clab.go keeps one of each deployment)."""
    with suppress(OSError):
        made_since = path.stat().st_mtime >= record.began - 1
        return made_since and hashlib.sha256(path.read_bytes()).hexdigest() in record.topologies
    return False
