"""Which prefixes a node advertises: services by policies by Calico versions by endpoints by labels."""

from __future__ import annotations

from typing import Any

import pytest

from labctl import peers
from labctl.standin.cluster.calico.advertise import EXCLUDE_LABEL, all_ranges, prefixes, ranges

CLUSTER4, CLUSTER6 = "10.96.0.0/16", "2001:db8:42:1::/112"
EXTERNAL = "203.0.113.0/24"
VERSIONS = ("3.20.0", "3.30.9", "3.31.0", "3.31.4", "3.31.7", "3.32.1", "3.33.0")
EVERY_FAMILY = VERSIONS[2:]
READY_ONLY = ("3.31.7", "3.33.0")


def configuration(**lists: tuple[str, ...]) -> dict[str, Any]:
    lists = lists or {"serviceClusterIPs": (CLUSTER4, CLUSTER6), "serviceExternalIPs": (EXTERNAL,)}
    spec = {key: [{"cidr": cidr} for cidr in cidrs] for key, cidrs in lists.items()}
    return {"metadata": {"name": "default"}, "spec": spec}


def service(name: str = "web", policy: str | None = "Local", kind: str = "NodePort", **spec: Any) -> dict[str, Any]:
    ingress = [{"ip": ip} for ip in spec.pop("ingress", ())]
    body = {"type": kind, "clusterIP": "10.96.120.215", "ipFamilies": ["IPv4"], **spec}
    body.setdefault("clusterIPs", [body["clusterIP"]])
    if policy:
        body["externalTrafficPolicy"] = policy
    status = {"loadBalancer": {"ingress": ingress}} if ingress else {}
    return {"metadata": {"namespace": "default", "name": name}, "spec": body, "status": status}


def slice_of(*rows: tuple[str, bool | None], name: str = "web", family: str = "IPv4") -> dict[str, Any]:
    """Rows of (node, ready)."""
    endpoints = [
        {"addresses": [f"10.244.0.{i}"], "nodeName": node, "conditions": {} if ready is None else {"ready": ready}}
        for i, (node, ready) in enumerate(rows)
    ]
    labels = {"kubernetes.io/service-name": name}
    return {"metadata": {"namespace": "default", "labels": labels}, "addressType": family, "endpoints": endpoints}


def told(
    services: list[Any], slices: list[Any], version: str = "3.20.0", node: str = "node01", **kwargs: Any
) -> set[str]:
    """What is advertised beyond the ranges."""
    conf = kwargs.pop("conf", configuration())
    found = prefixes(node, kwargs.pop("labels", {}), conf, services, slices, peers.calico(version))
    assert found == sorted(found, key=lambda network: (network.version, network))
    return {str(network) for network in found} - {CLUSTER4, CLUSTER6, EXTERNAL}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_node_advertises_the_ranges(version: str) -> None:
    found = prefixes("any", {}, configuration(), [], [], peers.calico(version))
    assert [str(network) for network in found] == [CLUSTER4, EXTERNAL, CLUSTER6]
    assert prefixes("any", {}, None, [], [], peers.calico(version)) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("policy", "kind", "endpoint_at", "expected"),
    [
        ("Local", "NodePort", "node01", {"10.96.120.215/32"}),
        ("Local", "LoadBalancer", "node01", {"10.96.120.215/32"}),
        ("Local", "NodePort", "node02", set()),
        ("Cluster", "NodePort", "node01", set()),
        (None, "ClusterIP", "node01", set()),
    ],
)
def test_host_prefix_of_a_service(
    version: str, policy: str | None, kind: str, endpoint_at: str, expected: set[str]
) -> None:
    assert told([service(policy=policy, kind=kind)], [slice_of((endpoint_at, True))], version) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_dual_stack_depends_on_the_version(version: str) -> None:
    dual = service(clusterIPs=["10.96.120.215", "2001:db8:42:1::d7"], ipFamilies=["IPv4", "IPv6"])
    six = {"2001:db8:42:1::d7/128"} if version in EVERY_FAMILY else set()
    assert told([dual], [slice_of(("node01", True))], version) == {"10.96.120.215/32"} | six


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("ready", "counts"), [(True, True), (None, True), (False, False)])
def test_readiness_depends_on_the_version(version: str, ready: bool | None, counts: bool) -> None:
    expected = {"10.96.120.215/32"} if counts or version not in READY_ONLY else set()
    assert told([service()], [slice_of(("node01", ready))], version) == expected


def test_endpoints_of_another_family_do_not_count() -> None:
    assert told([service()], [slice_of(("node01", True), family="IPv6")]) == set()
    assert told([service(ipFamilies=["IPv6"])], [slice_of(("node01", True), family="IPv6")]) == {"10.96.120.215/32"}


def test_all_slices_of_a_service_count_and_no_others() -> None:
    far, near, other = slice_of(("node02", True)), slice_of(("node01", True)), slice_of(("node01", True), name="db")
    assert told([service()], [far, near]) == {"10.96.120.215/32"}
    assert told([service()], [far, other]) == set()
    far["metadata"]["labels"] = None
    assert told([service()], [far]) == set()


