"""Every judge: what passes, and the sentence of what fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.nxos.tables import rows
from labctl.verify.topics import bgp, links
from labctl.verify.topics.bgp import CopyInput
from labctl.verify.topics.curl import CurlInput, judge_page
from labctl.verify.topics.links import ChannelInput, LacpInput, VpcInput
from labctl.verify.topics.ping import PingInput, block_routes, judge_ping
from labctl.verify.verdict import CheckResult, Judgement, Report, ScenarioResult, combine

SHOWS = Path(__file__).parents[2] / "golden" / "shows"


def of(judgement: Judgement) -> tuple[str, str]:
    """Also: what failed shows something else beside what was expected, or a reader sees no difference."""
    assert judgement.verdict != "FAIL" or judgement.expected != judgement.seen, judgement
    return judgement.verdict, judgement.sentence


# --- NX-OS tables -----------------------------------------------------------------------------------------------


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
    assert of(bgp.judge_prefixes("leaf1", "master", neighbor, expected, UP)) == (verdict, sentence)


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
    ("hops", "verdict", "words"),
    [
        (["10.2.0.2%default"], "PASS", "reached via 10.2.0.2 alone, no copy of another pair"),
        (["10.2.0.2%default", "10.2.0.4%default"], "FAIL", "is duplicated: it is reached at leaf4 (10.2.0.4), which"),
        (["::ffff:10.2.0.101%default"], "FAIL", "reached at leaf3 and leaf4 (10.2.0.101)"),
    ],
)
def test_a_copy_of_another_pair(hops: list[str], verdict: str, words: str) -> None:
    paths = [{"ipnexthop": hop, "ubest": "true"} for hop in hops]
    found = bgp.judge_copy(COPY, route_table(COPY.prefix, *paths))
    assert found.verdict == verdict
    assert found.sentence.startswith("leaf1: 192.168.100.2/32 is ")
    assert words in found.sentence


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


def channel(*members: tuple[str, str]) -> dict[str, Any]:
    rows = [{"port": port, "port-status": status} for port, status in members]
    return {"TABLE_channel": {"ROW_channel": {"group": "11", "TABLE_member": {"ROW_member": rows}}}}


CHANNEL = ChannelInput(channel=11, members=("Ethernet1/1", "Ethernet1/2"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            channel(("Ethernet1/1", "P"), ("Ethernet1/2", "P")),
            ("PASS", "leaf1: port-channel11 bundles Ethernet1/1, Ethernet1/2"),
        ),
        (
            channel(("Ethernet1/1", "P"), ("Ethernet1/2", "s")),
            ("FAIL", "leaf1: port-channel11: Ethernet1/2 is suspended (s)"),
        ),
        (
            channel(("Ethernet1/1", "D")),
            ("FAIL", "leaf1: port-channel11: Ethernet1/1 is down (D), Ethernet1/2 is not a member"),
        ),
        (
            channel(("Ethernet1/1", "P"), ("Ethernet1/2", "r")),
            ("FAIL", "leaf1: port-channel11: Ethernet1/2 is in state (r)"),
        ),
        ({}, ("FAIL", "leaf1: there is no port-channel11")),
    ],
)
def test_port_channels(body: Any, expected: tuple[str, str]) -> None:
    assert of(links.judge_port_channel("leaf1", CHANNEL, body)) == expected


def vpc_brief(peer: str = "peer-ok", consistency: str = "consistent", **legs: str) -> dict[str, Any]:
    rows = [
        {"vpc-id": name[1:], "vpc-port-state": words.split()[0], "vpc-consistency": words.split()[1]}
        for name, words in legs.items()
    ]
    return {"vpc-peer-status": peer, "vpc-peer-consistency": consistency, "TABLE_vpc": {"ROW_vpc": rows}}


GOOD = "1 consistent"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (vpc_brief(v11=GOOD, v12=GOOD), ("PASS", "leaf1: peer ok, 2 vPCs up and consistent")),
        (vpc_brief(v11=GOOD, v12=GOOD, v99="0 x"), ("PASS", "leaf1: peer ok, 2 vPCs up and consistent")),
        (vpc_brief(v11=GOOD), ("FAIL", "leaf1: vPC 12 is not there")),
        (vpc_brief(v11=GOOD, v12="0 consistent"), ("FAIL", "leaf1: vPC 12 is down")),
        (vpc_brief(v11=GOOD, v12="1 inconsistent"), ("FAIL", "leaf1: vPC 12 is not consistent with the peer")),
        (vpc_brief("peer-not-alive", v11=GOOD, v12=GOOD), ("FAIL", "leaf1: peer status is peer-not-alive")),
        (vpc_brief(consistency="inconsistent", v11=GOOD, v12=GOOD), ("FAIL", "leaf1: configuration is inconsistent")),
        (
            {},
            (
                "FAIL",
                "leaf1: peer status is None; configuration is None; vPC 11 is not there; vPC 12 is not there",
            ),
        ),
    ],
)
def test_vpc(body: Any, expected: tuple[str, str]) -> None:
    assert of(links.judge_vpc(VpcInput(switch="leaf1", domain=1, vpcs=(11, 12)), body)) == expected


def bond(*members: tuple[str, str, int, int, int], active: int = 1) -> str:
    """Rows of (name, MII status, aggregator, actor state, partner state)."""
    text = f"MII Status: up\nActive Aggregator Info:\n\tAggregator ID: {active}\n"
    text += "\tPartner Mac Address: 02:00:00:00:0b:01\n"
    for name, status, aggregator, actor, partner in members:
        text += (
            f"\nSlave Interface: {name}\nMII Status: {status}\nAggregator ID: {aggregator}\n"
            f"details actor lacp pdu:\n    port state: {actor}\n"
            f"details partner lacp pdu:\n    system mac address: 02:00:00:00:0b:0{aggregator}\n"
            f"    port state: {partner}\n"
        )
    return text


OTHER = "02:00:00:00:0b:02"
AGGREGATED = (
    "node01: eth2 is in aggregator 2, not in the active 1: "
    f"its partner is {OTHER}, that of the others 02:00:00:00:0b:01"
)
GOOD_MEMBERS = (("eth1", "up", 1, 63, 63), ("eth2", "up", 1, 63, 61))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (bond(*GOOD_MEMBERS), ("PASS", "node01: eth1 and eth2 distribute to 02:00:00:00:0b:01")),
        (bond(GOOD_MEMBERS[0]), ("FAIL", "node01: eth2 is no member of the bond")),
        (bond(GOOD_MEMBERS[0], ("eth2", "down", 1, 63, 63)), ("FAIL", "node01: eth2 is down")),
        (
            bond(GOOD_MEMBERS[0], ("eth2", "up", 2, 63, 63)),
            (
                "FAIL",
                AGGREGATED,
            ),
        ),
        (
            bond(GOOD_MEMBERS[0], ("eth2", "up", 2, 69, 1)).replace(OTHER, "00:00:00:00:00:00"),
            (
                "FAIL",
                "node01: eth2 hears no LACP partner: the port at its other end is shut, suspended or speaks no LACP",
            ),
        ),
        (
            bond(GOOD_MEMBERS[0], ("eth2", "up", 1, 71, 1)),
            ("FAIL", "node01: eth2 does not distribute (actor state 71, partner state 1)"),
        ),
        ("", ("FAIL", "node01: eth1 is no member of the bond; eth2 is no member of the bond")),
    ],
)
def test_lacp(text: str, expected: tuple[str, str]) -> None:
    assert of(links.judge_lacp(LacpInput(node="node01", bond="bond0", members=("eth1", "eth2")), text)) == expected


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


# --- ping and curl ----------------------------------------------------------------------------------------------

PING = PingInput.model_validate({
    "name": "v4", "family": "ipv4", "count": 5, "ttl": 61,
    "from": {"node": "node01", "selector": "app=ping", "namespace": "default"},
    "to": {"node": "node02", "selector": "app=ping", "namespace": "default"},
})  # fmt: skip


def busybox(received: int = 5, *ttls: int) -> str:
    lines = [f"64 bytes from 10.244.0.1: seq={n} ttl={ttl} time=0.4 ms" for n, ttl in enumerate(ttls)]
    return "\n".join([*lines, f"5 packets transmitted, {received} packets received, 0% packet loss"])


@pytest.mark.parametrize(
    ("text", "verdict", "words"),
    [
        (busybox(5, 61, 61, 61), "PASS", "5 of 5 answered, ttl 61"),
        ("x ttl=61\n5 packets transmitted, 5 received, 0% packet loss, time 804ms", "PASS", "5 of 5 answered, ttl 61"),
        (busybox(5, 62, 62), "FAIL", "with ttl 62 and not 61"),
        (busybox(5, 61, 62), "FAIL", "with ttl 61, 62 and not 61"),
        (busybox(4, 61), "FAIL", "4 of 5 answered"),
        ("ping: bad address", "FAIL", "0 of 5 answered"),
        ("", "FAIL", "0 of 5 answered"),
    ],
)
def test_ping(text: str, verdict: str, words: str) -> None:
    found = judge_ping(PING, "10.244.0.1", text)
    assert found.verdict == verdict
    assert found.sentence.startswith("node01 to node02 (10.244.0.1): ")
    assert words in found.sentence


@pytest.mark.parametrize(
    ("rows", "route"),
    [
        ([{"dst": "10.244.1.0/26", "gateway": "192.168.1.1", "dev": "bond0"}], "via 192.168.1.1 dev bond0"),
        ([{"dst": "10.244.0.0/16", "gateway": "192.168.1.1", "dev": "bond0"}], "via 192.168.1.1 dev bond0"),
        (
            [{"dst": "10.244.1.0/26", "nexthops": [{"gateway": "192.168.1.1"}, {"gateway": "192.168.1.2"}]}],
            "via 192.168.1.1, 192.168.1.2 dev",
        ),
        ([{"dst": "default", "gateway": "172.20.20.1", "dev": "eth0"}], None),
        ([{"dst": "10.244.1.0/26", "type": "blackhole"}], None),
        ([{"dst": "10.244.1.0/26", "type": "unreachable", "gateway": "1.1.1.1"}], None),
        ([{"dst": "10.244.1.5", "gateway": "192.168.1.1"}], None),
        ([{"dst": "10.244.1.0/26", "dev": "cali1"}], None),
        ([{"dst": "2001:db8::/32", "gateway": "fe80::1"}], None),
        ([], None),
    ],
)
def test_routes_to_a_block(rows: list[Any], route: str | None) -> None:
    found = block_routes(json.dumps(rows), ["10.244.1.0/26"])
    assert found == {"10.244.1.0/26": route and f"10.244.1.0/26 {route}"}
    assert block_routes("", ["10.244.1.0/26"]) == {"10.244.1.0/26": None}


CURL = CurlInput.model_validate({
    "name": "host", "from": {"node": "node02"}, "service": "default/web", "port": 80, "contains": "Welcome",
})  # fmt: skip


@pytest.mark.parametrize(
    ("code", "page", "words", "endpoints", "verdict", "sentence"),
    [
        (0, "Welcome to nginx!", "", 2, "PASS", "the page came (17 bytes)"),
        (0, "Not here", "", 2, "FAIL", "the page does not contain 'Welcome'"),
        (28, "", "", 1, "FAIL", "no answer within 4 s; default/web has 1 endpoint"),
        (7, "", "curl: (7) x", 0, "FAIL", "connection refused or no route; default/web has 0 endpoints"),
        (35, "", "curl: (35) handshake\n", 2, "FAIL", "curl: (35) handshake; default/web has 2 endpoints"),
        (77, "", "", 2, "FAIL", "curl ended with 77"),
    ],
)
def test_curl(code: int, page: str, words: str, endpoints: int, verdict: str, sentence: str) -> None:
    found = judge_page(CURL, "http://10.96.0.9:80/", code, page, words, endpoints)
    assert found.verdict == verdict
    assert sentence in found.sentence
    assert found.sentence.startswith("node02: http://10.96.0.9:80/: ")


# --- verdicts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], "INCONCLUSIVE"),
        (["PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "FAIL", "PASS"], "FAIL"),
    ],
)
def test_one_failure_fails_all_and_nothing_proves_nothing(verdicts: Any, whole: str) -> None:
    assert combine(verdicts) == whole


def scenario(*rows: tuple[str, str]) -> ScenarioResult:
    checks = tuple(CheckResult(f"c{n}", "t", verdict, words) for n, (verdict, words) in enumerate(rows))  # type: ignore[arg-type]
    return ScenarioResult("bgp", "BGP", 1.0, checks)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "no check ran"),
        ([("PASS", "a"), ("PASS", "b")], "2 checks passed"),
        ([("PASS", "a")] * 3, "3 checks passed"),
        ([("PASS", "a"), ("FAIL", "b"), ("FAIL", "c"), ("INCONCLUSIVE", "d")], "b (and 1 more)"),
        ([("PASS", "a"), ("INCONCLUSIVE", "d")], "d"),
    ],
)
def test_sentences_of_scenarios(rows: list[tuple[str, str]], sentence: str) -> None:
    assert scenario(*rows).sentence == sentence


def test_a_report_counts() -> None:
    report = Report("lab", (scenario(("PASS", "a")), scenario(("FAIL", "b")), scenario(("PASS", "c"))), 3.0)
    assert (report.verdict, report.sentence) == ("FAIL", "2 PASS, 1 FAIL")
    assert Report("lab", (), 0.0).sentence == "nothing ran"
    assert json.loads(json.dumps(report.as_dict()))["scenarios"][1]["checks"][0]["sentence"] == "b"
