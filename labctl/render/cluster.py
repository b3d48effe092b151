"""What a cluster is made from: ``kind/cluster.yaml``, ``calico/`` with Calico's resources complete for each mode, and
``k8s/``: the built-in workloads with the white paper's names, and its addresses where the lab has room.

A real cluster gets our patch of Calico's manifest. A stand-in cluster gets manifests of ours in its place. Its CRDs are
of the group ``crd.projectcalico.org/v1``, as a manifest install of Calico ≤ 3.32 serves it. What its nodes do not do
(`labctl.design.limits`) its API is told to refuse: by one ValidatingAdmissionPolicy a kind (Kubernetes documentation,
"Validating Admission Policy"), whoever writes such an object gets the reason from kubectl. Manifests that a person
wrote lie beside the workloads, byte for byte.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from labctl import peers
from labctl.design.design import Cluster, Design
from labctl.design.limits import LIMITS
from labctl.render.templating import render, render_files

STANDIN = ("crds", "limits", "calico", "kube-proxy")
"""The base manifests in the place of Calico's and kubeadm's."""
IMAGES = {"busybox": "busybox:1.36", "nginx": "nginx:1.27"}
RUNS = {"pingtest": "busybox", "nginx-dual": "nginx", "nginx": "nginx"}
"""What the built-in workloads run."""
NODE_PORTS = (
    ("my-service-ipv4", ("10.96.120.215", "2001:db8:42:1::7c3b"), 32558),
    ("my-service-ipv6", ("10.96.214.77", "2001:db8:42:1::64d5"), 31894),
)
"""The services of nginx-dual, both with ``externalTrafficPolicy: Local`` (Figure 14)."""


def files(design: Design, cluster: Cluster) -> dict[str, str]:
    """Path inside the folder → text."""
    bases = STANDIN if design.target.cluster == "standin" else ()
    result = render_files(
        "kubernetes.yaml.j2",
        design=design,
        cluster=cluster,
        bases=bases,
        dual=any(node.address6 for node in cluster.nodes),
        replicas=_replicas(cluster),
        images=IMAGES,
        node_ports=[(name, _pinned(cluster, addresses), port) for name, addresses, port in NODE_PORTS],
    )
    for base in bases:
        path = f"calico/standin/{base}.yaml"
        result[path] = render(f"{path}.j2", versions=cluster, calico=peers.calico(cluster.calico), limits=LIMITS)
    return result | {f"k8s/{name}.yaml": text for name, text in cluster.manifests.items()}


def pod_images(cluster: Cluster) -> tuple[str, ...]:
    """What the built-in workloads run."""
    return tuple(dict.fromkeys(IMAGES[RUNS[name]] for name in cluster.workloads))


def _pinned(cluster: Cluster, addresses: tuple[str, ...]) -> list[str]:
    """The paper's addresses of a service, where each of the lab's ranges has one."""
    pinned = [address for address in addresses if any(ip_address(address) in network for network in cluster.services)]
    return pinned if len(pinned) == len(cluster.services) else []


def _replicas(cluster: Cluster) -> dict[str, int]:
    """A shell on every worker, two web servers on two nodes, and the curl's backends on the first worker."""
    workers = len(cluster.workers)
    return {"pingtest": workers, "nginx-dual": min(2, workers), "nginx": 2}


def built_in_services(cluster: Cluster) -> list[dict[str, Any]]:
    """What ``checks.yaml`` says of the workloads' Services, and of the one that Kubernetes makes itself."""
    families = ["IPv4" if network.version == 4 else "IPv6" for network in cluster.services]
    single = {"family_policy": "SingleStack", "families": families[:1]}
    rows: list[dict[str, Any]] = [{"service": "default/kubernetes", "type": "ClusterIP", "port": 443, **single}]
    if "nginx-dual" in cluster.workloads:
        # with one family the API server decides what stays of the wish
        policy = {"family_policy": "PreferDualStack"} if len(families) > 1 else {}
        for name, _, port in NODE_PORTS:
            row = {"service": f"default/{name}", "type": "NodePort", "port": 80, "node_port": port}
            rows.append({**row, "traffic": "Local", **policy, "families": families})
    if "nginx" in cluster.workloads:
        service = {"service": "default/nginx-service", "type": "ClusterIP", "port": 80}
        rows.append({**service, **single, "families": ["IPv4"]})
    return rows


def built_in_workloads(cluster: Cluster) -> list[dict[str, Any]]:
    """Pods of the workloads' Deployments, as ``checks.yaml`` counts them."""
    labels, replicas = {"nginx": "nginx3"}, _replicas(cluster)
    return [
        {"namespace": "default", "selector": f"app={labels.get(name, name)}", "pods": replicas[name]}
        for name in cluster.workloads
    ]
