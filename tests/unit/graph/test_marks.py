"""Which part of the picture a check that did not pass is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labctl.graph.picture import End, Node, Pair, Session, picture_of
from labctl.graph.status import Status, status_of
from tests.rendered import rendered_folder
from tests.unit.graph.conftest import WHITEPAPER, check, evidence

BUNDLED = {"Ethernet1/2": "P"}
VPC = {"peer": "peer-ok", "consistency": "consistent", "vpcs": {"11": "up", "12": "up", "13": "up"}}


def marked(*checks: dict[str, Any], folder: Path = WHITEPAPER) -> Status:
    return status_of(picture_of(folder), evidence(*checks))


def told(status: Status, state: str = "down") -> list[str | End | tuple[str, str]]:
    """The parts that stand so: a node by its name, a port by its end, sessions and pairs by their two nodes."""
    found = []
    for part, standing in status.parts.items():
        name = part.name if isinstance(part, Node) else part.leafs if isinstance(part, Pair) else part
        if standing.state == state:
            found.append(name.pair if isinstance(name, Session) else name)
    return sorted(found, key=str)


def test_nothing_is_marked_where_everything_passed() -> None:
    assert marked(check("links.lacp.node01", verdict="PASS")) == Status()
    assert status_of(picture_of(WHITEPAPER), {}) == Status()


def test_lacp_marks_the_members_that_do_not_distribute() -> None:
    expected = {"distributing": ["eth1", "eth2"], "partner": "one"}
    one = check("links.lacp.node01", "node01: eth2 is down", expected=expected)
    assert told(marked(one)) == [("node01", "eth2")]
    both = check("links.lacp.node01", "node01: eth1 is down; eth2 is no member of the bond", expected=expected)
    assert told(marked(both)) == [("node01", "eth1"), ("node01", "eth2")]


def test_a_port_channel_marks_the_ports_that_are_not_bundled() -> None:
    down = check("links.port-channel.leaf2101.12", expected=BUNDLED, seen={"Ethernet1/2": "D"})
    assert told(marked(down)) == [("leaf2101", "Ethernet1/2")]
    gone = check("links.port-channel.leaf2101.12", expected=BUNDLED)
    assert told(marked(gone)) == [("leaf2101", "Ethernet1/2")]


def test_an_mtu_marks_the_uplink() -> None:
    port = "Ethernet1/4"
    small = check(f"links.mtu.leaf2101.{port}", expected={port: 9216}, seen={port: 1500})
    assert told(marked(small)) == [("leaf2101", port)]


PEER_LINK = ("leaf2101", "leaf2102")


@pytest.mark.parametrize(
    ("seen", "parts"),
    [
        ({"vpcs": {"11": "up", "12": "down", "13": "up"}}, [("leaf2101", "Ethernet1/2")]),
        ({"vpcs": VPC["vpcs"], "peer": "peer-link-down"}, [PEER_LINK]),
        ({"vpcs": VPC["vpcs"], "consistency": "inconsistent"}, [PEER_LINK]),
        ({"peer": None, "vpcs": {}}, [*(("leaf2101", f"Ethernet1/{n}") for n in (1, 2, 3)), PEER_LINK]),
    ],
)
def test_vpc_marks_the_vpc_or_the_peer_link(seen: dict[str, Any], parts: list[tuple[str, str]]) -> None:
    assert told(marked(check("links.vpc.leaf2101", expected=VPC, seen=VPC | seen))) == parts


def test_a_vpc_that_is_up_and_not_like_the_peers_is_the_switchs() -> None:
    assert told(marked(check("links.vpc.leaf2101", expected=VPC, seen=VPC))) == ["leaf2101"]


def test_the_underlay_marks_links_to_the_lost_neighbors() -> None:
    expected = {"10.2.1.201": "FULL", "10.2.1.202": "FULL", "10.2.1.2": "FULL"}
    found = marked(
        check("links.underlay.leaf101", expected=expected, seen={"10.2.1.202": "FULL", "10.2.1.2": "INIT"}),
        folder=rendered_folder("fabric-standin-physical"),
    )
    # spine1 by its only link; leaf102 is the other of the pair: both cables of the peer-link, and the peer-link
    assert told(found) == [*(("leaf101", f"Ethernet1/{port}") for port in (1, 2, 3)), ("leaf101", "leaf102")]


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
    assert told(marked(check(identity))) == [pair]


@pytest.mark.parametrize(
    ("identity", "nodes"),
    [
        ("ping.node01-node02-ipv4.answered", ["node01", "node02"]),
        ("ping.node01-node02-ipv4.capture.leaf2101", ["leaf2101", "node01", "node02"]),
        ("curl.master-nginx-service.answered", ["master"]),
        ("bgp.route.leaf2101.192.168.100.2/32", ["leaf2101"]),
        ("bgp.session.leaf2101.9.9.9.9", ["leaf2101"]),  # a neighbor that the picture does not have
    ],
)
def test_every_other_check_marks_the_nodes_that_it_names(identity: str, nodes: list[str]) -> None:
    found = marked(check(identity))
    assert (told(found), told(found, "unknown"), found.notes) == (nodes, [], ())


def test_a_check_of_no_node_is_a_note() -> None:
    assert marked(check("cluster.pools", "there is no IPPool")).notes == ("cluster.pools: there is no IPPool",)


def test_a_node_that_did_not_answer_is_not_known_and_not_failed() -> None:
    silent = check(
        "bgp.session.leaf2101.192.168.1.11", "leaf2101: show ip bgp summary: timeout", verdict="INCONCLUSIVE"
    )
    assert told(marked(silent), "unknown") == ["leaf2101"]
    one_of_two = check("ping.node01-node02-ipv4.route", "node02: ip -j route: gone", verdict="INCONCLUSIVE")
    assert told(marked(one_of_two), "unknown") == ["node02"]
    both = marked(silent, check("bgp.route.leaf2101.x"))
    assert (told(both), told(both, "unknown")) == (["leaf2101"], [])
