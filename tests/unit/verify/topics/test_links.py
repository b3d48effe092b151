"""The judges of links: LACP, port-channels, vPC, MTU of uplinks."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.verify.observer import Unanswered
from labctl.verify.topics import links
from labctl.verify.topics.links import ChannelInput, LacpInput, VpcInput
from labctl.verify.verdict import Judgement


def of(judgement: Judgement) -> tuple[str, str]:
    """Also: what failed shows something else beside what was expected, or a reader sees no difference."""
    assert judgement.verdict != "FAIL" or judgement.expected != judgement.seen, judgement
    return judgement.verdict, judgement.sentence


def channel(*members: tuple[str, str]) -> dict[str, Any]:
    rows = [{"port": port, "port-status": status} for port, status in members]
    return {"TABLE_channel": {"ROW_channel": {"group": "11", "TABLE_member": {"ROW_member": rows}}}}


CHANNEL = ChannelInput(channel=11, members=("Ethernet1/1", "Ethernet1/2"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            channel(("Ethernet1/1", "P"), ("Ethernet1/2", "P")),
            ("PASS", "leaf1: port-channel11: bundles Ethernet1/1, Ethernet1/2"),
        ),
        (
            channel(("Ethernet1/1", "P"), ("Ethernet1/2", "s")),
            ("FAIL", "leaf1: port-channel11: Ethernet1/2 is suspended (s)"),
        ),
        (
            channel(("Ethernet1/1", "D")),
            ("FAIL", "leaf1: port-channel11: Ethernet1/1 is down (D); Ethernet1/2 is not a member"),
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
        {"vpc-id": name[1:], "vpc-port-state": leg.split()[0], "vpc-consistency": leg.split()[1]}
        for name, leg in legs.items()
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


def uplinks(**mtus: Any) -> dict[str, Any]:
    """``show interface``: Ethernet1/<n> by ``e<n>``; None: the port is there and no MTU is said of it."""
    rows = [
        {"interface": f"Ethernet1/{name[1:]}"} | ({} if mtu is None else {"eth_mtu": mtu}) for name, mtu in mtus.items()
    ]
    return {"TABLE_interface": {"ROW_interface": rows[0] if len(rows) == 1 else rows}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (uplinks(e4="9216", e5="1500"), ("PASS", "leaf1: MTU of Ethernet1/4 is 9216")),
        (uplinks(e4=9216), ("PASS", "leaf1: MTU of Ethernet1/4 is 9216")),
        (uplinks(e4="1500", e5="9216"), ("FAIL", "leaf1: MTU of Ethernet1/4 is 1500, expected 9216")),
        (uplinks(e40="9216"), ("FAIL", "leaf1: there is no Ethernet1/4, expected with MTU 9216")),
        ({}, ("FAIL", "leaf1: there is no Ethernet1/4, expected with MTU 9216")),
    ],
)
def test_mtu(body: Any, expected: tuple[str, str]) -> None:
    assert of(links.judge_mtu("leaf1", "Ethernet1/4", 9216, body)) == expected


@pytest.mark.parametrize("mtu", [None, "", "--"])
def test_a_port_whose_mtu_is_not_said_is_not_judged(mtu: str | None) -> None:
    with pytest.raises(Unanswered, match="leaf1: show interface says no MTU of Ethernet1/4"):
        links.judge_mtu("leaf1", "Ethernet1/4", 9216, uplinks(e4=mtu))
