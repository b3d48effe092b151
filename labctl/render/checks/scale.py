"""The section ``scale`` of ``checks.yaml``: as many networks as the white paper's VRF had."""

from __future__ import annotations

from typing import Any

from labctl.design.addressing import NETWORKS, scale
from labctl.design.design import Design


def section(design: Design) -> dict[str, Any]:
    """What the scenario ``scale`` brings into the VRF, and how many networks the leafs then have at least."""
    large = scale(design)
    if large is None:
        return {}
    via = {4: str(large.port.host_address.ip), 6: str(large.port.host_address6.ip)}
    section = {
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
    return {"scale": section}
