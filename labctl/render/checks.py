"""``checks.yaml``: what ``verify`` expects. A person may edit it; the judge reads nothing else of the design.

An expectation is a value, or a rule that is resolved from API objects when the check runs: pod placement and address
blocks are not known when a folder is rendered. Each topic has a function here and a module of the same name in
`labctl.verify.topics`, which reads and judges it.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from labctl.design.addressing import NETWORKS, NODE_BITS, NODE_MASK, scale_ranges
from labctl.design.design import Cluster, Curl, Design, External, Network, Node, Ping, PodEnd, Switch
from labctl.render.cluster import built_in_services, built_in_workloads
from labctl.render.yamltext import dump

SCHEMA = "labctl.checks/v2"
Row = dict[str, Any]
MODES = ("routed", "ipip")
SYSTEM = "kube-system"
WINDOW = 3.0
"""Seconds over which what must not be is looked for."""


def checks(design: Design) -> str:
    """The text."""
    lab = design.cluster
    modes = {mode: _mode(design, lab, mode) for mode in MODES} if lab else {"routed": {"bgp": _bgp_of_fabric(design)}}
    body: Row = {"schema": SCHEMA, "links": _links(design), "modes": modes}
    if lab:
        body["cluster"] = _cluster(design, lab)
    return dump({**body, "leafs": _leafs(design), **_scale(design)})


def _mode(design: Design, lab: Cluster, mode: str) -> Row:
    pings = [row for ping in lab.pings for row in _ping(design, ping, mode)]
    curls = [row for curl in lab.curls for row in _curl(design, curl)] if mode == "routed" else []
    rows = {"bgp": _bgp(design, lab, mode), "ping": pings, "curl": curls}
    return {topic: found for topic, found in rows.items() if found}


# --- links: bonds of the nodes, port-channels, vPC and uplinks of the leafs, the underlay of a fabric alone -----------


def _links(design: Design) -> Row:
    leafs = design.by_role("leaf")
    return {
        "lacp": [
            {"node": node.name, "bond": "bond0", "members": ["eth1", "eth2"]}
            for node in (design.cluster.nodes if design.cluster else ())
        ],
        "port_channels": [
            {
                "switch": leaf.name,
                "channels": [{"channel": port.channel, "members": [port.interface]} for port in leaf.node_ports],
            }
            for leaf in leafs
            if leaf.node_ports
        ],
        "vpc": [
            {"switch": leaf.name, "domain": leaf.vpc.domain, "vpcs": [port.channel for port in leaf.node_ports]}
            for leaf in leafs
            if leaf.vpc
        ],
        "mtu": [
            {"switch": leaf.name, "ports": {uplink.interface: uplink.mtu for uplink in leaf.uplinks}} for leaf in leafs
        ],
        **({} if design.cluster else {"underlay": _underlay(design)}),
    }


def _underlay(design: Design) -> list[Row]:
    """OSPF neighbours of every switch, by router id. With a cluster its own sessions and packets prove the underlay."""
    loopbacks = {switch.name: str(switch.loopback0) for switch in design.switches}
    rows = []
    for switch in design.switches:
        peers = {uplink.peer for uplink in switch.uplinks}
        peers |= {switch.vpc.peer} if switch.vpc and switch.vpc.backup else set()
        rows.append({"switch": switch.name, "neighbors": [loopbacks[name] for name in loopbacks if name in peers]})
    return rows


# --- bgp: sessions in the fabric and with the nodes, and the routes that cross both, mode by mode ---------------------


def _bgp(design: Design, lab: Cluster, mode: str) -> Row:
    """With the mesh on each node passes the others' prefixes on: what is heard of one says nothing then."""
    nodes: Row = {"vrf": design.vrf.name, "asn": lab.asn, "pairs": _pairs(design, lab)}
    if mode == "routed":
        nodes["heard"] = {
            "preference": 20,  # of an eBGP route on NX-OS (white paper: Figure 15)
            "blocks": 4 in lab.first_pools,
            "ranges": [str(network) for network in (*lab.services, *lab.external_ips) if network.version == 4],
            "services": ["default/my-service-ipv4"] if "nginx-dual" in lab.workloads else [],
        }
    routes = [row for leaf in design.by_role("leaf") for row in _peer_loopback(design, leaf)]
    return {"evpn": _evpn(design), "nodes": nodes, "routes": routes, **_copies(design)}


