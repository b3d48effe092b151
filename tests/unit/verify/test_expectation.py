"""Rules of ``checks.yaml`` by API objects; and the stand-in's own rules, written apart, on the same objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labctl import peers
from labctl.standin.cluster.calico.advertise import prefixes
from labctl.verify.expectation import (
    Cluster,
    advertised,
    block_of,
    endpoints,
    node_address,
    pod_address,
    pod_at,
    service_hops,
    service_of,
    tunnel_protocol,
)

NAMES = ("master", "node01", "node02")
NUMBERS = dict(zip(NAMES, (10, 11, 13), strict=True))


def node(name: str) -> dict[str, Any]:
    number = NUMBERS[name]
    annotations = {
        "projectcalico.org/IPv4Address": f"192.168.1.{number}/24",
        "projectcalico.org/IPv6Address": f"2001:192:168:1::{number}/64",
    }
    return {"metadata": {"name": name, "annotations": annotations}}


def service(name: str, *ips: str, policy: str | None = "Local", kind: str = "NodePort", **spec: Any) -> dict[str, Any]:
    families = [f"IPv{6 if ':' in ip else 4}" for ip in ips]
    body = {"type": kind, "clusterIP": ips[0], "clusterIPs": list(ips), "ipFamilies": families, **spec}
    if policy:
        body["externalTrafficPolicy"] = policy
    return {"metadata": {"namespace": "default", "name": name}, "spec": body}


def slice_of(name: str, *rows: tuple[str, str | None, bool | None], family: str = "IPv4") -> dict[str, Any]:
    """Rows of (address, node, ready)."""
    found = [
        {"addresses": [address], "nodeName": where, "conditions": {} if ready is None else {"ready": ready}}
        for address, where, ready in rows
    ]
    meta = {"namespace": "default", "labels": {"kubernetes.io/service-name": name}}
    return {"metadata": meta, "addressType": family, "endpoints": found}


def configuration(**lists: tuple[str, ...]) -> dict[str, Any]:
    spec = {key: [{"cidr": cidr} for cidr in cidrs] for key, cidrs in lists.items()}
    return {"metadata": {"name": "default"}, "spec": spec}


def affinity(name: str, cidr: str, state: str = "confirmed") -> dict[str, Any]:
    return {"spec": {"node": name, "cidr": cidr, "state": state}}


PAPER = Cluster(
    "3.20.0",
    [node(name) for name in NAMES],
    [
        service("my-service-ipv4", "10.96.120.215", "2001:db8:42:1::1"),
        service("other", "10.96.214.77", "2001:db8:42:1::2"),
        service("inside", "10.96.0.5", policy=None, kind="ClusterIP"),
    ],
    [
        slice_of(name, ("10.244.196.130", "node01", True), ("10.244.140.70", "node02", None))
        for name in ("my-service-ipv4", "other", "inside")
    ],
    [
        affinity("master", "10.244.219.64/26"), affinity("node01", "10.244.196.128/26"),
        affinity("node02", "10.244.140.64/26"), affinity("node02", "10.244.9.0/26", "pending"),
        affinity("node01", "2001:db8:42:ae:fe9b:5aae:bdcd:3700/122"),
    ],
    [
        configuration(
            serviceClusterIPs=("10.96.0.0/16", "2001:db8:42:1::/112"), serviceExternalIPs=("203.0.113.0/24",)
        ),
        {"metadata": {"name": "node.master"}, "spec": {}},
    ],
)  # fmt: skip


@pytest.mark.parametrize(("name", "count"), [("master", 3), ("node01", 5), ("node02", 5)])
def test_the_papers_prefix_counts(name: str, count: int) -> None:
    assert len(advertised(PAPER, name, 4)) == count


@pytest.mark.parametrize(
    ("calico", "routes", "protocol"),
    [
        ("3.20.0", None, "bird"), ("3.32.2", None, "bird"), ("3.33.0", None, "80"),
        ("3.33.0", "EnabledNoEncapOnly", "80"), ("3.33.0", "EnabledIPIPOnly", "bird"), ("3.33.1", "Enabled", "bird"),
    ],
)  # fmt: skip
def test_whose_the_routes_of_a_tunnel_are(calico: str, routes: str | None, protocol: str) -> None:
    spec = {"programClusterRoutes": routes} if routes else {}
    configuration = {"metadata": {"name": "default"}, "spec": spec}
    assert tunnel_protocol(Cluster(calico, configurations=[configuration])) == protocol


@pytest.mark.parametrize(("calico", "count"), [("3.20.0", 2), ("3.30.4", 2), ("3.31.0", 4), ("3.33.1", 4)])
def test_ipv6_prefixes_depend_on_the_version(calico: str, count: int) -> None:
    cluster = Cluster(calico, *[getattr(PAPER, name) for name in PAPER.__slots__[1:]])
    assert len(advertised(cluster, "node01", 6)) == count


def test_next_hops_are_the_nodes_with_endpoints() -> None:
    service = "default/my-service-ipv4"
    assert service_hops(PAPER, service, 4, {}) == (["192.168.1.11", "192.168.1.13"], [])
    assert service_hops(PAPER, service, 6, {}) == (["2001:192:168:1::11", "2001:192:168:1::13"], [])
    assert service_hops(PAPER, "other/my-service-ipv4", 4, {}) == ([], [])
    # of another pair's nodes the leafs are the next hops, and only when there is none of its own
    assert service_hops(PAPER, service, 4, {"node02": ["10.2.0.4"]}) == (["192.168.1.11"], [])
    behind = {"node01": ["10.2.0.3", "10.2.0.4"], "node02": ["10.2.0.4"], "node03": ["10.2.0.9"]}
    assert service_hops(PAPER, service, 4, behind) == ([], ["10.2.0.3", "10.2.0.4"])


def test_endpoints_are_those_that_are_ready() -> None:
    rows = slice_of("a", ("1.1.1.1", "node01", True), ("1.1.1.2", None, None), ("1.1.1.3", "node02", False))
    cluster = Cluster("3.20.0", slices=[rows, rows])
    assert endpoints(cluster, "default/a") == [("1.1.1.1", "node01"), ("1.1.1.2", None)]


def test_looking_things_up() -> None:
    assert service_of(PAPER, "default/other")["spec"]["clusterIP"] == "10.96.214.77"
    assert service_of(PAPER, "default/none") is None
    assert node_address(PAPER, "node02", 4) == "192.168.1.13"
    assert node_address(PAPER, "nobody", 4) is None
    assert node_address(Cluster("3.20.0", [{"metadata": {"name": "n"}}]), "n", 6) is None
    assert block_of(PAPER, "node01", 6) == ["2001:db8:42:ae:fe9b:5aae:bdcd:3700/122"]


def pod(name: str, where: str, phase: str = "Running", app: str = "ping", **meta: str) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": name, "labels": {"app": app}, "creationTimestamp": "2026-01-01"} | meta
    ips = [{"ip": "10.244.0.1"}, {"ip": "2001:db8:42::1"}]
    return {"metadata": metadata, "spec": {"nodeName": where}, "status": {"phase": phase, "podIPs": ips}}


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        ([pod("a", "node01")], "a"),
        ([pod("a", "node01"), pod("b", "node01", creationTimestamp="2026-01-02")], "b"),
        ([pod("a", "node02")], None),
        ([pod("a", "node01", "Pending")], None),
        ([pod("a", "node01", app="web")], None),
        ([pod("a", "node01", deletionTimestamp="now")], None),
        ([pod("a", "node01", namespace="other")], None),
        ([], None),
    ],
)
def test_pods(pods: list[Any], found: str | None) -> None:
    chosen = pod_at(pods, "node01", "default", selector="app=ping")
    assert (chosen and chosen["metadata"]["name"]) == found


def test_addresses_of_pods() -> None:
    assert (pod_address(pod("a", "n"), 4), pod_address(pod("a", "n"), 6)) == ("10.244.0.1", "2001:db8:42::1")
    assert pod_address({"status": {}}, 4) is None


# --- the twin ---------------------------------------------------------------------------------------------------

ENDPOINTS = st.lists(st.sampled_from(NAMES), max_size=3)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """What labs have: services of each kind and policy, one or two families, endpoints that are ready."""
    services, slices = [], []
    for number in range(draw(st.integers(0, 3))):
        name = f"svc{number}"
        dual = draw(st.booleans())
        ips = [f"10.96.0.{10 + number}", *([f"2001:db8:42:1::{10 + number}"] if dual else [])]
        kind = draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]))
        policy = draw(st.sampled_from(["Local", "Cluster"])) if kind != "ClusterIP" else None
        outside = draw(
            st.lists(st.sampled_from(["203.0.113.7", "203.0.113.8", "198.51.100.1"]), max_size=2, unique=True)
        )
        services.append(service(name, *ips, policy=policy, kind=kind, externalIPs=outside))
        rows = [
            (f"10.244.0.{i}", where, draw(st.sampled_from([True, None]))) for i, where in enumerate(draw(ENDPOINTS))
        ]
        slices.append(slice_of(name, *rows))
        if dual and draw(st.booleans()):
            slices.append(
                slice_of(
                    name, *[(f"fd00::{i}", where, ready) for i, (_, where, ready) in enumerate(rows)], family="IPv6"
                )
            )
    ranges = {
        "serviceClusterIPs": draw(st.sampled_from([(), ("10.96.0.0/16",), ("10.96.0.0/16", "2001:db8:42:1::/112")])),
        "serviceExternalIPs": draw(st.sampled_from([(), ("203.0.113.0/24",), ("203.0.113.0/24", "198.51.100.0/24")])),
    }
    version = draw(st.sampled_from(["3.20.0", "3.30.2", "3.31.4", "3.31.7", "3.32.1", "3.33.0"]))
    configurations = [configuration(**ranges)] if draw(st.integers(0, 5)) else []
    return Cluster(version, [node(name) for name in NAMES], services, slices, [], configurations)


def stand_in(cluster: Cluster, name: str) -> list[str]:
    conf = cluster.configurations[0] if cluster.configurations else None
    found = prefixes(name, {}, conf, cluster.services, cluster.slices, peers.calico(cluster.calico))
    return [str(network) for network in found]


@given(clusters(), st.sampled_from(NAMES))
@example(PAPER, "node01")
def test_both_sets_of_rules_agree_on_what_labs_have(cluster: Cluster, name: str) -> None:
    """They were written apart on purpose: the check must not share the stand-in's errors."""
    blocks = {item["spec"]["cidr"] for item in cluster.affinities if item["spec"]["node"] == name}
    expected = [text for version in (4, 6) for text in advertised(cluster, name, version) if text not in blocks]
    assert stand_in(cluster, name) == expected


