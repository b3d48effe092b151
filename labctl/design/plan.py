"""Spec → Design: pure functions, no file is read and nothing is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import get_args

from labctl.design import addressing, versions
from labctl.design.design import (
    Cluster,
    Curl,
    Design,
    External,
    Network,
    Node,
    Peer,
    Ping,
    PodEnd,
    Pool,
    Switch,
    Target,
    Vrf,
)
from labctl.design.fabric import border_names, leaf_pairs, peering_loopbacks, spine_names, wired
from labctl.design.images import ImageWishes, choose_images
from labctl.spec.keys import Failure, Spec, Traffic
from labctl.spec.keys import Node as NodeSpec
from labctl.spec.keys import PodEnd as PodEndSpec
from labctl.spec.keys import Pool as PoolSpec

DEFAULT_POOLS: tuple[Network, ...] = (IPv4Network("10.244.0.0/16"), IPv6Network("2001:db8:42::/56"))
DEFAULT_SERVICES: tuple[Network, ...] = (IPv4Network("10.96.0.0/16"), IPv6Network("2001:db8:42:1::/112"))
BUILT_IN = ("pingtest", "nginx-dual", "nginx")
BUILT_IN_SERVICES = {"nginx": ("nginx-service",), "nginx-dual": ("my-service-ipv4", "my-service-ipv6")}
SCENARIOS = {"bgp": None, "ping": "pingtest", "curl": "nginx", "cluster": None, "leafs": None, "ping-ipip": "pingtest"}
"""Every scenario, and the workload that it needs, where the spec says no traffic of its own; those of pingtest need two
workers too."""
TRAFFIC = {"pingtest": "pings", "nginx": "curls"}
"""Workload → the part of ``traffic`` that says instead what is to be proven."""
FAILURES = get_args(Failure)
"""Failure scenarios: all ping between two workers."""
NEED_TWO_SPINES = ("leaf-uplink", "spine")
FABRIC_SCENARIOS = ("bgp", "leafs")
"""Those that a fabric without a cluster can prove."""
BLOCK_SIZE = {4: 26, 6: 122}
"""Calico's own."""


def design(spec: Spec, target: Target, name: str | None = None, wishes: ImageWishes | None = None) -> Design:
    """Decide everything. The spec has been judged: nothing here can fail.

    ``wishes``: images that are asked for outside the spec.
    """
    lab = name or spec.name
    vrf = _vrf(spec)
    nodes = _nodes(spec, vrf, lab)
    management = _management(spec)
    switches, links = wired(spec, nodes, management)
    ports = {port.host: port for switch in switches for port in switch.external_ports}
    externals = tuple(External(e.name, e.attach, management[e.name], ports[e.name]) for e in spec.external)
    cluster = _cluster(spec, target, nodes, switches) if nodes else None
    scenarios = spec.scenarios if spec.scenarios is not None else (_provable(cluster) if cluster else FABRIC_SCENARIOS)
    return Design(
        name=lab,
        target=target,
        fabric=spec.fabric,
        management=spec.management,
        vrf=vrf,
        switches=switches,
        links=links,
        cluster=cluster,
        externals=externals,
        scenarios=tuple(scenarios),
        images=choose_images(
            spec.images, target, spec.fabric.nxos, cluster.kubernetes if cluster else "", wishes or ImageWishes()
        ),
    )


def _vrf(spec: Spec) -> Vrf:
    vrf = spec.fabric.vrfs[0]
    network = vrf.networks[0]
    gateway = next(g for g in network.gateway if isinstance(g, IPv4Interface))
    gateway6 = next((g for g in network.gateway if isinstance(g, IPv6Interface)), None)
    return Vrf(vrf.name, vrf.vni, vrf.vlan, network.vlan, network.vni, network.name, gateway, gateway6)


def node_specs(spec: Spec) -> tuple[NodeSpec, ...]:
    """The nodes; numbered ones are master, node01, node02, … The first is the control plane unless one says so."""
    if spec.cluster == "none":
        return ()
    wanted = spec.cluster.nodes
    if isinstance(wanted, int):
        names = ["master", *(f"node{index:02d}" for index in range(1, wanted))]
        return tuple(NodeSpec(name=name) for name in names)
    return wanted


