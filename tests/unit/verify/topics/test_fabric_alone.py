"""A lab without a cluster is proven by its switches alone: vPC, underlay, EVPN, routes over VXLAN."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from labctl.folder import load_folder
from labctl.standin.switch.shows import routing
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Observer
from labctl.verify.scenarios import chosen
from labctl.verify.topics import bgp, links
from labctl.verify.topics.links import UnderlayInput
from tests.rendered import rendered_folder
from tests.unit.verify.conftest import ScriptedNodes

FOLDER = rendered_folder("fabric-standin-fabric")
NEIGHBORS = {"neighbors": {"10.2.1.201": [{"nbrState": "Full/-", "ifaceAddress": "10.4.0.0", "ifaceName": "e1-1:1"}]}}


@pytest.fixture
def fabric(observer: Observer, tmp_path: Path) -> LabUnderTest:
    checks, journal = load_checks(FOLDER), tmp_path / "journal.jsonl"
    return LabUnderTest(load_folder(FOLDER), checks, observer, threading.Event(), lambda _result: None, journal)


def table(name: str, *rows: Any) -> dict[str, Any]:
    return {f"TABLE_{name}": {f"ROW_{name}": list(rows)}}


def route(prefix: str, hop: str, segment: int = 90001) -> str:
    """As ``show ip route`` prints a hop over VXLAN."""
    tunnel = bgp.tunnel_id(hop)
    return (
        f'IP Route Table for VRF "vrf-001"\n\n{prefix}, ubest/mbest: 1/0\n    *via {hop}%default, [200/0], 00:00:11, '
        f"bgp-65102, internal, tag 65102, segid: {segment} tunnelid: {tunnel} encap: VXLAN\n \n"
    )


@pytest.fixture
def healthy(scripted: ScriptedNodes) -> ScriptedNodes:
    """Every switch as it should be, said in NX-OS's JSON."""
    checks = json.loads(json.dumps(load_checks(FOLDER).model_dump(mode="json")))
    for row in checks["links"]["underlay"]:
        found = table("ctx", table("nbr", *({"rid": rid, "state": "FULL"} for rid in row["neighbors"])))
        scripted.switches[row["switch"]] = {"show ip ospf neighbors": found}
    for row in checks["links"]["vpc"]:
        body = {"vpc-peer-status": "peer-ok", "vpc-peer-consistency": "consistent"}
        scripted.switches[row["switch"]]["show vpc brief"] = body  # type: ignore[index]
    for row in checks["links"]["mtu"]:
        found = table("interface", *({"interface": port, "eth_mtu": str(mtu)} for port, mtu in row["ports"].items()))
        scripted.switches[row["switch"]]["show interface"] = found  # type: ignore[index]
    for row in checks["modes"]["routed"]["bgp"]["evpn"]:
        rows = ({"neighborid": address, "state": "Established"} for address in row["neighbors"])
        body = table("vrf", table("af", table("saf", table("neighbor", *rows))))
        scripted.switches[row["switch"]]["show bgp l2vpn evpn summary"] = body  # type: ignore[index]
    for row in checks["modes"]["routed"]["bgp"]["routes"]:
        command = f"show ip route {row['prefix'].partition('/')[0]} vrf vrf-001"
        scripted.switches[row["switch"]][command] = route(row["prefix"], row["next_hops"][0])  # type: ignore[index]
    return scripted


def test_what_is_run(fabric: LabUnderTest) -> None:
    assert fabric.folder.lab.scenarios == ("bgp", "leafs")
    assert [row.name for row in chosen(fabric.folder, fabric.checks, None, disruptive=True)] == ["bgp", "leafs"]


def test_everything_is_judged_and_a_whole_fabric_passes(fabric: LabUnderTest, healthy: ScriptedNodes) -> None:
    results = [*links.run(fabric), *bgp.run(fabric)]
    assert {result.verdict for result in results} == {"PASS"}, [r.sentence for r in results if r.verdict != "PASS"]
    kinds = [".".join(result.id.split(".")[:2]) for result in links.run(fabric)]
    assert (kinds.count("links.vpc"), kinds.count("links.underlay"), kinds.count("links.mtu")) == (2, 5, 4)
    ids = {result.id for result in bgp.run(fabric)}
    assert sum(one.startswith("bgp.evpn.") for one in ids) == 6
    assert "bgp.route.leaf102.12.1.0.0/16" in ids
    assert "bgp.route.border1.192.168.100.2/32" in ids


