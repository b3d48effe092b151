"""Packets as layers: what is drawn, and which of the paper's captures stands beside it."""

from __future__ import annotations

import json

import pytest

from labctl.report.page import (
    CURL_AT_LEAF,
    PING_AT_LEAF,
    PING_AT_NODE,
    Printed,
    expected_layers,
    layers,
    printed_like,
)
from labctl.verify.capture.match import ExpectedPacket, ExpectedStack
from labctl.verify.capture.packet import Packet, decode
from tests.frames import LEAF, NODE, echo, ethernet, ip4, ip6, pcap, tcp, udp, vxlan
from tests.unit.report.evidence import FETCHED, PAGE, PINGED, SYN, TUNNEL

INNER = ip4("10.244.0.1", "10.244.1.1", 1, echo(0))
VXLAN = ethernet(ip4("10.2.0.3", "10.2.0.1", 17, udp(50000, 4789, vxlan(30001, ethernet(INNER)))))
TAGGED = ethernet(ip4("192.168.1.11", "192.168.1.10", 4, INNER), vlan=0)
PING6 = ethernet(ip6("2001:db8::1", "2001:db8::2", 58, echo(128)), kind=0x86DD)


def packet(frame: bytes) -> Packet:
    (found,) = decode(pcap(frame))
    return found


def drawn(frame: bytes) -> list[str]:
    return [
        f"{layer.name}: {', '.join(f'{name} {value}' for name, value in layer.fields)}"
        for layer in layers(packet(frame))
    ]


@pytest.mark.parametrize(
    ("frame", "lines"),
    [
        (PINGED, [
            f"Ethernet: from {LEAF}, to {NODE}",
            "outer IPv4: from 192.168.1.11, to 192.168.1.13, ttl 63, carries IPIP (4)",
            "inner IPv4: from 10.244.196.129, to 10.244.140.65, ttl 63, carries ICMP",
            "ICMP: type 8 echo request",
        ]),
        (FETCHED, [
            f"Ethernet: from {LEAF}, to {NODE}",
            "802.1Q: VLAN 3001",
            "IPv4: from 192.168.1.10, to 10.244.196.129, ttl 63, carries TCP",
            "TCP: from 22996, to 80, length 36",
            "HTTP: request GET / HTTP/1.1, host 10.96.3.42",
        ]),
        (VXLAN, [
            f"Ethernet: from {LEAF}, to {NODE}",
            "outer IPv4: from 10.2.0.3, to 10.2.0.1, ttl 63, carries UDP",
            "UDP: from 50000, to 4789",
            "VXLAN: VNI 30001",
            f"Ethernet: from {LEAF}, to {NODE}",
            "inner IPv4: from 10.244.0.1, to 10.244.1.1, ttl 63, carries ICMP",
            "ICMP: type 0 echo reply",
        ]),
        (PING6, [
            f"Ethernet: from {LEAF}, to {NODE}",
            "IPv6: from 2001:db8::1, to 2001:db8::2, ttl 62, carries ICMP",
            "ICMPv6: type 128 echo request",
        ]),
        (ethernet(b"", kind=0x0806), [f"Ethernet: from {LEAF}, to {NODE}"]),
        (ethernet(ip4("1.1.1.1", "2.2.2.2", 89, b"")), [
            f"Ethernet: from {LEAF}, to {NODE}", "IPv4: from 1.1.1.1, to 2.2.2.2, ttl 63, carries 89",
        ]),
        (b"\0" * 5, []),
    ],
)  # fmt: skip
def test_layers(frame: bytes, lines: list[str]) -> None:
    assert drawn(frame) == lines


@pytest.mark.parametrize(
    ("frame", "like"),
    [(PINGED, PING_AT_NODE), (TAGGED, PING_AT_LEAF), (FETCHED, CURL_AT_LEAF), (SYN, CURL_AT_LEAF), (PING6, None),
     (VXLAN, None), (ethernet(INNER), None), (ethernet(ip4("1.1.1.1", "2.2.2.2", 6, tcp(80, 5))), None), (b"", None)],
)  # fmt: skip
def test_which_of_the_papers_captures(frame: bytes, like: Printed | None) -> None:
    assert printed_like(layers(packet(frame))) is like


def test_the_papers_captures_have_the_layers_of_their_kind() -> None:
    """Each printed one is recognised as itself, so it is drawn with the names that captured packets get."""
    for printed in (PING_AT_NODE, PING_AT_LEAF, CURL_AT_LEAF):
        assert printed_like(printed.layers) is printed
    assert [layer.name for layer in CURL_AT_LEAF.layers] == [layer.name for layer in layers(packet(FETCHED))]
    assert [layer.name for layer in PING_AT_NODE.layers] == [layer.name for layer in layers(packet(PINGED))]


def test_what_is_expected_is_drawn_in_the_same_words() -> None:
    names = [layer.name for layer in expected_layers(PAGE)]
    assert names == ["Ethernet", "802.1Q", "IPv4", "TCP"]
    assert expected_layers(PAGE)[0].fields == (("from", LEAF), ("one end", NODE))
    assert [(layer.name, layer.fields[-1]) for layer in expected_layers(TUNNEL)] == [
        ("outer IPv4", ("carries", "IPIP (4)")), ("inner IPv4", ("to", "10.244.140.65")),
    ]  # fmt: skip
    both = ExpectedPacket(ExpectedStack(frozenset({"2001:db8::1"}), frozenset({"2001:db8::2", "2001:db8::3"})))
    (layer,) = expected_layers(both)
    assert (layer.name, layer.fields[1]) == ("IPv6", ("to", "2001:db8::2 or 2001:db8::3"))


@pytest.mark.parametrize("expected", [TUNNEL, PAGE, ExpectedPacket(ExpectedStack(frozenset(), frozenset()))])
def test_an_expectation_out_of_the_evidence_is_the_same(expected: ExpectedPacket) -> None:
    assert ExpectedPacket.from_json(json.loads(json.dumps(expected.as_json()))) == expected


@pytest.mark.parametrize(
    "body", [{}, {"inner": 5}, {"inner": {"source": []}}, {"inner": {"source": [], "target": None}}]
)
def test_what_is_no_expectation(body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="ExpectedPacket"):
        ExpectedPacket.from_json(body)
