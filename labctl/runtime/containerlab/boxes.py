"""What a folder's lab is in Docker: containers, their interfaces and wires, networks, all by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import UsageError, did_you_mean
from labctl.folder import Folder
from labctl.runtime.api import NodeKind
from labctl.runtime.ports import kernel_name

TOPOLOGY = "topology.clab.yml"
KINDS: Mapping[str, NodeKind] = {"cisco_n9kv": "switch", "ext-container": "kube-node", "linux": "host"}
BOND = "bond0"


@dataclass(frozen=True, slots=True)
class Box:
    """One node of the lab. ``wires``: kernel names of its interfaces that have a wire, in the topology's order."""

    name: str
    """The lab's name of it (``node01``)."""
    kind: NodeKind
    topology: str
    container: str
    wires: tuple[str, ...]
    bonded: bool
    """Whether its script makes bond0."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One link: both ends as (node of the topology, interface as the topology has it)."""

    a: tuple[str, str]
    b: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.a[0]}:{self.a[1]} - {self.b[0]}:{self.b[1]}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All boxes of a lab. ``cluster``: the kind cluster's name; ``workers``: nodes of the topology, kind's included."""

    lab: str
    switch: str
    """What stands for switches: ``n9kv`` or ``standin``."""
    boxes: Mapping[str, Box]
    wires: tuple[Wire, ...]
    network: str
    cluster: str | None
    control_plane: str | None
    workers: int
    limit: float | None = None
    """Seconds for all boxes and wires to be made, as the folder has it."""

    def box(self, name: str) -> Box:
        """By the lab's name. Raises `UsageError` with a did-you-mean."""
        found = self.boxes.get(name)
        if found is None:
            raise UsageError(
                f"lab {self.lab} has no node {name}",
                code="no-such-node",
                hint=did_you_mean(name, self.boxes, f"it has {', '.join(self.boxes)}"),
                next_command=f"labctl status {self.lab}",
            )
        return found

    def at(self, topology: str) -> Box:
        """By the topology's name."""
        return next(box for box in self.boxes.values() if box.topology == topology)

    def switches(self) -> list[Box]:
        return [box for box in self.boxes.values() if box.kind == "switch"]


def plan_of(folder: Folder) -> Plan:
    """What the folder describes, with the names that containerlab and kind will give to it."""
    lab = folder.lab
    boxes = {
        name: Box(
            name, node.kind, node.topology, node.container, tuple(map(kernel_name, lab.interfaces(name))),
            _makes_bond(folder.path / "nodes" / f"{name}.sh"),
        )
        for name, node in lab.nodes.items()
    }  # fmt: skip
    masters = [name for name, node in lab.nodes.items() if node.role == "control-plane"]
    return Plan(
        lab=lab.name,
        switch=lab.target.get("switch", "standin"),
        boxes=boxes,
        wires=tuple(Wire(a, b) for a, b in lab.keyed_links),
        network=folder.topology.mgmt_network,
        cluster=lab.cluster,
        control_plane=masters[0] if masters else None,
        workers=len(boxes) + (lab.cluster is not None),
        limit=lab.limit("create") if "create" in lab.deadlines else None,
    )


def _makes_bond(script: Path) -> bool:
    try:
        return f"link add {BOND} " in script.read_text()
    except OSError:
        return False


def members(folder: Path, switch: str, channel: str) -> tuple[str, ...]:
    """Kernel names of a port-channel's members, from ``checks.yaml``. Raises `UsageError` for one that is not there."""
    checks = yaml.load((folder / "checks.yaml").read_text(), Loader=yaml.CSafeLoader) or {}
    rows: Sequence[Mapping[str, Any]] = (checks.get("links") or {}).get("port_channels") or []
    channels = {
        f"port-channel{entry['channel']}": tuple(kernel_name(str(member)) for member in entry["members"])
        for row in rows
        if row.get("switch") == switch
        for entry in row.get("channels") or []
    }
    found = channels.get(channel.lower())
    if not found:
        raise UsageError(
            f"{switch} has no {channel} with members",
            code="no-such-interface",
            hint=did_you_mean(channel, channels, f"it has {', '.join(channels) or 'none'}"),
        )
    return found
