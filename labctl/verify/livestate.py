"""The state of a running lab at one moment: what every box says of its links, LACP, sessions and pods. Nothing judged.

Each box is asked in turn, all boxes side by side. The first question that a box does not answer is its last one: what
it had said before stays, the rest of it is not known, and ``unanswered`` has the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from labctl.bonding import parse_bond
from labctl.folder import Folder
from labctl.kube.resources import NODES, PODS
from labctl.verify import liverows
from labctl.verify.inputs import ChecksInput
from labctl.verify.liverows import Adjacency, ChannelMember, Family, KubeNode, Lacp, Pod, Port, Session, Vpc
from labctl.verify.observer import Command, Observer, Unanswered

__all__ = [
    "CLUSTER", "Adjacency", "ChannelMember", "KubeNode", "Lacp", "LiveState", "Pod", "Port", "Session", "Vpc", "read",
]  # fmt: skip

CLUSTER = "kubernetes"
"""The API server's name among the boxes that did not answer."""
AT_ONCE = 8
"""Boxes that are asked at the same time."""
SUMMARY: Mapping[Family, str] = {
    "evpn": "show bgp l2vpn evpn summary",
    "ipv4": "show ip bgp summary vrf {vrf}",
    "ipv6": "show ipv6 bgp summary vrf {vrf}",
}


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything that was said. ``read_at``: UTC, when the reading began; ``unanswered``: box → why."""

    read_at: str
    sessions: tuple[Session, ...] = ()
    ports: tuple[Port, ...] = ()
    channels: tuple[ChannelMember, ...] = ()
    lacp: tuple[Lacp, ...] = ()
    vpc: tuple[Vpc, ...] = ()
    adjacencies: tuple[Adjacency, ...] = ()
    pods: tuple[Pod, ...] = ()
    nodes: tuple[KubeNode, ...] = ()
    unanswered: Mapping[str, str] = field(default_factory=dict)


def read(
    observer: Observer, folder: Folder, checks: ChecksInput, *, clock: Callable[[], float] = time.time
) -> LiveState:
    """Ask every box of the lab once. Raises nothing for a box that does not answer: it is in ``unanswered``.

    ``clock``: seconds since the epoch.
    """
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(clock()))
    reading = _Reading(observer, folder, checks)
    questions: dict[str, Callable[[_Said], None]] = {
        **dict.fromkeys(folder.lab.switches, reading.switch),
        **dict.fromkeys((*folder.lab.kube_nodes, *folder.lab.hosts), reading.node),
    }
    if folder.lab.kube_nodes:
        questions[CLUSTER] = reading.cluster
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(_ask, questions, questions.values()))
    return LiveState(
        began,
        **{kind: tuple(row for one in said for row in one.of(sort)) for kind, sort in _KINDS.items()},
        unanswered={one.box: one.unanswered for one in said if one.unanswered},
    )


_KINDS: Mapping[str, Any] = {
    "sessions": Session, "ports": Port, "channels": ChannelMember, "lacp": Lacp, "vpc": Vpc, "adjacencies": Adjacency,
    "pods": Pod, "nodes": KubeNode,
}  # fmt: skip


@dataclass(slots=True)
class _Said:
    """What one box said so far."""

    box: str
    rows: list[Any] = field(default_factory=list)
    unanswered: str = ""

    def of(self, kind: type) -> list[Any]:
        return [row for row in self.rows if isinstance(row, kind)]


def _ask(box: str, questions: Callable[[_Said], None]) -> _Said:
    said = _Said(box)
    try:
        questions(said)
    except Unanswered as error:
        said.unanswered = str(error).removeprefix(f"{box}: ")
    return said


@dataclass(frozen=True, slots=True)
class _Reading:
    """The questions, by the kind of box."""

    observer: Observer
    folder: Folder
    checks: ChecksInput

    def switch(self, said: _Said) -> None:
        """Interfaces, port-channels and vPC where it has them, underlay, its BGP sessions."""
        name, links, bgp = said.box, self.checks.links, self.checks.mode(self.folder.lab.mode).bgp
        said.rows += liverows.ports(name, self._show(name, "show interface brief"))
        vpc = any(row.switch == name for row in links.vpc)
        if vpc or any(row.switch == name for row in links.port_channels):
            said.rows += liverows.channel_members(name, self._show(name, "show port-channel summary"))
        if vpc:
            said.rows.append(liverows.vpc_side(name, self._show(name, "show vpc brief")))
        said.rows += liverows.adjacencies(name, self._show(name, "show ip ospf neighbors"))
        asked: dict[str, Family] = {SUMMARY["evpn"]: "evpn"}
        for row in bgp.sessions:
            if row.switch == name:
                asked[SUMMARY[row.family].format(vrf=row.vrf)] = row.family
        for text, family in asked.items():
            said.rows += liverows.sessions(name, family, self._show(name, text))

    def node(self, said: _Said) -> None:
        """The interfaces of a node or of an external host, and its bond."""
        name = said.box
        said.rows += liverows.kernel_ports(name, self._run(name, "ip -o link show"))
        for row in self.checks.links.lacp:
            if row.node == name:
                bond = parse_bond(self._run(name, f"cat /proc/net/bonding/{row.bond}"))
                members = tuple(member.name for member in bond.members)
                said.rows.append(Lacp(name, row.bond, members, tuple(member.name for member in bond.carrying)))

    def cluster(self, said: _Said) -> None:
        """Nodes and pods, by the API."""
        names = {kubernetes: name for name, kubernetes in self.folder.lab.kubernetes.items()}
        for node in self.observer.list(NODES):
            name = str(node["metadata"]["name"])
            said.rows.append(KubeNode(names.get(name, name), liverows.is_ready(node)))
        for pod in self.observer.list(PODS):
            said.rows.append(liverows.pod(pod, names))

    def _show(self, switch: str, text: str) -> Any:
        return self.observer.ask(Command("nxos", switch, text))[0]

    def _run(self, node: str, text: str) -> str:
        return str(self.observer.ask(Command("node", node, text))[0])
