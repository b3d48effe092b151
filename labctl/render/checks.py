"""``checks.yaml``: what ``verify`` expects, by mode. A person may edit it; the judge reads nothing else of the design.

An expectation is a value, or a rule that is resolved from API objects when the check runs: pod placement and address
blocks are not known when a folder is rendered.
"""

from __future__ import annotations

from typing import Any

from labctl.design.addressing import NETWORKS, Scale, scale
from labctl.design.design import Cluster, Curl, Design, Ping, PodEnd, Switch
from labctl.render.checks_cluster import cluster_checks
from labctl.render.checks_leafs import external_route, leaf_checks, routes_from_nodes
from labctl.render.yamltext import dump

SCHEMA = "labctl.checks/v1"
TTL = {"routed": 61, "ipip": 62}
"""A ping that the leaf routes loses three hops, one that BIRD tunnels loses two (white paper: ttl=62). Between nodes of
two pairs two leafs route it."""


def checks(design: Design) -> str:
    """The text."""
    body: dict[str, Any] = {"schema": SCHEMA, "links": _links(design)}
    if design.cluster:
        modes: dict[str, dict[str, Any]] = {}
        for mode in ("routed", "ipip"):
            modes[mode] = {"bgp": _bgp(design, design.cluster, mode)}
            if design.cluster.pings:
                modes[mode]["ping"] = [row for ping in design.cluster.pings for row in _ping(design, ping, mode)]
            if design.cluster.curls and mode == "routed":
                modes[mode]["curl"] = [row for curl in design.cluster.curls for row in _curl(design, curl)]
        body["modes"] = modes
        body["cluster"] = cluster_checks(design, design.cluster)
    else:
        body["links"]["underlay"] = _underlay(design)
        alone = {"evpn": _evpn(design), "sessions": [], "routes": _fabric_routes(design)}
        body["modes"] = {"routed": {"bgp": {**alone, **_copies(design)}}}
    body["leafs"] = leaf_checks(design)
    large = scale(design)
    if large is not None:
        body["scale"] = _scale(design, large)
    return dump(body)


def _scale(design: Design, large: Scale) -> dict[str, Any]:
    """What the scenario ``scale`` brings into the VRF, and how many networks the leafs then have at least."""
    via = {4: str(large.port.host_address.ip), 6: str(large.port.host_address6.ip)}
    return {
        "switch": large.border.name,
        "vrf": design.vrf.name,
        "tag": 12345,
        "routes": [
            {
                "family": f"ipv{network.version}",
                "range": str(network),
                "length": length,
                "count": NETWORKS[network.version],
                "via": via[network.version],
                "next_hop": str(large.border.vtep),
            }
            for network, length in large.ranges
        ],
        "leafs": [leaf.name for leaf in design.by_role("leaf")],
        "nodes": [node.name for node in design.cluster.nodes] if design.cluster else [],
    }


def _underlay(design: Design) -> list[dict[str, Any]]:
    """OSPF neighbours of every switch, by router id. With a cluster its own sessions and packets prove the underlay."""
    loopbacks = {switch.name: str(switch.loopback0) for switch in design.switches}
    rows = []
    for switch in design.switches:
        peers = {uplink.peer for uplink in switch.uplinks}
        peers |= {switch.vpc.peer} if switch.vpc and switch.vpc.backup else set()
        rows.append({"switch": switch.name, "neighbors": [loopbacks[name] for name in loopbacks if name in peers]})
    return rows


def _fabric_routes(design: Design) -> list[dict[str, Any]]:
    """What crosses a fabric without nodes over VXLAN: loopbacks of the leafs in the VRF, prefixes of external hosts."""
    rows: list[dict[str, Any]] = []
    leafs, borders = design.by_role("leaf"), design.by_role("border")
    for leaf in leafs:
        rows += _peer_loopback(design, leaf, (4, 6) if leaf.colour else (4,))
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
        if leaf.peering is not None and leaf.colour is None
    ]
    return rows


