"""Rules of fabric, cluster, workloads and external hosts that types cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface
from itertools import product
from typing import Any

from labctl import peers
from labctl.design.addressing import NODE_BITS, NODE_MASK
from labctl.design.fabric import border_names, leaf_pairs, spine_names
from labctl.design.plan import (
    BLOCK_SIZE,
    BUILT_IN,
    FABRIC_SCENARIOS,
    FAILURES,
    NEED_TWO_SPINES,
    SCENARIOS,
    TRAFFIC,
    cluster_pools,
    families,
    managed,
    node_specs,
)
from labctl.imagename import ROLES, image_trouble
from labctl.spec.keys import Cluster, Spec, Traffic, stem
from labctl.spec.validation import ADDRESSES, EXTERNAL_IPS, GATEWAY, NETWORK, PEERING, POOLS, Judge, near, no_host
from labctl.yamldoc import Path

BACKUP_VLAN = 3600
RESERVED_ASNS = {
    23456: "stands for four-byte numbers (RFC 6793)",
    **dict.fromkeys((65535, 4294967295), "is reserved (RFC 7300)"),
}
OWN_VRFS = ("default", "management")


def switches_of(spec: Spec) -> Iterator[tuple[str, str, Path]]:
    """Every switch, numbered ones included: its name, its role, and the place where it is written or would be."""
    for index, name in enumerate(spine_names(spec)):
        yield name, "spine", ("fabric", "spines", index)
    for index, pair in enumerate(leaf_pairs(spec)):
        for position, name in enumerate(pair.leafs):
            yield name, "leaf", ("fabric", "leaf_pairs", index, "leafs", position)
    for index, name in enumerate(border_names(spec)):
        yield name, "border", ("fabric", "borders", index)


def _roles(it: Judge) -> dict[str, str]:
    return {name: role for name, role, _ in switches_of(it.spec)}


def numbers(it: Judge) -> None:
    """VLANs and VNIs of the VRF and the network, their names, and the gateway's MAC."""
    vrf = it.spec.fabric.vrfs[0]
    base: Path = ("fabric", "vrfs", 0)
    network = vrf.networks[0]
    if vrf.vni == network.vni:
        it.say("duplicate-vni", f"VNI {vrf.vni} is the VRF's and the network's", (*NETWORK, "vni"))
    if vrf.vlan == network.vlan:
        it.say("duplicate-vlan", f"VLAN {vrf.vlan} is the VRF's and the network's", (*NETWORK, "vlan"))
    for vlan, path in ((vrf.vlan, (*base, "vlan")), (network.vlan, (*NETWORK, "vlan"))):
        if vlan == BACKUP_VLAN:
            why = f"VLAN {BACKUP_VLAN} is taken: it carries the underlay over a physical peer-link"
            it.say("reserved-vlan", why, path, "take another one")
    if network.name.lower() in (f"l3vni-{vrf.name}"[:32].lower(), "underlay-backup"):
        why = f"another VLAN, which carries the L3VNI or the underlay, is called {network.name} too"
        it.warn("same-name", why, (*NETWORK, "name"), "another name")
    octets = bytes.fromhex(it.spec.fabric.anycast_mac.replace(".", ""))
    if octets[0] & 1 or not any(octets):
        what = "of no host" if not any(octets) else "a multicast or broadcast address"
        why = f"the gateway's MAC must be a unicast one, and {it.spec.fabric.anycast_mac} is {what}"
        it.say("bad-mac", why, ("fabric", "anycast_mac"), "as in 2020.0000.00aa")
    if vrf.name.lower() in OWN_VRFS:
        it.say("reserved-vrf", f"every NX-OS switch has a VRF {vrf.name.lower()} of its own", (*base, "name"))


def images(it: Judge) -> None:
    """Names that Docker takes, with a tag."""
    for role in ROLES:
        written = getattr(it.spec.images, role)
        trouble = image_trouble(written) if written is not None else None
        if trouble is not None:
            it.say(trouble[0], trouble[1], ("images", role), trouble[2])


