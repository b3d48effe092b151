"""What a folder's lab is in Docker: containers, their interfaces and links, networks, all by name; and boot batches.

A 9000v touches most of its memory while it unpacks and boots, and takes all processors that it gets: many at once on a
small host end in boots that fail by chance (vrnetlab issue 27, netlab issue 732). containerlab's ``startup-delay``
holds one of its workers meanwhile; vrnetlab's BOOT_DELAY does not, so the folder asks for it and leaves the seconds to
the environment of ``containerlab``: they are this host's affair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import UsageError, did_you_mean
from labctl.folder import KINDS as NAMES_OF_KINDS
from labctl.folder import Folder, Topology
from labctl.runtime.api import NodeKind
from labctl.runtime.ports import kernel_name
from labctl.runtime.refusals import no_node

TOPOLOGY = "topology.clab.yml"
KINDS: Mapping[str, NodeKind] = {name: kind for kind, name in NAMES_OF_KINDS.items()}
BOND = "bond0"


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the lab. ``links``: kernel names of its interfaces that have a link, in the topology's order."""

    name: str
    """The lab's name of it (``node01``)."""
    kind: NodeKind
    topology: str
    container: str
    links: tuple[str, ...]
    bonded: bool
    """Whether its script makes bond0."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link: both ends as (node of the topology, interface as the topology has it)."""

    a: tuple[str, str]
    b: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.a[0]}:{self.a[1]} - {self.b[0]}:{self.b[1]}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All nodes of a lab. ``cluster``: the kind cluster's name; ``workers``: nodes of the topology, kind's included."""

    lab: str
    switch: str
    """What stands for switches: ``n9kv`` or ``standin``."""
    nodes: Mapping[str, Node]
    links: tuple[Link, ...]
    network: str
    cluster: str | None
    control_plane: str | None
    workers: int
    limit: float | None = None
    """Seconds for all nodes and links to be made, as the folder has it."""

    def node(self, name: str) -> Node:
        """By the lab's name. Raises `UsageError` with a did-you-mean."""
        found = self.nodes.get(name)
        if found is None:
            raise no_node(self.lab, name, self.nodes)
        return found

    def at(self, topology: str) -> Node:
        """By the topology's name."""
        return next(node for node in self.nodes.values() if node.topology == topology)

    def switches(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind == "switch"]


def plan_of(folder: Folder) -> Plan:
    """What the folder describes, with the names that containerlab and kind will give to it."""
    lab = folder.lab
    nodes = {
        name: Node(
            name, node.kind, node.topology, node.container, tuple(map(kernel_name, lab.interfaces(name))),
            _makes_bond(folder.path / "nodes" / f"{name}.sh"),
        )
        for name, node in lab.nodes.items()
    }  # fmt: skip
    masters = [name for name, node in lab.nodes.items() if node.role == "control-plane"]
    return Plan(
        lab=lab.name,
        switch=lab.target.get("switch", "standin"),
        nodes=nodes,
        links=tuple(Link(a, b) for a, b in lab.keyed_links),
        network=folder.topology.mgmt_network,
        cluster=lab.cluster,
        control_plane=masters[0] if masters else None,
        workers=len(nodes) + (lab.cluster is not None),
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


BATCH_SECONDS = 300
"""From one batch to the next: a 9000v that boots alone has its prompt after 5 minutes."""
BOOTING = 2
"""A batch may boot into one half of the free memory; the other half is for those that run already."""
DELAY = "BOOT_DELAY"
_ASKED = re.compile(r"\$\{(\w+)(?::?[-=][^}]*)?\}|\$(\w+)")
"""A value that containerlab takes from its environment (hellt/envsubst)."""


def boot_delays(switches: Sequence[str], memory_bytes: int, per_switch_bytes: int) -> dict[str, int]:
    """Seconds that each switch waits before it boots, in the order given.

    ``memory_bytes``: what the host has free now; ``per_switch_bytes``: what one switch is given. At least one boots at
    a time, whatever the numbers say: that it does not fit is for ``labctl doctor`` to tell.
    """
    fit = memory_bytes // max(1, per_switch_bytes)
    size = len(switches) if fit >= BOOTING * len(switches) else max(1, fit // BOOTING)
    return {name: BATCH_SECONDS * (index // size) for index, name in enumerate(switches)}


def boot_environment(topology: Topology, memory_bytes: int) -> dict[str, str]:
    """The variables for ``containerlab``: those by which the topology lets a delay in, and no others.

    A switch without BOOT_DELAY, or with seconds that a person wrote, is left alone.
    """
    asked = {name: _variable(env) for name, env in topology.env.items()}
    held = [name for name, variable in asked.items() if variable]
    if not held:
        return {}
    per_switch = max(memory_of(topology.env[name]) for name in held)
    delays = boot_delays(held, memory_bytes, per_switch)
    return {str(asked[name]): str(seconds) for name, seconds in delays.items()}


def memory_of(env: Mapping[str, str]) -> int:
    """Bytes that a 9000v is given; vrnetlab's own 10 GiB where the folder says nothing."""
    written = env.get("QEMU_MEMORY", "")
    return (int(written) if written.isdecimal() else 10240) << 20


def _variable(env: Mapping[str, str]) -> str | None:
    found = _ASKED.fullmatch(env.get(DELAY, ""))
    return (found[1] or found[2]) if found else None
