"""What one answer of one box says, as rows: pure, one function for each question of `labctl.verify.livestate`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labctl.verify.judges import neighbors, rows

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
    """An interface; ``reason``: why it is down, where its box says so."""

    box: str
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


def ports(switch: str, body: Any) -> list[Port]:
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


def sessions(switch: str, family: Family, body: Any) -> list[Session]:
    """A BGP summary."""
    return [
        Session(
            switch, neighbor, family, str(row.get("state")), int(row.get("prefixreceived") or 0),
            str(row.get("time") or ""),
        )
        for neighbor, row in neighbors(body).items()
    ]  # fmt: skip


def is_ready(item: Mapping[str, Any]) -> bool:
    """The condition Ready of a Node or a Pod."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)


def pod(item: Mapping[str, Any], names: Mapping[str, str]) -> Pod:
    """A Pod; ``names``: Node → the lab's name."""
    metadata, status = item["metadata"], item.get("status") or {}
    node = str(item["spec"].get("nodeName") or "")
    phase = "Terminating" if metadata.get("deletionTimestamp") else str(status.get("phase") or "Unknown")
    return Pod(
        str(metadata["namespace"]), str(metadata["name"]), names.get(node, node), phase, is_ready(item),
        str(status.get("podIP") or ""),
    )  # fmt: skip