def as_numbers(it: Judge) -> None:
    """eBGP needs two; some are nobody's."""
    rows: list[tuple[int, Path]] = [(it.spec.fabric.asn, ("fabric", "asn"))]
    if isinstance(it.spec.cluster, Cluster):
        rows.append((it.spec.cluster.asn, ("cluster", "asn")))
        if it.spec.cluster.asn == it.spec.fabric.asn:
            why = f"fabric and cluster both have AS {it.spec.fabric.asn}, and the leafs peer eBGP with the nodes"
            it.say("same-asn", why, ("cluster", "asn"), "two different numbers")
    for asn, path in rows:
        if asn in RESERVED_ASNS:
            it.say("reserved-asn", f"AS {asn} {RESERVED_ASNS[asn]}", path, "private ones are 64512 to 65534")


def gateway(it: Judge) -> None:
    """One address of each family that a host can have, in a network with room."""
    written = it.spec.fabric.vrfs[0].networks[0].gateway
    families = [address.version for address in written]
    if 4 not in families:
        it.say("no-ipv4-gateway", "the nodes' network needs an IPv4 gateway", GATEWAY)
    if len(set(families)) != len(families):
        it.say("two-gateways", "there are two gateways of one family", GATEWAY, "one IPv4 and one IPv6")
    for index, address in enumerate(written):
        _gateway(it, address, it.item(GATEWAY, index))


def _gateway(it: Judge, address: IPv4Interface | IPv6Interface, path: Path) -> None:
    network = address.network
    longest = 29 if address.version == 4 else 126
    if network.prefixlen == network.max_prefixlen:
        example = f"{address.ip}/{24 if address.version == 4 else 64}"
        it.say("bad-gateway", f"{address.ip} has no prefix length", path, f"for example {example}")
    elif not 8 <= network.prefixlen <= longest:
        it.say("bad-gateway", f"{address}: the prefix length must be 8 to {longest}", path)
    elif no_host(address.ip):
        it.say("bad-gateway", f"{address.ip} is {no_host(address.ip)}", path)
    elif address.ip == network.network_address:
        it.say("bad-gateway", f"{address} is the network's own address", path, f"{network[1]}/{network.prefixlen}")
    elif address.version == 4 and address.ip == network.broadcast_address:
        it.say("bad-gateway", f"{address} is the broadcast address", path, f"{network[1]}/{network.prefixlen}")


def switches(it: Judge) -> None:
    """There are some, pairs have two, and each peer-link is one that the target can do."""
    fabric = it.spec.fabric
    if not isinstance(fabric.spines, int) and not fabric.spines:
        it.say("no-spines", "a fabric needs a spine", ("fabric", "spines"))
    if not isinstance(fabric.leaf_pairs, int) and not fabric.leaf_pairs:
        it.say("no-leafs", "a fabric needs a leaf pair", ("fabric", "leaf_pairs"))
    peer_links: list[tuple[str | None, Path]] = [(fabric.peer_link, ("fabric", "peer_link"))]
    for index, pair in enumerate(fabric.leaf_pairs if not isinstance(fabric.leaf_pairs, int) else ()):
        path: Path = ("fabric", "leaf_pairs", index)
        peer_links.append((pair.peer_link, (*path, "peer_link")))
        if pair.leafs[0].lower() == pair.leafs[1].lower():
            it.say("same-leaf", f"a pair is two switches, and {pair.leafs[0]} is one", (*path, "leafs"))
    if it.switch_target == "n9kv" and peers.numbers(fabric.nxos)[:2] < peers.FABRIC_PEERING_SINCE:
        for kind, path in peer_links:
            if kind == "fabric":
                why = f"a 9000v has vPC fabric peering from NX-OS 10.4 on, and this is {fabric.nxos}"
                it.say("fabric-peering", why, path, "peer_link: physical")


