"""What a node is to have: addresses, networks for its pods, its routing table (white paper: the host route table)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from labctl.design.design import Cluster, Design, Network

NODE_MASK = {4: 24, 6: 64}
"""kubeadm's ``node-cidr-mask-size-ipv4`` and ``-ipv6``; its allocator gives at most 2^16 networks of a range."""
MOST_NETWORKS = 16


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Each node with its addresses on ``bond0``."""
    return [
        {
            "node": node.name,
            "role": node.role,
            "addresses": [str(address) for address in (node.address, node.address6) if address],
        }
        for node in cluster.nodes
    ]


def pod_cidr_masks(pools: tuple[Network, ...]) -> dict[Network, int]:
    """Length of a node's network in each range; nothing where a range has no room for networks of that length."""
    masks = {pool: NODE_MASK[pool.version] for pool in pools}
    fits = all(0 <= mask - pool.prefixlen <= MOST_NETWORKS for pool, mask in masks.items())
    return masks if fits else {}


def pod_cidrs(cluster: Cluster) -> list[dict[str, Any]]:
    """Of the first pool of each family, which is the cluster's pod range (`labctl.render.kind`)."""
    first: dict[int, Network] = {}
    for pool in cluster.pools:
        first.setdefault(pool.cidr.version, pool.cidr)
    masks = pod_cidr_masks(tuple(first.values()))
    return [{"range": str(pool), "length": mask} for pool, mask in masks.items()]


def routes(design: Design, cluster: Cluster) -> dict[str, Any]:
    """Prefixes that a node's table has, and never has."""
    gateways = [gateway for gateway in (design.vrf.gateway, design.vrf.gateway6) if gateway]
    loopbacks = [loopback for leaf in design.by_role("leaf") for loopback in (leaf.peering, leaf.peering6) if loopback]
    peered = [address for address in loopbacks if any(peer.address == address for peer in cluster.peers)]
    lengths = {4: 24, 6: 64}
    statics = {ip_network(f"{address}/{lengths[address.version]}", strict=False) for address in peered}
    return {
        "device": "bond0",
        "gateways": [str(gateway.ip) for gateway in gateways],
        "statics": sorted((str(network) for network in statics), key=lambda text: (":" in text, text)),
        "external": [str(network) for network in design.announced],
        "services": [str(network) for network in (*cluster.services, *cluster.external_ips)],
        "absent": list(dict.fromkeys(f"{address}/{address.max_prefixlen}" for address in loopbacks)),
    }
