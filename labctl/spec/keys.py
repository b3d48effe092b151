"""What a person writes. Descriptions and examples become the JSON Schema for editors (`labctl.modelschema`)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from labctl.errors import Problem
from labctl.peers import NXOS_DEFAULT


class _OrOne:
    """In `Annotated`: a list of one may be written without brackets."""

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], CoreSchema]) -> CoreSchema:
        def listed(value: object) -> object:
            return value if isinstance(value, list) or value is None else [value]

        return core_schema.no_info_before_validator_function(listed, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: Callable[[CoreSchema], dict[str, Any]]
    ) -> dict[str, Any]:
        listed = handler(core)
        return {"anyOf": [listed, *listed["items"].get("anyOf", [listed["items"]])]}


class _Read:
    """How a value is read from what is written, in `Annotated`; ``schema`` is what editors know of it."""

    def __init__(self, read: Callable[[Any, ValidationInfo], object], schema: dict[str, Any]) -> None:
        self._read, self._schema = read, schema

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _core: object, _handler: object) -> dict[str, Any]:
        return dict(self._schema)


def _wrong(message: str, hint: str | None) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{message}", {"message": message, "hint": hint})


def _text(pattern: str, what: str, example: str, *, any_name: bool = False) -> _Read:
    """A text with a pattern, and what it looks like. ``any_name``: a number only lacks its quotes."""

    def read(value: object, _info: ValidationInfo) -> str:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(value, str) and (any_name or not number):
            raise PydanticKnownError("string_type")
        if not isinstance(value, str) or not re.fullmatch(pattern, value.strip()):
            raise _wrong(f"does not look like {what}", example)
        return value.strip()

    return _Read(read, {"type": "string", "pattern": pattern})


def _ip(kind: Literal["address", "interface", "network"], *versions: int) -> _Read:
    """A bare number is none (`ipaddress` makes 0.0.0.5 of 5), and none has a zone (``%eth0``)."""

    def read(value: object, info: ValidationInfo) -> object:
        text = "" if isinstance(value, int | float | list | dict) else str(value)
        if "%" in text:
            raise _wrong("has a zone, which means something on one host alone", re.sub("%[^/]*", "", text))
        if versions == (4,) and ":" in text:
            raise _wrong(f"is IPv6, and {info.field_name} takes IPv4 alone", None)
        if kind == "address" and "/" in text:
            address, _, length = text.partition("/")
            hint = f"leave /{length} away: {address}"
            raise _wrong(f"has a prefix length, and {info.field_name} takes none", hint)
        try:
            return getattr(ipaddress, f"ip_{kind}")(text)
        except ValueError:
            raise _no_ip(kind, text) from None

    suffix = "" if kind == "address" else kind
    formats = [{"type": "string", "format": f"ipv{version}{suffix}"} for version in versions or (4, 6)]
    return _Read(read, {"anyOf": formats} if len(formats) > 1 else formats[0])


def _no_ip(kind: str, text: str) -> PydanticCustomError:
    if kind == "address":
        return _wrong("is no address", "four numbers of 0 to 255, as in 192.168.1.10, or IPv6")
    if kind == "interface":
        return _wrong("is no address with a prefix length", "as in 192.168.1.1/24")
    try:
        return _wrong("has host bits set", f"did you mean {ipaddress.ip_network(text, strict=False)}?")
    except ValueError:
        return _wrong("is no network", "an address with a prefix length, as in 10.244.0.0/16")


def _said(description: str, *examples: object, **limits: Any) -> Any:
    return Field(description=description, examples=list(examples) or None, **limits)


_DASHED = "letters, digits and '-', a letter first; 2 to 32 of them"
LabName = Annotated[
    str,
    _text("^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$", "a lab's name", "lower-case letters, digits and '-'; 2 to 32 of them",
          any_name=True),
]  # fmt: skip
SwitchName = Annotated[str, _text("^[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]$", "a switch's name", _DASHED)]
NodeName = Annotated[str, _text("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", "a name", f"lower-case {_DASHED}")]
Version = Annotated[str, _text(r"^\d+\.\d+\.\d+$", "a version", "three numbers, as in 1.34.3")]
_LABEL = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Label = Annotated[str, _text(_LABEL, "a name in Kubernetes", "lower-case letters, digits and '-'; 63 at most")]
"""A DNS label (RFC 1123), as Kubernetes names namespaces and services."""
Whole = Annotated[int, Field(strict=True)]
"""No text, no truth value and no 2.0: what is odd is asked, not guessed."""
Asn = Annotated[Whole, Field(ge=1, le=4294967295)]
Asn16 = Annotated[Whole, Field(ge=1, le=65535)]
"""Route targets are made of it and of a VNI (``rd auto``): it has room for two bytes."""
Vni = Annotated[Whole, Field(ge=1, le=16777215)]
Vlan = Annotated[Whole, Field(ge=2, le=3967)]
AnyNetwork = Annotated[IPv4Network | IPv6Network, _ip("network")]
AnyInterface = Annotated[IPv4Interface | IPv6Interface, _ip("interface")]
AnyAddress = Annotated[IPv4Address | IPv6Address, _ip("address")]
Address4 = Annotated[IPv4Address, _ip("address", 4)]
Network4 = Annotated[IPv4Network, _ip("network", 4)]
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
        _said("The two switches of the pair.", ["leaf2101", "leaf2102"]),
    ]
    peer_link: Annotated[
        PeerLink | None, _said("This pair's peer-link, where it is not the one that fabric.peer_link says.")
    ] = None


class Network(Part):
    """The VLAN that the nodes are in, with its anycast gateway."""

    name: Annotated[
        str,
        _text(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", "a VLAN's name", "letters, digits, '.', '-' and '_'; 32 at most"),
        _said("The VLAN's name.", "k8s-nodes"),
    ] = "nodes"
    vlan: Annotated[Vlan, _said("The VLAN.")] = 3001
    vni: Annotated[Vni, _said("The VLAN's VNI.")] = 30001
    gateway: Annotated[
        tuple[AnyInterface, ...],
        Field(min_length=1, max_length=2),
        _OrOne(),
        _said(
            "Anycast gateway with its prefix length: IPv4, then IPv6. Without IPv6 the lab has none.",
            ["192.168.1.1/24", "2001:192:168:1::1/64"],
            "192.168.1.1/24",
        ),
    ] = (IPv4Interface("192.168.1.1/24"), IPv6Interface("2001:192:168:1::1/64"))


class Vrf(Part):
    """The tenant VRF: its L3VNI, the nodes' network, and the loopbacks that peer with Calico."""

    name: Annotated[
        str,
        _text(
            r"^[A-Za-z][A-Za-z0-9_-]{0,31}$", "a VRF's name", "letters, digits, '-' and '_', a letter first; 32 at most"
        ),
        _said("The VRF's name.", "vrf-001"),
    ] = "vrf-001"
    vni: Annotated[Vni, _said("The VRF's L3VNI.")] = 90001
    vlan: Annotated[Vlan, _said("VLAN that carries the L3VNI.")] = 2001
    networks: Annotated[tuple[Network, ...], _said("The nodes' network: one.", min_length=1, max_length=1)] = (
        Network(),
    )
    peering_loopbacks: Annotated[
        dict[SwitchName, Annotated[tuple[AnyAddress, ...], _OrOne()]],
        _said(
            "loopback1002 of a leaf: IPv4, then IPv6. The same addresses on several pairs are coloured by a "
            "route target a pair.",
            {"leaf2101": ["192.168.100.1", "2001:193:168:1::4"]},
        ),
    ] = {}


