"""The section ``leafs`` of ``checks.yaml``: what the leafs are to have towards the nodes.

White paper: Figures 17 and 18.
"""

from __future__ import annotations

from typing import Any

from labctl.design.design import Design, Switch
from labctl.render.checks.bgp import loopbacks
from labctl.render.checks.cluster import WINDOW
from labctl.render.workloads import built_in_services

SETTINGS = ("as-override", "disable-peer-as-check")
"""Of every neighbor's family: the nodes share one AS (white paper: the paragraph on as-override; errata E8)."""
MULTIHOP = 10
TAG = 6789
"""The white paper's, on the peering loopbacks."""


def section(design: Design) -> dict[str, Any]:
    """What all leafs have, then what is each one's own."""
    leafs = design.by_role("leaf")
    gateways = [gateway for gateway in (design.vrf.gateway, design.vrf.gateway6) if gateway]
    body: dict[str, Any] = {
        "window": WINDOW,
        "vrf": design.vrf.name,
        "gateway": {
            "vlan": design.vrf.node_vlan,
            "addresses": [str(gateway) for gateway in gateways],
            "mac": design.fabric.anycast_mac,
        },
    }
    if any(map(loopbacks, leafs)):
        body["loopback"] = {"interface": "loopback1002", "tag": TAG}
    if design.cluster:
        services = built_in_services(design.cluster)
        body["bgp"] = {
            "asn": design.fabric.asn,
            "remote_asn": design.cluster.asn,
            "multihop": MULTIHOP,
            "settings": list(SETTINGS),
            "hidden": list(dict.fromkeys(prefix for leaf in leafs for prefix in loopbacks(leaf))),
        }
        body["local"] = [service["service"] for service in services if service.get("traffic") == "Local"]
        body["absent"] = [service["service"] for service in services if service["type"] == "ClusterIP"]
    return {**body, "switches": [_leaf(leaf) for leaf in leafs]}


def _leaf(leaf: Switch) -> dict[str, Any]:
    row: dict[str, Any] = {"switch": leaf.name}
    if loopbacks(leaf):
        row["loopback"] = loopbacks(leaf)
    if leaf.vpc:
        row["peer_link"] = leaf.vpc.peer_link
    return row
