"""From Calico's resources to the sessions of a node; selectors; address detection."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labctl.standin.cluster.calico.autodetect import NoAddressYet, detect, methods
from labctl.standin.cluster.calico.selectors import BadSelector, matches
from labctl.standin.cluster.calico.sessions import (
    ASN,
    IPV4,
    IPV6,
    NodeView,
    asn_of,
    default_configuration,
    mesh_enabled,
    peers,
)

LABELS = {"rack": "r1", "role": "worker", "node-role.kubernetes.io/control-plane": ""}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("all()", True),
        ("rack == 'r1'", True),
        ('rack == "r2"', False),
        ("rack != 'r2'", True),
        ("zone != 'z'", True),
        ("has(role)", True),
        ("has(zone)", False),
        ("!has(zone)", True),
        ("has(node-role.kubernetes.io/control-plane)", True),
        ("rack in {'r1', 'r2'}", True),
        ("rack not in {'r1', 'r2'}", False),
        ("zone not in {'r1'}", True),
        ("rack == 'r2' || role == 'worker'", True),
        ("rack == 'r1' && role == 'master'", False),
        ("has(zone) && has(x) || has(rack)", True),
        ("has(zone) && (has(x) || has(rack))", False),
        ("!(rack == 'r1' && has(zone))", True),
        ("rack=='r1'&&!has(zone)", True),
        ("rack == '||'", False),
    ],
)
def test_selectors(selector: str, fits: bool) -> None:
    assert matches(selector, LABELS) is fits


@pytest.mark.parametrize(
    "selector",
    ["rack", "rack ==", "rack == 'r1' &&", "(has(a)", "has(a", "a ~ 'b'", "a in 'b'", "a in {'b'", "all() all()", "'"],
)
def test_what_is_no_selector_is_refused(selector: str) -> None:
    with pytest.raises(BadSelector):
        matches(selector, LABELS)


def node(name: str, number: int, *, six: bool = True, asn: int | None = None, **labels: str) -> NodeView:
    annotations = {IPV4: f"192.168.1.{number}/24", **({IPV6: f"2001:192:168:1::{number}/64"} if six else {})}
    if asn:
        annotations[ASN] = str(asn)
    return NodeView.of({"metadata": {"name": name, "labels": labels, "annotations": annotations}})


MASTER, NODE01, NODE02 = node("master", 10), node("node01", 11, rack="r1"), node("node02", 13, rack="r2")
NODES = (MASTER, NODE01, NODE02)


def configuration(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "default"}, "spec": spec}


ROUTED = configuration(asNumber=65531, nodeToNodeMeshEnabled=False)
MESH = configuration(asNumber=65531, nodeToNodeMeshEnabled=True)


def peer(ip: str = "192.168.100.1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"peerIP": ip, "asNumber": 65102, **spec}}


LEAFS = [peer(ip) for ip in ("192.168.100.1", "192.168.100.2", "2001:193:168:1::4", "2001:193:168:1::5")]


def test_the_papers_sessions() -> None:
    for me in NODES:
        found = peers(me, NODES, ROUTED, LEAFS)
        assert [(row.name, row.asn, row.version) for row in found] == [
            ("Global_192_168_100_1", 65102, 4),
            ("Global_192_168_100_2", 65102, 4),
            ("Global_2001_193_168_1__4", 65102, 6),
            ("Global_2001_193_168_1__5", 65102, 6),
        ]
        assert not any(row.passive for row in found), "leafs are asked actively"


def test_the_mesh_is_passive_towards_the_greater_address() -> None:
    found = {row.address: row.passive for row in peers(NODE01, NODES, MESH, [])}
    assert found == {
        "192.168.1.10": False, "192.168.1.13": True, "2001:192:168:1::10": False, "2001:192:168:1::13": True,
    }  # fmt: skip


def test_greater_is_by_letters_as_in_calicos_template() -> None:
    nine, ten = node("a", 9, six=False), node("b", 10, six=False)
    assert [row.passive for row in peers(nine, (nine, ten), MESH, [])] == [False], "'192.168.1.10' < '192.168.1.9'"
    assert [row.passive for row in peers(ten, (nine, ten), MESH, [])] == [True]


@pytest.mark.parametrize("pair", [(MASTER, NODE01), (NODE01, NODE02), (NODE02, MASTER)])
def test_of_each_mesh_session_one_end_is_active(pair: tuple[NodeView, NodeView]) -> None:
    ends = [
        {row.address: row.passive for row in peers(me, NODES, MESH, [])}[str(other.address)]
        for me, other in (pair, pair[::-1])
    ]
    assert sorted(ends) == [False, True]


def test_nodes_without_address_or_of_another_as_are_not_in_the_mesh() -> None:
    bare = NodeView.of({"metadata": {"name": "new"}})
    foreign, single = node("far", 20, asn=65000), node("four", 21, six=False)
    found = peers(NODE01, (NODE01, bare, foreign, single), MESH, [])
    assert [row.address for row in found] == ["192.168.1.21"]
    assert peers(bare, NODES, MESH, LEAFS) == []


@pytest.mark.parametrize(
    ("spec", "who"),
    [
        ({}, ["master", "node01", "node02"]),
        ({"node": "node01"}, ["node01"]),
        ({"nodeSelector": "rack == 'r2'"}, ["node02"]),
        ({"nodeSelector": "has(rack)"}, ["node01", "node02"]),
        ({"nodeSelector": "all()"}, ["master", "node01", "node02"]),
    ],
)
def test_which_nodes_a_peer_is_for(spec: dict[str, str], who: list[str]) -> None:
    found = {me.name: peers(me, NODES, ROUTED, [peer(**spec)]) for me in NODES}
    assert [name for name, rows in found.items() if rows] == who
    kind = "Node" if spec else "Global"
    assert {row.kind for rows in found.values() for row in rows} == {kind}


def test_a_global_peer_wins_over_one_with_the_same_address() -> None:
    rows = [peer(), peer(node="node01", asNumber=1)]
    for resources in (rows, rows[::-1]):
        assert [(row.kind, row.asn) for row in peers(NODE01, NODES, ROUTED, resources)] == [("Global", 65102)]


def test_peers_by_selector_are_nodes_with_their_own_as() -> None:
    nodes = (NODE01, NODE02, node("far", 20, asn=65000, rack="r2"))
    resource = {"metadata": {"name": "x"}, "spec": {"peerSelector": "rack == 'r2'"}}
    found = peers(NODE01, nodes, ROUTED, [resource])
    assert {(row.address, row.asn) for row in found} == {
        ("192.168.1.13", 65531), ("2001:192:168:1::13", 65531), ("192.168.1.20", 65000), ("2001:192:168:1::20", 65000),
    }  # fmt: skip
    assert peers(NODE02, nodes[:2], ROUTED, [resource]) == [], "nobody peers with itself"


@pytest.mark.parametrize(
    ("spec", "keep"),
    [
        ({}, False),
        ({"nextHopMode": "Keep"}, True),
        ({"nextHopMode": "Auto"}, False),
        ({"keepOriginalNextHop": True}, True),
        ({"keepOriginalNextHop": True, "asNumber": 65531}, False),
    ],
)
def test_next_hop(spec: dict[str, Any], keep: bool) -> None:
    (found,) = peers(NODE01, NODES, ROUTED, [peer(**spec)])
    assert found.next_hop_keep is keep


def test_own_as_numbers_are_allowed_as_often_as_asked() -> None:
    (found,) = peers(NODE01, NODES, ROUTED, [peer(numAllowedLocalASNumbers=1)])
    assert found.allow_local_as == 1


@pytest.mark.parametrize(
    ("conf", "asn", "mesh"),
    [
        (None, 64512, True),
        (configuration(), 64512, True),
        (configuration(asNumber=65531), 65531, True),
        (ROUTED, 65531, False),
    ],
)
def test_defaults(conf: dict[str, Any] | None, asn: int, mesh: bool) -> None:
    assert asn_of(NODE01, conf) == asn
    assert mesh_enabled(conf) is mesh
    assert asn_of(node("n", 1, asn=65000), conf) == 65000
    others = [{"metadata": {"name": "node.node01"}, "spec": {"asNumber": 1}}]
    assert default_configuration([*others, *([conf] if conf else [])]) == conf


ADDRESSES = json.dumps([
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
    {
        "ifname": "eth0",
        "addr_info": [
            {"family": "inet", "local": "172.20.20.11", "prefixlen": 24, "scope": "global"},
            {"family": "inet6", "local": "fd1a:bc71::b", "prefixlen": 64, "scope": "global"},
        ],
    },
    {
        "ifname": "bond0",
        "addr_info": [
            {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
            {"family": "inet", "local": "192.168.1.11", "prefixlen": 24, "scope": "global"},
            {"family": "inet6", "local": "2001:192:168:1::11", "prefixlen": 64, "scope": "global"},
        ],
    },
    {
        "ifname": "bond0.10",
        "addr_info": [{"family": "inet", "local": "192.168.10.11", "prefixlen": 24, "scope": "global"}],
    },
    {
        "ifname": "br-77",
        "addr_info": [{"family": "inet", "local": "172.17.0.1", "prefixlen": 16, "scope": "global"}],
    },
    {"ifname": "tunl0"},
])  # fmt: skip


@pytest.mark.parametrize(
    ("method", "version", "found"),
    [
        ("interface=^bond0$", 4, "192.168.1.11/24"),
        ("interface=^bond0$", 6, "2001:192:168:1::11/64"),
        ("interface=bond0", 4, "192.168.10.11/24"),
        ("interface=eth.*,bond9", 4, "172.20.20.11/24"),
        ("cidr=192.168.1.0/24", 4, "192.168.1.11/24"),
        ("cidr=10.0.0.0/8,172.20.0.0/16", 4, "172.20.20.11/24"),
        ("cidr=192.168.1.1/24", 4, "192.168.1.11/24"),
        ("skip-interface=bond.*", 4, "172.20.20.11/24"),
        ("first-found", 4, "192.168.10.11/24"),
        ("first-found", 6, "2001:192:168:1::11/64"),
    ],
)
def test_address_detection(method: str, version: int, found: str) -> None:
    """Regexes are not anchored, and the highest interface that fits wins, as in Calico."""
    assert str(detect(ADDRESSES, method, version)) == found


@pytest.mark.parametrize(
    "method", ["interface=bond7", "cidr=10.0.0.0/8", "kubernetes-internal-ip", "can-reach=1.1.1.1"]
)
def test_no_address_is_found(method: str) -> None:
    with pytest.raises(NoAddressYet):
        detect(ADDRESSES, method, 4)
    with pytest.raises(NoAddressYet):
        detect("", "first-found", 4)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {4: "first-found"}),
        ({"IP": "autodetect", "IP_AUTODETECTION_METHOD": "interface=^bond0$"}, {4: "interface=^bond0$"}),
        ({"IP6": "autodetect", "IP6_AUTODETECTION_METHOD": "cidr=2001::/16"}, {4: "first-found", 6: "cidr=2001::/16"}),
        ({"IP": "none", "IP6": "autodetect"}, {6: "first-found"}),
    ],
)
def test_methods_of_the_manifest(environment: dict[str, str], expected: dict[int, str]) -> None:
    assert methods(environment) == expected
