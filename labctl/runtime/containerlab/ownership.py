"""Whose is it? A container or network with a name or label of the lab need not be the lab's.

Another lab may have a similar name, or the very same one under another user or another folder. containerlab labels
its containers with paths; kind does not, so a kind cluster is the lab's when it was made after the lab began, and
a creation is refused as long as a cluster of that name is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from labctl.errors import UsageError
from labctl.runtime.containerlab.dockerhost import Container, DockerHost, Network
from labctl.runtime.containerlab.nodes import Plan
from labctl.runtime.containerlab.record import Record
from labctl.state import LabState

LAB = "containerlab"
"""containerlab's label for the lab's name."""
TOPOLOGY_FILE = "clab-topo-file"
NODE_FOLDER = "clab-node-lab-dir"
CLUSTER = "io.x-k8s.kind.cluster"
"""kind's label for the cluster's name."""
OURS = "labctl.lab"
STATE = "labctl.state"
"""On helper containers: the state folder, so that equal names of two users are told apart."""


def helper_labels(state: LabState) -> dict[str, str]:
    """Labels of a container that labctl itself makes for the lab."""
    return {OURS: state.name, STATE: str(state.root)}


class Owned:
    """What Docker has that belongs to one lab, read anew at each question."""

    def __init__(self, docker: DockerHost, state: LabState, record: Record) -> None:
        self._docker = docker
        self._state = state
        self._record = record

    def containers(self) -> tuple[Container, ...]:
        """The lab's containers, running or not: containerlab's, kind's and labctl's helpers."""
        found = self._docker.containers(lambda labels: self._ours(labels) or self._of_cluster(labels))
        return tuple(node for node in found if self._ours(node.labels) or self._began_before(node.created))

    def _ours(self, labels: Mapping[str, str]) -> bool:
        """By a folder in the labels, which only this lab has."""
        name, root = self._state.name, self._state.root
        helper = labels.get(OURS) == name and labels.get(STATE) == str(root)
        return helper or (labels.get(LAB) == name and within(labels, root))

    def _of_cluster(self, labels: Mapping[str, str]) -> bool:
        return bool(self._record.cluster) and labels.get(CLUSTER) == self._record.cluster

    def cluster(self, without: Collection[str] = ()) -> tuple[Container, ...]:
        """kind's containers of the lab, but for those of the ids in ``without``."""
        found = self._docker.containers(self._of_cluster, without)
        return tuple(node for node in found if self._began_before(node.created))

    def nodes(self) -> Mapping[str, Container]:
        """The lab's nodes by container name: without helpers."""
        return {node.name: node for node in self.containers() if STATE not in node.labels}

    def network(self, name: str) -> Network | None:
        """The network of that name if it was made after the lab began."""
        network = self._docker.network(name) if name else None
        return network if network is not None and self._began_before(network.created) else None

    def _began_before(self, moment: float) -> bool:
        return 0 < self._record.began <= moment


def within(labels: Mapping[str, str], root: Path) -> bool:
    """Whether containerlab's labels say that a container was made from this lab's state folder."""
    roots = (root, root.resolve())
    for name in (TOPOLOGY_FILE, NODE_FOLDER):
        path = Path(labels.get(name, ""))
        if any(path.is_relative_to(one) for one in roots):
            return True
    return False


def refuse_foreign(plan: Plan, docker: DockerHost, state: LabState, record: Record) -> None:
    """Before anything is made. Raises `UsageError` naming everything of others that has a name of this lab."""
    ours = {node.id for node in Owned(docker, state, record).containers()}
    seen: dict[str, str] = {}
    for node, why in _candidates(plan, docker):
        if node.id not in ours:
            seen.setdefault(node.id, f"container {node.name} ({why})")
    network = docker.network(plan.network)
    if network is not None and Owned(docker, state, record).network(plan.network) is None:
        users = f"used by {', '.join(network.users)}" if network.users else "nothing is on it"
        seen[network.id] = f"network {network.name} ({users})"
    if not seen:
        return
    raise UsageError(
        f"lab {state.name} cannot be made: there is {'; '.join(seen.values())}",
        code="name-taken",
        hint="it is not this lab's and stays as it is; --name gives the lab another name (and folder)",
        next_command="docker ps -a" if network is None or network.users else f"docker network rm {network.name}",
    )


def _candidates(plan: Plan, docker: DockerHost) -> Iterator[tuple[Container, str]]:
    def named(labels: Mapping[str, str]) -> bool:
        return labels.get(LAB) == plan.lab or (bool(plan.cluster) and labels.get(CLUSTER) == plan.cluster)

    for node in docker.containers(named):
        if node.labels.get(LAB) == plan.lab:
            yield node, f"of a containerlab lab made from {node.labels.get(TOPOLOGY_FILE, 'an unknown folder')}"
        else:
            yield node, f"of a kind cluster {plan.cluster}"
    for planned in plan.nodes.values():
        found = docker.container(planned.container)
        if found is not None and found.name == planned.container:
            yield found, "made by somebody else"
