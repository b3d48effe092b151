"""What a person writes. Descriptions and examples become the JSON Schema for editors (`labctl.spec.reference`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from pydantic_core import PydanticCustomError

from labctl.errors import Problem
from labctl.peers import NXOS_DEFAULT


def _as_list(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


def _written(kind: str) -> BeforeValidator:
    """Refuses a bare number, of which `ipaddress` makes an address (``5`` is 0.0.0.5 to it), and a zone (``%eth0``)."""

    def check(value: object) -> object:
        if isinstance(value, int | float):
            raise PydanticCustomError(kind, "is no address")
        if isinstance(value, str) and "%" in value:
            raise PydanticCustomError("zone", "has a zone")
        return value

    return BeforeValidator(check)


def _or_one(schema: dict[str, Any]) -> None:
    """Says to editors that a list of one may be written without brackets."""
    listed: dict[str, Any] = {key: schema.pop(key) for key in ("type", "items")}
    for said, meant in (("minLength", "minItems"), ("maxLength", "maxItems")):
        if said in schema:  # of a tuple behind a validator pydantic says the length of a text
            listed[meant] = schema.pop(said)
    schema["anyOf"] = [listed, *listed["items"].get("anyOf", [listed["items"]])]


@dataclass(frozen=True, slots=True)
class Looks:
    """Of a text with a pattern: what it is, in front of a person, and what such a text looks like."""

    what: str
    example: str


SWITCH_NAME = Looks("a switch's name", "letters, digits and '-', a letter first; 2 to 32 of them")
LabName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$"),
    Looks("a lab's name", "lower-case letters, digits and '-'; 2 to 32 of them"),
]
SwitchName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]$"), SWITCH_NAME]
NodeName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$"),
    Looks("a name", "lower-case letters, digits and '-', a letter first; 2 to 32 of them"),
]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$"), Looks("a version", "three numbers, as in 1.34.3")]
Label = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
    Looks("a name in Kubernetes", "lower-case letters, digits and '-'; 63 at most"),
]
"""A DNS label (RFC 1123), as Kubernetes names namespaces and services."""
Whole = Annotated[int, Field(strict=True)]
"""No text, no truth value and no 2.0: what is odd is asked, not guessed."""
Asn = Annotated[Whole, Field(ge=1, le=4294967295)]
Asn16 = Annotated[Whole, Field(ge=1, le=65535)]
"""Route targets are made of it and of a VNI (``rd auto``): it has room for two bytes."""
Vni = Annotated[Whole, Field(ge=1, le=16777215)]
Vlan = Annotated[Whole, Field(ge=2, le=3967)]
AnyNetwork = Annotated[IPv4Network | IPv6Network, _written("ip_v4_network")]
AnyInterface = Annotated[IPv4Interface | IPv6Interface, _written("ip_v4_interface")]
AnyAddress = Annotated[IPv4Address | IPv6Address, _written("ip_v4_address")]
Address4 = Annotated[IPv4Address, _written("ip_v4_address")]
PeerLink = Literal["physical", "fabric"]
Mode = Literal["routed", "ipip"]
Scenario = Literal["bgp", "ping", "curl", "cluster", "leafs", "ping-ipip"]
Failure = Literal[
    "bond-member", "leaf", "leaf-uplink", "spine", "peer-link", "keepalive", "node", "pod-moved", "endpoints-moved",
    "calico-node-restart", "bgp-cleared",
]  # fmt: skip
"""Each breaks something for a while: rendered for every lab that has what it needs, run when asked for."""
Provable = Literal[Scenario, Failure]
BuiltIn = Literal["pingtest", "nginx-dual", "nginx"]
ManifestFile = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*\.ya?ml$")]
Pull = Literal["never", "if-not-present", "always"]


def is_file(workload: str) -> bool:
    """Whether an entry of ``workloads`` is a file; built-in ones have no extension."""
    return workload.endswith((".yaml", ".yml"))


def stem(workload: str) -> str:
    """What the workload is called in the folder: ``k8s/<stem>.yaml``."""
    return PurePosixPath(workload).stem if is_file(workload) else workload


class Part(BaseModel):
    """Base of all parts: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class LeafPair(Part):
    """Two leafs that are one LACP partner (vPC)."""

    leafs: Annotated[
        tuple[SwitchName, SwitchName],
        Field(description="The two switches of the pair.", examples=[["leaf2101", "leaf2102"]]),
    ]
    peer_link: Annotated[
        PeerLink | None, Field(description="This pair's peer-link, where it is not the one that fabric.peer_link says.")
    ] = None


