"""A whole lab, decided: every name, number, address and port. Frozen; everything that is rendered comes from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Literal, NamedTuple

from labctl.imagename import ImageName
from labctl.peers import WRITTEN_FOR
from labctl.spec.keys import Fabric

SwitchRole = Literal["spine", "leaf", "border"]
NodeRole = Literal["control-plane", "worker"]
Mode = Literal["routed", "ipip"]
Network = IPv4Network | IPv6Network


class Target(NamedTuple):
    """What the folder is rendered for."""

    switch: Literal["n9kv", "standin"] = "standin"
    cluster: Literal["kind", "standin"] = "standin"
    containerlab: str = WRITTEN_FOR
    """The version of the containerlab that will read it: its format moved."""


class Link(NamedTuple):
    """A link: (node, interface) at each end, interface names as each end calls them."""

    a: tuple[str, str]
    b: tuple[str, str]


class Uplink(NamedTuple):
    """A routed point-to-point link of a switch into the underlay (/31)."""

    interface: str
    peer: str
    peer_interface: str
    address: IPv4Interface
    mtu: int = 9216
    """Bytes of an IP packet: VXLAN's 50 more than the nodes' MTU, whatever that is, have room."""


class NodePort(NamedTuple):
    """A leaf's port towards a node: member of port-channel ``channel`` (= vPC number)."""

    interface: str
    node: str
    node_interface: str
    channel: int


class ExternalPort(NamedTuple):
    """A border leaf's routed port towards an external host, in the VRF."""

    interface: str
    host: str
    address: IPv4Interface
    address6: IPv6Interface
    host_address: IPv4Interface
    host_address6: IPv6Interface
    announces: tuple[Network, ...]


class VpcPair(NamedTuple):
    """A leaf's side of its vPC domain."""

    domain: int
    peer: str
    peer_link: Literal["physical", "fabric"]
    role_priority: int
    vip: IPv4Address
    peer_loopback0: IPv4Address
    members: tuple[str, ...]
    """Ports of a physical peer-link; empty for a virtual one."""
    backup: IPv4Interface | None
    """SVI of the underlay's path over a physical peer-link."""
    keepalive: IPv4Address
    keepalive_peer: IPv4Address
    channel: int = 500
    backup_vlan: int = 3600


class Switch(NamedTuple):
    """One switch."""

    name: str
    role: SwitchRole
    management: IPv4Interface
    loopback0: IPv4Address
    vtep: IPv4Address | None
    uplinks: tuple[Uplink, ...]
    vpc: VpcPair | None = None
    node_ports: tuple[NodePort, ...] = ()
    external_ports: tuple[ExternalPort, ...] = ()
    peering: IPv4Address | None = None
    """loopback1002 in the VRF."""
    peering6: IPv6Address | None = None
    colour: str | None = None
    """Route target that colours the pair's loopbacks (``2101:2102``), where they are used on several pairs."""