@pytest.mark.parametrize(
    ("address", "policy", "expected"),
    [
        ("203.0.113.7", "Local", {"203.0.113.7/32"}),
        ("203.0.113.7", "Cluster", set()),
        ("198.51.100.7", "Local", set()),
    ],
)
def test_external_addresses(address: str, policy: str, expected: set[str]) -> None:
    found = told([service(policy=policy, externalIPs=[address])], [slice_of(("node01", True))])
    assert found - {"10.96.120.215/32"} == expected


@pytest.mark.parametrize("node", ["node01", "node02", "master"])
def test_a_single_address_range_is_advertised_by_all_nodes_once_it_is_used(node: str) -> None:
    conf = configuration(serviceExternalIPs=("203.0.113.7/32",), serviceLoadBalancerIPs=("198.51.100.9/32",))
    services = [service(policy="Cluster", kind="LoadBalancer", externalIPs=["203.0.113.7"], ingress=["198.51.100.9"])]
    assert told([], [], conf=conf, node=node) == set()
    assert told(services, [], conf=conf, node=node) == {"203.0.113.7/32", "198.51.100.9/32"}


def test_load_balancer_addresses_of_a_local_service() -> None:
    conf = configuration(serviceLoadBalancerIPs=("198.51.100.0/24",))
    balanced = service(kind="LoadBalancer", ingress=["198.51.100.9"])
    assert told([balanced], [slice_of(("node01", True))], conf=conf) == {"198.51.100.0/24", "198.51.100.9/32"}
    assert told([balanced], [slice_of(("node02", True))], conf=conf) == {"198.51.100.0/24"}


@pytest.mark.parametrize(("value", "gone"), [("true", True), ("True", False), ("", False), ("false", False)])
def test_an_excluded_node_is_silent(value: str, gone: bool) -> None:
    found = prefixes("node01", {EXCLUDE_LABEL: value}, configuration(), [], [], peers.calico("3.20.0"))
    assert (found == []) is gone


@pytest.mark.parametrize("cluster_ip", ["None", "", None])
def test_headless_and_nameless_services_have_no_prefix(cluster_ip: str | None) -> None:
    assert told([service(clusterIP=cluster_ip, clusterIPs=[cluster_ip])], [slice_of(("node01", True))]) == set()
    assert told([service(kind="ExternalName")], [slice_of(("node01", True))]) == set()


def test_ranges_are_read_as_go_does() -> None:
    conf = {"spec": {"serviceClusterIPs": [{"cidr": "10.96.0.1/16"}, {"cidr": ""}, {}]}}
    assert [str(network) for network in ranges(conf, "serviceClusterIPs")] == [CLUSTER4]
    assert all_ranges(conf) == ranges(conf, "serviceClusterIPs")
    assert ranges(conf, "serviceExternalIPs") == ranges(None, "serviceClusterIPs") == []


@pytest.mark.parametrize(
    ("version", "four", "six"), [("3.20.0", (3, 5, 5), (2, 2, 2)), ("3.31.0", (3, 5, 5), (2, 4, 4))]
)
def test_the_papers_prefix_counts(version: str, four: tuple[int, ...], six: tuple[int, ...]) -> None:
    """Figure 16: own block, service range, one external range; two Local dual-stack services on the two workers.

    (The paper's sixth prefix of node02 is a block more, or a borrowed address.) From 3.31 on IPv6 has two more.
    """
    dual = ["IPv4", "IPv6"]
    services = [
        service("my-service-ipv4", clusterIPs=["10.96.120.215", "2001:db8:42:1::1"], ipFamilies=dual),
        service("b", clusterIP="10.96.214.77", clusterIPs=["10.96.214.77", "2001:db8:42:1::2"], ipFamilies=dual),
    ]
    slices = [slice_of(("node01", True), ("node02", True), name=name) for name in ("my-service-ipv4", "b")]
    conf = configuration()
    for node, wanted4, wanted6 in zip(("master", "node01", "node02"), four, six, strict=True):
        found = prefixes(node, {}, conf, services, slices, peers.calico(version))
        own_block = 1
        assert sum(network.version == 4 for network in found) + own_block == wanted4
        assert sum(network.version == 6 for network in found) + own_block == wanted6


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.20.0", (False, False, None)),
        ("3.31.4", (True, False, None)),
        ("3.31.7", (True, True, None)),
        ("3.31.10", (True, True, None)),
        ("3.32.1", (True, False, 1024)),
        ("3.33.0", (True, True, 1024)),
        ("3.33", (True, True, 1024)),
        ("4.0.0", (True, True, 1024)),
    ],
)
def test_features(version: str, expected: tuple[bool, bool, int | None]) -> None:
    found = peers.calico(version)
    assert (found.all_cluster_ips, found.ready_endpoints, found.route_metric) == expected