class Network(Part):
    """The VLAN that the nodes are in, with its anycast gateway."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", description="The VLAN's name.", examples=["k8s-nodes"]),
        Looks("a VLAN's name", "letters, digits, '.', '-' and '_'; 32 at most"),
    ] = "nodes"
    vlan: Annotated[Vlan, Field(description="The VLAN.")] = 3001
    vni: Annotated[Vni, Field(description="The VLAN's VNI.")] = 30001
    gateway: Annotated[
        tuple[AnyInterface, ...],
        BeforeValidator(_as_list),
        Field(
            min_length=1,
            max_length=2,
            description="Anycast gateway with its prefix length: IPv4, then IPv6. Without IPv6 the lab has none.",
            examples=[["192.168.1.1/24", "2001:192:168:1::1/64"], "192.168.1.1/24"],
            json_schema_extra=_or_one,
        ),
    ] = (IPv4Interface("192.168.1.1/24"), IPv6Interface("2001:192:168:1::1/64"))


class Vrf(Part):
    """The tenant VRF: its L3VNI, the nodes' network, and the loopbacks that peer with Calico."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$", description="The VRF's name.", examples=["vrf-001"]),
        Looks("a VRF's name", "letters, digits, '-' and '_', a letter first; 32 at most"),
    ] = "vrf-001"
    vni: Annotated[Vni, Field(description="The VRF's L3VNI.")] = 90001
    vlan: Annotated[Vlan, Field(description="VLAN that carries the L3VNI.")] = 2001
    networks: Annotated[
        tuple[Network, ...], Field(min_length=1, max_length=1, description="The nodes' network: one.")
    ] = (Network(),)
    peering_loopbacks: Annotated[
        dict[
            SwitchName, Annotated[tuple[AnyAddress, ...], BeforeValidator(_as_list), Field(json_schema_extra=_or_one)]
        ],
        Field(
            description="loopback1002 of a leaf: IPv4, then IPv6. The same addresses on several pairs are coloured by a"
            " route target a pair.",
            examples=[{"leaf2101": ["192.168.100.1", "2001:193:168:1::4"]}],
        ),
    ] = {}


class SwitchAddresses(Part):
    """Addresses of one switch, where the plan's own do not please."""

    loopback0: Annotated[
        Address4 | None, Field(description="Router ID and source of the EVPN sessions.", examples=["10.2.1.1"])
    ] = None
    vtep: Annotated[
        Address4 | None, Field(description="loopback1, the switch's own VTEP address (PIP).", examples=["10.2.0.3"])
    ] = None
    vip: Annotated[
        Address4 | None, Field(description="loopback1 secondary, shared by the pair.", examples=["10.2.0.100"])
    ] = None


