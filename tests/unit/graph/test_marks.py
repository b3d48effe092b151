"""Which part of the picture a check that did not pass is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labctl.graph import Marks, marks_of
from tests.rendered import rendered_folder
from tests.unit.graph.conftest import WHITEPAPER

BUNDLED = {"Ethernet1/2": "P"}
VPC = {"peer": "peer-ok", "consistency": "consistent", "vpcs": {"11": "up", "12": "up", "13": "up"}}


def check(identity: str, sentence: str = "", *, verdict: str = "FAIL", **more: Any) -> dict[str, Any]:
    return {"id": identity, "verdict": verdict, "sentence": sentence, "expected": None, "seen": None} | more


def marked(*checks: dict[str, Any], folder: Path = WHITEPAPER) -> Marks:
    return marks_of({"schema": "labctl.evidence/v1", "scenarios": [{"checks": list(checks)}]}, folder)


def test_nothing_is_marked_where_everything_passed() -> None:
    assert marked(check("links.lacp.node01", verdict="PASS")) == Marks()
    assert marks_of({}, WHITEPAPER) == Marks()


def test_lacp_marks_the_members_that_do_not_distribute() -> None:
    expected = {"distributing": ["eth1", "eth2"], "partner": "one"}
    one = check("links.lacp.node01", "node01: eth2 is down", expected=expected)
    assert marked(one) == Marks(failed_links=frozenset({("node01", "eth2")}))
    both = check("links.lacp.node01", "node01: eth1 is down; eth2 is no member of the bond", expected=expected)
    assert marked(both).failed_links == {("node01", "eth1"), ("node01", "eth2")}


def test_a_port_channel_marks_the_ports_that_are_not_bundled() -> None:
    down = check("links.port-channel.leaf2101.12", expected=BUNDLED, seen={"Ethernet1/2": "D"})
    assert marked(down) == Marks(failed_links=frozenset({("leaf2101", "Ethernet1/2")}))
    gone = check("links.port-channel.leaf2101.12", expected=BUNDLED)
    assert marked(gone).failed_links == {("leaf2101", "Ethernet1/2")}


def test_an_mtu_marks_the_uplink() -> None:
    port = "Ethernet1/4"
    small = check(f"links.mtu.leaf2101.{port}", expected={port: 9216}, seen={port: 1500})
    assert marked(small) == Marks(failed_links=frozenset({("leaf2101", port)}))


@pytest.mark.parametrize(
    ("seen", "links", "peer_links"),
    [
        ({"vpcs": {"11": "up", "12": "down", "13": "up"}}, {("leaf2101", "Ethernet1/2")}, set()),
        ({"vpcs": VPC["vpcs"], "peer": "peer-link-down"}, set(), {"leaf2101"}),
        ({"vpcs": VPC["vpcs"], "consistency": "inconsistent"}, set(), {"leaf2101"}),
        ({"peer": None, "vpcs": {}}, {("leaf2101", f"Ethernet1/{n}") for n in (1, 2, 3)}, {"leaf2101"}),
    ],
)
def test_vpc_marks_the_vpc_or_the_peer_link(seen: dict[str, Any], links: set[Any], peer_links: set[str]) -> None:
    found = marked(check("links.vpc.leaf2101", expected=VPC, seen=VPC | seen))
    assert (found.failed_links, found.failed_peer_links) == (links, peer_links)


def test_a_vpc_that_is_up_and_not_like_the_peers_is_the_switchs() -> None:
    found = marked(check("links.vpc.leaf2101", expected=VPC, seen=VPC))
    assert (found.failed, found.failed_links, found.failed_peer_links) == ({"leaf2101"}, set(), set())


def test_the_underlay_marks_links_to_the_lost_neighbors() -> None:
    expected = {"10.2.1.201": "FULL", "10.2.1.202": "FULL", "10.2.1.2": "FULL"}
    found = marked(
        check("links.underlay.leaf101", expected=expected, seen={"10.2.1.202": "FULL", "10.2.1.2": "INIT"}),
        folder=rendered_folder("fabric-standin-physical"),
    )
    # spine1 by its only link; leaf102 is the other of the pair: both cables of the peer-link, and the peer-link
    assert found.failed_links == {("leaf101", f"Ethernet1/{port}") for port in (1, 2, 3)}
    assert found.failed_peer_links == {"leaf101"}


@pytest.mark.parametrize(
    ("identity", "pair"),
    [
        ("bgp.session.leaf2101.192.168.1.11", ("leaf2101", "node01")),
        ("bgp.session.leaf2102.2001:192:168:1::13", ("leaf2102", "node02")),
        ("bgp.prefixes.leaf2101.192.168.1.10", ("leaf2101", "master")),
        ("bgp.evpn.leaf2999.10.2.1.6", ("leaf2999", "spine2")),
    ],
)
def test_bgp_marks_the_session(identity: str, pair: tuple[str, str]) -> None:
    assert marked(check(identity)) == Marks(failed_sessions=frozenset({pair}))


@pytest.mark.parametrize(
    ("identity", "nodes"),
    [
        ("ping.node01-node02-ipv4.answered", {"node01", "node02"}),
        ("ping.node01-node02-ipv4.capture.leaf2101", {"node01", "node02", "leaf2101"}),
        ("curl.master-nginx-service.answered", {"master"}),
        ("bgp.route.leaf2101.192.168.100.2/32", {"leaf2101"}),
        ("bgp.session.leaf2101.9.9.9.9", {"leaf2101"}),  # a neighbor that the picture does not have
    ],
)
def test_every_other_check_marks_the_nodes_that_it_names(identity: str, nodes: set[str]) -> None:
    assert marked(check(identity)) == Marks(failed=frozenset(nodes))


def test_a_check_of_no_node_is_a_note() -> None:
    assert marked(check("cluster.pools", "there is no IPPool")).notes == ("cluster.pools: there is no IPPool",)


def test_a_node_that_did_not_answer_is_not_known_and_not_failed() -> None:
    silent = check(
        "bgp.session.leaf2101.192.168.1.11", "leaf2101: show ip bgp summary: timeout", verdict="INCONCLUSIVE"
    )
    assert marked(silent) == Marks(unanswered=frozenset({"leaf2101"}))
    one_of_two = check("ping.node01-node02-ipv4.route", "node02: ip -j route: gone", verdict="INCONCLUSIVE")
    assert marked(one_of_two) == Marks(unanswered=frozenset({"node02"}))
    failed_too = check("bgp.route.leaf2101.x")
    assert marked(silent, failed_too) == Marks(failed=frozenset({"leaf2101"}))