class Vrf(NamedTuple):
    """The tenant VRF and the nodes' network in it."""

    name: str
    vni: int
    vlan: int
    node_vlan: int
    node_vni: int
    node_network: str
    gateway: IPv4Interface
    gateway6: IPv6Interface | None

    @property
    def gateways(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """One of each family that the nodes have."""
        return (self.gateway, self.gateway6) if self.gateway6 else (self.gateway,)

    @property
    def vlan_name(self) -> str:
        """Of the VLAN that carries the L3VNI. NX-OS takes 32 characters, of a VRF as of a VLAN."""
        return f"L3VNI-{self.name}"[:32]


class Node(NamedTuple):
    """One Kubernetes node, with eth1 and eth2 in bond0."""

    name: str
    role: NodeRole
    container: str
    address: IPv4Interface
    address6: IPv6Interface | None
    leafs: tuple[str, str]
    channel: int


class Pool(NamedTuple):
    """A Calico IPPool."""

    name: str
    cidr: Network
    block_size: int

    def ipip(self, mode: str) -> str:
        """Its ``ipipMode``: Calico encapsulates IPv4 alone."""
        return "Always" if mode == "ipip" and self.cidr.version == 4 else "Never"


class Peer(NamedTuple):
    """A Calico BGPPeer: a leaf's peering loopback in one family, as the nodes of that leaf see it."""

    name: str
    address: IPv4Address | IPv6Address
    nodes: tuple[str, ...] | None
    """None = global; else only these nodes (several pairs with loopbacks of their own)."""


class PodEnd(NamedTuple):
    """A pod on a node: the one of that name, else one with the label ``selector``."""

    node: Node
    namespace: str = "default"
    pod: str | None = None
    selector: str | None = None


class Ping(NamedTuple):
    """From pod to pod, in the families that both have."""

    sender: PodEnd
    target: PodEnd
    versions: tuple[int, ...]


class Curl(NamedTuple):
    """A Service's page, fetched by a node's host."""

    sender: Node
    namespace: str
    service: str
    backends: Node
    """The node whose port-channel is captured at."""
    endpoint: IPv4Address | None
    """The pod that is to be seen answering; None: any."""
    contains: str


class Cluster(NamedTuple):
    """The cluster and Calico."""

    asn: int
    mode: Mode
    kubernetes: str
    calico: str
    nodes: tuple[Node, ...]
    pools: tuple[Pool, ...]
    services: tuple[Network, ...]
    external_ips: tuple[Network, ...]
    peers: tuple[Peer, ...]
    mtu: int
    workloads: tuple[str, ...]
    """The built-in ones."""
    manifests: Mapping[str, str]
    """Workloads that a person wrote: the text of each file beside the spec, by its name."""
    pings: tuple[Ping, ...]
    curls: tuple[Curl, ...]

    @property
    def workers(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role == "worker")

    @property
    def ranges(self) -> tuple[Network, ...]:
        """Of pods and of Services."""
        return (*(pool.cidr for pool in self.pools), *self.services, *self.external_ips)

    @property
    def first_pools(self) -> dict[int, Pool]:
        """The first of each family, which is the cluster's pod range, by IP version."""
        first: dict[int, Pool] = {}
        for pool in self.pools:
            first.setdefault(pool.cidr.version, pool)
        return first


class External(NamedTuple):
    """A host outside; it owns an address of each prefix that it stands for."""

    name: str
    attach: str
    management: IPv4Interface
    port: ExternalPort


class Images(NamedTuple):
    """Container images by role."""

    spine: ImageName
    leaf: ImageName
    border: ImageName
    node: ImageName
    host: ImageName
    pull: str
    """When containerlab may pull them, in its words."""

    def of(self, role: SwitchRole) -> ImageName:
        """A switch's."""
        return {"spine": self.spine, "leaf": self.leaf, "border": self.border}[role]


class Design(NamedTuple):
    """The lab."""

    name: str
    target: Target
    fabric: Fabric
    """As it is written: its numbers and versions are what they say; what is decided of it stands below."""
    management: IPv4Network
    vrf: Vrf
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    cluster: Cluster | None
    externals: tuple[External, ...]
    scenarios: tuple[str, ...]
    images: Images

    def switch(self, name: str) -> Switch:
        """A switch by name; KeyError when there is none."""
        for switch in self.switches:
            if switch.name == name:
                return switch
        raise KeyError(name)

    def by_role(self, role: SwitchRole) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.switches if switch.role == role)

    @property
    def switch_image(self) -> ImageName:
        """That of most switches, of the first in a tie: what the topology says once for all."""
        return Counter(self.images.of(switch.role) for switch in self.switches).most_common(1)[0][0]

    @property
    def announced(self) -> tuple[Network, ...]:
        """All external prefixes, in the spec's order."""
        return tuple(network for external in self.externals for network in external.port.announces)