def addresses(it: Judge) -> None:
    """Addresses of single switches: of switches that exist, usable, each once (the plan's own come later)."""
    known, given = _roles(it), it.spec.fabric.addresses
    for name in given:
        if name not in known:
            it.say("no-such-switch", f"there is no switch {name}", (*ADDRESSES, name), near(name, known), key=True)
    whose = {"loopback0": "loopback0 of", "vtep": "the VTEP address of", "vip": None}
    rows: list[tuple[str, str, Path]] = []
    for part, name in product(whose, given):
        address, path = getattr(given[name], part), (*ADDRESSES, name, part)
        if address is not None and no_host(address):
            it.say("no-host", f"{address} is {no_host(address)}", path)
        if address is not None and whose[part]:  # a vip is that of two
            rows.append((str(address), f"{whose[part]} {name}", path))
    it.taken_once(rows)


def loopbacks(it: Judge) -> None:
    """loopback1002: of leafs that exist, different in a pair."""
    vrf = it.spec.fabric.vrfs[0]
    roles = _roles(it)
    for leaf, written in vrf.peering_loopbacks.items():
        path: Path = (*PEERING, leaf)
        if roles.get(leaf) != "leaf":
            leafs = [name for name, role in roles.items() if role == "leaf"]
            it.say("no-such-leaf", f"there is no leaf {leaf}", path, near(leaf, leafs), key=True)
        if len({address.version for address in written}) != len(written):
            it.say("two-loopbacks", f"{leaf} has two addresses of one family", path, "one IPv4 and one IPv6")
        for index, address in enumerate(written):
            where = it.item(path, index)
            if no_host(address):
                it.say("no-host", f"{address} is {no_host(address)}", where)
            elif address.version not in {gateway.version for gateway in vrf.networks[0].gateway}:
                why = f"{address} is of IPv6, and the nodes' network has no gateway of it: no node peers with it"
                it.warn("no-ipv6-gateway", why, where)
    _same_in_a_pair(it)


def _same_in_a_pair(it: Judge) -> None:
    written = it.spec.fabric.vrfs[0].peering_loopbacks
    for one, other in (pair.leafs for pair in leaf_pairs(it.spec)):
        for address in written.get(one, ()):
            if address in written.get(other, ()):
                why = f"{address} is loopback1002 of {one} already; it may come again on another pair alone"
                it.say("duplicate-address", why, (*PEERING, other))


NOBODY = "is of IPv6, and the nodes' network has no gateway of it: no node gets there"
SERVICE_BITS = 20
"""kubeadm and older API servers take service ranges of at most 2^20 addresses."""
IPIP = 20
"""Bytes that IPIP takes: labctl sets Calico's veth_mtu that much below the nodes' MTU, in both modes."""
LEAST_MTU6 = 1280 + IPIP
BLOCKS_A_NODE = 20


def nodes(it: Judge) -> None:
    """Their addresses, pairs and roles."""
    cluster = it.spec.cluster
    if not isinstance(cluster, Cluster) or isinstance(cluster.nodes, int):
        return
    gateways = it.spec.fabric.vrfs[0].networks[0].gateway
    pairs = len(leaf_pairs(it.spec))
    rows: list[tuple[str, str, Path]] = [(str(gateway.ip), "the gateway", GATEWAY) for gateway in gateways]
    for index, node in enumerate(cluster.nodes):
        path: Path = ("cluster", "nodes", index)
        if len({address.version for address in node.address}) != len(node.address):
            why = f"{node.name} has two addresses of one family"
            it.say("two-addresses", why, (*path, "address"), "one IPv4 and one IPv6")
        for position, address in enumerate(node.address):
            where = it.item((*path, "address"), position)
            _node_address(it, address, gateways, where)
            rows.append((str(address), f"the address of {node.name}", where))
        if node.pair is not None and node.pair > pairs:
            there = "one leaf pair" if pairs == 1 else f"{pairs} leaf pairs"
            it.say("no-such-pair", f"there is no leaf pair {node.pair}: the fabric has {there}", (*path, "pair"))
    it.taken_once(rows)
    controls = [index for index, node in enumerate(cluster.nodes) if node.role == "control-plane"]
    if len(controls) > 1:
        first = cluster.nodes[controls[0]].name
        why = f"{first} is the control plane already: labctl makes clusters with one"
        it.say("two-control-planes", why, ("cluster", "nodes", controls[1], "role"), "role: worker")
    if len(cluster.nodes) < 2:
        it.say("too-few-nodes", "a lab needs a control plane and a worker", ("cluster", "nodes"))


