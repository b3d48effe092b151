"""The section ``leafs`` of ``checks.yaml``: what the leafs are to have towards the nodes.

White paper: Figures 17 and 18.
"""

from __future__ import annotations

from typing import Any

from labctl.design.design import Cluster, Design, Switch
from labctl.render.checks_cluster import WINDOW
from labctl.render.workloads import built_in_services

SETTINGS = ("as-override", "disable-peer-as-check")
"""Of every neighbor's family: the nodes share one AS (white paper: the paragraph on as-override; errata E8)."""
MULTIHOP = 10
TAG = 6789
"""The white paper's, on the peering loopbacks."""


def leaf_checks(design: Design) -> dict[str, Any]:
    """The section."""
    return {"window": WINDOW, "switches": [_leaf(design, leaf) for leaf in design.by_role("leaf")]}


def _leaf(design: Design, leaf: Switch) -> dict[str, Any]:
    gateways = [gateway for gateway in (design.vrf.gateway, design.vrf.gateway6) if gateway]
    addresses = [f"{loopback}/{loopback.max_prefixlen}" for loopback in (leaf.peering, leaf.peering6) if loopback]
    row: dict[str, Any] = {
        "switch": leaf.name,
        "vrf": design.vrf.name,
        "gateway": {
            "vlan": design.vrf.node_vlan,
            "addresses": [str(gateway) for gateway in gateways],
            "mac": design.fabric.anycast_mac,
        },
    }
    if addresses:
        row["loopback"] = {"interface": "loopback1002", "addresses": addresses, "tag": TAG}
    if leaf.vpc:
        row["peer_link"] = leaf.vpc.peer_link
    neighbors = _neighbors(design.cluster, leaf) if design.cluster else []
    if design.cluster and neighbors:
        row["bgp"] = {
            "asn": design.fabric.asn,
            "remote_asn": design.cluster.asn,
            "multihop": MULTIHOP,
            "settings": list(SETTINGS),
            "hidden": _loopbacks(design),
            "neighbors": neighbors,
        }
        services = built_in_services(design.cluster)
        row["local"] = [service["service"] for service in services if service.get("traffic") == "Local"]
        row["absent"] = [service["service"] for service in services if service["type"] == "ClusterIP"]
    return row


def _loopbacks(design: Design) -> list[str]:
    found = [address for leaf in design.by_role("leaf") for address in (leaf.peering, leaf.peering6) if address]
    return list(dict.fromkeys(f"{address}/{address.max_prefixlen}" for address in found))


def _neighbors(cluster: Cluster, leaf: Switch) -> list[dict[str, str]]:
    rows = []
    for node in cluster.nodes:
        if leaf.name in node.leafs:
            rows.append({"node": node.name, "address": str(node.address.ip), "family": "ipv4"})
            if node.address6 is not None and leaf.peering6 is not None:
                rows.append({"node": node.name, "address": str(node.address6.ip), "family": "ipv6"})
    return rows


def routes_from_nodes(design: Design, cluster: Cluster, leaf: Switch) -> list[dict[str, Any]]:
    """Each node's block from that node alone; service ranges from every node at this leaf (errata 4.6)."""
    nodes = [node for node in cluster.nodes if leaf.name in node.leafs]
    place = {"switch": leaf.name, "vrf": design.vrf.name}
    marks = external_route(cluster)
    rows = [
        {**place, "prefix": {"block_of": node.name}, "next_hops": [str(node.address.ip)], **marks}
        for node in nodes
        if any(pool.cidr.version == 4 for pool in cluster.pools)
    ]
    hops = [str(node.address.ip) for node in nodes]
    ranges = [network for network in (*cluster.services, *cluster.external_ips) if network.version == 4]
    return rows + [{**place, "prefix": str(network), "next_hops": hops, **marks} for network in ranges if hops]


def external_route(cluster: Cluster) -> dict[str, int]:
    """How NX-OS marks an eBGP route: preference 20, and the neighbor's AS as its tag (Figure 15)."""
    return {"preference": 20, "tag": cluster.asn}
