"""What BGP is to bring: sessions in the fabric and with the nodes, and the routes that cross both, mode by mode."""

from __future__ import annotations

from typing import Any

from labctl.design.design import Cluster, Design, Node, Switch

PREFERENCE = 20
"""Of an eBGP route on NX-OS (white paper: Figure 15)."""


def section(design: Design, cluster: Cluster, mode: str) -> dict[str, Any]:
    """The section ``bgp`` of a mode. With the mesh on each node passes the others' prefixes on: what is heard of one
    says nothing then."""
    nodes = {"vrf": design.vrf.name, "asn": cluster.asn, "pairs": _pairs(design, cluster)}
    heard = {
        "preference": PREFERENCE,
        "blocks": any(pool.cidr.version == 4 for pool in cluster.pools),
        "ranges": [str(network) for network in (*cluster.services, *cluster.external_ips) if network.version == 4],
        "services": ["default/my-service-ipv4"] if "nginx-dual" in cluster.workloads else [],
    }
    return {
        "evpn": _evpn(design),
        "nodes": {**nodes, **({"heard": heard} if mode == "routed" else {})},
        "routes": [row for leaf in design.by_role("leaf") for row in _peer_loopback(design, leaf)],
        **_copies(design),
    }


def of_fabric(design: Design) -> dict[str, Any]:
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
    # a loopback that several pairs have is coloured by its pair, and reaches no border: see _copies
    rows += [
        _over_vxlan(design, border, f"{leaf.peering}/32", leaf)
        for border in borders
        for leaf in leafs
        if leaf.peering is not None and leaf.colour is None
    ]
    return {"evpn": _evpn(design), "routes": rows, **_copies(design)}


def _evpn(design: Design) -> list[dict[str, Any]]:
    return [
        {"switch": switch.name, "neighbors": [str(spine.loopback0) for spine in design.by_role("spine")]}
        for switch in design.switches
        if switch.role != "spine"
    ]


def _pairs(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    """Leafs with their VTEPs, and the nodes at them with the addresses that both peer with. Two leafs of which one has
    no IPv6 loopback are a row each."""
    leafs: dict[tuple[tuple[str, tuple[str, ...]], ...], dict[str, str]] = {}
    for leaf in design.by_role("leaf"):
        nodes = tuple((node.name, _peered(leaf, node)) for node in cluster.nodes if leaf.name in node.leafs)
        if nodes:
            leafs.setdefault(nodes, {})[leaf.name] = str(leaf.vtep)
    return [
        {"leafs": vteps, "nodes": {node: list(addresses) for node, addresses in nodes}}
        for nodes, vteps in leafs.items()
    ]


def _peered(leaf: Switch, node: Node) -> tuple[str, ...]:
    addresses = (node.address, node.address6 if leaf.peering6 is not None else None)
    return tuple(str(address.ip) for address in addresses if address is not None)


def _over_vxlan(design: Design, switch: Switch, prefix: str, origin: Switch) -> dict[str, Any]:
    return {
        "switch": switch.name,
        "vrf": design.vrf.name,
        "prefix": prefix,
        "next_hops": [str(origin.vtep)],
        "segment": design.vrf.vni,
    }


def _peer_loopback(design: Design, leaf: Switch) -> list[dict[str, Any]]:
    """The other leaf's loopback1002 over VXLAN: BGP packets that LACP hashes to the wrong leaf need it."""
    if leaf.vpc is None or leaf.peering is None:
        return []
    peer = design.switch(leaf.vpc.peer)
    versions = (4, 6) if leaf.colour else (4,)
    return [_over_vxlan(design, leaf, prefix, peer) for prefix in loopbacks(peer, versions)]


def loopbacks(leaf: Switch, versions: tuple[int, ...] = (4, 6)) -> list[str]:
    """The addresses by which a leaf peers with nodes, as host prefixes."""
    found = [address for address in (leaf.peering, leaf.peering6) if address is not None]
    return [f"{address}/{address.max_prefixlen}" for address in found if address.version in versions]


def _copies(design: Design) -> dict[str, Any]:
    """Addresses that several pairs have: for each switch of the VRF the VTEPs whose copy it must never reach."""
    owners: dict[str, list[Switch]] = {}
    for leaf in design.by_role("leaf"):
        for prefix in loopbacks(leaf):
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