def _node_address(it: Judge, address: Any, gateways: Any, path: Path) -> None:
    network = next((g.network for g in gateways if g.version == address.version), None)
    if network is None:
        why = f"{address} is of a family that the nodes' network has no gateway of"
        it.say("outside-network", why, path, "fabric: {vrfs: [{networks: [{gateway: [IPv4/length, IPv6/length]}]}]}")
    elif address not in network:
        it.say("outside-network", f"{address} is not in the nodes' network {network}", path)
    elif address == network.network_address or (address.version == 4 and address == network.broadcast_address):
        it.say("no-host", f"{address} is the first or last of {network}: no host can have it", path)


def ranges(it: Judge) -> None:
    """Pools, service ranges and external IPs: sizes and families."""
    cluster = it.spec.cluster
    if not isinstance(cluster, Cluster):
        return
    families_seen: set[int] = set()
    for index, pool in enumerate(cluster.calico.pools):
        _pool(it, pool, (*POOLS, index), first=pool.cidr.version not in families_seen)
        families_seen.add(pool.cidr.version)
    for index, network in enumerate(cluster.services):
        path: Path = ("cluster", "services", index)
        low, high = network.max_prefixlen - SERVICE_BITS, network.max_prefixlen - 3
        if not low <= network.prefixlen <= high:
            it.say("service-range", f"a service range of IPv{network.version} is /{low} to /{high}", path)
    _families(it, cluster)
    _blocks(it)
    if cluster.mtu < LEAST_MTU6 and any(pool.cidr.version == 6 for pool in cluster_pools(it.spec)):
        why = f"pods get {cluster.mtu - IPIP} of an MTU of {cluster.mtu}, and IPv6 needs {LEAST_MTU6 - IPIP} (RFC 8200)"
        it.say("mtu", why, ("cluster", "mtu"), f"{LEAST_MTU6} or more, or a lab of IPv4 alone")


def _pool(it: Judge, pool: Any, path: Path, *, first: bool) -> None:
    cidr, longest = pool.cidr, pool.cidr.max_prefixlen
    size = pool.block_size or BLOCK_SIZE[cidr.version]
    low = max(cidr.prefixlen, longest - 12)
    if pool.block_size is not None and not low <= size <= longest:
        it.say("block-size", f"a block of {cidr} is /{low} to /{longest}, not /{size}", (*path, "block_size"))
    elif cidr.prefixlen > size:
        hint = f"a larger pool, or a block_size of {cidr.prefixlen} to {longest}"
        it.say("block-size", f"{cidr} is smaller than one block, which is a /{size}", (*path, "cidr"), hint)
    elif it.cluster_target == "kind" and first:  # the others are not in kind/cluster.yaml
        mask = NODE_MASK[cidr.version]
        if not mask - NODE_BITS <= cidr.prefixlen <= mask:
            why = f"kubeadm, which kind uses, takes a pod range of /{mask - NODE_BITS} to /{mask} here"
            it.say("pool-size", why, (*path, "cidr"))


def _blocks(it: Judge) -> None:
    """Every node takes a block of its own, from any pool of the family."""
    nodes, seen = len(node_specs(it.spec)), set[int]()
    for index, pool in enumerate(cluster_pools(it.spec)):
        version, longest = pool.cidr.version, pool.cidr.max_prefixlen
        mine = [other for other in cluster_pools(it.spec) if other.cidr.version == version]
        blocks = sum(1 << max(0, other.block_size - other.cidr.prefixlen) for other in mine)
        if blocks < nodes and version not in seen:
            why = f"{nodes} nodes, and blocks of IPv{version} for {blocks}: the others borrow single addresses"
            it.warn("few-blocks", why, (*POOLS, index, "cidr"), "a larger pool, or smaller blocks")
        if pool.block_size == longest:
            why = f"a block of one address: every pod takes a block, and a node at most {BLOCKS_A_NODE}"
            it.warn("block-size", why, (*POOLS, index, "block_size"))
        seen.add(version)