class Fabric(Part):
    """Spines, leaf pairs, border leafs; numbers, or names."""

    asn: Annotated[Asn16, Field(description="AS number of the fabric (iBGP EVPN, and towards Calico).")] = 65102
    spines: Annotated[
        Annotated[Whole, Field(ge=1, le=8)] | Annotated[tuple[SwitchName, ...], Field(max_length=8)],
        Field(description="Route reflectors: how many, or their names.", examples=[2, ["spine1", "spine2"]]),
    ] = 2
    leaf_pairs: Annotated[
        Annotated[Whole, Field(ge=1, le=16)] | Annotated[tuple[LeafPair, ...], Field(max_length=16)],
        Field(
            description="vPC pairs that the nodes are bonded to: how many, or the pairs by name.",
            examples=[1, [{"leafs": ["leaf2101", "leaf2102"], "peer_link": "fabric"}]],
        ),
    ] = 1
    peer_link: Annotated[
        PeerLink | None,
        Field(
            description="Of every pair that says none of its own. Left out: fabric from NX-OS 10.4 on, else physical."
        ),
    ] = None
    borders: Annotated[
        Annotated[Whole, Field(ge=0, le=4)] | Annotated[tuple[SwitchName, ...], Field(max_length=4)],
        Field(
            description="Border leafs, where external hosts are: how many, or their names.", examples=[1, ["leaf2999"]]
        ),
    ] = 0
    anycast_mac: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$",
            description="MAC address of the anycast gateway.",
            examples=["2020.0000.00aa"],
        ),
        Looks("a MAC address as NX-OS writes it", "as in 2020.0000.00aa"),
    ] = "2020.0000.00aa"
    nxos: Annotated[
        str,
        Field(
            pattern=r"^\d+\.\d+\(\d+[a-z]*\)([A-Z]\d*(\(\d+[a-z]*\))?)?$",
            description="NX-OS version: of the 9000v image, and what the configuration is written for.",
            examples=[NXOS_DEFAULT, "10.4(5)M"],
        ),
        Looks("an NX-OS version", "as in 10.5(4)"),
    ] = NXOS_DEFAULT
    vrfs: Annotated[tuple[Vrf, ...], Field(min_length=1, max_length=1, description="The tenant VRF: one.")] = (Vrf(),)
    addresses: Annotated[
        dict[SwitchName, SwitchAddresses],
        Field(
            description="Addresses of single switches, by name.",
            examples=[{"leaf2101": {"loopback0": "10.2.1.1", "vtep": "10.2.0.3", "vip": "10.2.0.100"}}],
        ),
    ] = {}


class Node(Part):
    """A Kubernetes node, bonded to a leaf pair."""

    name: Annotated[NodeName, Field(description="Its name in Kubernetes.", examples=["node01"])]
    role: Annotated[
        Literal["control-plane", "worker"] | None,
        Field(description="One node is the control plane: the one that says so, else the first."),
    ] = None
    address: Annotated[
        tuple[AnyAddress, ...],
        BeforeValidator(_as_list),
        Field(
            max_length=2,
            description="Of bond0, in the nodes' network: IPv4, then IPv6. Left out: .10, .11, … and ::10, ::11, …",
            examples=[["192.168.1.11", "2001:192:168:1::11"], "192.168.1.11"],
            json_schema_extra=_or_one,
        ),
    ] = ()
    pair: Annotated[
        Whole | None, Field(ge=1, description="The leaf pair that it hangs on, counted from 1. Left out: in turn.")
    ] = None


class Pool(Part):
    """A Calico IPPool."""

    cidr: Annotated[AnyNetwork, Field(description="The pool.", examples=["10.244.0.0/16", "2001:db8:42::/56"])]
    block_size: Annotated[
        Whole | None, Field(description="Prefix length of the blocks that nodes take; 26 and 122 where left out.")
    ] = None


class Calico(Part):
    """Calico's side."""

    version: Annotated[
        Version | None,
        Field(
            description="Left out: the white paper's on the stand-in cluster, the newest known on kind.",
            examples=["3.20.0"],
        ),
    ] = None
    manifest: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Calico's manifest for a cluster of kind, or a folder of it, relative to the spec. Left out:"
            " the release's, fetched once.",
            examples=["calico-3.33.0.yaml"],
        ),
    ] = None
    pools: Annotated[
        tuple[Pool, ...],
        Field(
            description="Pools that pods get addresses from. Left out: 10.244.0.0/16 and, with an IPv6 gateway,"
            " 2001:db8:42::/56.",
        ),
    ] = ()
    external_ips: Annotated[
        tuple[AnyNetwork, ...],
        Field(description="Ranges of services' externalIPs, announced to the fabric.", examples=[["203.0.113.0/24"]]),
    ] = ()


