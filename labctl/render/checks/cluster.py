"""The section ``cluster`` of ``checks.yaml``: Kubernetes and Calico as they are to be.

White paper: Figures 2 to 14.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from labctl.design.design import Cluster, Design, Network
from labctl.render.cluster import bgp_configuration, ip_pools
from labctl.render.workloads import built_in_services, built_in_workloads

SYSTEM = "kube-system"
BIRDS = {"standin": ("bird",), "kind": ("bird", "bird6")}
"""Calico runs one BIRD 1.6 a family, a stand-in node one BIRD 2 for both."""
WINDOW = 3.0
"""Seconds over which what must not be is looked for."""
NODE_MASK = {4: 24, 6: 64}
"""kubeadm's ``node-cidr-mask-size-ipv4`` and ``-ipv6``; its allocator gives at most 2^16 networks of a range."""
MOST_NETWORKS = 16


def section(design: Design, cluster: Cluster) -> dict[str, Any]:
    """The section."""
    return {
        "kubernetes": cluster.kubernetes,
        "window": WINDOW,
        "nodes": _nodes(cluster),
        "pod_cidrs": _pod_cidrs(cluster),
        "components": _components(design, cluster),
        "config": {
            "name": "calico-config",
            "namespace": SYSTEM,
            "backend": "bird",
            "datastore": "kubernetes",
            "ipam": _ipam(design, cluster),
        },
        "pools": _pools(cluster),
        "bgp": _bgp(cluster),
        "peers": [
            {
                "name": peer.name,
                "address": str(peer.address),
                "asn": design.fabric.asn,
                **({"nodes": list(peer.nodes)} if peer.nodes is not None else {}),
            }
            for peer in cluster.peers
        ],
        "bird": {
            "namespace": SYSTEM,
            "selector": "k8s-app=calico-node",
            "sockets": [f"/var/run/calico/{name}.ctl" for name in BIRDS[design.target.cluster]],
        },
        "routes": _routes(design, cluster),
        "service_ranges": [str(network) for network in cluster.services],
        "workloads": built_in_workloads(cluster),
        "services": built_in_services(cluster),
    }


def _components(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    names = [node.name for node in cluster.nodes]
    control = [node.name for node in cluster.nodes if node.role == "control-plane"]
    standin = design.target.cluster == "standin"
    calico, kubernetes = f"v{cluster.calico}", f"v{cluster.kubernetes}"
    rows = [
        _component("calico-node", "k8s-app=calico-node", names, calico),
        _component("kube-proxy", "k8s-app=kube-proxy", names, kubernetes),
        {
            **_component("calico-kube-controllers", "k8s-app=calico-kube-controllers", names, calico),
            # the stand-in's Deployment is bound to the control plane, as in the paper; Calico's own is not
            **({"nodes": control} if standin else {"spread": False}),
        },
    ]
    if not standin:  # a stand-in's control plane are processes, not pods
        static = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        rows += [_component(name, f"component={name}", control, None) for name in static]
    return rows


def _component(name: str, selector: str, nodes: list[str], tag: str | None) -> dict[str, Any]:
    row = {"name": name, "namespace": SYSTEM, "selector": selector, "nodes": nodes}
    return {**row, "tag": tag} if tag else row


def _ipam(design: Design, cluster: Cluster) -> dict[str, str]:
    """The stand-in's base says both families (addresses come from the pools that there are)."""
    if design.target.cluster == "standin":
        return {"type": "calico-ipam", "assign_ipv4": "true", "assign_ipv6": "true"}
    versions = {pool.cidr.version for pool in cluster.pools}
    return {"type": "calico-ipam", **{f"assign_ipv{n}": str(n in versions).lower() for n in (4, 6)}}


def _pools(cluster: Cluster) -> list[dict[str, Any]]:
    rows = []
    for routed, ipip in zip(ip_pools(cluster, "routed"), ip_pools(cluster, "ipip"), strict=True):
        spec = routed["spec"]
        rows.append(
            {
                "name": routed["metadata"]["name"],
                "cidr": spec["cidr"],
                "block_size": spec["blockSize"],
                "ipip_mode": {"routed": spec["ipipMode"], "ipip": ipip["spec"]["ipipMode"]},
                "vxlan_mode": spec["vxlanMode"],
                "nat_outgoing": spec["natOutgoing"],
                "node_selector": spec["nodeSelector"],
            }
        )
    return rows


def _bgp(cluster: Cluster) -> dict[str, Any]:
    routed, ipip = (bgp_configuration(cluster, mode)["spec"] for mode in ("routed", "ipip"))
    mesh = "nodeToNodeMeshEnabled"
    return {
        "asn": routed["asNumber"],
        "mesh": {"routed": routed[mesh], "ipip": ipip[mesh]},
        "service_cluster_ips": [row["cidr"] for row in routed["serviceClusterIPs"]],
        "service_external_ips": [row["cidr"] for row in routed.get("serviceExternalIPs") or []],
    }


def _nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """Each node with its addresses on ``bond0``."""
    return [
        {
            "node": node.name,
            "role": node.role,
            "addresses": [str(address) for address in (node.address, node.address6) if address],
        }
        for node in cluster.nodes
    ]


def _pod_cidrs(cluster: Cluster) -> list[dict[str, Any]]:
    """Of the first pool of each family, which is the cluster's pod range (`labctl.render.kind`): length of a node's
    network in each; nothing where a range has no room for networks of that length."""
    first: dict[int, Network] = {}
    for pool in cluster.pools:
        first.setdefault(pool.cidr.version, pool.cidr)
    masks = {network: NODE_MASK[network.version] for network in first.values()}
    if not all(0 <= mask - network.prefixlen <= MOST_NETWORKS for network, mask in masks.items()):
        return []
    return [{"range": str(network), "length": mask} for network, mask in masks.items()]


def _routes(design: Design, cluster: Cluster) -> dict[str, Any]:
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