def container_names(spec: Spec, lab: str) -> tuple[str, ...]:
    """kind's names for the nodes' containers, in the order of the nodes."""
    specs = node_specs(spec)
    control = next((index for index, node in enumerate(specs) if node.role == "control-plane"), 0)
    workers = iter((f"{lab}-worker", *(f"{lab}-worker{number}" for number in range(2, len(specs) + 1))))
    return tuple(f"{lab}-control-plane" if index == control else next(workers) for index in range(len(specs)))


def _nodes(spec: Spec, vrf: Vrf, lab: str) -> tuple[Node, ...]:
    specs = node_specs(spec)
    pairs = leaf_pairs(spec)
    result = []
    for index, (node, container) in enumerate(zip(specs, container_names(spec, lab), strict=True)):
        host = addressing.FIRST_NODE + index
        given4 = next((a for a in node.address if isinstance(a, IPv4Address)), None) or vrf.gateway.network[host]
        address = IPv4Interface((given4, vrf.gateway.network.prefixlen))
        address6 = None
        if vrf.gateway6:
            given6 = next((a for a in node.address if isinstance(a, IPv6Address)), None)
            given6 = given6 or vrf.gateway6.network[int(str(host), 16)]  # ::10 beside .10, as in the paper
            address6 = IPv6Interface((given6, vrf.gateway6.network.prefixlen))
        pair = (node.pair or (index % len(pairs)) + 1) - 1
        result.append(
            Node(
                name=node.name,
                role="control-plane" if container == f"{lab}-control-plane" else "worker",
                container=container,
                address=address,
                address6=address6,
                leafs=pairs[pair].leafs,
                channel=10 + index + 1,
            )
        )
    return tuple(result)


def managed(spec: Spec) -> tuple[str, ...]:
    """What has a fixed management address, in its order."""
    leafs = tuple(leaf for pair in leaf_pairs(spec) for leaf in pair.leafs)
    return (*spine_names(spec), *leafs, *border_names(spec), *(external.name for external in spec.external))


def _management(spec: Spec) -> dict[str, IPv4Interface]:
    """mgmt0/eth0 of switches and external hosts: .11, .12, … (kind chooses those of its nodes)."""
    subnet = spec.management
    hosts = enumerate(managed(spec), addressing.FIRST_SWITCH_HOST)
    return {name: IPv4Interface((subnet[host], subnet.prefixlen)) for host, name in hosts}


def _cluster(spec: Spec, target: Target, nodes: tuple[Node, ...], switches: tuple[Switch, ...]) -> Cluster:
    assert spec.cluster != "none"  # noqa: S101 - there are nodes
    wanted = spec.cluster
    pools, services = cluster_pools(spec), cluster_services(spec)
    workloads = spec.workloads if spec.workloads is not None else BUILT_IN
    built_in = tuple(name for name in workloads if name in BUILT_IN)
    kubernetes, calico = versions.of_cluster(spec, target.cluster, target.containerlab)
    return Cluster(
        asn=wanted.asn,
        mode=wanted.mode,
        kubernetes=kubernetes,
        calico=calico,
        nodes=nodes,
        pools=pools,
        services=services,
        external_ips=wanted.calico.external_ips,
        peers=_peers(spec, nodes, switches),
        mtu=wanted.mtu,
        workloads=built_in,
        manifests=spec.manifests,
        pings=_pings(spec.traffic, {node.name: node for node in nodes}, pools, built_in),
        curls=_curls(spec.traffic, {node.name: node for node in nodes}, built_in),
    )


def _provable(cluster: Cluster) -> tuple[str, ...]:
    """The scenarios that a cluster has the traffic for."""
    able = ({"pingtest"} if cluster.pings else set()) | ({"nginx"} if cluster.curls else set())
    return tuple(name for name, needed in SCENARIOS.items() if needed is None or needed in able)