def _families(it: Judge, cluster: Cluster) -> None:
    pools = Counter(pool.cidr.version for pool in cluster.calico.pools)
    services = Counter(network.version for network in cluster.services)
    if services and not services[4]:
        it.say("no-ipv4-services", "the service ranges need one of IPv4", ("cluster", "services"))
    if services[4] > 1 or services[6] > 1:
        it.say("two-services", "there are two service ranges of one family", ("cluster", "services"), "one a family")
    if pools and not pools[4]:
        it.say("no-ipv4-pool", "the pools need one of IPv4", POOLS)
    if 6 not in families(it.spec):
        _no_gateway6(it, cluster)
    elif services[4] and pools[4] and bool(services[6]) != bool(pools[6]):
        has, lacks = ("services", "pools") if services[6] else ("pools", "services")
        why = f"the {has} have IPv6 and the {lacks} have not: Kubernetes wants the families of both alike"
        it.say("families", why, ("cluster", "services"))


def _no_gateway6(it: Judge, cluster: Cluster) -> None:
    """Ranges of IPv6 in a lab whose nodes' network has no gateway of it."""
    if any(pool.cidr.version == 6 for pool in cluster.calico.pools):
        it.say("no-ipv6-gateway", "an IPv6 pool needs an IPv6 gateway: nothing would route it", POOLS)
    for index, network in enumerate(cluster.calico.external_ips):
        if network.version == 6:
            it.warn("no-ipv6-gateway", f"{network} {NOBODY}", (*EXTERNAL_IPS, index))
    if any(network.version == 6 for network in cluster.services):
        why = "an IPv6 service range needs an IPv6 gateway: nothing would route it"
        it.say("no-ipv6-gateway", why, ("cluster", "services"))


def externals(it: Judge) -> None:
    """Border leafs that exist, prefixes that are nobody else's."""
    roles = _roles(it)
    seen: list[tuple[Any, str]] = []
    for index, external in enumerate(it.spec.external):
        if roles.get(external.attach) != "border":
            borders = [name for name, role in roles.items() if role == "border"]
            hint = near(external.attach, borders) if borders else f"fabric: {{borders: [{external.attach}]}}"
            why = f"there is no border leaf {external.attach}"
            if external.attach in roles:
                why = f"{external.attach} is a {roles[external.attach]}; external hosts are behind border leafs"
            it.say("no-such-border", why, ("external", index, "attach"), hint)
        for position, network in enumerate(external.announces):
            path: Path = ("external", index, "announces", position)
            clash = next((owner for known, owner in seen if known == network), None)
            if clash:
                it.say("duplicate-prefix", f"{network} is announced by {clash} already", path)
            if network.prefixlen == 0:
                why = "labctl announces no default route to the nodes: it would hide what the checks look for"
                it.say("default-route", why, path)
            elif no_host(network):
                it.say("no-host", f"{network}: no host can have {no_host(network)}", path)
            elif network.version not in families(it.spec):
                it.warn("no-ipv6-gateway", f"{network} {NOBODY}", path)
            seen.append((network, external.name))


def workloads(it: Judge) -> None:
    """Each once, and what the scenarios need is there."""
    if it.spec.scenarios == ():
        it.warn("nothing-proven", "no scenario is listed: nothing is proven", ("scenarios",), "leave it out for all")
    if it.spec.cluster == "none":
        _without_cluster(it)
        return
    seen: dict[str, str] = {}
    for index, workload in enumerate(it.spec.workloads or ()):
        name = stem(workload)
        if name in seen:
            both = f"{workload} and {seen[name]} are both {name}"
            why = f"{workload} is there twice" if seen[name] == workload else both
            it.say("duplicate-workload", why, ("workloads", index))
        seen[name] = workload
    scenarios = it.spec.scenarios or ()
    for index, scenario in enumerate(scenarios):
        _scenario(it, scenario, ("scenarios", index))
        if scenario in scenarios[:index]:
            it.say("duplicate-scenario", f"{scenario} is there twice", ("scenarios", index))


