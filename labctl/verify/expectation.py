"""Rules of ``checks.yaml`` resolved from API objects: what Calico's documentation lets a node advertise, which nodes
have endpoints, which addresses pods have. Pure; written apart from the stand-in, which it judges.

Sources: Calico documentation "Advertise Kubernetes service IP addresses"; errata 4.3 of the reference for the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any

from labctl import peers
from labctl.kube.api import Json
from labctl.kube.resources import BGP_CONFIGURATIONS, BLOCK_AFFINITIES, ENDPOINT_SLICES, NODES, PODS, SERVICES

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
Network = IPv4Network | IPv6Network
NODE_ADDRESS = {4: "projectcalico.org/IPv4Address", 6: "projectcalico.org/IPv6Address"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A snapshot of the API objects that the rules need."""

    calico: str
    nodes: Sequence[Json] = ()
    services: Sequence[Json] = ()
    slices: Sequence[Json] = ()
    affinities: Sequence[Json] = ()
    configurations: Sequence[Json] = ()
    pods: Sequence[Json] = ()


def service_of(cluster: Cluster, reference: str) -> Json | None:
    """By ``namespace/name``."""
    namespace, _, name = reference.partition("/")
    return named(cluster.services, name, namespace)


def endpoints(cluster: Cluster, reference: str) -> list[tuple[str, str | None]]:
    """(address, node) of the ready endpoints of a Service."""
    found = _endpoints(cluster, reference, ready_only=True)
    return sorted({(address, row.get("nodeName")) for row in found for address in row["addresses"]})


def _endpoints(cluster: Cluster, reference: str, *, ready_only: bool) -> Iterator[Json]:
    namespace, _, name = reference.partition("/")
    for item in cluster.slices:
        if item["metadata"]["namespace"] == namespace and labelled(item, f"kubernetes.io/service-name={name}"):
            for endpoint in item.get("endpoints") or []:
                if not ready_only or (endpoint.get("conditions") or {}).get("ready") in (None, True):
                    yield endpoint


def annotation(nodes: Iterable[Json], name: str, key: str) -> str | None:
    """Of a Node."""
    return ((named(nodes, name) or {"metadata": {}})["metadata"].get("annotations") or {}).get(key)


def node_address(cluster: Cluster, node: str, version: int) -> str | None:
    """The address that Calico has chosen on a node."""
    text = annotation(cluster.nodes, node, NODE_ADDRESS[version])
    return str(ip_interface(text).ip) if text else None