def families(spec: Spec) -> set[int]:
    """IP versions of pods and services where the spec does not say: those of the nodes' gateway."""
    return {gateway.version for gateway in spec.fabric.vrfs[0].networks[0].gateway}


def cluster_pools(spec: Spec) -> tuple[Pool, ...]:
    """The pools that the spec's cluster gets; none without a cluster."""
    if spec.cluster == "none":
        return ()
    written = spec.cluster.calico.pools
    if not written:
        known = families(spec) & ({n.version for n in spec.cluster.services} or {4, 6})
        written = tuple(PoolSpec(cidr=cidr) for cidr in DEFAULT_POOLS if cidr.version in known)
    named, result = set[int](), list[Pool]()
    for index, pool in enumerate(written):
        version = pool.cidr.version
        # Calico's own names for the first of a family
        name = f"pool{index + 1}-ipv{version}" if version in named else f"default-ipv{version}-ippool"
        named.add(version)
        result.append(Pool(name, pool.cidr, pool.block_size or BLOCK_SIZE[version]))
    return tuple(result)


def cluster_services(spec: Spec) -> tuple[Network, ...]:
    """The service ranges that the spec's cluster gets; none without a cluster."""
    if spec.cluster == "none":
        return ()
    known = {pool.cidr.version for pool in spec.cluster.calico.pools} or families(spec)
    return spec.cluster.services or tuple(network for network in DEFAULT_SERVICES if network.version in known)


def _peers(spec: Spec, nodes: tuple[Node, ...], switches: tuple[Switch, ...]) -> tuple[Peer, ...]:
    """One BGPPeer per loopback: global when every node is at a leaf that has it, else for the nodes that are."""
    peering = peering_loopbacks(spec)
    leafs = [switch for switch in switches if switch.role == "leaf"]
    result: dict[IPv4Address | IPv6Address, Peer] = {}
    for leaf in leafs:
        for address in peering[leaf.name]:
            if address in result or (address.version == 6 and nodes[0].address6 is None):
                continue
            having = {other.name for other in leafs if address in peering[other.name]}
            mine = tuple(node.name for node in nodes if having & set(node.leafs))
            if mine:  # a pair without nodes has nobody to peer with
                scope = None if len(mine) == len(nodes) else mine
                name = f"{leaf.name.lower()}-calico-v{address.version}"
                result[address] = Peer(name, address, scope)
    return tuple(result.values())


PAGE = "Welcome to nginx!"


def _pings(
    traffic: Traffic, nodes: Mapping[str, Node], pools: tuple[Pool, ...], workloads: Collection[str]
) -> tuple[Ping, ...]:
    """In the families in which pods and nodes have addresses."""
    dual = any(node.address6 for node in nodes.values())
    families = tuple(sorted({pool.cidr.version for pool in pools if pool.cidr.version == 4 or dual}))

    def end(row: PodEndSpec) -> PodEnd:
        return PodEnd(nodes[row.node], row.namespace, pod=row.pod)

    if traffic.pings:
        return tuple(Ping(end(row.sender), end(row.target), families) for row in traffic.pings)
    workers = [node for node in nodes.values() if node.role == "worker"]
    if "pingtest" not in workloads or len(workers) < 2:
        return ()
    sender, target = (PodEnd(node, selector="app=pingtest") for node in workers[:2])
    return (Ping(sender, target, families),)


def _curls(traffic: Traffic, nodes: Mapping[str, Node], workloads: Collection[str]) -> tuple[Curl, ...]:
    """The built-in one is fetched by the control plane from the pods of the first worker."""
    if traffic.curls:
        return tuple(
            Curl(nodes[row.sender], row.namespace, row.service, nodes[row.backends], row.endpoint, row.contains)
            for row in traffic.curls
        )
    if "nginx" not in workloads:
        return ()
    control, worker = (next(n for n in nodes.values() if n.role == role) for role in ("control-plane", "worker"))
    return (Curl(control, "default", "nginx-service", worker, None, PAGE),)
