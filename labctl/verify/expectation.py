"""Rules of ``checks.yaml`` resolved from API objects: what Calico's documentation lets a node advertise, which nodes
have endpoints, which addresses pods have. Pure; written apart from the stand-in, which it judges.

Sources: Calico documentation "Advertise Kubernetes service IP addresses"; errata 4.3 of the reference for the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network

from labctl.kube.api import Json

ALL_FAMILIES = (3, 31, 0)
"""From this Calico version on every cluster IP of a Local service is advertised, not only the first."""
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

    @property
    def version(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.calico.split(".")[:3])


def service_of(cluster: Cluster, reference: str) -> Json | None:
    """By ``namespace/name``."""
    namespace, _, name = reference.partition("/")
    return next(
        (
            item
            for item in cluster.services
            if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, name)
        ),
        None,
    )


def endpoints(cluster: Cluster, reference: str) -> list[tuple[str, str | None]]:
    """(address, node) of the ready endpoints of a Service."""
    namespace, _, name = reference.partition("/")
    found = []
    for item in cluster.slices:
        labels = item["metadata"].get("labels") or {}
        if item["metadata"]["namespace"] == namespace and labels.get("kubernetes.io/service-name") == name:
            for endpoint in item.get("endpoints") or []:
                if (endpoint.get("conditions") or {}).get("ready") in (None, True):
                    found += [(address, endpoint.get("nodeName")) for address in endpoint["addresses"]]
    return sorted(set(found))


def node_address(cluster: Cluster, node: str, version: int) -> str | None:
    """The address that Calico has chosen on a node."""
    for item in cluster.nodes:
        if item["metadata"]["name"] == node:
            text = (item["metadata"].get("annotations") or {}).get(NODE_ADDRESS[version])
            return str(ip_interface(text).ip) if text else None
    return None


def endpoint_nodes(cluster: Cluster, reference: str, version: int) -> list[str]:
    """Addresses of the nodes with a ready endpoint: the next hops of a Local service."""
    names = {node for address, node in endpoints(cluster, reference) if node}
    found = (node_address(cluster, name, version) for name in sorted(names))
    return [address for address in found if address]


def advertised(cluster: Cluster, node: str, version: int) -> list[str]:
    """Every prefix that a node advertises to a leaf, of one family."""
    default = next((item for item in cluster.configurations if item["metadata"]["name"] == "default"), {})
    spec: Mapping[str, list[Mapping[str, str]]] = default.get("spec") or {}
    cluster_ranges = [row["cidr"] for row in spec.get("serviceClusterIPs") or []]
    outside = [row["cidr"] for key in ("serviceExternalIPs", "serviceLoadBalancerIPs") for row in spec.get(key) or []]
    found = set(cluster_ranges) | {text for text in outside if ip_network(text).num_addresses > 1}
    found |= {
        item["spec"]["cidr"]
        for item in cluster.affinities
        if item["spec"]["node"] == node and item["spec"]["state"] == "confirmed"
    }
    for service in cluster.services:
        found |= _local_service(cluster, service, node, outside, advertise=bool(cluster_ranges))
    networks = sorted({ip_network(text) for text in found}, key=lambda network: (network.version, network))
    return [str(network) for network in networks if network.version == version]


def _local_service(cluster: Cluster, service: Json, node: str, outside: Sequence[str], *, advertise: bool) -> set[str]:
    spec, meta = service["spec"], service["metadata"]
    if spec.get("externalTrafficPolicy") != "Local" or spec.get("clusterIP") in (None, "", "None"):
        return set()
    if not any(where == node for _, where in endpoints(cluster, f"{meta['namespace']}/{meta['name']}")):
        return set()
    addresses: list[str] = []
    if advertise:
        addresses = list(spec.get("clusterIPs") or []) if cluster.version >= ALL_FAMILIES else [spec["clusterIP"]]
    addresses += [
        ip for ip in spec.get("externalIPs") or [] if any(ip_address(ip) in ip_network(text) for text in outside)
    ]
    return {f"{ip}/{ip_address(ip).max_prefixlen}" for ip in addresses}


def block_of(cluster: Cluster, node: str, version: int) -> list[str]:
    """A node's own address blocks."""
    return sorted(
        item["spec"]["cidr"]
        for item in cluster.affinities
        if item["spec"]["node"] == node and ip_network(item["spec"]["cidr"]).version == version
    )


def pod_at(cluster: Cluster, node: str, namespace: str, selector: str) -> Json | None:
    """The running pod with a label on a node; the newest when there are several."""
    key, _, value = selector.partition("=")
    found = [
        pod
        for pod in cluster.pods
        if pod["metadata"]["namespace"] == namespace
        and (pod["metadata"].get("labels") or {}).get(key) == value
        and pod["spec"].get("nodeName") == node
        and "deletionTimestamp" not in pod["metadata"]
        and (pod.get("status") or {}).get("phase") == "Running"
    ]
    return max(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"])) if found else None


def pod_address(pod: Json, version: int) -> str | None:
    """A pod's address of one family."""
    rows = (pod.get("status") or {}).get("podIPs") or []
    return next((row["ip"] for row in rows if ip_address(row["ip"]).version == version), None)