class Cluster(Part):
    """The Kubernetes cluster."""

    asn: Annotated[Asn, Field(description="AS number of Calico on every node.")] = 65531
    mode: Annotated[
        Mode, Field(description="routed: ipipMode Never, no mesh between nodes. ipip: Always, with the mesh.")
    ] = "routed"
    nodes: Annotated[
        Annotated[Whole, Field(ge=2, le=64)] | Annotated[tuple[Node, ...], Field(max_length=64)],
        Field(
            description="How many, the control plane counted, or each of them.",
            examples=[3, [{"name": "master", "role": "control-plane"}, {"name": "node01"}]],
        ),
    ] = 3
    calico: Annotated[Calico, Field(description="Version, pools and external IPs of Calico.")] = Calico()
    services: Annotated[
        tuple[AnyNetwork, ...],
        Field(
            max_length=2,
            description="Service ranges, one a family. Left out: 10.96.0.0/16 and, with an IPv6 pool,"
            " 2001:db8:42:1::/112.",
            examples=[["10.96.0.0/16", "2001:db8:42:1::/112"]],
        ),
    ] = ()
    kubernetes: Annotated[
        Version | None,
        Field(description="Kubernetes version. Left out: the newest that the target runs.", examples=["1.34.3"]),
    ] = None
    mtu: Annotated[Whole, Field(ge=1280, le=9150, description="MTU of bond0.")] = 1500


class External(Part):
    """A host behind a border leaf that stands for outside networks."""

    name: Annotated[NodeName, Field(description="The host's name.", examples=["ext1"])]
    attach: Annotated[SwitchName, Field(description="The border leaf that it is wired to.", examples=["leaf2999"])]
    announces: Annotated[
        tuple[AnyNetwork, ...],
        Field(
            min_length=1,
            description="Prefixes that it stands for; it owns an address of each.",
            examples=[["12.1.0.0/16", "200.200.200.200/32"]],
        ),
    ]


class PodEnd(Part):
    """A pod that somebody's manifest brings, on the node where it runs."""

    node: Annotated[NodeName, Field(description="The node.", examples=["node1"])]
    pod: Annotated[
        str,
        Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,252}$", description="The pod's name.", examples=["client"]),
        Looks("a pod's name", "lower-case letters, digits, '-' and '.'"),
    ]
    namespace: Annotated[Label, Field(description="Its namespace.")] = "default"


class Ping(Part):
    """A ping from a pod to a pod, proven by scenarios ping and ping-ipip."""

    sender: Annotated[PodEnd, Field(alias="from", description="Where it starts.")]
    target: Annotated[PodEnd, Field(alias="to", description="What answers.")]


class Curl(Part):
    """A page from a Service, fetched by a node's host, proven by scenario curl."""

    sender: Annotated[NodeName, Field(alias="from", description="The node that fetches.", examples=["node3"])]
    service: Annotated[Label, Field(description="The Service.", examples=["nginx-service"])]
    namespace: Annotated[Label, Field(description="Its namespace.")] = "default"
    backends: Annotated[
        NodeName,
        Field(description="The node with the Service's pods, whose leafs are captured at.", examples=["node1"]),
    ]
    endpoint: Annotated[
        Address4 | None,
        Field(
            description="The pod that is to be seen answering: kube-proxy chooses, so the page is fetched until it was"
            " that one. Left out: any endpoint.",
            examples=["10.233.102.141"],
        ),
    ] = None
    contains: Annotated[str, Field(min_length=1, description="What the page says.")] = "Welcome to nginx!"


