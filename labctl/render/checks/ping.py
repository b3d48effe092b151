"""What pings between pods are to show: how many answers, with which ttl, as which packets where."""

from __future__ import annotations

from typing import Any

from labctl.design.design import Cluster, Design, Ping, PodEnd

TTL = {"routed": 61, "ipip": 62}
"""A ping that the leaf routes loses three hops, one that BIRD tunnels loses two (white paper: ttl=62). Between nodes of
two pairs two leafs route it."""


def section(design: Design, cluster: Cluster, mode: str) -> dict[str, Any]:
    """The rows ``ping`` of a mode."""
    rows = [row for ping in cluster.pings for row in _ping(design, ping, mode)]
    return {"ping": rows} if rows else {}


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
                        "expect": tagged(design, expected),
                    },
                ],
            }
        )
    return result


def _pod(end: PodEnd) -> dict[str, Any]:
    which = {"pod": end.pod} if end.pod else {"selector": end.selector}
    return {"node": end.node.name, **which, "namespace": end.namespace}


def tagged(design: Design, expected: dict[str, Any]) -> dict[str, Any]:
    """Stand-in leafs are captured at their bridge, where frames carry the tag; a 9000v's port has a native VLAN."""
    return {**expected, "vlan": design.vrf.node_vlan if design.target.switch == "standin" else None}