def _bgp_of_fabric(design: Design) -> Row:
    """What crosses a fabric without nodes over VXLAN: loopbacks of the leafs in the VRF, prefixes of external hosts."""
    rows: list[Row] = []
    leafs, borders = design.by_role("leaf"), design.by_role("border")
    for leaf in leafs:
        rows += _peer_loopback(design, leaf)
        rows += [
            _over_vxlan(design, leaf, str(network), border)
            for border in borders
            for port in border.external_ports
            for network in port.announces
            if network.version == 4
        ]
    # a loopback that several pairs have is coloured by its pair, and reaches no border: see _copies
    rows += [
        _over_vxlan(design, border, f"{leaf.peering}/32", leaf)
        for border in borders
        for leaf in leafs
        if leaf.colour is None
    ]
    return {"evpn": _evpn(design), "routes": rows, **_copies(design)}


def _evpn(design: Design) -> list[Row]:
    spines = [str(spine.loopback0) for spine in design.by_role("spine")]
    return [{"switch": switch.name, "neighbors": spines} for switch in design.switches if switch.role != "spine"]


def _pairs(design: Design, lab: Cluster) -> list[Row]:
    """Leafs with their VTEPs, and the nodes at them with the addresses that both peer with."""
    pairs: dict[tuple[str, ...], Row] = {}
    for leaf in design.by_role("leaf"):
        nodes = {node.name: _addresses(node) for node in lab.nodes if leaf.name in node.leafs}
        if nodes:
            pairs.setdefault(tuple(nodes), {"leafs": {}, "nodes": nodes})["leafs"][leaf.name] = str(leaf.vtep)
    return list(pairs.values())


def _addresses(node: Node) -> list[str]:
    return [str(address.ip) for address in (node.address, node.address6) if address]


def _over_vxlan(design: Design, switch: Switch, prefix: str, origin: Switch) -> Row:
    row = {"switch": switch.name, "vrf": design.vrf.name, "prefix": prefix}
    return {**row, "next_hops": [str(origin.vtep)], "segment": design.vrf.vni}


def _peer_loopback(design: Design, leaf: Switch) -> list[Row]:
    """The other leaf's loopback1002 over VXLAN: BGP packets that LACP hashes to the wrong leaf need it."""
    peer = design.switch(leaf.vpc.peer) if leaf.vpc else leaf
    prefixes = _loopbacks(peer) if leaf.colour else _loopbacks(peer)[:1]
    return [_over_vxlan(design, leaf, prefix, peer) for prefix in prefixes]


def _loopbacks(leaf: Switch) -> list[str]:
    """The addresses by which a leaf peers with nodes, as host prefixes: of IPv4, then of IPv6."""
    return [f"{leaf.peering}/32", f"{leaf.peering6}/128"]


def _copies(design: Design) -> Row:
    """Addresses that several pairs have: for each switch of the VRF the VTEPs whose copy it must never reach."""
    owners: dict[str, list[Switch]] = {}
    for leaf in design.by_role("leaf"):
        for prefix in _loopbacks(leaf):
            owners.setdefault(prefix, []).append(leaf)
    rows = []
    for switch in (*design.by_role("leaf"), *design.by_role("border")):
        pair = {switch.name, switch.vpc.peer if switch.vpc else ""}
        for prefix, having in owners.items():
            others = [leaf for leaf in having if leaf.name not in pair]
            if len(having) > 1 and others:
                vteps = {str(leaf.vtep): leaf.name for leaf in others}
                vteps |= {str(leaf.vpc.vip): f"{leaf.name} and {leaf.vpc.peer}" for leaf in others if leaf.vpc}
                rows.append({"switch": switch.name, "vrf": design.vrf.name, "prefix": prefix, "others": vteps})
    return {"copies": rows} if rows else {}


# --- ping and curl: how many answers, with which ttl, as which packets where ------------------------------------------

TTL = {"routed": 61, "ipip": 62}
"""A ping that the leaf routes loses three hops, one that BIRD tunnels loses two (white paper: ttl=62). Between nodes of
two pairs two leafs route it."""


def _ping(design: Design, ping: Ping, mode: str) -> list[Row]:
    source, target = ping.sender.node, ping.target.node
    result: list[Row] = []
    for version in ping.versions if mode == "routed" else (4,):
        family = f"ipv{version}"
        expected: Row = {"inner": {"source": {"pod": "from"}, "target": {"pod": "to"}}}
        if mode == "ipip":
            expected["outer"] = {"source": str(source.address.ip), "target": str(target.address.ip), "protocol": "ipip"}
        captures = [{"at": source.name, "interface": "bond0", "expect": expected}, _at_leafs(design, target, expected)]
        result.append(
            {
                "name": f"{source.name}-{target.name}-{family}",
                "family": family,
                "from": _pod(ping.sender),
                "to": _pod(ping.target),
                "count": 5,
                "ttl": TTL[mode] - (mode == "routed" and source.leafs != target.leafs),
                "captures": captures,
            }
        )
    return result


