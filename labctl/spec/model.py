"""What a person writes. Field descriptions become the JSON Schema for editors (``labctl validate --schema``)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LabName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$")]
SwitchName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{1,31}$")]
NodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")]
Asn = Annotated[int, Field(ge=1, le=4294967295)]
Asn16 = Annotated[int, Field(ge=1, le=65535)]
Vni = Annotated[int, Field(ge=1, le=16777215)]
Vlan = Annotated[int, Field(ge=2, le=3967)]
AnyNetwork = IPv4Network | IPv6Network
AnyInterface = IPv4Interface | IPv6Interface
AnyAddress = IPv4Address | IPv6Address
PeerLink = Literal["physical", "fabric"]
Mode = Literal["routed", "ipip"]
Scenario = Literal["bgp", "ping", "curl", "ping-ipip"]
Workload = Literal["pingtest", "nginx-dual", "nginx"]


def _as_list(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


class Part(BaseModel):
    """Base of all parts: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class LeafPair(Part):
    """Two leafs that are one LACP partner (vPC)."""

    leafs: Annotated[tuple[SwitchName, SwitchName], Field(description="The two switches of the pair.")]
    peer_link: Annotated[PeerLink, Field(description="fabric: virtual peer-link (NX-OS 10.4 or newer).")] = "fabric"


class Network(Part):
    """The VLAN that the nodes are in, with its anycast gateway."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", description="The VLAN's name.")] = "nodes"
    vlan: Vlan = 3001
    vni: Vni = 30001
    gateway: Annotated[
        tuple[AnyInterface, ...],
        BeforeValidator(_as_list),
        Field(min_length=1, max_length=2, description="Anycast gateway, IPv4 first, then IPv6."),
    ] = (IPv4Interface("192.168.1.1/24"), IPv6Interface("2001:192:168:1::1/64"))


class Vrf(Part):
    """The tenant VRF: its L3VNI, the nodes' network, and the loopbacks that peer with Calico."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$")] = "vrf-001"
    vni: Vni = 90001
    vlan: Annotated[Vlan, Field(description="VLAN that carries the L3VNI.")] = 2001
    networks: Annotated[tuple[Network, ...], Field(min_length=1, max_length=1)] = (Network(),)
    peering_loopbacks: Annotated[
        dict[SwitchName, tuple[AnyAddress, ...]],
        Field(description="loopback1002 of each leaf, IPv4 then IPv6; the same on several pairs: RT colouring."),
    ] = {}


class SwitchAddresses(Part):
    """Addresses of one switch, where the plan's own do not please."""

    loopback0: IPv4Address | None = None
    vtep: Annotated[IPv4Address | None, Field(description="loopback1, the switch's own VTEP address (PIP).")] = None
    vip: Annotated[IPv4Address | None, Field(description="loopback1 secondary, shared by the pair.")] = None


class Fabric(Part):
    """Spines, leaf pairs, border leafs; numbers, or names."""

    asn: Asn16 = 65102
    spines: Annotated[int, Field(ge=1, le=8)] | Annotated[tuple[SwitchName, ...], Field(max_length=8)] = 2
    leaf_pairs: Annotated[int, Field(ge=1, le=16)] | Annotated[tuple[LeafPair, ...], Field(max_length=16)] = 1
    borders: Annotated[int, Field(ge=0, le=4)] | Annotated[tuple[SwitchName, ...], Field(max_length=4)] = 0
    anycast_mac: Annotated[str, Field(pattern=r"^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$")] = "2020.0000.00aa"
    nxos: Annotated[str, Field(pattern=r"^\d+\.\d+\(\d+[a-z]*\)$", description="NX-OS version, e.g. 10.5(4).")] = (
        "10.5(4)"
    )
    vrfs: Annotated[tuple[Vrf, ...], Field(min_length=1, max_length=1)] = (Vrf(),)
    addresses: dict[SwitchName, SwitchAddresses] = {}


class Node(Part):
    """A Kubernetes node, bonded to a leaf pair."""

    name: NodeName
    role: Literal["control-plane", "worker"] | None = None
    address: Annotated[
        tuple[AnyAddress, ...], BeforeValidator(_as_list), Field(max_length=2, description="bond0, IPv4 then IPv6.")
    ] = ()
    pair: Annotated[int | None, Field(ge=1, description="Leaf pair, counted from 1.")] = None


class Pool(Part):
    """A Calico IPPool."""

    cidr: AnyNetwork
    block_size: int | None = None


class Calico(Part):
    """Calico's side."""

    version: Annotated[str | None, Field(pattern=r"^\d+\.\d+\.\d+$")] = None
    pools: tuple[Pool, ...] = ()
    external_ips: tuple[AnyNetwork, ...] = ()


class Cluster(Part):
    """The Kubernetes cluster."""

    asn: Asn = 65531
    mode: Annotated[Mode, Field(description="routed: ipipMode Never, no mesh; ipip: Always, with the mesh.")] = "routed"
    nodes: Annotated[int, Field(ge=2, le=64)] | Annotated[tuple[Node, ...], Field(max_length=64)] = 3
    calico: Calico = Calico()
    services: tuple[AnyNetwork, ...] = ()
    kubernetes: Annotated[str | None, Field(pattern=r"^\d+\.\d+\.\d+$")] = None
    mtu: Annotated[int, Field(ge=1280, le=9150)] = 1500


class External(Part):
    """A host behind a border leaf that stands for outside networks."""

    name: NodeName
    attach: SwitchName
    announces: Annotated[tuple[AnyNetwork, ...], Field(min_length=1)]


class Images(Part):
    """Container images, for the containerlab runtime."""

    switch: str | None = None
    node: str | None = None
    host: str | None = None


class Spec(Part):
    """A lab."""

    name: LabName
    fabric: Fabric = Fabric()
    cluster: Cluster | Literal["none"] = Cluster()
    external: Annotated[tuple[External, ...], Field(max_length=64)] = ()
    workloads: tuple[Workload, ...] | None = None
    scenarios: tuple[Scenario, ...] | None = None
    images: Images = Images()
    target: Annotated[
        dict[Literal["switch", "cluster"], Literal["n9kv", "standin", "kind"]],
        Field(description="What the folder is rendered for; --target and the runtime decide otherwise."),
    ] = {}