def _scenario(it: Judge, scenario: str, path: Path) -> None:
    """What it sends is there: the built-in workload, or traffic of the spec's own; so are the nodes that it needs."""
    have = it.spec.workloads if it.spec.workloads is not None else BUILT_IN
    needed = "pingtest" if scenario in FAILURES else SCENARIOS[scenario]
    said = needed is not None and scenario not in FAILURES and bool(getattr(it.spec.traffic, TRAFFIC[needed]))
    if needed and needed not in have and not said:
        it.say("missing-workload", f"scenario {scenario} needs workload {needed}", path, f"workloads: [{needed}, …]")
    if needed == "pingtest" and len(node_specs(it.spec)) < 3 and not said:
        it.say("too-few-workers", f"scenario {scenario} needs two workers, and there is one", path)
    if scenario in NEED_TWO_SPINES and len(spine_names(it.spec)) < 2:
        it.say("one-spine", f"scenario {scenario} needs two spines, and there is one", path)


def traffic(it: Judge) -> None:
    """The nodes that it names exist; a ping is between two, and an endpoint is a pod's address."""
    said = it.spec.traffic
    if not isinstance(it.spec.cluster, Cluster):
        if said.pings or said.curls:
            it.say("no-cluster", "traffic needs a cluster, and the spec says cluster: none", ("traffic",))
        return
    names = [node.name for node in node_specs(it.spec)]
    for name, where in [*_pings(it, said), *_curls(it, said)]:
        if name not in names:
            it.say("no-such-node", f"there is no node {name}", where, near(name, names))


def _pings(it: Judge, said: Traffic) -> Iterator[tuple[str, Path]]:
    """Gives the nodes that they name."""
    for index, ping in enumerate(said.pings):
        path: Path = ("traffic", "pings", index)
        yield ping.sender.node, (*path, "from", "node")
        yield ping.target.node, (*path, "to", "node")
        if ping.sender.node == ping.target.node:
            why = f"both pods are on {ping.sender.node}: what a ping proves is the way between two nodes"
            it.say("one-node", why, (*path, "to", "node"))
        elif (ping.sender.node, ping.target.node) in {(p.sender.node, p.target.node) for p in said.pings[:index]}:
            why = f"a ping from {ping.sender.node} to {ping.target.node} is there already"
            it.say("duplicate-traffic", why, path)


def _curls(it: Judge, said: Traffic) -> Iterator[tuple[str, Path]]:
    """Gives the nodes that they name."""
    pools = [pool.cidr for pool in cluster_pools(it.spec)]
    for index, curl in enumerate(said.curls):
        path: Path = ("traffic", "curls", index)
        yield curl.sender, (*path, "from")
        yield curl.backends, (*path, "backends")
        if (curl.sender, curl.service) in {(c.sender, c.service) for c in said.curls[:index]}:
            it.say("duplicate-traffic", f"{curl.sender} fetches {curl.service} already", path)
        if curl.endpoint is not None and not any(curl.endpoint in cidr for cidr in pools):
            it.say("outside-pool", f"{curl.endpoint} is in no pool: no pod can have it", (*path, "endpoint"))


def _without_cluster(it: Judge) -> None:
    says = "a cluster, and the spec says cluster: none"
    if it.spec.workloads:
        it.say("no-cluster", f"workloads need {says}", ("workloads",))
    for index, scenario in enumerate(it.spec.scenarios or ()):
        path: Path = ("scenarios", index)
        if scenario not in FABRIC_SCENARIOS:
            able = ", ".join(FABRIC_SCENARIOS)
            it.say("no-cluster", f"scenario {scenario} needs {says}", path, f"a fabric alone can prove {able}")
        elif scenario in (it.spec.scenarios or ())[:index]:
            it.say("duplicate-scenario", f"{scenario} is there twice", path)


def management(it: Judge) -> None:
    """Room for the runtime's gateway, the switches and hosts, and the nodes that get what is free."""
    network, needed = it.spec.management, len(managed(it.spec))
    if network.num_addresses < needed + 16:
        why = f"{network} is too small: {needed} nodes get fixed addresses in it from the eleventh on"
        it.say("management", why, ("management",), "a /24 has room for every lab")
    elif no_host(network):
        it.say("management", f"{network}: no host can have {no_host(network)}", ("management",))
