"""Whose is it? A container or network with a name or label of the lab need not be the lab's.

Another lab may have a similar name, or the very same one under another user or another folder. containerlab labels
its containers with paths; kind does not, so a kind cluster is the lab's when it was made after the lab began, and
a creation is refused as long as a cluster of that name is there.

What is remembered of a lab (``runtime.json``; the switches' login is a secret and in a file of its own) is enough to
take it down when spec, folder and labctl are gone. It is written before containerlab is started, so that whatever
containerlab leaves has an owner.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from labctl.errors import LabError, UsageError
from labctl.folder import Folder
from labctl.runtime.api import SwitchLogin
from labctl.runtime.containerlab.dockerhost import Container, DockerHost, Network
from labctl.state import LabState, all_labs

KIND_NETWORK = "kind"
"""Docker network that kind makes for all clusters of a machine and never removes."""


class Record(BaseModel):
    """One lab. What began before it is not its own."""

    model_config = ConfigDict(frozen=True)
    runtime: Literal["containerlab"] = "containerlab"
    began: float = 0.0
    """Seconds since the epoch when its first container can have been made; 0: none was ever tried."""
    created: bool = False
    """Whether every node and link was there once."""
    network: str = ""
    cluster: str | None = None
    containers: tuple[str, ...] = ()
    kind_network_ours: bool = False
    """Whether the network ``kind`` came with a lab of this user, so that the last of them removes it."""
    topologies: tuple[str, ...] = ()
    """SHA-256 of each topology file that was deployed: containerlab keeps copies."""
    veths_before: tuple[str, ...] = ()
    """Interfaces of this host that looked like half a link of containerlab's before."""
    speed: float | None = None
    """Of this host, as a factor of the reference guest's, measured before the nodes were made."""
    backups_before: bool = True
    """Whether containerlab's folder of backups was there before."""


def read_record(state: LabState) -> Record:
    """Raises `LabError` when the file is broken; an empty record when there is none."""
    try:
        return Record.model_validate_json(state.runtime_file.read_bytes())
    except FileNotFoundError:
        return Record()
    except ValueError as error:
        raise LabError(f"{state.runtime_file} is broken: {error}", hint="it says what belongs to the lab") from None


def write_record(state: LabState, record: Record) -> None:
    """All at once: a reader sees the one before or this one."""
    new = state.runtime_file.with_suffix(".new")
    state.write(new, record.model_dump_json(indent=1))
    new.replace(state.runtime_file)


def other_records(state: LabState) -> Iterator[Record]:
    """Records of this user's other labs of this runtime."""
    for other in all_labs():
        if other.root != state.root:
            with suppress(LabError):  # of another runtime, or broken
                yield read_record(other)


def _login_file(state: LabState) -> Path:
    return state.secrets / "switch_login.json"


def write_login(state: LabState, login: SwitchLogin) -> None:
    """0600 in the lab's secrets."""
    state.write(_login_file(state), json.dumps(asdict(login)))


def read_login(state: LabState) -> SwitchLogin:
    """containerlab's own (admin, admin) when none was given."""
    try:
        return SwitchLogin(**json.loads(_login_file(state).read_text()))
    except FileNotFoundError:
        return SwitchLogin()
    except (ValueError, TypeError):
        raise LabError(f"{_login_file(state)} is broken", next_command=f"labctl down {state.name}") from None


LAB = "containerlab"
"""containerlab's label for the lab's name."""
TOPOLOGY = "clab-topo-file"
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
        helper = helper_labels(self._state).items() <= labels.items()
        return helper or (labels.get(LAB) == self._state.name and _within(labels, self._state.root))

    def _of_cluster(self, labels: Mapping[str, str]) -> bool:
        return bool(self._record.cluster) and labels.get(CLUSTER) == self._record.cluster

    def cluster(self, without: Collection[str]) -> tuple[Container, ...]:
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


def _within(labels: Mapping[str, str], root: Path) -> bool:
    """Whether containerlab's labels say that a container was made from this lab's state folder."""
    paths = [Path(labels.get(name, "")) for name in (TOPOLOGY, NODE_FOLDER)]
    return any(path.is_relative_to(one) for path in paths for one in (root, root.resolve()))


def refuse_foreign(folder: Folder, docker: DockerHost, state: LabState) -> None:
    """Before anything is made. Raises `UsageError` naming everything of others that has a name of this lab."""
    owned = Owned(docker, state, read_record(state))
    ours = {node.id for node in owned.containers()}
    seen: dict[str, str] = {}
    for node, why in _candidates(folder, docker):
        if node.id not in ours:
            seen.setdefault(node.id, f"container {node.name} ({why})")
    network = docker.network(folder.topology.mgmt_network)
    if network is not None and owned.network(network.name) is None:
        users = f"used by {', '.join(network.users)}" if network.users else "nothing is on it"
        seen[network.id] = f"network {network.name} ({users})"
    if seen:
        raise UsageError(
            f"lab {state.name} cannot be made: there is {'; '.join(seen.values())}",
            code="name-taken",
            hint="it is not this lab's and stays as it is; --name gives the lab another name (and folder)",
            next_command="docker ps -a" if network is None or network.users else f"docker network rm {network.name}",
        )


def _candidates(folder: Folder, docker: DockerHost) -> Iterator[tuple[Container, str]]:
    lab = folder.lab
    for node in docker.containers(lambda labels: labels.get(LAB) == lab.name):
        yield node, f"of a containerlab lab made from {node.labels.get(TOPOLOGY, 'an unknown folder')}"
    if lab.cluster:
        for node in docker.containers(lambda labels: labels.get(CLUSTER) == lab.cluster):
            yield node, f"of a kind cluster {lab.cluster}"
    for planned in lab.nodes.values():
        found = docker.container(planned.container)
        if found is not None and found.name == planned.container:
            yield found, "made by somebody else"
