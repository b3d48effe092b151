"""Taking a lab away by labels and record: what containerlab's own ``destroy`` leaves, and all of it without one.

``containerlab destroy`` answers 0 with deletions that failed, leaves the management network when no container was
made, and knows nothing of a cluster once the topology file is gone (containerlab.md 3.3, containerlab-run.md 3 and 7).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from labctl.errors import HostError
from labctl.pace import paced
from labctl.runtime.api import Progress
from labctl.runtime.containerlab import hostmarks
from labctl.runtime.containerlab.dockerhost import Container, DockerHost, Network
from labctl.runtime.containerlab.ownership import Owned
from labctl.runtime.containerlab.places import HostPlaces
from labctl.runtime.containerlab.record import KIND_NETWORK, Record, other_records
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

GONE_LIMIT = 60.0
"""Seconds for Docker to be done with containers whose removal it has taken on."""
PARALLEL = 4


def as_root(state: LabState, command: str) -> str:
    """The command for a shell, by root if we are not: with this user's labs, not root's own."""
    return command if os.geteuid() == 0 else f"sudo env LABCTL_STATE_DIR={state.root.parent.parent} {command}"


class Sweep:
    """One lab's removal."""

    def __init__(
        self, docker: DockerHost, state: LabState, record: Record, places: HostPlaces, progress: Progress
    ) -> None:
        self._docker = docker
        self._state = state
        self._record = record
        self._places = places
        self._progress = progress
        self._owned = Owned(docker, state, record)
        self._left: list[str] = []

    def all(self) -> None:
        """Remove everything. Raises `HostError` that names what stays."""
        if self._record.began:  # else Docker was never asked for anything, and may not even be there
            self._in_docker()
        self._left += hostmarks.sweep(self._state.name, self._state.root, self._record, self._places, self._progress)
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
            for box, trouble in zip(found, pool.map(self._remove, found), strict=True):
                self._progress(f"container {box.name}: {trouble}" if trouble else f"removed container {box.name}")
        if not found:
            return

        def gone() -> bool | NotYet:
            left = self._owned.containers()
            return NotYet(", ".join(box.name for box in left)) if left else True

        try:
            wait_for(gone, Deadline(paced(GONE_LIMIT)), every=0.3)
        except DeadlinePassed as passed:
            self._left.append(f"container {passed.reason}")

    def _remove(self, box: Container) -> str | None:
        """None, or why Docker would not: whether it is gone all the same is looked up afterwards."""
        try:
            self._docker.remove(box.id)
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
