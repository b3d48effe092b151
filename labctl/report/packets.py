"""The captures of a check, read again: which packet it was judged by, drawn as layers beside the paper's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.report.evidencefolder import EvidenceFolder
from labctl.verify.capture.match import ExpectedPacket, differences, find
from labctl.verify.capture.packet import Header, Packet, decode, http_request

IPIP = "IPIP (4)"
PROTOCOLS = {"icmp": "ICMP", "tcp": "TCP", "udp": "UDP", "ipip": IPIP}
ECHO_TYPES = {("request", False): "8", ("reply", False): "0", ("request", True): "128", ("reply", True): "129"}
"""RFC 792, RFC 4443."""


@dataclass(frozen=True, slots=True)
class Layer:
    """``kind`` is for drawing: ethernet, tag, outer, ip, vxlan, transport, http. ``fields``: name and value."""

    kind: str
    name: str
    fields: tuple[tuple[str, str], ...] = ()


def _layer(kind: str, name: str, **fields: str | None) -> Layer:
    """``from_`` and the like are names that Python has taken, or that have a blank; None: nothing is said of it."""
    rows = tuple((key.strip("_").replace("_", " "), value) for key, value in fields.items() if value is not None)
    return Layer(kind, name, rows)


def _ip(where: str, ends: Sequence[Collection[str]], ttl: str | None, carries: str | None) -> Layer:
    """``where``: outer, inner, or nothing; ``ends``: its sources, its targets."""
    six = any(":" in address for addresses in ends for address in addresses)
    name = f"{where} IPv{6 if six else 4}".strip()
    carried = PROTOCOLS.get(carries, carries) if carries else None
    kind = "outer" if where == "outer" else "ip"
    return _layer(kind, name, from_=_any(ends[0]), to=_any(ends[1]), ttl=ttl, carries=carried)


def _any(values: Collection[str] | None) -> str | None:
    return None if values is None else " or ".join(sorted(values)) or "nothing"


def layers(packet: Packet) -> tuple[Layer, ...]:
    """Every header of a packet, the outermost first."""
    found: list[Layer] = []
    headers = [header for frame in packet.frames for header in frame.headers]
    for frame in packet.frames:
        found += [_layer("vxlan", "VXLAN", VNI=str(frame.vni))] if frame.vni is not None else []
        found.append(_layer("ethernet", "Ethernet", from_=frame.source, to=frame.target))
        found += [_layer("tag", "802.1Q", VLAN=str(frame.vlan))] if frame.vlan is not None else []
        for header in frame.headers:
            where = "" if len(headers) == 1 else "inner" if header is headers[-1] else "outer"
            found.append(_ip(where, ([header.source], [header.target]), str(header.ttl), header.protocol))
            found += _transport(header)
    return tuple(found)


def _transport(header: Header) -> Iterator[Layer]:
    if header.protocol == "icmp":
        six = ":" in header.source
        kind = f"{ECHO_TYPES[header.echo, six]} echo {header.echo}" if header.echo else None
        yield _layer("transport", "ICMPv6" if six else "ICMP", type=kind)
    elif header.protocol in ("tcp", "udp"):
        tcp = header.protocol == "tcp"
        length = str(len(header.payload)) if header.payload and tcp else None
        ports = {"from_": str(header.source_port), "to": str(header.target_port)}
        yield _layer("transport", PROTOCOLS[header.protocol], **ports, length=length)
        request = http_request(header.payload) if tcp else None
        if request:
            yield _layer("http", "HTTP", request=request[0], host=request[1] or None)


def expected_layers(expected: ExpectedPacket) -> tuple[Layer, ...]:
    """What a packet must be, in the same words; a layer of which nothing is asked is left out."""
    found: list[Layer] = []
    if expected.source_macs is not None or expected.macs is not None:
        found.append(_layer("ethernet", "Ethernet", from_=_any(expected.source_macs), one_end=_any(expected.macs)))
    found += [_layer("tag", "802.1Q", VLAN=str(expected.vlan))] if expected.vlan is not None else []
    outer, inner = expected.outer, expected.inner
    if outer:
        found.append(_ip("outer", (outer.sources, outer.targets), None, outer.protocol))
    found.append(_ip("inner" if outer else "", (inner.sources, inner.targets), None, inner.protocol))
    if inner.port:
        found.append(_layer("transport", PROTOCOLS.get(inner.protocol or "", "port"), to=str(inner.port)))
    return tuple(found)


# --- the paper's packets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Printed:
    """A capture that the white paper prints for one of its two use cases.

    Values are those of the paper, repaired where its print is damaged. A lab's own values differ where the lab says so:
    other pods, other MAC addresses, ports chosen by the sender.
    """

    title: str
    layers: tuple[Layer, ...]


_NODE1, _NODE2, _LEAF = "fe:f8:86:b8:5f:7e", "32:73:87:0b:5f:3f", "6c:31:0e:b3:7c:47"
PING_AT_NODE = Printed(
    "ping pod to pod, at node1's bond0",
    (
        _layer("ethernet", "Ethernet", from_=_NODE1, to=_NODE2),
        _layer("outer", "outer IPv4", from_="192.168.1.10", to="192.168.1.11", carries=IPIP),
        _layer("ip", "inner IPv4", from_="10.233.102.136", to="10.233.75.7", carries="ICMP"),
        _layer("transport", "ICMP", type="8 echo request"),
    ),
)
PING_AT_LEAF = Printed(
    "ping pod to pod, at the leaf's port-channel",
    (
        _layer("ethernet", "Ethernet", from_=_NODE2, to=_NODE1),
        _layer("tag", "802.1Q", VLAN="0", PRI="0", DEI="0"),
        _layer("outer", "outer IPv4", from_="192.168.1.11", to="192.168.1.10", carries=IPIP),
        _layer("ip", "inner IPv4", from_="10.233.75.7", to="10.233.102.136", carries="ICMP"),
        _layer("transport", "ICMP", type="0 echo reply"),
    ),
)
CURL_AT_LEAF = Printed(
    "curl of a ClusterIP, at the leaf's port-channel",
    (
        _layer("ethernet", "Ethernet", from_=f"{_LEAF} (Cisco)", to=_NODE1),
        _layer("tag", "802.1Q", VLAN="3001"),
        _layer("ip", "IPv4", from_="192.168.1.13", to="10.233.102.141", carries="TCP"),
        _layer("transport", "TCP", from_="22996", to="80", length="76"),
        _layer("http", "HTTP", request="GET / HTTP/1.1", host="10.233.0.100"),
    ),
)


def printed_like(found: Sequence[Layer]) -> Printed | None:
    """The paper's capture of the same kind of packet; None where the paper shows none.

    The paper captured IPv4 alone: the echo request at a node, the reply with a tag at the leaf, the HTTP request with a
    tag at the leaf.
    """
    names = {layer.name for layer in found}
    if "VXLAN" in names:
        return None
    if {"outer IPv4", "inner IPv4", "ICMP"} <= names:
        return PING_AT_LEAF if "802.1Q" in names else PING_AT_NODE
    if {"IPv4", "TCP"} <= names and any(("to", "80") in layer.fields for layer in found if layer.name == "TCP"):
        return CURL_AT_LEAF
    return None


# --- the captures of a check ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaptureShown:
    """One pcap file. ``wrong`` says why the packet that is shown does not fit; empty when it does."""

    file: str
    there: bool
    packets: int = 0
    fitting: int = 0
    expected: tuple[Layer, ...] = ()
    layers: tuple[Layer, ...] = ()
    wrong: tuple[str, ...] = ()
    printed: Printed | None = None

    @property
    def sentence(self) -> str:
        """What there is in the file."""
        if not self.there:
            return "the file is missing"
        if not self.packets:
            return "no packet"
        number = self.fitting if self.fitting or self.wrong else "none"
        return f"{self.packets} packet{'s' * (self.packets != 1)}, {number} as expected"


def captures_shown(folder: EvidenceFolder, check: Mapping[str, Any]) -> tuple[CaptureShown, ...]:
    """Every pcap of a check, in its order. What cannot be read is shown as missing, never left out."""
    try:
        expected = ExpectedPacket.from_json(check["expected"] or {})
    except ValueError:
        expected = None
    return tuple(_shown(folder, name, expected) for name in check["captures"])


def _shown(folder: EvidenceFolder, name: str, expected: ExpectedPacket | None) -> CaptureShown:
    data = folder.read(name)
    if data is None:
        return CaptureShown(name, there=False)
    packets = decode(data)
    if expected is None:
        return CaptureShown(name, there=True, packets=len(packets))
    found = find(packets, expected)
    # the first that carries an HTTP request, else the first: a SYN says less
    asking = (packet for packet in found.packets if packet.inner and http_request(packet.inner.payload))
    packet = next(asking, found.packets[0] if found.packets else found.almost)
    drawn = layers(packet) if packet else ()
    wrong = tuple(differences(packet, expected)) if packet and not found.packets else ()
    return CaptureShown(
        name, there=True, packets=len(packets), fitting=len(found.packets), expected=expected_layers(expected),
        layers=drawn, wrong=wrong, printed=printed_like(drawn),
    )  # fmt: skip


def count_packets(folder: EvidenceFolder) -> Iterator[tuple[str, int | None, int]]:
    """(file, packets or None when it is missing, bytes) of every capture that a check names, each once."""
    for name in dict.fromkeys(name for check in folder.checks for name in check["captures"]):
        data = folder.read(name)
        yield name, None if data is None else len(decode(data)), len(data or b"")
