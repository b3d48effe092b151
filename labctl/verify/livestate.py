"""The state of a running lab at one moment: what every node says of its links, LACP, sessions and pods. Nothing judged.

Each node is asked in turn, all nodes side by side. The first question that a node does not answer is its last one: what
it had said before stays, the rest of it is not known, and ``unanswered`` has the reason.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from labctl.bonding import parse_bond
from labctl.folder import Folder
from labctl.kube.resources import NODES, PODS
from labctl.nxos.tables import neighbors, rows
from labctl.verify.expectation import is_ready
from labctl.verify.inputs import ChecksInput
from labctl.verify.observer import Command, Observer, Unanswered

Family = Literal["evpn", "ipv4", "ipv6"]


@dataclass(frozen=True, slots=True)
class Session:
    """A neighbor of a BGP summary; ``since``: how long it has been in its state, as the switch writes it."""

    switch: str
    neighbor: str
    family: Family
    state: str
    prefixes: int
    since: str


@dataclass(frozen=True, slots=True)
class Port:
    """An interface; ``reason``: why it is down, where its node says so."""

    node: str
    interface: str
    state: str
    reason: str = ""

    @property
    def up(self) -> bool:
        return self.state == "up"


@dataclass(frozen=True, slots=True)
class ChannelMember:
    """A member of a switch's port-channel. ``flag`` is NX-OS's: ``P`` bundled, ``D`` down, ``s`` suspended…"""

    switch: str
    channel: int
    interface: str
    flag: str


@dataclass(frozen=True, slots=True)
class Lacp:
    """A node's bond, by its kernel; no members: there is no such bond."""

    node: str
    bond: str
    members: tuple[str, ...]
    distributing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vpc:
    """A switch's side of its vPC domain; ``vpcs``: number and whether it is up."""

    switch: str
    peer: str
    keepalive: str
    consistency: str
    vpcs: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class Adjacency:
    """An OSPF neighbor, by router id, on one interface (as the switch abbreviates it)."""

    switch: str
    neighbor: str
    interface: str
    state: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod; ``node`` by the lab's name."""

    namespace: str
    name: str
    node: str
    phase: str
    ready: bool
    ip: str


@dataclass(frozen=True, slots=True)
class KubeNode:
    """A Node, by the lab's name."""

    name: str
    ready: bool


def switch_ports(switch: str, body: Any) -> list[Port]:
    """``show interface brief``."""
    found = []
    for row in rows(body, "interface"):
        state = row.get("state") or row.get("svi_admin_state")  # an SVI has a row of another kind
        reason = str(row.get("state_rsn_desc") or row.get("svi_rsn_desc") or row.get("svi_reason_desc") or "")
        reason = "" if reason in ("none", "--") else reason
        found.append(Port(switch, str(row.get("interface")), str(state), reason))
    return found


def kernel_ports(node: str, text: str) -> list[Port]:
    """``ip -o link show`` (iproute2), a line an interface: ``2: eth1@if5: <BROADCAST,UP,LOWER_UP> … state UP …``."""
    return [
        Port(node, found["name"], found["state"].lower())
        for found in re.finditer(r"^\d+: (?P<name>[^:@\s]+)[^:\n]*: .*? state (?P<state>\S+)", text, re.MULTILINE)
    ]


def channel_members(switch: str, body: Any) -> list[ChannelMember]:
    """``show port-channel summary``."""
    return [
        ChannelMember(switch, int(channel["group"]), str(row["port"]), str(row["port-status"]))
        for channel in rows(body, "channel")
        for row in rows(channel, "member")
    ]


def vpc_side(switch: str, body: Any) -> Vpc:
    """``show vpc brief``."""
    said: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    return Vpc(
        switch,
        str(said.get("vpc-peer-status") or "unknown"),
        str(said.get("vpc-peer-keepalive-status") or "unknown"),
        str(said.get("vpc-peer-consistency") or "unknown"),
        tuple((int(row["vpc-id"]), str(row.get("vpc-port-state")) == "1") for row in rows(body, "vpc")),
    )


def adjacencies(switch: str, body: Any) -> list[Adjacency]:
    """``show ip ospf neighbors``."""
    return [
        Adjacency(switch, str(row.get("rid")), str(row.get("intf")), str(row.get("state")).partition("/")[0].strip())
        for row in rows(body, "ctx", "nbr")
    ]