class Traffic(Part):
    """What ping and curl send where the pods are a person's own; the built-in workloads need nothing said."""

    pings: Annotated[tuple[Ping, ...], Field(description="From pod to pod.")] = ()
    curls: Annotated[tuple[Curl, ...], Field(description="From a node's host to a Service.")] = ()


class Images(Part):
    """Container images, for the containerlab runtime: name:tag, with @sha256:… where one is pinned."""

    switch: Annotated[
        str | None,
        Field(
            description="Of every switch whose role says nothing below.",
            examples=["vrnetlab/cisco_n9kv:10.5.4.M.lite"],
        ),
    ] = None
    leaf: Annotated[str | None, Field(description="Of the leafs.", examples=["vrnetlab/cisco_n9kv:10.5.4"])] = None
    spine: Annotated[
        str | None, Field(description="Of the spines.", examples=["vrnetlab/cisco_n9kv:10.5.4.M.lite"])
    ] = None
    border: Annotated[
        str | None, Field(description="Of the border leafs.", examples=["vrnetlab/cisco_n9kv:10.4.5"])
    ] = None
    node: Annotated[str | None, Field(description="Of the nodes.", examples=["kindest/node:v1.37.0"])] = None
    host: Annotated[str | None, Field(description="Of external hosts.", examples=["labctl/host:latest"])] = None
    pull: Annotated[Pull, Field(description="When containerlab may pull them.")] = "never"


class Target(Part):
    """Real nodes or stand-ins."""

    switch: Annotated[Literal["n9kv", "standin"], Field(description="A Nexus 9000v, or labctl's stand-in for it.")] = (
        "standin"
    )
    cluster: Annotated[
        Literal["kind", "standin"], Field(description="kind with Calico, or labctl's stand-in nodes.")
    ] = "standin"


class Spec(Part):
    """A lab."""

    name: Annotated[LabName, Field(description="The lab's name.", examples=["whitepaper"])]
    fabric: Annotated[Fabric, Field(description="The NX-OS switches.")] = Fabric()
    cluster: Annotated[
        Cluster | Literal["none"], Field(description="The Kubernetes nodes with Calico; none: a fabric alone.")
    ] = Cluster()
    external: Annotated[tuple[External, ...], Field(max_length=64, description="Hosts behind border leafs.")] = ()
    workloads: Annotated[
        tuple[BuiltIn | ManifestFile, ...] | None,
        Field(
            description="What to run: built-in ones by name, manifests as files beside the spec. Left out: all that are"
            " built in.",
            examples=[["pingtest", "nginx-dual", "nginx", "web.yaml"]],
        ),
    ] = None
    traffic: Annotated[Traffic, Field(description="Pings and curls of the pods in manifests of one's own.")] = Traffic()
    scenarios: Annotated[
        tuple[Provable, ...] | None,
        Field(
            description="What to prove after booting. Left out: all for which the lab has the workloads, but no"
            " failures."
        ),
    ] = None
    management: Annotated[
        IPv4Network,
        _written("ip_v4_network"),
        Field(description="Network of mgmt0 and eth0.", examples=["172.20.20.0/24"]),
    ] = IPv4Network("172.20.20.0/24")
    images: Annotated[Images, Field(description="Container images where labctl's choice does not please.")] = Images()
    target: Annotated[
        Target, Field(description="What the folder is rendered for; --target and the runtime decide otherwise.")
    ] = Target()

    _manifests: dict[str, str] = PrivateAttr(default_factory=dict)
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())

    @property
    def manifests(self) -> Mapping[str, str]:
        """Text of each workload that is a file beside the spec, by its name without the extension."""
        return self._manifests

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the loader found that works and is probably not meant."""
        return self._warnings

    def as_read(self, texts: Mapping[str, str], warnings: Iterable[Problem]) -> Spec:
        """The same spec with the files that the loader read, and what it found."""
        copy = self.model_copy()
        copy._manifests, copy._warnings = dict(texts), tuple(warnings)  # noqa: SLF001 - its own class
        return copy