class SwitchAddresses(Part):
    """Addresses of one switch, where the plan's own do not please."""

    loopback0: Annotated[Address4 | None, _said("Router ID and source of the EVPN sessions.", "10.2.1.1")] = None
    vtep: Annotated[Address4 | None, _said("loopback1, the switch's own VTEP address (PIP).", "10.2.0.3")] = None
    vip: Annotated[Address4 | None, _said("loopback1 secondary, shared by the pair.", "10.2.0.100")] = None


class Fabric(Part):
    """Spines, leaf pairs, border leafs; numbers, or names."""

    asn: Annotated[Asn16, _said("AS number of the fabric (iBGP EVPN, and towards Calico).")] = 65102
    spines: Annotated[
        Annotated[Whole, Field(ge=1, le=8)] | Annotated[tuple[SwitchName, ...], Field(max_length=8)],
        _said("Route reflectors: how many, or their names.", 2, ["spine1", "spine2"]),
    ] = 2
    leaf_pairs: Annotated[
        Annotated[Whole, Field(ge=1, le=16)] | Annotated[tuple[LeafPair, ...], Field(max_length=16)],
        _said(
            "vPC pairs that the nodes are bonded to: how many, or the pairs by name.",
            1,
            [{"leafs": ["leaf2101", "leaf2102"], "peer_link": "fabric"}],
        ),
    ] = 1
    peer_link: Annotated[
        PeerLink | None,
        _said("Of every pair that says none of its own. Left out: fabric from NX-OS 10.4 on, else physical."),
    ] = None
    borders: Annotated[
        Annotated[Whole, Field(ge=0, le=4)] | Annotated[tuple[SwitchName, ...], Field(max_length=4)],
        _said("Border leafs, where external hosts are: how many, or their names.", 1, ["leaf2999"]),
    ] = 0
    anycast_mac: Annotated[
        str,
        _text(r"^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$", "a MAC address as NX-OS writes it", "as in 2020.0000.00aa"),
        _said("MAC address of the anycast gateway.", "2020.0000.00aa"),
    ] = "2020.0000.00aa"
    nxos: Annotated[
        str,
        _text(r"^\d+\.\d+\(\d+[a-z]*\)([A-Z]\d*(\(\d+[a-z]*\))?)?$", "an NX-OS version", "as in 10.5(4)"),
        _said(
            "NX-OS version: of the 9000v image, and what the configuration is written for.", NXOS_DEFAULT, "10.4(5)M"
        ),
    ] = NXOS_DEFAULT
    vrfs: Annotated[tuple[Vrf, ...], _said("The tenant VRF: one.", min_length=1, max_length=1)] = (Vrf(),)
    addresses: Annotated[
        dict[SwitchName, SwitchAddresses],
        _said(
            "Addresses of single switches, by name.",
            {"leaf2101": {"loopback0": "10.2.1.1", "vtep": "10.2.0.3", "vip": "10.2.0.100"}},
        ),
    ] = {}


