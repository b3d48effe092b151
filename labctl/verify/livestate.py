"""The state of a running lab at one moment: what every node says of its links, LACP, sessions and pods. Nothing judged.

Each node is asked in turn, all nodes side by side. The first question that a node does not answer is its last one: what
it had said before stays, the rest of it is not known, and ``unanswered`` has the reason.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from labctl.bonding import parse_bond
from labctl.folder import Folder
from labctl.kube.resources import NODES, PODS
from labctl.nxos.tables import neighbors, rows
from labctl.parallel import at_once
from labctl.verify.expectation import is_ready
from labctl.verify.inputs import ChecksInput
from labctl.verify.observer import Command, Observer, Unanswered
from labctl.verify.topics.bgp import evpn

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


CLUSTER = "kubernetes"
"""The API server's name among the nodes that did not answer."""


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything that was said. ``read_at``: UTC, when the reading began; ``unanswered``: node → why."""

    read_at: str
    sessions: tuple[Session, ...] = ()
    ports: tuple[Port, ...] = ()
    channels: tuple[ChannelMember, ...] = ()
    lacp: tuple[Lacp, ...] = ()
    vpc: tuple[Vpc, ...] = ()
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
    lab, found = folder.lab, dict[type, list[Any]]()

    def show(switch: str, text: str) -> Any:
        return observer.ask(Command("nxos", switch, text))[0]

    def run(node: str, text: str) -> str:
        return str(observer.ask(Command("node", node, text))[0])

    said: dict[str, Iterator[Any]] = {name: _switch(name, show, checks, lab.mode) for name in lab.switches}
    said |= {name: _node(name, run, checks) for name in (*lab.kube_nodes, *lab.hosts)}
    if lab.kube_nodes:
        said[CLUSTER] = _cluster(observer, {kubernetes: name for name, kubernetes in lab.kubernetes.items()})
    answers = at_once(said, lambda node: _until_silent(said[node]))
    for row in (row for rows_of, _ in answers.values() for row in rows_of):
        found.setdefault(type(row), []).append(row)
    kinds: Mapping[str, type] = {
        "sessions": Session, "ports": Port, "channels": ChannelMember, "lacp": Lacp, "vpc": Vpc, "pods": Pod,
        "nodes": KubeNode,
    }  # fmt: skip
    silent = {node: why.removeprefix(f"{node}: ") for node, (_, why) in answers.items() if why}
    return LiveState(began, **{name: tuple(found.get(kind, ())) for name, kind in kinds.items()}, unanswered=silent)


def _until_silent(said: Iterator[Any]) -> tuple[list[Any], str]:
    found: list[Any] = []
    try:
        for row in said:
            found.append(row)  # noqa: PERF402 - what came before it fell silent is kept
    except Unanswered as error:
        return found, str(error)
    return found, ""


def _switch(switch: str, show: Callable[[str, str], Any], checks: ChecksInput, mode: str) -> Iterator[Any]:
    """Interfaces, port-channels and vPC where it has them, its BGP sessions."""
    yield from _ports(switch, show(switch, "show interface brief"))
    vpc = any(row.switch == switch for row in checks.links.vpc)
    if vpc or any(row.switch == switch for row in checks.links.port_channels):
        yield from _channel_members(switch, show(switch, "show port-channel summary"))
    if vpc:
        yield _vpc(switch, show(switch, "show vpc brief"))
    asked: dict[str, Family] = {evpn(switch).text: "evpn"}
    of_nodes = (row for row in checks.mode(mode).bgp.sessions if row.switch == switch)
    asked |= {row.summary.text: row.family for row in of_nodes}
    for text, family in asked.items():
        for neighbor, row in neighbors(show(switch, text)).items():
            received, since = int(row.get("prefixreceived") or 0), str(row.get("time") or "")
            yield Session(switch, neighbor, family, str(row.get("state")), received, since)


def _ports(switch: str, brief: Any) -> Iterator[Port]:
    for row in rows(brief, "interface"):
        state = row.get("state") or row.get("svi_admin_state")  # an SVI has a row of another kind
        reason = str(row.get("state_rsn_desc") or row.get("svi_rsn_desc") or row.get("svi_reason_desc") or "")
        yield Port(switch, str(row.get("interface")), str(state), "" if reason in ("none", "--") else reason)


def _channel_members(switch: str, summary: Any) -> Iterator[ChannelMember]:
    for channel in rows(summary, "channel"):
        for row in rows(channel, "member"):
            yield ChannelMember(switch, int(channel["group"]), str(row["port"]), str(row["port-status"]))


def _vpc(switch: str, brief: Any) -> Vpc:
    said = brief if isinstance(brief, Mapping) else {}
    keys = ("vpc-peer-status", "vpc-peer-keepalive-status", "vpc-peer-consistency")
    peer, keepalive, consistency = (str(said.get(key) or "unknown") for key in keys)
    legs = ((int(row["vpc-id"]), str(row.get("vpc-port-state")) == "1") for row in rows(brief, "vpc"))
    return Vpc(switch, peer, keepalive, consistency, tuple(legs))


def _node(node: str, run: Callable[[str, str], str], checks: ChecksInput) -> Iterator[Any]:
    """The interfaces of a node or of an external host, and its bond.

    ``ip -o link show`` (iproute2), a line an interface: ``2: eth1@if5: <BROADCAST,UP,LOWER_UP> … state UP …``.
    """
    for found in re.finditer(r"^\d+: ([^:@\s]+)[^:\n]*: .*? state (\S+)", run(node, "ip -o link show"), re.MULTILINE):
        yield Port(node, found[1], found[2].lower())
    for row in checks.links.lacp:
        if row.node == node:
            bond = parse_bond(run(node, f"cat /proc/net/bonding/{row.bond}"))
            members = tuple(member.name for member in bond.members)
            yield Lacp(node, row.bond, members, tuple(member.name for member in bond.carrying))


def _cluster(observer: Observer, names: Mapping[str, str]) -> Iterator[Any]:
    """Nodes and pods, by the API. ``names``: Node → the lab's name."""
    for item in observer.list(NODES):
        name = str(item["metadata"]["name"])
        yield KubeNode(names.get(name, name), is_ready(item))
    for pod in observer.list(PODS):
        metadata, status = pod["metadata"], pod.get("status") or {}
        node = str(pod["spec"].get("nodeName") or "")
        phase = "Terminating" if metadata.get("deletionTimestamp") else str(status.get("phase") or "Unknown")
        yield Pod(str(metadata["namespace"]), str(metadata["name"]), names.get(node, node), phase, is_ready(pod),
                  str(status.get("podIP") or ""))  # fmt: skip
