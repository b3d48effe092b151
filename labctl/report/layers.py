"""A captured packet as layers, the outermost first, each with the fields that a person looks at. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labctl.verify.capture.match import ExpectedPacket, ExpectedStack
from labctl.verify.capture.packet import Frame, Header, Packet, http_request

Field = tuple[str, str]
FAMILIES = {True: "IPv6", False: "IPv4"}
PROTOCOLS = {"icmp": "ICMP", "tcp": "TCP", "udp": "UDP"}
ECHO_TYPES = {("request", False): "8", ("reply", False): "0", ("request", True): "128", ("reply", True): "129"}
"""RFC 792, RFC 4443."""


@dataclass(frozen=True, slots=True)
class Layer:
    """``kind`` is for drawing: ethernet, tag, outer, ip, vxlan, transport, http."""

    kind: str
    name: str
    fields: tuple[Field, ...]


def layers(packet: Packet) -> tuple[Layer, ...]:
    """Every header of a packet."""
    return tuple(_layers(packet))


def _layers(packet: Packet) -> Iterator[Layer]:
    total = sum(len(frame.headers) for frame in packet.frames)
    number = 0
    for frame in packet.frames:
        yield from _frame(frame)
        for header in frame.headers:
            number += 1
            yield _ip(header, outermost=number == 1, innermost=number == total)
            yield from _transport(header)


def _frame(frame: Frame) -> Iterator[Layer]:
    if frame.vni is not None:
        yield Layer("vxlan", "VXLAN", (("VNI", str(frame.vni)),))
    yield Layer("ethernet", "Ethernet", (("from", frame.source), ("to", frame.target)))
    if frame.vlan is not None:
        yield Layer("tag", "802.1Q", (("VLAN", str(frame.vlan)),))


def _ip(header: Header, *, outermost: bool, innermost: bool) -> Layer:
    family = FAMILIES[":" in header.source]
    where = "" if outermost and innermost else "inner " if innermost else "outer "
    protocol = "IPIP (4)" if header.protocol == "ipip" else PROTOCOLS.get(header.protocol, header.protocol)
    fields = (("from", header.source), ("to", header.target), ("ttl", str(header.ttl)), ("carries", protocol))
    return Layer("ip" if innermost else "outer", f"{where}{family}", fields)


def _transport(header: Header) -> Iterator[Layer]:
    if header.protocol == "icmp":
        name = "ICMPv6" if ":" in header.source else "ICMP"
        if header.echo:
            kind = ECHO_TYPES[header.echo, ":" in header.source]
            yield Layer("transport", name, (("type", f"{kind} echo {header.echo}"),))
        else:
            yield Layer("transport", name, ())
    elif header.protocol in ("tcp", "udp"):
        ports = (("from", str(header.source_port)), ("to", str(header.target_port)))
        length = (("length", str(len(header.payload))),) if header.payload and header.protocol == "tcp" else ()
        yield Layer("transport", PROTOCOLS[header.protocol], ports + length)
        request = http_request(header.payload) if header.protocol == "tcp" else None
        if request:
            line, host = request
            yield Layer("http", "HTTP", (("request", line), *((("host", host),) if host else ())))


def expected_layers(expected: ExpectedPacket) -> tuple[Layer, ...]:
    """What a packet must be, in the same words; a layer of which nothing is asked is left out."""
    found: list[Layer] = []
    macs = []
    if expected.source_macs is not None:
        macs.append(("from", _any(expected.source_macs)))
    if expected.macs is not None:
        macs.append(("one end", _any(expected.macs)))
    if macs:
        found.append(Layer("ethernet", "Ethernet", tuple(macs)))
    if expected.vlan is not None:
        found.append(Layer("tag", "802.1Q", (("VLAN", str(expected.vlan)),)))
    if expected.outer:
        found.append(_expected_ip(expected.outer, "outer ", "outer"))
    found.append(_expected_ip(expected.inner, "inner " if expected.outer else "", "ip"))
    if expected.inner.port:
        name = PROTOCOLS.get(expected.inner.protocol or "", "port")
        found.append(Layer("transport", name, (("to", str(expected.inner.port)),)))
    return tuple(found)


def _expected_ip(stack: ExpectedStack, where: str, kind: str) -> Layer:
    family = FAMILIES[any(":" in address for address in stack.targets | stack.sources)]
    carries = {"ipip": "IPIP (4)"} | PROTOCOLS
    protocol = (("carries", carries.get(stack.protocol, stack.protocol)),) if stack.protocol else ()
    return Layer(kind, f"{where}{family}", (("from", _any(stack.sources)), ("to", _any(stack.targets)), *protocol))


def _any(words: frozenset[str]) -> str:
    return " or ".join(sorted(words)) or "nothing"