class Node(Part):
    """A Kubernetes node, bonded to a leaf pair."""

    name: Annotated[NodeName, _said("Its name in Kubernetes.", "node01")]
    role: Annotated[
        Literal["control-plane", "worker"] | None,
        _said("One node is the control plane: the one that says so, else the first."),
    ] = None
    address: Annotated[
        tuple[AnyAddress, ...],
        Field(max_length=2),
        _OrOne(),
        _said(
            "Of bond0, in the nodes' network: IPv4, then IPv6. Left out: .10, .11, … and ::10, ::11, …",
            ["192.168.1.11", "2001:192:168:1::11"],
            "192.168.1.11",
        ),
    ] = ()
    pair: Annotated[Whole | None, _said("The leaf pair that it hangs on, counted from 1. Left out: in turn.", ge=1)] = (
        None
    )


class Pool(Part):
    """A Calico IPPool."""

    cidr: Annotated[AnyNetwork, _said("The pool.", "10.244.0.0/16", "2001:db8:42::/56")]
    block_size: Annotated[
        Whole | None, _said("Prefix length of the blocks that nodes take; 26 and 122 where left out.")
    ] = None


class Calico(Part):
    """Calico's side."""

    version: Annotated[
        Version | None,
        _said("Left out: the white paper's on the stand-in cluster, the newest known on kind.", "3.20.0"),
    ] = None
    manifest: Annotated[
        str | None,
        _said(
            "Calico's manifest for a cluster of kind, or a folder of it, relative to the spec. Left out: the "
            "release's, fetched once.",
            "calico-3.33.0.yaml",
            min_length=1,
        ),
    ] = None
    pools: Annotated[
        tuple[Pool, ...],
        _said(
            "Pools that pods get addresses from. Left out: 10.244.0.0/16 and, with an IPv6 gateway, 2001:db8:42::/56."
        ),
    ] = ()
    external_ips: Annotated[
        tuple[AnyNetwork, ...],
        _said("Ranges of services' externalIPs, announced to the fabric.", ["203.0.113.0/24"]),
    ] = ()


class Cluster(Part):
    """The Kubernetes cluster."""

    asn: Annotated[Asn, _said("AS number of Calico on every node.")] = 65531
    mode: Annotated[Mode, _said("routed: ipipMode Never, no mesh between nodes. ipip: Always, with the mesh.")] = (
        "routed"
    )
    nodes: Annotated[
        Annotated[Whole, Field(ge=2, le=64)] | Annotated[tuple[Node, ...], Field(max_length=64)],
        _said(
            "How many, the control plane counted, or each of them.",
            3,
            [{"name": "master", "role": "control-plane"}, {"name": "node01"}],
        ),
    ] = 3
    calico: Annotated[Calico, _said("Version, pools and external IPs of Calico.")] = Calico()
    services: Annotated[
        tuple[AnyNetwork, ...],
        _said(
            "Service ranges, one a family. Left out: 10.96.0.0/16 and, with an IPv6 pool, 2001:db8:42:1::/112.",
            ["10.96.0.0/16", "2001:db8:42:1::/112"],
            max_length=2,
        ),
    ] = ()
    kubernetes: Annotated[
        Version | None,
        _said("Kubernetes version. Left out: the newest that the target runs.", "1.34.3"),
    ] = None
    mtu: Annotated[Whole, _said("MTU of bond0.", ge=1280, le=9150)] = 1500


class External(Part):
    """A host behind a border leaf that stands for outside networks."""

    name: Annotated[NodeName, _said("The host's name.", "ext1")]
    attach: Annotated[SwitchName, _said("The border leaf that it is wired to.", "leaf2999")]
    announces: Annotated[
        tuple[AnyNetwork, ...],
        _said(
            "Prefixes that it stands for; it owns an address of each.",
            ["12.1.0.0/16", "200.200.200.200/32"],
            min_length=1,
        ),
    ]


