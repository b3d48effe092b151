"""What the links are to be: bonds of the nodes, port-channels, vPC and uplinks of the leafs, the underlay of a fabric
alone.
"""

from __future__ import annotations

from typing import Any

from labctl.design.design import Design


def section(design: Design) -> dict[str, Any]:
    """The section ``links``."""
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
        "mtu": [
            {"switch": leaf.name, "ports": {uplink.interface: uplink.mtu for uplink in leaf.uplinks}} for leaf in leafs
        ],
        **({} if design.cluster else {"underlay": _underlay(design)}),
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
