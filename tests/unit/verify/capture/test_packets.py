"""Packets of a pcap: decoded, found, and read the same way as tshark reads them."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.verify.capture.match import ExpectedPacket, ExpectedStack, differences, find
from labctl.verify.capture.packet import Packet, decode, http_request
from tests.frames import LEAF, NODE, echo, ethernet, ip4, ip6, pcap, tcp, udp, vxlan
from tests.tools import tool

REQUEST = b"GET / HTTP/1.1\r\nHost: 10.233.0.100\r\n\r\n"
PINGED = "10.244.0.1 > 10.244.1.1"
BRIDGED = ethernet(ip4("10.244.0.1", "10.244.1.1", 1, echo(8)))
FRAMES = {
    "ping": ethernet(ip4("10.244.0.1", "10.244.1.1", 1, echo(8))),
    "pong in ipip": ethernet(
        ip4("192.168.1.11", "192.168.1.10", 4, ip4("10.233.75.7", "10.233.102.136", 1, echo(0), ttl=62))
    ),
    "curl": ethernet(ip4("192.168.1.13", "10.233.102.141", 6, tcp(22996, 80, REQUEST)), vlan=3001),
    "tcp with options": ethernet(
        ip4("1.1.1.1", "2.2.2.2", 6, tcp(1, 443, b"x", options=b"\1" * 12), options=b"\1" * 4)
    ),
    "ping6": ethernet(ip6("2001:db8::1", "2001:db8::2", 58, echo(128)), kind=0x86DD, vlan=3001),
    "6 in 4": ethernet(ip4("192.0.2.1", "192.0.2.2", 41, ip6("2001:db8::1", "2001:db8::2", 6, tcp(5, 6)))),
    "vxlan": ethernet(ip4("10.2.0.3", "10.2.0.1", 17, udp(50000, 4789, vxlan(30001, BRIDGED)))),
    "qinq": ethernet(ip4("1.1.1.1", "2.2.2.2", 17, udp(5, 53, b"dns")), vlan=100, outer=200),
    "arp": ethernet(b"\0\1\10\0\6\4\0\1" + b"\0" * 20, kind=0x0806),
}  # fmt: skip


def one(name: str) -> Packet:
    (packet,) = decode(pcap(FRAMES[name]))
    return packet


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ping", "10.244.0.1 > 10.244.1.1 ttl 63 icmp echo request"),
        (
            "pong in ipip",
            "192.168.1.11 > 192.168.1.10 ttl 63 ipip, 10.233.75.7 > 10.233.102.136 ttl 62 icmp echo reply",
        ),
        ("curl", "192.168.1.13 > 10.233.102.141 ttl 63 tcp 22996>80"),
        ("tcp with options", "1.1.1.1 > 2.2.2.2 ttl 63 tcp 1>443"),
        ("ping6", "2001:db8::1 > 2001:db8::2 ttl 62 icmp echo request"),
        ("6 in 4", "192.0.2.1 > 192.0.2.2 ttl 63 ipip, 2001:db8::1 > 2001:db8::2 ttl 62 tcp 5>6"),
        (
            "vxlan",
            f"10.2.0.3 > 10.2.0.1 ttl 63 udp 50000>4789, vni 30001 {LEAF} > {NODE}, {PINGED} ttl 63 icmp echo request",
        ),
        ("qinq", "1.1.1.1 > 2.2.2.2 ttl 63 udp 5>53"),
        ("arp", None),
    ],
)
def test_decoding(name: str, line: str | None) -> None:
    tag = {"curl": " vlan 3001", "ping6": " vlan 3001", "qinq": " vlan 200"}.get(name, "")
    assert one(name).describe() == f"{LEAF} > {NODE}{tag}" + (f", {line}" if line else "")


def test_inner_outer_and_payload() -> None:
    tunnelled = one("pong in ipip")
    assert (tunnelled.outer.source, tunnelled.inner.source) == ("192.168.1.11", "10.233.75.7")
    assert one("ping").outer is None
    assert one("arp").inner is None
    assert one("curl").inner.payload == REQUEST
    assert one("tcp with options").inner.payload == b"x"
    assert one("ping").time == 1000.5


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order: str) -> None:
    found = decode(pcap(*FRAMES.values(), order=order))
    assert [packet.describe() for packet in found] == [one(name).describe() for name in FRAMES]


@pytest.mark.parametrize("data", [b"", b"\xd4\xc3\xb2\xa1", b"x" * 100, pcap()[:20] + struct.pack("<I", 101)])
def test_what_is_no_ethernet_pcap_has_no_packets(data: bytes) -> None:
    assert decode(data) == ()


def test_padding_is_no_payload() -> None:
    frame = ethernet(ip4("1.1.1.1", "2.2.2.2", 17, udp(5, 6, b"x"))) + b"\0" * 20
    assert decode(pcap(frame))[0].inner.payload == b"x"


def test_a_later_fragment_has_no_ports() -> None:
    data = bytearray(FRAMES["curl"])
    data[18 + 6 : 18 + 8] = struct.pack(">H", 100)
    (packet,) = decode(pcap(bytes(data)))
    assert packet.inner.target_port is None


@pytest.mark.parametrize("name", FRAMES)
def test_every_truncation_ends_where_its_bytes_end(name: str) -> None:
    whole = one(name)
    for cut in range(len(FRAMES[name])):
        (packet,) = decode(pcap(FRAMES[name], cut=cut))
        assert len(packet.frames) <= len(whole.frames)
        packet.describe()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    decode(data)
    for packet in decode(pcap(data, ethernet(data), ethernet(data, kind=0x86DD), ethernet(b"\x45" + data))):
        packet.describe()


@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 200), st.integers(0, 255), st.integers(0, 200))
def test_no_changed_byte_breaks_the_decoder(name: str, position: int, value: int, cut: int) -> None:
    data = bytearray(FRAMES[name])
    position %= len(data)
    if data[position] not in (0x45, 0x46):  # header lengths: the next test
        data[position] = value
    decode(pcap(bytes(data[: max(14, cut)]), bytes(data)))


def nested(count: int) -> bytes:
    data = b""
    for _ in range(count):
        data = ip4("1.1.1.1", "2.2.2.2", 4, data)
    return data


@pytest.mark.parametrize(
    "frame",
    [
        ethernet(b"\x40" + ip4("1.1.1.1", "2.2.2.2", 4, b"")[1:]),
        ethernet(nested(1200)),
    ],
    ids=["a header length of zero", "1200 headers in one another"],
)
def test_headers_without_end_do_not_break_the_decoder(frame: bytes) -> None:
    decode(pcap(frame))


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (REQUEST, ("GET / HTTP/1.1", "10.233.0.100")),
        (b"POST /x HTTP/1.0\r\nhost: a\r\n", ("POST /x HTTP/1.0", "a")),
        (b"GET / HTTP/1.1\r\n\r\n", ("GET / HTTP/1.1", None)),
        (b"HTTP/1.1 200 OK\r\n", None),
        (b"", None),
    ],
)
def test_http_requests(payload: bytes, found: tuple[str, str | None] | None) -> None:
    assert http_request(payload) == found


FIELDS = (
    "eth.src",
    "eth.dst",
    "vlan.id",
    "ieee8021ad.id",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.dstport",
    "udp.dstport",
    "vxlan.vni",
)


def test_tshark_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(*FRAMES.values()))
    argv = [
        tool("tshark"),
        "-n",
        "-r",
        str(path),
        "-T",
        "fields",
        "-E",
        "separator=;",
        *(p for f in FIELDS for p in ("-e", f)),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    for line, packet in zip(done.stdout.splitlines(), decode(path.read_bytes()), strict=True):
        told = dict(zip(FIELDS, (value.split(",") if value else [] for value in line.split(";")), strict=True))
        headers = [header for frame in packet.frames for header in frame.headers]
        assert told["eth.src"] == [frame.source for frame in packet.frames]
        assert told["eth.dst"] == [frame.target for frame in packet.frames]
        assert (told["ieee8021ad.id"] or told["vlan.id"])[:1] == [
            str(frame.vlan) for frame in packet.frames if frame.vlan is not None
        ]
        for version, key in ((4, "ip"), (6, "ipv6")):
            of_version = [header for header in headers if ip_address(header.source).version == version]
            assert told[f"{key}.src"] == [header.source for header in of_version]
            assert told[f"{key}.dst"] == [header.target for header in of_version]
        for name in ("tcp", "udp"):
            assert told[f"{name}.dstport"] == [str(h.target_port) for h in headers if h.protocol == name]
        assert told["vxlan.vni"] == [str(frame.vni) for frame in packet.frames if frame.vni is not None]


# --- finding ----------------------------------------------------------------------------------------------------


def stack(source: str, target: str, protocol: str | None = None, port: int | None = None) -> ExpectedStack:
    return ExpectedStack(frozenset(source.split()), frozenset(target.split()), protocol, port)


NOT_OWN = "not one that the leaf calls its own"
CURL = ExpectedPacket(
    stack("192.168.1.13", "10.233.102.140 10.233.102.141", "tcp", 80), vlan=3001, source_macs=frozenset({LEAF}),
    encapsulated=False, macs=frozenset({NODE}),
)  # fmt: skip
PONG = ExpectedPacket(
    stack("10.233.75.7", "10.233.102.136", "icmp"), stack("192.168.1.11", "192.168.1.10", "ipip"), encapsulated=True
)


def test_the_papers_packets_are_found() -> None:
    packets = decode(pcap(*FRAMES.values()))
    assert find(packets, CURL).packets == (packets[2],)
    assert find(packets, PONG).packets == (packets[1],)


@pytest.mark.parametrize(
    ("expected", "name", "wrong"),
    [
        (replace(CURL, vlan=None), "curl", []),
        (replace(CURL, vlan=3002), "curl", ["VLAN 3001, not 3002"]),
        (replace(CURL, source_macs=frozenset({NODE})), "curl", [f"source MAC {LEAF}, {NOT_OWN}"]),
        (replace(CURL, macs=frozenset({"00:00:00:00:00:01"})), "curl", ["not of this port"]),
        (replace(CURL, inner=stack("192.168.1.13", "10.233.102.141", "icmp")), "curl", ["protocol tcp"]),
        (replace(CURL, inner=stack("192.168.1.13", "10.233.102.141", "tcp", 443)), "curl", ["port 80"]),
        (replace(CURL, inner=stack("1.1.1.1", "2.2.2.2")), "curl", ["source 192.168.1.13", "target 10.233.102.141"]),
        (CURL, "arp", ["no IP"]),
        (PONG, "pong in ipip", []),
        (replace(PONG, outer=None), "pong in ipip", []),
        (
            replace(PONG, outer=None, encapsulated=False), "pong in ipip",
            ["encapsulated by ipip 192.168.1.11 > 192.168.1.10"],
        ),
        (
            replace(PONG, outer=None, encapsulated=None), "pong in ipip",
            ["encapsulated by ipip 192.168.1.11 > 192.168.1.10"],
        ),
        (
            replace(PONG, outer=stack("192.168.1.11", "192.168.100.1")), "pong in ipip",
            ["outer 192.168.1.11 > 192.168.1.10"],
        ),
        (replace(PONG, outer=stack("192.168.1.11", "192.168.1.10", "udp")), "pong in ipip", ["outer protocol ipip"]),
        (replace(PONG, inner=stack("10.244.0.1", "10.244.1.1", "icmp")), "ping", ["not encapsulated"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_packet(expected: ExpectedPacket, name: str, wrong: list[str]) -> None:
    assert differences(one(name), expected) == wrong


def test_encapsulated_alone_asks_for_an_outer_header() -> None:
    inner = stack("10.244.0.1", "10.244.1.1", "icmp")
    assert differences(one("ping"), ExpectedPacket(inner, encapsulated=True)) != []


def test_the_nearest_packet_is_told() -> None:
    packets = decode(pcap(FRAMES["ping"], FRAMES["curl"], FRAMES["arp"]))
    found = find(packets, replace(CURL, vlan=1, macs=frozenset({"x"})))
    assert (found.packets, found.seen) == ((), 3)
    assert found.nearest.startswith("VLAN 3001, not 1; not of this port: ")
    assert find(packets, replace(CURL, inner=stack("9.9.9.9", "8.8.8.8"))).nearest == "none has these addresses"
    assert find((), CURL).nearest == "no packet at all"


def test_an_expectation_as_evidence() -> None:
    assert CURL.as_json() == {
        "inner": {
            "source": ["192.168.1.13"], "target": ["10.233.102.140", "10.233.102.141"], "protocol": "tcp", "port": 80,
        },
        "vlan": 3001, "source_mac": [LEAF], "encapsulated": False, "mac_of_the_port": [NODE],
    }  # fmt: skip
    assert PONG.as_json()["outer"] == {"source": ["192.168.1.11"], "target": ["192.168.1.10"], "protocol": "ipip"}