def _over_vxlan(design: Design, switch: Switch, prefix: str, origin: Switch) -> dict[str, Any]:
    return {
        "switch": switch.name,
        "vrf": design.vrf.name,
        "prefix": prefix,
        "next_hops": [str(origin.vtep)],
        "segment": design.vrf.vni,
    }


def _links(design: Design) -> dict[str, Any]:
    nodes = design.cluster.nodes if design.cluster else ()
    leafs = design.by_role("leaf")
    return {
        "lacp": [{"node": node.name, "bond": "bond0", "members": ["eth1", "eth2"]} for node in nodes],
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
    }


def _evpn(design: Design) -> list[dict[str, Any]]:
    return [
        {"switch": switch.name, "neighbors": [str(spine.loopback0) for spine in design.by_role("spine")]}
        for switch in design.switches
        if switch.role != "spine"
    ]


def _bgp(design: Design, cluster: Cluster, mode: str) -> dict[str, Any]:
    sessions, routes, peers = [], [], []
    for leaf in design.by_role("leaf"):
        for node in cluster.nodes:
            if leaf.name not in node.leafs:
                continue
            for family, neighbor in (("ipv4", node.address), ("ipv6", node.address6)):
                if neighbor is None or (family == "ipv6" and leaf.peering6 is None):
                    continue
                sessions.append(
                    {
                        "switch": leaf.name,
                        "vrf": design.vrf.name,
                        "family": family,
                        "neighbor": str(neighbor.ip),
                        "asn": cluster.asn,
                        "node": node.name,
                        # with the mesh on, each node passes the others' prefixes on: the number says nothing then
                        **({"prefixes": {"advertised_by": node.name}} if mode == "routed" else {}),
                    }
                )
        if mode == "routed" and "nginx-dual" in cluster.workloads:
            routes.append(
                {
                    "switch": leaf.name,
                    "vrf": design.vrf.name,
                    "prefix": {"cluster_ip_of": "default/my-service-ipv4"},
                    "next_hops": {"endpoints_of": "default/my-service-ipv4", **_behind_others(design, cluster, leaf)},
                    # of endpoints at another pair the route comes over the fabric
                    **(external_route(cluster) if all(leaf.name in node.leafs for node in cluster.nodes) else {}),
                }
            )
        routes += routes_from_nodes(design, cluster, leaf) if mode == "routed" else []
        routes += _peer_loopback(design, leaf, (4, 6) if leaf.colour else (4,))
        for family in ("ipv4", "ipv6"):
            count = sum((row["switch"], row["family"]) == (leaf.name, family) for row in sessions)
            if count:
                peers.append({"switch": leaf.name, "vrf": design.vrf.name, "family": family, "count": count})
    return {"evpn": _evpn(design), "sessions": sessions, "peers": peers, "routes": routes, **_copies(design)}


def _behind_others(design: Design, cluster: Cluster, leaf: Switch) -> dict[str, Any]:
    """The nodes of other pairs, by the VTEPs of their leafs: BGP prefers what it hears of nodes of its own."""
    others = {
        node.name: [str(design.switch(name).vtep) for name in node.leafs]
        for node in cluster.nodes
        if leaf.name not in node.leafs
    }
    return {"behind": others} if others else {}


def _peer_loopback(design: Design, leaf: Switch, versions: tuple[int, ...]) -> list[dict[str, Any]]:
    """The other leaf's loopback1002 over VXLAN: BGP packets that LACP hashes to the wrong leaf need it."""
    if leaf.vpc is None or leaf.peering is None:
        return []
    peer = design.switch(leaf.vpc.peer)
    return [_over_vxlan(design, leaf, prefix, peer) for prefix in _loopbacks(peer, versions)]


def _loopbacks(leaf: Switch, versions: tuple[int, ...] = (4, 6)) -> list[str]:
    found = [address for address in (leaf.peering, leaf.peering6) if address is not None]
    return [f"{address}/{address.max_prefixlen}" for address in found if address.version in versions]