def test_a_lost_link_and_a_route_that_does_not_cross_are_seen(fabric: LabUnderTest, healthy: ScriptedNodes) -> None:
    fabric.cancel.clear()
    healthy.switches["leaf101"]["show ip ospf neighbors"] = table(  # type: ignore[index]
        "ctx", table("nbr", {"rid": "10.2.1.201", "state": "FULL"}, {"rid": "10.2.1.202", "state": "EXSTART"})
    )
    check = next(check for check in links.checks(fabric) if check.id == "links.underlay.leaf101")
    found = check.judge(healthy.switches["leaf101"]["show ip ospf neighbors"])
    assert (found.verdict, found.sentence) == ("FAIL", "leaf101: OSPF neighbor 10.2.1.202 is EXSTART")


@pytest.mark.parametrize(
    ("states", "verdict"),
    [(["FULL"], "PASS"), (["FULL/-"], "PASS"), (["INIT", "FULL"], "PASS"), (["FULL", "DOWN"], "PASS"),
     (["2WAY"], "FAIL"), ([], "FAIL")],
)  # fmt: skip
def test_a_neighbor_needs_one_link_that_is_full(states: list[str], verdict: str) -> None:
    body = table("ctx", table("nbr", *({"rid": "10.2.1.201", "state": state} for state in states)))
    found = links.judge_underlay(UnderlayInput(switch="l", neighbors=("10.2.1.201",)), body)
    assert found.verdict == verdict


def test_the_judge_reads_what_the_stand_in_prints() -> None:
    body = routing.ospf_neighbors("UNDERLAY", NEIGHBORS).body
    assert links.judge_underlay(UnderlayInput(switch="l", neighbors=("10.2.1.201",)), body).verdict == "PASS"
    assert "10.2.1.202 is not there" in links.judge_underlay(
        UnderlayInput(switch="l", neighbors=("10.2.1.201", "10.2.1.202")), body
    ).sentence  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (route("12.1.0.0/16", "10.2.0.101"), "12.1.0.0/16 via 10.2.0.101 over VXLAN segment 90001, tunnel 0xa020065"),
        (route("12.1.0.0/16", "10.2.0.3"), "has next hops 10.2.0.3, expected 10.2.0.101"),
        (route("12.1.0.0/16", "10.2.0.101", 90002), r"is in segment \[90002\], expected 90001"),
        (
            route("12.1.0.0/16", "10.2.0.101").replace("0xa020065", "0xa020003"),
            "by tunnel 0xa020003, expected 0xa020065",
        ),
        (route("12.1.0.0/16", "10.2.0.101").partition(", segid")[0], "via 10.2.0.101 is not over VXLAN"),
        (route("12.1.0.0/17", "10.2.0.101"), "no route to 12.1.0.0/16"),
        ("", "no route to 12.1.0.0/16"),
    ],
)
def test_a_route_over_vxlan_has_its_segment_and_its_tunnel(text: str, message: str) -> None:
    found = bgp.judge_tunnelled("leaf101", "12.1.0.0/16", ["10.2.0.101"], 90001, text)
    assert found.verdict == ("PASS" if " via 10.2.0.101 over VXLAN" in message else "FAIL")
    assert re.search(message, found.sentence), found.sentence


def test_a_route_that_the_paper_prints() -> None:
    """Its lines as they are in the paper."""
    text = (
        'IP Route Table for VRF "vrf-001"\n\n192.168.100.1/32, ubest/mbest: 1/0\n    *via 10.2.0.3%default, [200/0], '
        "09:11:59, bgp-65102, internal, tag 65102, segid: 90001 tunnelid: 0xa020003 encap: VXLAN\n"
    )
    found = bgp.judge_tunnelled("leaf2102", "192.168.100.1/32", ["10.2.0.3"], 90001, text)
    assert found.verdict == "PASS", found.sentence


@pytest.mark.parametrize(
    ("configured", "capable", "verdict"),
    [("3", "3", "PASS"), ("4", "3", "FAIL"), ("3", "2", "FAIL"), (None, None, "FAIL")],
)
def test_peers_of_a_summary(configured: str | None, capable: str | None, verdict: str) -> None:
    saf = {"configuredpeers": configured, "capablepeers": capable} if configured else {}
    body = table("vrf", table("af", table("saf", saf))) if saf else {}
    found = bgp.judge_peers("leaf101", "v", "ipv4", 3, body)
    assert found.verdict == verdict


def test_an_ipv6_route_over_vxlan_has_an_ipv4_hop() -> None:
    text = route("2001:193:168:1::5/128", "10.2.0.1").replace(
        "via 10.2.0.1%default", "via ::ffff:10.2.0.1%default:IPv4"
    )
    found = bgp.judge_tunnelled("leaf101", "2001:193:168:1::5/128", ["10.2.0.1"], 90001, text)
    assert found.verdict == "PASS", found.sentence