class PodEnd(Part):
    """A pod that somebody's manifest brings, on the node where it runs."""

    node: Annotated[NodeName, _said("The node.", "node1")]
    pod: Annotated[
        str,
        _text(r"^[a-z0-9][a-z0-9.-]{0,252}$", "a pod's name", "lower-case letters, digits, '-' and '.'"),
        _said("The pod's name.", "client"),
    ]
    namespace: Annotated[Label, _said("Its namespace.")] = "default"


class Ping(Part):
    """A ping from a pod to a pod, proven by scenarios ping and ping-ipip."""

    sender: Annotated[PodEnd, _said("Where it starts.", alias="from")]
    target: Annotated[PodEnd, _said("What answers.", alias="to")]


class Curl(Part):
    """A page from a Service, fetched by a node's host, proven by scenario curl."""

    sender: Annotated[NodeName, _said("The node that fetches.", "node3", alias="from")]
    service: Annotated[Label, _said("The Service.", "nginx-service")]
    namespace: Annotated[Label, _said("Its namespace.")] = "default"
    backends: Annotated[
        NodeName,
        _said("The node with the Service's pods, whose leafs are captured at.", "node1"),
    ]
    endpoint: Annotated[
        Address4 | None,
        _said(
            "The pod that is to be seen answering: kube-proxy chooses, so the page is fetched until it was "
            "that one. Left out: any endpoint.",
            "10.233.102.141",
        ),
    ] = None
    contains: Annotated[str, _said("What the page says.", min_length=1)] = "Welcome to nginx!"


class Traffic(Part):
    """What ping and curl send where the pods are a person's own; the built-in workloads need nothing said."""

    pings: Annotated[tuple[Ping, ...], _said("From pod to pod.")] = ()
    curls: Annotated[tuple[Curl, ...], _said("From a node's host to a Service.")] = ()


class Images(Part):
    """Container images, for the containerlab runtime: name:tag, with @sha256:… where one is pinned."""

    switch: Annotated[
        str | None,
        _said("Of every switch whose role says nothing below.", "vrnetlab/cisco_n9kv:10.5.4.M.lite"),
    ] = None
    leaf: Annotated[str | None, _said("Of the leafs.", "vrnetlab/cisco_n9kv:10.5.4")] = None
    spine: Annotated[str | None, _said("Of the spines.", "vrnetlab/cisco_n9kv:10.5.4.M.lite")] = None
    border: Annotated[str | None, _said("Of the border leafs.", "vrnetlab/cisco_n9kv:10.4.5")] = None
    node: Annotated[str | None, _said("Of the nodes.", "kindest/node:v1.37.0")] = None
    host: Annotated[str | None, _said("Of external hosts.", "labctl/host:latest")] = None
    pull: Annotated[Pull, _said("When containerlab may pull them.")] = "never"


class Target(Part):
    """Real nodes or stand-ins."""

    switch: Annotated[Literal["n9kv", "standin"], _said("A Nexus 9000v, or labctl's stand-in for it.")] = "standin"
    cluster: Annotated[Literal["kind", "standin"], _said("kind with Calico, or labctl's stand-in nodes.")] = "standin"


class Spec(Part):
    """A lab."""

    name: Annotated[LabName, _said("The lab's name.", "whitepaper")]
    fabric: Annotated[Fabric, _said("The NX-OS switches.")] = Fabric()
    cluster: Annotated[Cluster | Literal["none"], _said("The Kubernetes nodes with Calico; none: a fabric alone.")] = (
        Cluster()
    )
    external: Annotated[tuple[External, ...], _said("Hosts behind border leafs.", max_length=64)] = ()
    workloads: Annotated[
        tuple[BuiltIn | ManifestFile, ...] | None,
        _said(
            "What to run: built-in ones by name, manifests as files beside the spec. Left out: all that are built in.",
            ["pingtest", "nginx-dual", "nginx", "web.yaml"],
        ),
    ] = None
    traffic: Annotated[Traffic, _said("Pings and curls of the pods in manifests of one's own.")] = Traffic()
    scenarios: Annotated[
        tuple[Provable, ...] | None,
        _said("What to prove after booting. Left out: all for which the lab has the workloads, but no failures."),
    ] = None
    management: Annotated[
        Network4,
        _said("Network of mgmt0 and eth0.", "172.20.20.0/24"),
    ] = IPv4Network("172.20.20.0/24")
    images: Annotated[Images, _said("Container images where labctl's choice does not please.")] = Images()
    target: Annotated[Target, _said("What the folder is rendered for; --target and the runtime decide otherwise.")] = (
        Target()
    )

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
