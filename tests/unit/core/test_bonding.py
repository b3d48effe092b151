"""What the kernel says of a bond."""

from __future__ import annotations

import pytest

from labctl.bonding import Bond, bond_trouble, parse_bond

HEAD = """\
Ethernet Channel Bonding Driver: v6.12.57+deb13-cloud-amd64

Bonding Mode: IEEE 802.3ad Dynamic link aggregation
Transmit Hash Policy: layer3+4 (1)
MII Status: up
MII Polling Interval (ms): 100
Up Delay (ms): 0
Down Delay (ms): 0
Peer Notification Delay (ms): 0

802.3ad info
LACP active: on
LACP rate: fast
Min links: 0
Aggregator selection policy (ad_select): stable
System priority: 65535
System MAC address: 32:73:87:0b:5f:3f
Active Aggregator Info:
\tAggregator ID: {aggregator}
\tNumber of ports: 2
\tActor Key: 15
\tPartner Key: 32779
\tPartner Mac Address: {partner}
"""
MEMBER = """
Slave Interface: {name}
MII Status: {mii}
Speed: 10000 Mbps
Duplex: full
Link Failure Count: 0
Permanent HW addr: 32:73:87:0b:5f:3f
Slave queue ID: 0
Aggregator ID: {aggregator}
Actor Churn State: none
Partner Churn State: none
Actor Churned Count: 0
Partner Churned Count: 0
details actor lacp pdu:
    system priority: 65535
    system mac address: 32:73:87:0b:5f:3f
    port key: 15
    port priority: 255
    port number: 1
    port state: {actor}
details partner lacp pdu:
    system priority: 32667
    system mac address: {partner}
    oper key: 32779
    port priority: 32768
    port number: 1
    port state: {other}
"""
LEAFS = "02:23:04:ee:be:01"


def text(*members: tuple[str, str, int, int, int], aggregator: int = 1, partner: str = LEAFS) -> str:
    """Rows of (name, MII status, aggregator, actor state, partner state)."""
    return HEAD.format(aggregator=aggregator, partner=partner) + "".join(
        MEMBER.format(name=name, mii=mii, aggregator=number, actor=actor, other=other, partner=partner)
        for name, mii, number, actor, other in members
    )


GOOD = (("eth1", "up", 1, 63, 61), ("eth2", "up", 1, 63, 61))


def test_a_bond_is_read() -> None:
    bond = parse_bond(text(*GOOD))
    assert (bond.active_aggregator, bond.partner_mac) == (1, LEAFS)
    first = bond.members[0]
    assert (first.name, first.up, first.aggregator) == ("eth1", True, 1)
    assert (first.actor_state, first.partner_state, first.partner_mac) == (63, 61, LEAFS)
    assert [member.name for member in bond.carrying] == ["eth1", "eth2"]


@pytest.mark.parametrize(
    ("member", "carries"),
    [
        (("eth2", "up", 1, 63, 63), True),
        (("eth2", "up", 1, 0x38, 0x38), True),
        (("eth2", "down", 1, 63, 63), False),
        (("eth2", "up", 2, 63, 63), False),
        (("eth2", "up", 1, 63, 5), False),
        (("eth2", "up", 1, 0x0F, 63), False),
        (("eth2", "up", 1, 63, 0x1F), False),
        (("eth2", "up", 1, 71, 1), False),
    ],
)
def test_a_member_carries_when_both_ends_distribute(member: tuple[str, str, int, int, int], carries: bool) -> None:
    bond = parse_bond(text(GOOD[0], member))
    assert ("eth2" in {row.name for row in bond.carrying}) is carries
    assert "eth1" in {row.name for row in bond.carrying}


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (text(*GOOD), None),
        (text(GOOD[0], ("eth2", "down", 1, 71, 1)), None),
        (text(("eth1", "up", 1, 71, 1), partner="00:00:00:00:00:00"), "no LACP partner"),
        (text(("eth1", "up", 1, 71, 1)), "no member distributes (eth1 actor 71 partner 1)"),
        (text(), "no member distributes ()"),
        ("", "no LACP partner"),
    ],
)
def test_why_a_bond_carries_nothing(said: str, trouble: str | None) -> None:
    assert bond_trouble(said) == trouble


def test_a_text_that_is_none() -> None:
    assert parse_bond("cat: /proc/net/bonding/bond0: No such file or directory") == Bond(0, "", ())


def test_details_that_the_kernel_hides() -> None:
    """Without CAP_NET_ADMIN there are no details: nobody is said to carry."""
    hidden = text(*GOOD).replace("details actor", "hidden").replace("port state", "x")
    assert parse_bond(hidden).carrying == ()
