"""``checks.yaml``: what ``verify`` expects, by mode. A person may edit it; the judge reads nothing else of the design.

An expectation is a value, or a rule that is resolved from API objects when the check runs: pod placement and address
blocks are not known when a folder is rendered.
"""

from __future__ import annotations

from typing import Any

from labctl.design.model import Cluster, Design, Switch
from labctl.render.checks_cluster import cluster_checks
from labctl.render.checks_leafs import external_route, leaf_checks, routes_from_nodes
from labctl.render.yamltext import dump

SCHEMA = "labctl.checks/v1"
TTL = {"routed": 61, "ipip": 62}
"""A ping that the leaf routes loses three hops, one that BIRD tunnels loses two (white paper: ttl=62)."""


def checks(design: Design) -> str:
    """The text."""
    body: dict[str, Any] = {"schema": SCHEMA, "links": _links(design)}
    if design.cluster:
        modes: dict[str, dict[str, Any]] = {}
        for mode in ("routed", "ipip"):
            modes[mode] = {"bgp": _bgp(design, design.cluster, mode)}
            if "pingtest" in design.cluster.workloads and len(design.cluster.workers) > 1:
                modes[mode]["ping"] = _ping(design, design.cluster, mode)
            if "nginx" in design.cluster.workloads and mode == "routed":
                modes[mode]["curl"] = _curl(design, design.cluster)
        body["modes"] = modes
        body["cluster"] = cluster_checks(design, design.cluster)
    else:
        body["links"]["underlay"] = _underlay(design)
        body["modes"] = {"routed": {"bgp": {"evpn": _evpn(design), "sessions": [], "routes": _fabric_routes(design)}}}
    body["leafs"] = leaf_checks(design)
    return dump(body)


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
        rows += _peer_loopback(design, leaf)
        rows += [
            _over_vxlan(design, leaf, str(network), border)
            for border in borders
            for port in border.external_ports
            for network in port.announces
            if network.version == 4
        ]
    # a loopback that several pairs have, too, is coloured by its pair, and reaches the border by several ways
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
                    "next_hops": {"endpoints_of": "default/my-service-ipv4"},
                    # of endpoints at another pair the route comes over the fabric
                    **(external_route(cluster) if all(leaf.name in node.leafs for node in cluster.nodes) else {}),
                }
            )
        routes += routes_from_nodes(design, cluster, leaf) if mode == "routed" else []
        routes += _peer_loopback(design, leaf)
        for family in ("ipv4", "ipv6"):
            count = sum((row["switch"], row["family"]) == (leaf.name, family) for row in sessions)
            if count:
                peers.append({"switch": leaf.name, "vrf": design.vrf.name, "family": family, "count": count})
    return {"evpn": _evpn(design), "sessions": sessions, "peers": peers, "routes": routes}


def _peer_loopback(design: Design, leaf: Switch) -> list[dict[str, Any]]:
    """The other leaf's loopback1002 over VXLAN: BGP packets that LACP hashes to the wrong leaf need it."""
    if leaf.vpc is None or leaf.peering is None:
        return []
    peer = design.switch(leaf.vpc.peer)
    return [_over_vxlan(design, leaf, f"{peer.peering}/32", peer)]


def _ping(design: Design, cluster: Cluster, mode: str) -> list[dict[str, Any]]:
    source, target = cluster.workers[0], cluster.workers[1]
    families = ["ipv4"]
    if source.address6 is not None and mode == "routed":
        families.append("ipv6")
    leafs = list(dict.fromkeys((*source.leafs, *target.leafs)))
    result: list[dict[str, Any]] = []
    for family in families:
        expected: dict[str, Any] = {"inner": {"source": {"pod": "from"}, "target": {"pod": "to"}}}
        if mode == "ipip":
            expected["outer"] = {"source": str(source.address.ip), "target": str(target.address.ip), "protocol": "ipip"}
        result.append(
            {
                "name": f"{source.name}-{target.name}-{family}",
                "family": family,
                "from": {"node": source.name, "selector": "app=pingtest", "namespace": "default"},
                "to": {"node": target.name, "selector": "app=pingtest", "namespace": "default"},
                "count": 5,
                "ttl": TTL[mode],
                "captures": [
                    {"at": source.name, "interface": "bond0", "expect": expected},
                    {"at": leafs, "interface": {"port_channel_of": target.name}, "expect": _tagged(design, expected)},
                ],
            }
        )
    return result


def _tagged(design: Design, expected: dict[str, Any]) -> dict[str, Any]:
    """Stand-in leafs are captured at their bridge, where frames carry the tag; a 9000v's port has a native VLAN."""
    return {**expected, "vlan": design.vrf.node_vlan if design.target.switch == "standin" else None}


def _curl(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    control = next(node for node in cluster.nodes if node.role == "control-plane")
    backend = cluster.workers[0]
    service = "default/nginx-service"
    expected = _tagged(
        design,
        {
            "inner": {
                "source": str(control.address.ip),
                "target": {"endpoints_of": service},
                "protocol": "tcp",
                "port": 80,
            },
            "source_mac": {"reported_by": "leaf"},
            "encapsulated": False,
        },
    )
    rows: list[dict[str, Any]] = [
        {
            "name": f"{control.name}-nginx-service",
            "from": {"node": control.name},
            "service": service,
            "port": 80,
            "contains": "Welcome to nginx!",
            "captures": [
                {"at": list(backend.leafs), "interface": {"port_channel_of": backend.name}, "expect": expected},
            ],
        }
    ]
    rows += [
        {
            "name": f"{external.name}-nginx-service",
            "from": {"node": external.name},
            "service": service,
            "port": 80,
            "contains": "Welcome to nginx!",
            "captures": [],
        }
        for external in design.externals
    ]
    return rows