def _pod(end: PodEnd) -> Row:
    which = {"pod": end.pod} if end.pod else {"selector": end.selector}
    return {"node": end.node.name, **which, "namespace": end.namespace}


def _at_leafs(design: Design, node: Node, expected: Row) -> Row:
    """Stand-in leafs are captured at their bridge, where frames carry the tag; a 9000v's port has a native VLAN."""
    tag = design.vrf.node_vlan if design.target.switch == "standin" else None
    expect = {**expected, "vlan": tag}
    return {"at": list(node.leafs), "interface": {"port_channel_of": node.name}, "expect": expect}


def _curl(design: Design, curl: Curl) -> list[Row]:
    """By the host of a node, whose packets are looked at, and by each host outside."""
    service = f"{curl.namespace}/{curl.service}"
    inner = {
        "source": str(curl.sender.address.ip),
        "target": str(curl.endpoint) if curl.endpoint else {"endpoints_of": service},
        "protocol": "tcp",
        "port": 80,
    }
    expected = {"inner": inner, "source_mac": {"reported_by": "leaf"}, "encapsulated": False}
    rows: list[Row] = []
    hosts: tuple[Node | External, ...] = (curl.sender, *design.externals)
    for host in hosts:
        own = host is curl.sender
        rows.append(
            {
                "name": f"{host.name}-{curl.service}",
                "from": {"node": host.name},
                "service": service,
                "port": 80,
                "contains": curl.contains,
                **({"endpoint": str(curl.endpoint)} if curl.endpoint and own else {}),
                "captures": [_at_leafs(design, curl.backends, expected)] if own else [],
            }
        )
    return rows


# --- cluster: Kubernetes and Calico as they are to be (white paper: Figures 2 to 14) ----------------------------------

BIRDS = {"standin": ("bird",), "kind": ("bird", "bird6")}
"""Calico runs one BIRD 1.6 a family, a stand-in node one BIRD 2 for both."""


def _cluster(design: Design, lab: Cluster) -> Row:
    # the stand-in's base says both families (addresses come from the pools that there are)
    versions = (4, 6) if design.target.cluster == "standin" else lab.first_pools
    ipam = {f"assign_ipv{n}": str(n in versions).lower() for n in (4, 6)}
    return {
        "kubernetes": lab.kubernetes,
        "window": WINDOW,
        "nodes": [
            {
                "node": node.name,
                "role": node.role,
                "addresses": [str(address) for address in (node.address, node.address6) if address],
            }
            for node in lab.nodes
        ],
        "pod_cidrs": _pod_cidrs(lab),
        "components": _components(design, lab),
        "config": {
            "name": "calico-config",
            "namespace": SYSTEM,
            "backend": "bird",
            "datastore": "kubernetes",
            "ipam": {"type": "calico-ipam", **ipam},
        },
        "pools": [
            {
                "name": pool.name,
                "cidr": str(pool.cidr),
                "block_size": pool.block_size,
                "ipip_mode": {mode: pool.ipip(mode) for mode in MODES},
                "vxlan_mode": "Never",
                "nat_outgoing": pool.cidr.version == 4,
                "node_selector": "all()",
            }
            for pool in lab.pools
        ],
        "bgp": {
            "asn": lab.asn,
            "mesh": {mode: mode == "ipip" for mode in MODES},
            "service_cluster_ips": [str(network) for network in lab.services],
            "service_external_ips": [str(network) for network in lab.external_ips],
        },
        "peers": [
            {
                "name": peer.name,
                "address": str(peer.address),
                "asn": design.fabric.asn,
                **({"nodes": list(peer.nodes)} if peer.nodes is not None else {}),
            }
            for peer in lab.peers
        ],
        "bird": {
            "namespace": SYSTEM,
            "selector": "k8s-app=calico-node",
            "sockets": [f"/var/run/calico/{name}.ctl" for name in BIRDS[design.target.cluster]],
        },
        "routes": _routes(design, lab),
        "service_ranges": [str(network) for network in lab.services],
        "workloads": built_in_workloads(lab),
        "services": built_in_services(lab),
    }