LABELLED = {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}


def test_an_excluded_node_is_expected_to_be_silent() -> None:
    labelled = node("node01") | {"metadata": node("node01")["metadata"] | {"labels": LABELLED}}
    cluster = Cluster("3.20.0", [labelled], PAPER.services, PAPER.slices, [], PAPER.configurations)
    assert advertised(cluster, "node01", 4) == []


def test_an_unready_endpoint_counts_where_calico_counts_it() -> None:
    slices = [slice_of("my-service-ipv4", ("10.244.0.1", "node01", False))]
    cluster = Cluster("3.20.0", PAPER.nodes, PAPER.services, slices, [], PAPER.configurations)
    assert "10.96.120.215/32" in stand_in(cluster, "node01")
    assert "10.96.120.215/32" in advertised(cluster, "node01", 4)


@pytest.mark.parametrize("policy", ["Local", "Cluster"])
def test_load_balancer_addresses(policy: str) -> None:
    balanced = service("lb", "10.96.0.9", kind="LoadBalancer", policy=policy)
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}
    conf = configuration(serviceLoadBalancerIPs=("198.51.100.0/24" if policy == "Local" else "198.51.100.9/32",))
    cluster = Cluster("3.20.0", PAPER.nodes, [balanced], [slice_of("lb", ("10.244.0.1", "node01", True))], [], [conf])
    assert "198.51.100.9/32" in stand_in(cluster, "node01")
    assert "198.51.100.9/32" in advertised(cluster, "node01", 4)
