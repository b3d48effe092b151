"""The section ``cluster`` of ``checks.yaml``: Kubernetes and Calico as they are to be configured and to run.

A value that depends on the mode (white paper: routed, or IPIP with the mesh) has a key for each.
"""

from __future__ import annotations

from typing import Literal

from labctl.verify.inputmodel import Model

Mode = Literal["routed", "ipip"]


class KubeNodeInput(Model):
    """A node: its addresses on ``bond0`` with their prefix lengths (what Calico is to peer from)."""

    node: str
    role: Literal["control-plane", "worker"]
    addresses: tuple[str, ...]


class PodCidrInput(Model):
    """Each node gets a network of ``length`` out of ``range`` from Kubernetes (Calico does not allocate from it)."""

    range: str
    length: int


class ComponentInput(Model):
    """Pods with a label, one ready on each of ``nodes`` (on one of them, with ``spread`` False).

    ``tag``: that their image is to have.
    """

    name: str
    namespace: str
    selector: str
    nodes: tuple[str, ...]
    spread: bool = True
    tag: str | None = None


class CalicoConfigInput(Model):
    """The ConfigMap of Calico's manifest; ``ipam``: keys of its CNI configuration's IPAM section."""

    name: str
    namespace: str
    backend: str
    datastore: str
    ipam: dict[str, str]


class ByMode(Model):
    """A text for each mode."""

    routed: str
    ipip: str

    def of(self, mode: str) -> str:
        return self.ipip if mode == "ipip" else self.routed


class OnInMode(Model):
    """Whether it is on, for each mode."""

    routed: bool
    ipip: bool

    def of(self, mode: str) -> bool:
        return self.ipip if mode == "ipip" else self.routed


class PoolInput(Model):
    name: str
    cidr: str
    block_size: int
    ipip_mode: ByMode
    vxlan_mode: str
    nat_outgoing: bool
    node_selector: str


class BgpConfigurationInput(Model):
    """BGPConfiguration ``default``."""

    asn: int
    mesh: OnInMode
    service_cluster_ips: tuple[str, ...]
    service_external_ips: tuple[str, ...]


class PeerInput(Model):
    """A BGPPeer; ``nodes`` None: global, else those that its selector is to choose."""

    name: str
    address: str
    asn: int
    nodes: tuple[str, ...] | None = None


class BirdInput(Model):
    """Where a node's BIRD is asked: control sockets in the calico-node pod (Calico has one BIRD a family)."""

    namespace: str
    selector: str
    sockets: tuple[str, ...]


class HostRoutesInput(Model):
    """A node's routing table. ``gateways``: anycast gateway of each family; ``absent``: never there by BGP."""

    device: str
    gateways: tuple[str, ...]
    statics: tuple[str, ...]
    external: tuple[str, ...]
    services: tuple[str, ...]
    absent: tuple[str, ...]


class WorkloadInput(Model):
    """Pods with a label, running and ready."""

    namespace: str
    selector: str
    pods: int


class ServiceInput(Model):
    """A Service, ``namespace/name``. What is None is not asked."""

    service: str
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    port: int
    node_port: int | None = None
    traffic: Literal["Local", "Cluster"] | None = None
    family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    families: tuple[Literal["IPv4", "IPv6"], ...]


class ClusterInput(Model):
    """``window``: seconds over which what must not be is looked for."""

    kubernetes: str
    window: float
    nodes: tuple[KubeNodeInput, ...]
    components: tuple[ComponentInput, ...]
    config: CalicoConfigInput
    pools: tuple[PoolInput, ...]
    bgp: BgpConfigurationInput
    peers: tuple[PeerInput, ...]
    bird: BirdInput
    routes: HostRoutesInput
    service_ranges: tuple[str, ...]
    pod_cidrs: tuple[PodCidrInput, ...] = ()
    workloads: tuple[WorkloadInput, ...] = ()
    services: tuple[ServiceInput, ...] = ()

    def node(self, name: str) -> KubeNodeInput:
        """By the lab's name; KeyError when there is none."""
        for row in self.nodes:
            if row.node == name:
                return row
        raise KeyError(name)