def _components(design: Design, lab: Cluster) -> list[Row]:
    names = [node.name for node in lab.nodes]
    control = [node.name for node in lab.nodes if node.role == "control-plane"]
    standin = design.target.cluster == "standin"
    calico, kubernetes = {"tag": f"v{lab.calico}"}, {"tag": f"v{lab.kubernetes}"}
    rows = [
        ("calico-node", "k8s-app", names, calico),
        ("kube-proxy", "k8s-app", names, kubernetes),
        # the stand-in's Deployment is bound to the control plane, as in the paper; Calico's own is not
        (
            "calico-kube-controllers",
            "k8s-app",
            *((control, calico) if standin else (names, {**calico, "spread": False})),
        ),
    ]
    if not standin:  # a stand-in's control plane are processes, not pods
        static = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        rows += [(name, "component", control, {}) for name in static]
    return [
        {"name": name, "namespace": SYSTEM, "selector": f"{label}={name}", "nodes": nodes, **more}
        for name, label, nodes, more in rows
    ]


def _pod_cidrs(lab: Cluster) -> list[Row]:
    """Of the cluster's pod ranges; none where one has no room for networks of a node's length."""
    masks = [(pool.cidr, NODE_MASK[version]) for version, pool in lab.first_pools.items()]
    fits = all(0 <= mask - cidr.prefixlen <= NODE_BITS for cidr, mask in masks)
    return [{"range": str(cidr), "length": mask} for cidr, mask in masks] if fits else []


def _routes(design: Design, lab: Cluster) -> Row:
    """Prefixes that a node's table has, and never has (white paper: the host route table)."""
    leafs = design.by_role("leaf")
    peered = [peer.address for peer in lab.peers]
    statics = {ip_network(f"{address}/{NODE_MASK[address.version]}", strict=False) for address in peered}
    return {
        "device": "bond0",
        "gateways": [str(gateway.ip) for gateway in design.vrf.gateways],
        "statics": sorted(map(str, statics), key=lambda text: (":" in text, text)),
        "external": [str(network) for network in design.announced],
        "services": [str(network) for network in (*lab.services, *lab.external_ips)],
        "absent": list(dict.fromkeys(prefix for leaf in leafs for prefix in _loopbacks(leaf))),
    }


# --- leafs: what they are to have towards the nodes (white paper: Figures 17 and 18) ----------------------------------

SETTINGS = ("as-override", "disable-peer-as-check")
"""Of every neighbor's family: the nodes share one AS (white paper: the paragraph on as-override; errata E8)."""


def _leafs(design: Design) -> Row:
    """What all leafs have, then what is each one's own."""
    leafs = design.by_role("leaf")
    body: Row = {
        "window": WINDOW,
        "vrf": design.vrf.name,
        "gateway": {
            "vlan": design.vrf.node_vlan,
            "addresses": [str(gateway) for gateway in design.vrf.gateways],
            "mac": design.fabric.anycast_mac,
        },
        "loopback": {"interface": "loopback1002", "tag": 6789},  # the white paper's
    }
    if design.cluster:
        services = built_in_services(design.cluster)
        body["bgp"] = {
            "asn": design.fabric.asn,
            "remote_asn": design.cluster.asn,
            "multihop": 10,
            "settings": list(SETTINGS),
            "hidden": list(dict.fromkeys(prefix for leaf in leafs for prefix in _loopbacks(leaf))),
        }
        body["local"] = [service["service"] for service in services if service.get("traffic") == "Local"]
        body["absent"] = [service["service"] for service in services if service["type"] == "ClusterIP"]
    rows = [
        {"switch": leaf.name, "loopback": _loopbacks(leaf), **({"peer_link": leaf.vpc.peer_link} if leaf.vpc else {})}
        for leaf in leafs
    ]
    return {**body, "switches": rows}


# --- scale: as many networks as the white paper's VRF had -------------------------------------------------------------


def _scale(design: Design) -> Row:
    """What the scenario brings into the VRF, as static routes of a border leaf towards an external host; nothing where
    no border has one, or every range is in somebody's way."""
    ranges: list[tuple[Network, int]] = scale_ranges(design)
    border = next((border for border in design.by_role("border") if border.external_ports), None)
    if border is None or not ranges:
        return {}
    port = border.external_ports[0]
    via = {4: str(port.host_address.ip), 6: str(port.host_address6.ip)}
    routes = [
        {
            "family": f"ipv{network.version}",
            "range": str(network),
            "length": length,
            "count": NETWORKS[network.version],
            "via": via[network.version],
            "next_hop": str(border.vtep),
        }
        for network, length in ranges
    ]
    section = {
        "switch": border.name,
        "vrf": design.vrf.name,
        "tag": 12345,
        "routes": routes,
        "leafs": [leaf.name for leaf in design.by_role("leaf")],
        "nodes": [node.name for node in design.cluster.nodes] if design.cluster else [],
    }
    return {"scale": section}
