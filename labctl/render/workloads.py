"""``k8s/*.yaml``: the built-in workloads, with the white paper's names, and its addresses where the lab has room.

Manifests that a person wrote lie beside them, byte for byte.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from labctl.design.design import Cluster
from labctl.render.yamltext import documents

BUSYBOX = "busybox:1.36"
NGINX = "nginx:1.27"
HOSTNAME = "kubernetes.io/hostname"

SERVICE_IPV4 = ("my-service-ipv4", ("10.96.120.215", "2001:db8:42:1::7c3b"), 32558)
SERVICE_IPV6 = ("my-service-ipv6", ("10.96.214.77", "2001:db8:42:1::64d5"), 31894)


def files(cluster: Cluster) -> dict[str, str]:
    """Path inside the folder → text."""
    makers = {"pingtest": pingtest, "nginx-dual": nginx_dual, "nginx": nginx}
    result = {f"k8s/{name}.yaml": documents(makers[name](cluster)) for name in cluster.workloads}
    return result | {f"k8s/{manifest.name}.yaml": manifest.text for manifest in cluster.manifests}


def pod_images(cluster: Cluster) -> tuple[str, ...]:
    """What the built-in workloads run."""
    of = {"pingtest": BUSYBOX, "nginx-dual": NGINX, "nginx": NGINX}
    return tuple(dict.fromkeys(of[name] for name in cluster.workloads))


def _deployment(name: str, label: str, replicas: int, container: dict[str, Any], **pod: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": label}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": label}},
            "template": {
                "metadata": {"labels": {"app": label}},
                "spec": {
                    **pod,
                    "terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": False,
                    "containers": [container],
                },
            },
        },
    }


def _apart(label: str) -> dict[str, Any]:
    """One pod a node, required."""
    term = {"labelSelector": {"matchLabels": {"app": label}}, "topologyKey": HOSTNAME}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _on(node: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def on_one_of(nodes: list[str]) -> dict[str, Any]:
    """On one of these nodes, the first one liked best."""
    liked = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": nodes[:1]}]}
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": nodes}]}]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": liked}],
        }
    }


def pingtest(cluster: Cluster) -> list[dict[str, Any]]:
    """A shell on every worker, to ping from."""
    container = {"name": "pingtest", "image": BUSYBOX, "command": ["sleep", "infinity"]}
    return [_deployment("pingtest", "pingtest", len(cluster.workers), container, affinity=_apart("pingtest"))]


def nginx_dual(cluster: Cluster) -> list[dict[str, Any]]:
    """Two web servers on two nodes behind two NodePort services with ``externalTrafficPolicy: Local`` (Figure 14)."""
    container = {"name": "nginx", "image": NGINX, "ports": [{"containerPort": 80}]}
    replicas = min(2, len(cluster.workers))
    deployment = _deployment("nginx-dual", "nginx-dual", replicas, container, affinity=_apart("nginx-dual"))
    return [deployment, *(_node_port(cluster, *service) for service in (SERVICE_IPV4, SERVICE_IPV6))]


def _node_port(cluster: Cluster, name: str, addresses: tuple[str, ...], port: int) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "ipFamilyPolicy": "PreferDualStack",
        "selector": {"app": "nginx-dual"},
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": port}],
    }
    pinned = [address for address in addresses if any(ip_address(address) in network for network in cluster.services)]
    if len(pinned) == len(cluster.services):
        spec = {"clusterIP": pinned[0], "clusterIPs": pinned, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def nginx(cluster: Cluster) -> list[dict[str, Any]]:
    """The curl's backends, both on the first worker, and their ClusterIP service (one IPv4 family)."""
    container = {"name": "nginx", "image": NGINX, "ports": [{"containerPort": 80}]}
    deployment = _deployment("nginx-deployment3", "nginx3", 2, container, affinity=_on(cluster.workers[0].name))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "nginx-service", "namespace": "default"},
        "spec": {
            "type": "ClusterIP",
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"],
            "selector": {"app": "nginx3"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        },
    }
    return [deployment, service]


def built_in_services(cluster: Cluster) -> list[dict[str, Any]]:
    """What ``checks.yaml`` says of the Services above, and of the one that Kubernetes makes itself."""
    families = ["IPv4" if network.version == 4 else "IPv6" for network in cluster.services]
    rows: list[dict[str, Any]] = [
        {
            "service": "default/kubernetes",
            "type": "ClusterIP",
            "port": 443,
            "family_policy": "SingleStack",
            "families": families[:1],
        }
    ]
    if "nginx-dual" in cluster.workloads:
        dual: dict[str, Any] = {"families": families}
        if len(families) > 1:  # with one family the API server decides what stays of the wish
            dual = {"family_policy": "PreferDualStack", **dual}
        for name, _, port in (SERVICE_IPV4, SERVICE_IPV6):
            row = {"service": f"default/{name}", "type": "NodePort", "port": 80, "node_port": port}
            rows.append({**row, "traffic": "Local", **dual})
    if "nginx" in cluster.workloads:
        single = {"family_policy": "SingleStack", "families": ["IPv4"]}
        rows.append({"service": "default/nginx-service", "type": "ClusterIP", "port": 80, **single})
    return rows


def built_in_workloads(cluster: Cluster) -> list[dict[str, Any]]:
    """Pods of the Deployments above, as ``checks.yaml`` counts them."""
    workers = len(cluster.workers)
    counts = {"pingtest": ("pingtest", workers), "nginx-dual": ("nginx-dual", min(2, workers)), "nginx": ("nginx3", 2)}
    return [
        {"namespace": "default", "selector": f"app={counts[name][0]}", "pods": counts[name][1]}
        for name in cluster.workloads
    ]
