"""What the nodes of a lab are doing, read from Docker and the containers' own networks, never from the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from labctl.errors import LabctlError, SpecError
from labctl.folder import load_folder
from labctl.runtime.api import NodeState, NodeStatus, Observation
from labctl.runtime.containerlab.dockerhost import Container
from labctl.runtime.containerlab.exec import Programs
from labctl.runtime.containerlab.nodes import BOND, KINDS, Node, Plan
from labctl.runtime.containerlab.ownership import CLUSTER
from labctl.runtime.containerlab.record import KIND_NETWORK, NAME

NODE_KIND = "clab-node-kind"
NODE_NAME = "clab-node-name"


def lost(node: Node, container: Container, programs: Programs, *, bonded: bool) -> list[str]:
    """Interfaces that the topology gives the node, and its bond when it should be there, that it has not."""
    there = programs.interfaces(container)
    wanted = [*node.links, *([BOND] if bonded and node.bonded else [])]
    return [name for name in wanted if name not in there]


def missing(plan: Plan, nodes: Mapping[str, Container], programs: Programs) -> list[str]:
    """Why the lab is not whole: nodes that do not run, links that are not there. Empty when it is."""
    reasons = []
    for node in plan.nodes.values():
        container = nodes.get(node.container)
        if container is None:
            reasons.append(f"{node.name}: there is no container {node.container}")
        elif not container.running:
            reasons.append(f"{node.name}: container {node.container} is {container.state} (code {container.exit_code})")
        elif gone := lost(node, container, programs, bonded=False):
            reasons.append(f"{node.name}: no {', '.join(gone)}")
    return reasons


def observe(
    plan: Plan, nodes: Mapping[str, Container], programs: Programs, *, created: bool, bonded: bool
) -> Observation:
    """``created``: every node was there once; ``bonded``: the nodes' scripts have run."""
    rows = {
        node.name: _status(plan, node, nodes.get(node.container), programs, created=created, bonded=bonded)
        for node in plan.nodes.values()
    }
    alive = any(container.running for container in nodes.values())
    return Observation(NAME, None, alive, rows, _trouble(plan, rows) if alive and created else "", created)


def observe_unknown(nodes: Mapping[str, Container], detail: str) -> Observation:
    """When the folder cannot be read: what there is, under Docker's own names."""
    rows = {}
    for container in nodes.values():
        kind = "kube-node" if CLUSTER in container.labels else KINDS.get(container.labels.get(NODE_KIND, ""), "host")
        name = container.labels.get(NODE_NAME, container.name)
        state: NodeState = "running" if container.running else "stopped"
        rows[name] = NodeStatus(name, kind, state, next(iter(container.addresses.values()), None))
    return Observation(NAME, None, any(one.running for one in nodes.values()), rows, detail)


def unseen(folder: Path, detail: str) -> Observation:
    """When Docker does not answer: nothing is known of any node."""
    try:
        lab = load_folder(folder).lab
    except SpecError:
        return Observation(NAME, None, alive=False, nodes={}, detail=detail)
    rows = {name: NodeStatus(name, node.kind, "unknown") for name, node in lab.nodes.items()}
    return Observation(NAME, None, alive=False, nodes=rows, detail=detail)


def _status(
    plan: Plan, node: Node, container: Container | None, programs: Programs, *, created: bool, bonded: bool
) -> NodeStatus:
    if container is None:
        return NodeStatus(node.name, node.kind, "dead", None, "its container is gone")
    address = container.addresses.get(KIND_NETWORK if node.kind == "kube-node" else plan.network)
    state, detail = _state(plan, node, container, programs, created=created, bonded=bonded)
    return NodeStatus(node.name, node.kind, state, address, detail)


def _state(
    plan: Plan, node: Node, container: Container, programs: Programs, *, created: bool, bonded: bool
) -> tuple[NodeState, str]:
    again = f"labctl repair {plan.lab} {'--rebuild ' if node.kind == 'switch' else ''}{node.name}"
    if not container.running:
        begins = container.state in ("created", "restarting")
        return ("starting", container.state) if begins else ("stopped", f"code {container.exit_code}; {again}")
    try:
        gone = lost(node, container, programs, bonded=bonded)
    except (LabctlError, OSError) as error:
        return "unknown", f"its interfaces cannot be read: {error}"
    if not gone:
        boots = node.kind == "switch" and container.health in ("starting", "unhealthy")
        return ("starting", f"it says {container.health} of itself") if boots else ("running", "")
    return ("broken", _loss(plan, node, gone, again)) if created else ("starting", f"no {', '.join(gone)} yet")


def _loss(plan: Plan, node: Node, gone: Sequence[str], again: str) -> str:
    """Who lost all of its links was started again; a switch that lost some has them to nodes that were."""
    names = ", ".join(gone)
    if node.kind == "switch" and len(gone) < len(node.links):
        return f"it lost {names}, to nodes that were started again; labctl repair {plan.lab}"
    return f"it was started again and lost {names}; {again}"


def _trouble(plan: Plan, rows: Mapping[str, NodeStatus]) -> str:
    """What no waiting mends: the cluster without its control plane."""
    master = rows.get(plan.control_plane or "")
    if master is not None and master.state in ("stopped", "dead"):
        return f"the control plane {master.name} does not run: {master.detail}"
    return ""
