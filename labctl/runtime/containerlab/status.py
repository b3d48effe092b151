"""What the nodes of a lab are doing, read from Docker and the containers' own networks, never from the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labctl.errors import LabctlError
from labctl.folder import KINDS, Folder
from labctl.labjson import Lab
from labctl.runtime.api import NodeState, NodeStatus
from labctl.runtime.containerlab.dockerhost import Container
from labctl.runtime.containerlab.endpoints import Programs, control_plane
from labctl.runtime.containerlab.ownership import CLUSTER, KIND_NETWORK
from labctl.runtime.ports import kernel_name

NODE_KIND = "clab-node-kind"
NODE_NAME = "clab-node-name"
BOND = "bond0"


def lost(folder: Folder, node: str, container: Container, programs: Programs, *, bonded: bool) -> list[str]:
    """Interfaces that lab.json gives the node, and its bond when it should be there, that it has not."""
    there = programs.interfaces(container)
    wanted = [kernel_name(name) for name in folder.lab.interfaces(node)]
    script = folder.path / "nodes" / f"{node}.sh"
    if bonded and script.is_file() and f"link add {BOND} " in script.read_text():
        wanted.append(BOND)
    return [name for name in wanted if name not in there]


def missing(folder: Folder, containers: Mapping[str, Container], programs: Programs) -> list[str]:
    """Why the lab is not whole: nodes that do not run, links that are not there. Empty when it is."""
    reasons = []
    for name, node in folder.lab.nodes.items():
        container = containers.get(node.container)
        if container is None:
            reasons.append(f"{name}: there is no container {node.container}")
        elif not container.running:
            reasons.append(f"{name}: container {node.container} is {container.state} (code {container.exit_code})")
        elif gone := lost(folder, name, container, programs, bonded=False):
            reasons.append(f"{name}: no {', '.join(gone)}")
    return reasons


def observe(
    folder: Folder, containers: Mapping[str, Container], programs: Programs, *, created: bool, bonded: bool
) -> dict[str, NodeStatus]:
    """``created``: every node was there once; ``bonded``: the nodes' scripts have run."""
    rows = {}
    for name, node in folder.lab.nodes.items():
        container, address = containers.get(node.container), None
        state: tuple[NodeState, str] = ("dead", "its container is gone")
        if container is not None:
            network = KIND_NETWORK if node.kind == "kube-node" else folder.topology.mgmt_network
            address = container.addresses.get(network)
            state = _state(folder, name, container, programs, created=created, bonded=bonded)
        rows[name] = NodeStatus(name, node.kind, state[0], address, state[1])
    return rows


def of_labels(containers: Mapping[str, Container]) -> dict[str, NodeStatus]:
    """When the folder cannot be read: what there is, under Docker's own names."""
    kinds = {name: kind for kind, name in KINDS.items()}
    rows = {}
    for container in containers.values():
        kind = "kube-node" if CLUSTER in container.labels else kinds.get(container.labels.get(NODE_KIND, ""), "host")
        name = container.labels.get(NODE_NAME, container.name)
        state: NodeState = "running" if container.running else "stopped"
        rows[name] = NodeStatus(name, kind, state, next(iter(container.addresses.values()), None))
    return rows


def _state(
    folder: Folder, node: str, container: Container, programs: Programs, *, created: bool, bonded: bool
) -> tuple[NodeState, str]:
    switch = node in folder.lab.switches
    again = f"labctl repair {folder.lab.name} {'--rebuild ' if switch else ''}{node}"
    if not container.running:
        begins = container.state in ("created", "restarting")
        return ("starting", container.state) if begins else ("stopped", f"code {container.exit_code}; {again}")
    try:
        gone = lost(folder, node, container, programs, bonded=bonded)
    except (LabctlError, OSError) as error:
        return "unknown", f"its interfaces cannot be read: {error}"
    if not gone:
        boots = switch and container.health in ("starting", "unhealthy")
        return ("starting", f"it says {container.health} of itself") if boots else ("running", "")
    return ("broken", _loss(folder.lab, node, gone, again)) if created else ("starting", f"no {', '.join(gone)} yet")


def _loss(lab: Lab, node: str, gone: Sequence[str], again: str) -> str:
    """Who lost all of its links was started again; a switch that lost some has them to nodes that were."""
    names = ", ".join(gone)
    if node in lab.switches and len(gone) < len(lab.interfaces(node)):
        return f"it lost {names}, to nodes that were started again; labctl repair {lab.name}"
    return f"it was started again and lost {names}; {again}"


def trouble(lab: Lab, rows: Mapping[str, NodeStatus]) -> str:
    """What no waiting mends: the cluster without its control plane."""
    master = rows.get(control_plane(lab) or "")
    if master is not None and master.state in ("stopped", "dead"):
        return f"the control plane {master.name} does not run: {master.detail}"
    return ""