def service_hops(
    cluster: Cluster, reference: str, version: int, behind: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """(next hops to a Local service's nodes, VTEPs of which some are next hops instead): one of both is empty.

    ``behind``: nodes of other leafs, by their names in Kubernetes → those leafs' VTEPs. A leaf prefers the nodes that
    it peers with itself.
    """
    names = sorted({node for _, node in endpoints(cluster, reference) if node})
    own = [address for name in names if name not in behind and (address := node_address(cluster, name, version))]
    return own, [] if own else sorted({vtep for name in names for vtep in behind.get(name, ())})


def advertised(cluster: Cluster, node: str, version: int) -> list[str]:
    """Every prefix that a node advertises to a leaf, of one family. The label takes every service prefix off a node,
    its blocks stay."""
    cluster_ranges = _ranges(cluster, "serviceClusterIPs")
    outside = _ranges(cluster, "serviceExternalIPs", "serviceLoadBalancerIPs")
    found = {item["spec"]["cidr"] for item in cluster.affinities
             if item["spec"]["node"] == node and item["spec"]["state"] == "confirmed"}  # fmt: skip
    this = named(cluster.nodes, node)
    if this is None or not labelled(this, f"{EXCLUDE_LABEL}=true"):
        found |= {str(network) for network in cluster_ranges}
        found |= {str(network) for network in outside if network.num_addresses > 1}
        for service in cluster.services:
            found |= _service(cluster, service, node, outside, with_cluster_ips=bool(cluster_ranges))
    networks = sorted({ip_network(text) for text in found}, key=lambda network: (network.version, network))
    return [str(network) for network in networks if network.version == version]


def _ranges(cluster: Cluster, *keys: str) -> list[Network]:
    """Of services, by fields of BGPConfiguration ``default``."""
    spec = (named(cluster.configurations, "default") or {}).get("spec") or {}
    rows = (row for key in keys for row in spec.get(key) or [])
    return [ip_network(row["cidr"], strict=False) for row in rows if row.get("cidr")]


def _service(
    cluster: Cluster, service: Json, node: str, outside: Sequence[Network], *, with_cluster_ips: bool
) -> set[str]:
    """Host prefixes of one service: of a Local one where it has an endpoint, else where a range is one address."""
    spec, meta = service["spec"], service["metadata"]
    if spec.get("clusterIP") in (None, "", "None"):
        return set()
    offered = _offered(service, outside)
    if spec.get("externalTrafficPolicy") != "Local":
        return {_host(ip) for ip, networks in offered if any(network.num_addresses == 1 for network in networks)}
    # whether an endpoint must be ready, and which cluster IPs go out, depends on Calico's version
    behaviour = peers.calico(cluster.calico)
    reference = f"{meta['namespace']}/{meta['name']}"
    there = _endpoints(cluster, reference, ready_only=behaviour.ready_endpoints)
    if node not in {endpoint.get("nodeName") for endpoint in there}:
        return set()
    own = list(spec.get("clusterIPs") or ()) if behaviour.all_cluster_ips else [spec["clusterIP"]]
    return {_host(ip) for ip in (*(own if with_cluster_ips else ()), *(ip for ip, networks in offered if networks))}


def _offered(service: Json, outside: Sequence[Network]) -> list[tuple[str, list[Network]]]:
    """(external or load balancer address of a service, the ranges that it lies in)."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    public = [*(service["spec"].get("externalIPs") or []), *(row["ip"] for row in ingress if row.get("ip"))]
    return [(ip, [network for network in outside if ip_address(ip) in network]) for ip in public]


def _host(ip: str) -> str:
    return f"{ip}/{ip_address(ip).max_prefixlen}"


BY_BIRD = ("Enabled", "EnabledIPIPOnly")
"""Values of a BGPConfiguration's ``programClusterRoutes`` that leave routes of IPIP pools to BIRD from 3.33 on."""


def tunnel_protocol(cluster: Cluster) -> str:
    """Whose the routes of IPIP pools are, as the kernel's routing table names it: ``bird``, or Felix's ``80``."""
    said = {str(item["metadata"]["name"]): item["spec"].get("programClusterRoutes") for item in cluster.configurations}
    return "80" if peers.calico(cluster.calico).felix_tunnels and said.get("default") not in BY_BIRD else "bird"


def blocks_of(affinities: Iterable[Json], node: str) -> list[str]:
    """A node's address blocks, of both families."""
    return [str(item["spec"]["cidr"]) for item in affinities if item["spec"]["node"] == node]


def block_of(cluster: Cluster, node: str, version: int) -> list[str]:
    """A node's own address blocks of one family."""
    return sorted(block for block in blocks_of(cluster.affinities, node) if ip_network(block).version == version)


def is_pod(pod: Json, namespace: str, *, selector: str | None = None, name: str | None = None) -> bool:
    """Whether it is in a namespace and has the name, or the label ``key=value``, that is asked for."""
    if pod["metadata"]["namespace"] != namespace:
        return False
    return bool(pod["metadata"]["name"] == name) if name is not None else labelled(pod, selector or "")


def pod_at(
    pods: Iterable[Json], node: str, namespace: str, *, selector: str | None = None, name: str | None = None
) -> Json | None:
    """The running pod with a name or a label on a node; the newest when there are several."""
    here = [pod for pod in pods if pod["spec"].get("nodeName") == node and running(pod)]
    found = [pod for pod in here if is_pod(pod, namespace, selector=selector, name=name)]
    return max(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"])) if found else None


def pod_address(pod: Json, version: int) -> str | None:
    """A pod's address of one family."""
    return next((ip for ip in pod_ips(pod) if ip_address(ip).version == version), None)


KINDS = {
    NODES: "nodes", SERVICES: "services", ENDPOINT_SLICES: "slices", BLOCK_AFFINITIES: "affinities",
    BGP_CONFIGURATIONS: "configurations", PODS: "pods",
}  # fmt: skip
"""Kind of object → its field of `Cluster`."""
ADVERTISED = (NODES, SERVICES, ENDPOINT_SLICES, BLOCK_AFFINITIES, BGP_CONFIGURATIONS)
"""What decides which prefixes a node advertises."""


def named(items: Iterable[Json], name: str, namespace: str | None = None) -> Json | None:
    """The object of that name."""
    for item in items:
        if item["metadata"]["name"] == name and namespace in (None, item["metadata"].get("namespace")):
            return item
    return None


def labelled(item: Json, selector: str) -> bool:
    """Whether an object has a label, ``key=value``."""
    key, _, value = selector.partition("=")
    return bool((item["metadata"].get("labels") or {}).get(key) == value)


def pods_with(pods: Iterable[Json], namespace: str, selector: str) -> list[Json]:
    """Pods of a namespace with a label that are not being deleted."""
    found = (pod for pod in pods if is_pod(pod, namespace, selector=selector))
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def running(pod: Json) -> bool:
    """It runs, and is not being deleted."""
    return (pod.get("status") or {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def is_ready(item: Mapping[str, Any]) -> bool:
    """The condition Ready of a Node or a Pod (of which every container is ready then)."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)


def pod_ready(pod: Json) -> bool:
    """Running, and every container ready."""
    return (pod.get("status") or {}).get("phase") == "Running" and is_ready(pod)


def inside(text: str, outer: str) -> bool:
    """Whether an address or a network lies in another one."""
    inner, network = ip_network(text, strict=False), ip_network(outer)
    return inner.version == network.version and inner.subnet_of(network)  # type: ignore[arg-type]


def network_pods(pods: Iterable[Json], node: str) -> list[Json]:
    """Running pods of a node that have a network of their own."""
    own = [pod for pod in pods if pod["spec"].get("nodeName") == node and not pod["spec"].get("hostNetwork")]
    return [pod for pod in own if running(pod)]


def pod_ips(pod: Json) -> list[str]:
    """Its addresses."""
    return [str(row["ip"]) for row in (pod.get("status") or {}).get("podIPs") or []]
