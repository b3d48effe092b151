"""The section ``leafs`` of ``checks.yaml``: what a leaf is to have towards the nodes, and what it must never have."""

from __future__ import annotations

from typing import Literal

from labctl.verify.inputmodel import Model


class GatewayInput(Model):
    """The anycast gateway: SVI, addresses and the MAC that all leafs share (NX-OS's dotted form)."""

    vlan: int
    addresses: tuple[str, ...]
    mac: str


class LoopbackInput(Model):
    """The loopback that peers with the nodes."""

    interface: str
    addresses: tuple[str, ...]
    tag: int


class LeafNeighborInput(Model):
    """A node as BGP neighbor."""

    node: str
    address: str
    family: Literal["ipv4", "ipv6"]


class LeafBgpInput(Model):
    """What every neighbor's effective configuration (templates followed) must say. ``hidden``: prefixes that the
    filter towards the nodes must not let out."""

    asn: int
    remote_asn: int
    multihop: int
    settings: tuple[str, ...]
    hidden: tuple[str, ...]
    neighbors: tuple[LeafNeighborInput, ...]


class LeafInput(Model):
    """One leaf. ``local``: Services of which it knows a /32, with endpoint nodes alone as next hops; ``absent``:
    Services of which it must not know one."""

    switch: str
    vrf: str
    gateway: GatewayInput
    loopback: LoopbackInput | None = None
    bgp: LeafBgpInput | None = None
    peer_link: Literal["physical", "fabric"] | None = None
    local: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class LeafsInput(Model):
    """``window``: seconds over which what must not be is looked for."""

    window: float = 3.0
    switches: tuple[LeafInput, ...] = ()
