"""``kind/cluster.yaml``: what kind reads. Node names are set through kubeadm: kind names its containers itself."""

from __future__ import annotations

from typing import Any

from labctl.design.design import Cluster
from labctl.render.yamltext import dump


def kind_cluster(cluster: Cluster) -> str:
    """The text. Patches carry no apiVersion: kind fills in the one of its Kubernetes."""
    dual = any(pool.cidr.version == 6 for pool in cluster.pools)
    body: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {
            "disableDefaultCNI": True,
            "ipFamily": "dual" if dual else "ipv4",
            "podSubnet": ",".join(str(pool.cidr) for pool in _first_of_each(cluster)),
            "serviceSubnet": ",".join(str(network) for network in cluster.services),
            "kubeProxyMode": "iptables",
        },
        "nodes": [_node(node.name, node.role) for node in cluster.nodes],
    }
    return dump(body)


def _first_of_each(cluster: Cluster) -> list[Any]:
    seen: set[int] = set()
    result = []
    for pool in cluster.pools:
        if pool.cidr.version not in seen:
            seen.add(pool.cidr.version)
            result.append(pool)
    return result


def _node(name: str, role: str) -> dict[str, Any]:
    kind = "InitConfiguration" if role == "control-plane" else "JoinConfiguration"
    patch = f"kind: {kind}\nnodeRegistration:\n  name: {name}\n"
    return {"role": role, "kubeadmConfigPatches": [patch]}
