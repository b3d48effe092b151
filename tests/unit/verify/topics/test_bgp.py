"""The judges of BGP, and of routes; what the stand-in prints is what they read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.nxos.tables import rows
from labctl.verify.topics import bgp, links
from labctl.verify.topics.bgp import CopyInput
from labctl.verify.topics.links import ChannelInput, VpcInput
from labctl.verify.verdict import Judgement

SHOWS = Path(__file__).parents[3] / "golden" / "shows"


def of(judgement: Judgement) -> tuple[str, str]:
    """Also: what failed shows something else beside what was expected, or a reader sees no difference."""
    assert judgement.verdict != "FAIL" or judgement.expected != judgement.seen, judgement
    return judgement.verdict, judgement.sentence


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"TABLE_a": {"ROW_a": {"TABLE_b": {"ROW_b": [{"x": 1}, {"x": 2}]}}}}, 2),
        ({"TABLE_a": {"ROW_a": [{"TABLE_b": {"ROW_b": {"x": 1}}}, {"TABLE_b": {"ROW_b": [{"x": 2}]}}]}}, 2),
        ({"TABLE_a": {"ROW_a": {}}}, 0),
        ({"TABLE_a": {"ROW_a": {"TABLE_b": ""}}}, 0),
        ({"TABLE_a": None}, 0),
        ({}, 0),
        ("", 0),
        (None, 0),
        ([], 0),
    ],
)
def test_tables_are_objects_or_arrays(body: Any, count: int) -> None:
    assert len(rows(body, "a", "b")) == count


def summary(*rows: tuple[str, int, str, int]) -> dict[str, Any]:
    """Rows of (neighbor, AS, state, prefixes)."""
    found = [
        {"neighborid": ip, "neighboras": str(asn), "state": state, "prefixreceived": str(count)}
        for ip, asn, state, count in rows
    ]
    saf = {"TABLE_neighbor": {"ROW_neighbor": found[0] if len(found) == 1 else found}} if found else {}
    return {"TABLE_vrf": {"ROW_vrf": {"TABLE_af": {"ROW_af": {"TABLE_saf": {"ROW_saf": saf}}}}}}


UP = summary(("192.168.1.10", 65531, "Established", 3), ("192.168.1.11", 65531, "Idle", 0))


@pytest.mark.parametrize(
    ("neighbor", "asn", "body", "expected"),
    [
        ("192.168.1.10", 65531, UP, ("PASS", "leaf1: neighbor 192.168.1.10 is Established")),
        ("192.168.1.10", None, UP, ("PASS", "leaf1: neighbor 192.168.1.10 is Established")),
        ("192.168.1.11", 65531, UP, ("FAIL", "leaf1: neighbor 192.168.1.11 is Idle, not Established")),
        (
            "192.168.1.10", 65530, UP,
            ("FAIL", "leaf1: neighbor 192.168.1.10 is configured with AS 65531, not 65530, and is Established"),
        ),
        (
            "192.168.1.13", 65531, UP,
            ("FAIL", "leaf1: neighbor 192.168.1.13 is not configured (there are: 192.168.1.10, 192.168.1.11)"),
        ),
        ("192.168.1.13", 65531, {}, ("FAIL", "leaf1: neighbor 192.168.1.13 is not configured (there are: none)")),
    ],
)  # fmt: skip
def test_sessions(neighbor: str, asn: int | None, body: Any, expected: tuple[str, str]) -> None:
    assert of(bgp.judge_session("leaf1", neighbor, asn, body)) == expected


THREE = ["10.96.0.0/16", "10.244.219.64/26", "203.0.113.0/24"]


@pytest.mark.parametrize(
    ("neighbor", "expected", "verdict", "sentence"),
    [
        ("192.168.1.10", THREE, "PASS", "leaf1: 3 prefixes from master (192.168.1.10)"),
        (
            "192.168.1.10", THREE[:2], "FAIL",
            "leaf1: 3 prefixes received from master (192.168.1.10), expected 2: 10.96.0.0/16, 10.244.219.64/26",
        ),
        ("192.168.1.11", THREE, "FAIL", "leaf1: no prefixes of master: neighbor 192.168.1.11 is Idle"),
        ("192.168.1.99", THREE, "FAIL", "leaf1: no prefixes of master: neighbor 192.168.1.99 is not configured"),
    ],
)  # fmt: skip
def test_prefixes(neighbor: str, expected: list[str], verdict: str, sentence: str) -> None:
    session = bgp.NodeSession("leaf1", "v", neighbor, 65531, "master")
    assert of(bgp.judge_prefixes(session, expected, UP)) == (verdict, sentence)


def route_table(prefix: str, *paths: dict[str, Any]) -> dict[str, Any]:
    row = {"ipprefix": prefix, "TABLE_path": {"ROW_path": list(paths)}}
    return {"TABLE_vrf": {"ROW_vrf": {"TABLE_addrf": {"ROW_addrf": {"TABLE_prefix": {"ROW_prefix": [row]}}}}}}


def path(hop: str, best: str = "true", segment: int | None = None) -> dict[str, Any]:
    return {"ipnexthop": hop, "ubest": best, **({"segmentid": str(segment)} if segment else {})}


@pytest.mark.parametrize(
    ("hops", "segment", "paths", "expected"),
    [
        (["10.0.0.1", "10.0.0.2"], None, [path("10.0.0.2"), path("10.0.0.1")], ("PASS", "via 10.0.0.1, 10.0.0.2")),
        (["10.2.0.1"], 90001, [path("10.2.0.1%default", segment=90001)], ("PASS", "over VXLAN segment 90001")),
        (["10.2.0.1"], None, [path("::ffff:10.2.0.1%default")], ("PASS", "via 10.2.0.1")),
        (["10.0.0.1"], None, [path("10.0.0.1"), path("10.0.0.9", "false")], ("PASS", "via 10.0.0.1")),
        (
            ["10.0.0.1"],
            None,
            [path("10.0.0.1"), path("10.0.0.2")],
            ("FAIL", "next hops 10.0.0.1, 10.0.0.2, expected 10.0.0.1"),
        ),
        (["10.0.0.1", "10.0.0.2"], None, [path("10.0.0.1")], ("FAIL", "expected 10.0.0.1, 10.0.0.2")),
        ([], None, [path("10.0.0.1")], ("FAIL", "expected none")),
        (["10.2.0.1"], 90001, [path("10.2.0.1", segment=90002)], ("FAIL", "is in segment [90002], expected 90001")),
    ],
)
def test_routes(hops: list[str], segment: int | None, paths: list[Any], expected: tuple[str, str]) -> None:
    found = bgp.judge_hops("leaf1", "10.96.120.215/32", hops, segment, route_table("10.96.120.215/32", *paths))
    assert found.verdict == expected[0]
    assert expected[1] in found.sentence


COPY = CopyInput(
    switch="leaf1", vrf="v", prefix="192.168.100.2/32", others={"10.2.0.4": "leaf4", "10.2.0.101": "leaf3 and leaf4"}
)


@pytest.mark.parametrize(
    ("hops", "verdict", "message"),
    [
        (["10.2.0.2%default"], "PASS", "reached via 10.2.0.2 alone, no copy of another pair"),
        (["10.2.0.2%default", "10.2.0.4%default"], "FAIL", "is duplicated: it is reached at leaf4 (10.2.0.4), which"),
        (["::ffff:10.2.0.101%default"], "FAIL", "reached at leaf3 and leaf4 (10.2.0.101)"),
    ],
)
def test_a_copy_of_another_pair(hops: list[str], verdict: str, message: str) -> None:
    paths = [{"ipnexthop": hop, "ubest": "true"} for hop in hops]
    found = bgp.judge_copy(COPY, route_table(COPY.prefix, *paths))
    assert found.verdict == verdict
    assert found.sentence.startswith("leaf1: 192.168.100.2/32 is ")
    assert message in found.sentence


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        (["10.2.0.3%default"], ("PASS", "leaf1: 10.96.0.9/32 via 10.2.0.3")),
        (["10.2.0.3", "10.2.0.4"], ("PASS", "leaf1: 10.96.0.9/32 via 10.2.0.3, 10.2.0.4")),
        (
            ["10.2.0.3", "10.2.0.7"],
            ("FAIL", "leaf1: 10.96.0.9/32 has next hops 10.2.0.7, not among 10.2.0.3, 10.2.0.4"),
        ),
        ([], ("FAIL", "leaf1: no route to 10.96.0.9/32")),
    ],
)
def test_a_route_by_some_of_several_leafs(hops: list[str], expected: tuple[str, str]) -> None:
    table = route_table("10.96.0.9/32", *map(path, hops))
    assert of(bgp.judge_some_of("leaf1", "10.96.0.9/32", ["10.2.0.3", "10.2.0.4"], table)) == expected


def test_not_knowing_a_loopback_is_no_copy() -> None:
    assert of(bgp.judge_copy(COPY, {})) == ("PASS", "leaf1: 192.168.100.2/32 is not known, no copy of another pair")


@pytest.mark.parametrize("body", [{}, route_table("10.96.0.0/16", path("10.0.0.1"))])
def test_no_route(body: Any) -> None:
    assert of(bgp.judge_hops("leaf1", "10.96.120.215/32", [], None, body)) == (
        "FAIL", "leaf1: no route to 10.96.120.215/32",
    )  # fmt: skip


RECORDED: list[tuple[str, Callable[[Any], Judgement]]] = [
    ("show bgp l2vpn evpn summary", lambda body: bgp.judge_session("l", "10.2.1.5", None, body)),
    ("show ip bgp summary vrf vrf-001", lambda body: bgp.judge_session("l", "192.168.1.11", 65531, body)),
    ("show ipv6 bgp summary vrf vrf-001", lambda body: bgp.judge_session("l", "2001:192:168:1::11", 65531, body)),
    (
        "show ip route vrf vrf-001",
        lambda body: bgp.judge_hops("l", "10.96.120.215/32", ["192.168.1.11", "192.168.1.13"], None, body),
    ),
    (
        "show port-channel summary",
        lambda body: links.judge_port_channel("l", ChannelInput(channel=11, members=("Ethernet1/1",)), body),
    ),
    ("show interface", lambda body: links.judge_mtu("l", "Ethernet1/4", 9216, body)),
    ("show vpc brief", lambda body: links.judge_vpc(VpcInput(switch="l", domain=1, vpcs=(11, 12, 13)), body)),
]


@pytest.mark.parametrize(("command", "judge"), RECORDED, ids=[command for command, _ in RECORDED])
def test_judges_read_what_the_stand_in_prints(command: str, judge: Callable[[Any], Judgement]) -> None:
    found = judge(json.loads((SHOWS / "leaf2101.json").read_text())[command])
    assert found.verdict == "PASS", found.sentence


def test_judges_see_the_failed_leg_that_the_stand_in_prints() -> None:
    body = json.loads((SHOWS / "leaf2101-leg-down.json").read_text())
    found = [
        links.judge_port_channel(
            "l", ChannelInput(channel=n, members=(f"Ethernet1/{n - 10}",)), body["show port-channel summary"]
        )
        for n in (11, 12, 13)
    ]
    assert "FAIL" in {row.verdict for row in found}
