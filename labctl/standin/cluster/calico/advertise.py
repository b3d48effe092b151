"""Which service prefixes a node advertises, pure (projectcalico/calico, confd/pkg/backends/calico/routes.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network

from labctl.kube.api import Json
from labctl.peers import Calico
from labctl.standin.cluster.calico.blocks import Network

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


def ranges(configuration: Json | None, key: str) -> list[Network]:
    """``serviceClusterIPs`` and its like of the BGPConfiguration."""
    rows = ((configuration or {}).get("spec") or {}).get(key) or []
    return [ip_network(row["cidr"], strict=False) for row in rows if row.get("cidr")]  # masked, as Go's ParseCIDR does


def all_ranges(configuration: Json | None) -> list[Network]:
    """Every range that Calico may advertise: none of them ever enters a kernel."""
    return [
        network
        for key in ("serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs")
        for network in ranges(configuration, key)
    ]


def prefixes(
    node: str,
    labels: Mapping[str, str],
    configuration: Json | None,
    services: Iterable[Json],
    slices: Sequence[Json],
    features: Calico,
) -> list[Network]:
    """All that this node advertises, sorted."""
    if labels.get(EXCLUDE_LABEL) == "true":
        return []
    cluster = ranges(configuration, "serviceClusterIPs")
    external = ranges(configuration, "serviceExternalIPs")
    balancer = ranges(configuration, "serviceLoadBalancerIPs")
    found: set[Network] = set(cluster)
    found |= {network for network in (*external, *balancer) if network.num_addresses > 1}
    by_service: dict[tuple[str, str], list[Json]] = {}
    for item in slices:
        name = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        if name:
            by_service.setdefault((item["metadata"]["namespace"], name), []).append(item)
    for service in services:
        meta = service["metadata"]
        own = by_service.get((meta["namespace"], meta["name"]), [])
        found |= _of_service(node, service, own, cluster, external, balancer, features)
    return sorted(found, key=lambda network: (network.version, network))


def _of_service(
    node: str,
    service: Json,
    slices: Sequence[Json],
    cluster: Sequence[Network],
    external: Sequence[Network],
    balancer: Sequence[Network],
    features: Calico,
) -> set[Network]:
    spec = service["spec"]
    if not _has_cluster_address(spec):
        return set()
    given = (*((ip, external) for ip in spec.get("externalIPs") or []), *((ip, balancer) for ip in _ingress(service)))
    outside = [(ip, networks) for ip, networks in given if _inside(ip, networks)]
    if spec.get("externalTrafficPolicy") != "Local":
        return {_host(ip) for ip, networks in outside if _inside(ip, _single(networks))}
    if not _has_local_endpoint(node, spec.get("ipFamilies") or ["IPv4"], slices, features):
        return set()
    addresses = _cluster_addresses(spec, features) if cluster else []
    return {_host(ip) for ip in (*addresses, *(ip for ip, _ in outside))}


def _has_cluster_address(spec: Json) -> bool:
    kind, address = spec.get("type"), spec.get("clusterIP")
    return kind in ("ClusterIP", "NodePort", "LoadBalancer") and address not in (None, "", "None")


def _ingress(service: Json) -> list[str]:
    """Addresses that a load balancer has for the service."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return [row["ip"] for row in ingress if row.get("ip")]


def _cluster_addresses(spec: Json, features: Calico) -> list[str]:
    own = [spec["clusterIP"]]
    return (spec.get("clusterIPs") or own) if features.all_cluster_ips else own


def _single(networks: Sequence[Network]) -> list[Network]:
    """Ranges of one address: they go out only with a service that has the address."""
    return [network for network in networks if network.num_addresses == 1]


def _has_local_endpoint(node: str, families: Sequence[str], slices: Sequence[Json], features: Calico) -> bool:
    for item in slices:
        if item.get("addressType") not in families:
            continue
        for endpoint in item.get("endpoints") or []:
            ready = (endpoint.get("conditions") or {}).get("ready")
            if endpoint.get("nodeName") == node and (not features.ready_endpoints or ready in (None, True)):
                return True
    return False


def _inside(ip: str, networks: Sequence[Network]) -> bool:
    address = ip_address(ip)
    return any(address.version == network.version and address in network for network in networks)


def _host(ip: str) -> Network:
    return ip_network(ip)
