"""``calico/``: our patch of the manifest, and Calico's resources (``projectcalico.org/v3``), complete for each mode."""

from __future__ import annotations

import json
from typing import Any

from labctl import peers
from labctl.design.design import Cluster, Design
from labctl.render.templating import render
from labctl.render.yamltext import documents, dump

API = "projectcalico.org/v3"
MODES = ("routed", "ipip")
STANDIN_TIMERS = {
    "LABCTL_BIRD_CONNECT_DELAY": "1",
    "LABCTL_BIRD_CONNECT_RETRY": "1",
    "LABCTL_BIRD_ERROR_WAIT": "1,3",
}
"""Calico has no resource for these BIRD timers; its own error wait of 5 s costs 4 s of boot. Unset: Calico's values."""


def files(design: Design, cluster: Cluster) -> dict[str, str]:
    """Path inside the folder → text."""
    standin = design.target.cluster == "standin"
    standins = ("crds", "limits", "calico", "kube-proxy")
    bases = [f"standin/{name}.yaml" for name in standins] if standin else ["calico.yaml"]
    result = {
        "calico/kustomization.yaml": dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": bases,
                "patches": [{"path": "patch.yaml"}],
            }
        ),
        "calico/patch.yaml": documents(_patch(design, cluster)),
        "calico/ippools.yaml": documents(ip_pools(cluster, cluster.mode)),
        "calico/bgpconfiguration.yaml": dump(bgp_configuration(cluster, cluster.mode)),
        "calico/bgppeers.yaml": documents(bgp_peers(design, cluster)),
    }
    for mode in MODES:
        result[f"calico/modes/{mode}/ippools.yaml"] = documents(ip_pools(cluster, mode))
        result[f"calico/modes/{mode}/bgpconfiguration.yaml"] = dump(bgp_configuration(cluster, mode))
    if standin:
        for base in ("calico", "kube-proxy"):
            result[f"calico/standin/{base}.yaml"] = render(
                f"calico/standin/{base}.yaml.j2", calico=cluster.calico, kubernetes=cluster.kubernetes
            )
        from labctl.render.crds import crds
        from labctl.render.limits import policies

        result["calico/standin/crds.yaml"] = documents(crds(peers.calico(cluster.calico)))
        result["calico/standin/limits.yaml"] = documents(policies())
    return result


def _patch(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    """Pin Calico to bond0 in both families, make it create no pools of its own, say the MTU (auto ignores bonds).

    Sources: projectcalico/calico, manifests/calico.yaml: there ``FELIX_IPINIPMTU`` comes from the ConfigMap's
    ``veth_mtu``, and an entry cannot have a value and a source; and its ``cni_network_config`` gives pods IPv4 alone.
    """
    standin = design.target.cluster == "standin"
    dual = any(node.address6 for node in cluster.nodes)
    values = {
        "IP": "autodetect",
        "IP_AUTODETECTION_METHOD": "interface=^bond0$",
        "IP6": "autodetect" if dual else "none",
        "IP6_AUTODETECTION_METHOD": "interface=^bond0$",
        "FELIX_IPV6SUPPORT": "true" if dual else "false",
        "NO_DEFAULT_POOLS": "true",
        **({"FELIX_IPINIPMTU": str(cluster.mtu - 20), **STANDIN_TIMERS} if standin else {}),
    }
    environment = [{"name": name, "value": value} for name, value in values.items()]
    container = {"name": "calico-node", "env": environment}
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "calico-node", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "calico-config", "namespace": "kube-system"},
        "data": {
            "veth_mtu": str(cluster.mtu - 20),
            **({} if standin else {"cni_network_config": _cni_network_config(cluster)}),
        },
    }
    return [daemon_set, config]


def _cni_network_config(cluster: Cluster) -> str:
    """The manifest's, with addresses of each family that has a pool (white paper: Figure 5); install-cni fills in."""
    versions = {pool.cidr.version for pool in cluster.pools}
    ipam = {"type": "calico-ipam", **{f"assign_ipv{n}": str(n in versions).lower() for n in (4, 6)}}
    plugin = {
        "type": "calico",
        "log_level": "info",
        "log_file_path": "/var/log/calico/cni/cni.log",
        "datastore_type": "kubernetes",
        "nodename": "__KUBERNETES_NODE_NAME__",
        "mtu": "__CNI_MTU__",
        "ipam": ipam,
        "policy": {"type": "k8s"},
        "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
    }
    portmap = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
    text = json.dumps({"name": "k8s-pod-network", "cniVersion": "0.3.1", "plugins": [plugin, portmap]}, indent=2)
    return text.replace('"__CNI_MTU__"', "__CNI_MTU__") + "\n"


def ip_pools(cluster: Cluster, mode: str) -> list[dict[str, Any]]:
    """Every field is written: through ``crd.projectcalico.org/v1`` nobody fills in defaults."""
    return [
        {
            "apiVersion": API,
            "kind": "IPPool",
            "metadata": {"name": pool.name},
            "spec": {
                "allowedUses": ["Workload", "Tunnel"],
                "blockSize": pool.block_size,
                "cidr": str(pool.cidr),
                "ipipMode": "Always" if mode == "ipip" and pool.cidr.version == 4 else "Never",
                "natOutgoing": pool.cidr.version == 4,
                "nodeSelector": "all()",
                "vxlanMode": "Never",
            },
        }
        for pool in cluster.pools
    ]


def bgp_configuration(cluster: Cluster, mode: str) -> dict[str, Any]:
    """The mesh is on in ``ipip``: where BIRD has the tunnel's routes (before 3.33) the outer packet goes to the BGP
    next hop, without a mesh a leaf. Felix asks no BGP."""
    spec: dict[str, Any] = {
        "asNumber": cluster.asn,
        "logSeverityScreen": "Info",
        "nodeToNodeMeshEnabled": mode == "ipip",
        "serviceClusterIPs": [{"cidr": str(network)} for network in cluster.services],
    }
    if cluster.external_ips:
        spec["serviceExternalIPs"] = [{"cidr": str(network)} for network in cluster.external_ips]
    return {"apiVersion": API, "kind": "BGPConfiguration", "metadata": {"name": "default"}, "spec": spec}


def bgp_peers(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    """One per leaf and family; nodes of a pair with loopbacks of its own are selected by name."""
    result = []
    for peer in cluster.peers:
        spec: dict[str, Any] = {"asNumber": design.fabric.asn, "peerIP": str(peer.address)}
        if peer.nodes is not None:
            names = ", ".join(f"'{name}'" for name in peer.nodes)
            spec["nodeSelector"] = f"kubernetes.io/hostname in {{ {names} }}"
        result.append({"apiVersion": API, "kind": "BGPPeer", "metadata": {"name": peer.name}, "spec": spec})
    return result