def _copies(design: Design) -> dict[str, Any]:
    """Addresses that several pairs have: for each switch of the VRF the VTEPs whose copy it must never reach."""
    leafs = design.by_role("leaf")
    owners: dict[str, list[Switch]] = {}
    for leaf in leafs:
        for prefix in _loopbacks(leaf):
            owners.setdefault(prefix, []).append(leaf)
    rows = []
    for switch in (*leafs, *design.by_role("border")):
        for prefix, having in owners.items():
            pair = {switch.name, switch.vpc.peer if switch.vpc else ""}
            others = [leaf for leaf in having if leaf.name not in pair]
            if len(having) > 1 and others:
                vteps = {str(leaf.vtep): leaf.name for leaf in others}
                vteps |= {str(leaf.vpc.vip): f"{leaf.name} and {leaf.vpc.peer}" for leaf in others if leaf.vpc}
                rows.append({"switch": switch.name, "vrf": design.vrf.name, "prefix": prefix, "others": vteps})
    return {"copies": rows} if rows else {}


def _ping(design: Design, ping: Ping, mode: str) -> list[dict[str, Any]]:
    source, target = ping.sender.node, ping.target.node
    result: list[dict[str, Any]] = []
    for version in ping.versions if mode == "routed" else (4,):
        family = f"ipv{version}"
        expected: dict[str, Any] = {"inner": {"source": {"pod": "from"}, "target": {"pod": "to"}}}
        if mode == "ipip":
            expected["outer"] = {"source": str(source.address.ip), "target": str(target.address.ip), "protocol": "ipip"}
        result.append(
            {
                "name": f"{source.name}-{target.name}-{family}",
                "family": family,
                "from": _pod(ping.sender),
                "to": _pod(ping.target),
                "count": 5,
                "ttl": TTL[mode] - (mode == "routed" and source.leafs != target.leafs),
                "captures": [
                    {"at": source.name, "interface": "bond0", "expect": expected},
                    {
                        "at": list(target.leafs),
                        "interface": {"port_channel_of": target.name},
                        "expect": _tagged(design, expected),
                    },
                ],
            }
        )
    return result


def _pod(end: PodEnd) -> dict[str, Any]:
    which = {"pod": end.pod} if end.pod else {"selector": end.selector}
    return {"node": end.node.name, **which, "namespace": end.namespace}


def _tagged(design: Design, expected: dict[str, Any]) -> dict[str, Any]:
    """Stand-in leafs are captured at their bridge, where frames carry the tag; a 9000v's port has a native VLAN."""
    return {**expected, "vlan": design.vrf.node_vlan if design.target.switch == "standin" else None}


def _curl(design: Design, curl: Curl) -> list[dict[str, Any]]:
    service = f"{curl.namespace}/{curl.service}"
    expected = _tagged(
        design,
        {
            "inner": {
                "source": str(curl.sender.address.ip),
                "target": str(curl.endpoint) if curl.endpoint else {"endpoints_of": service},
                "protocol": "tcp",
                "port": 80,
            },
            "source_mac": {"reported_by": "leaf"},
            "encapsulated": False,
        },
    )
    captures = [
        {"at": list(curl.backends.leafs), "interface": {"port_channel_of": curl.backends.name}, "expect": expected}
    ]
    rows: list[dict[str, Any]] = [
        {
            "name": f"{curl.sender.name}-{curl.service}",
            "from": {"node": curl.sender.name},
            "service": service,
            "port": 80,
            "contains": curl.contains,
            **({"endpoint": str(curl.endpoint)} if curl.endpoint else {}),
            "captures": captures,
        }
    ]
    rows += [
        {
            "name": f"{external.name}-{curl.service}",
            "from": {"node": external.name},
            "service": service,
            "port": 80,
            "contains": curl.contains,
            "captures": [],
        }
        for external in design.externals
    ]
    return rows