def summary_sessions(switch: str, family: Family, body: Any) -> list[Session]:
    """A BGP summary."""
    return [
        Session(
            switch, neighbor, family, str(row.get("state")), int(row.get("prefixreceived") or 0),
            str(row.get("time") or ""),
        )
        for neighbor, row in neighbors(body).items()
    ]  # fmt: skip


def pod_row(item: Mapping[str, Any], names: Mapping[str, str]) -> Pod:
    """A Pod; ``names``: Node → the lab's name."""
    metadata, status = item["metadata"], item.get("status") or {}
    node = str(item["spec"].get("nodeName") or "")
    phase = "Terminating" if metadata.get("deletionTimestamp") else str(status.get("phase") or "Unknown")
    return Pod(
        str(metadata["namespace"]), str(metadata["name"]), names.get(node, node), phase, is_ready(item),
        str(status.get("podIP") or ""),
    )  # fmt: skip


__all__ = [
    "CLUSTER", "Adjacency", "ChannelMember", "KubeNode", "Lacp", "LiveState", "Pod", "Port", "Session", "Vpc", "read",
]  # fmt: skip
CLUSTER = "kubernetes"
"""The API server's name among the nodes that did not answer."""
AT_ONCE = 8
"""Nodes that are asked at the same time."""
SUMMARY: Mapping[Family, str] = {
    "evpn": "show bgp l2vpn evpn summary",
    "ipv4": "show ip bgp summary vrf {vrf}",
    "ipv6": "show ipv6 bgp summary vrf {vrf}",
}


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything that was said. ``read_at``: UTC, when the reading began; ``unanswered``: node → why."""

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
    """Ask every node of the lab once. Raises nothing for a node that does not answer: it is in ``unanswered``.

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
        unanswered={one.node: one.unanswered for one in said if one.unanswered},
    )


_KINDS: Mapping[str, Any] = {
    "sessions": Session, "ports": Port, "channels": ChannelMember, "lacp": Lacp, "vpc": Vpc, "adjacencies": Adjacency,
    "pods": Pod, "nodes": KubeNode,
}  # fmt: skip


@dataclass(slots=True)
class _Said:
    """What one node said so far."""

    node: str
    rows: list[Any] = field(default_factory=list)
    unanswered: str = ""

    def of(self, kind: type) -> list[Any]:
        return [row for row in self.rows if isinstance(row, kind)]


def _ask(node: str, questions: Callable[[_Said], None]) -> _Said:
    said = _Said(node)
    try:
        questions(said)
    except Unanswered as error:
        said.unanswered = str(error).removeprefix(f"{node}: ")
    return said


@dataclass(frozen=True, slots=True)
class _Reading:
    """The questions, by the kind of node."""

    observer: Observer
    folder: Folder
    checks: ChecksInput

    def switch(self, said: _Said) -> None:
        """Interfaces, port-channels and vPC where it has them, underlay, its BGP sessions."""
        name, links, bgp = said.node, self.checks.links, self.checks.mode(self.folder.lab.mode).bgp
        said.rows += switch_ports(name, self._show(name, "show interface brief"))
        vpc = any(row.switch == name for row in links.vpc)
        if vpc or any(row.switch == name for row in links.port_channels):
            said.rows += channel_members(name, self._show(name, "show port-channel summary"))
        if vpc:
            said.rows.append(vpc_side(name, self._show(name, "show vpc brief")))
        said.rows += adjacencies(name, self._show(name, "show ip ospf neighbors"))
        asked: dict[str, Family] = {SUMMARY["evpn"]: "evpn"}
        for row in bgp.sessions:
            if row.switch == name:
                asked[SUMMARY[row.family].format(vrf=row.vrf)] = row.family
        for text, family in asked.items():
            said.rows += summary_sessions(name, family, self._show(name, text))

    def node(self, said: _Said) -> None:
        """The interfaces of a node or of an external host, and its bond."""
        name = said.node
        said.rows += kernel_ports(name, self._run(name, "ip -o link show"))
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
            said.rows.append(KubeNode(names.get(name, name), is_ready(node)))
        for pod in self.observer.list(PODS):
            said.rows.append(pod_row(pod, names))

    def _show(self, switch: str, text: str) -> Any:
        return self.observer.ask(Command("nxos", switch, text))[0]

    def _run(self, node: str, text: str) -> str:
        return str(self.observer.ask(Command("node", node, text))[0])
