"""Packets of a pcap file as stacks of headers, pure. Truncated ones end where their bytes end; nothing raises.

Layouts: pcap(5); IEEE 802.3 and 802.1Q; RFC 791, 8200 (IP), 2003 (IP in IP), 7348 (VXLAN), 792 and 4443 (ICMP),
9293 (TCP).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

ETHERTYPES = {0x0800: 4, 0x86DD: 6}
PROTOCOLS = {1: "icmp", 58: "icmp", 6: "tcp", 17: "udp", 4: "ipip", 41: "ipip"}
LEAST = {"udp": 8, "tcp": 20}
"""Bytes of a header with ports."""
VXLAN_PORT = 4789
MAX_NESTING = 8
"""Headers in one another that are looked into; a lab has three at most, hostile bytes may have any number."""
ECHO = {(4, 8): "request", (4, 0): "reply", (6, 128): "request", (6, 129): "reply"}


@dataclass(frozen=True, slots=True)
class Header:
    """One IP header and what it carries. Ports, ``echo`` and ``payload`` only where there are any.

    ``identifier`` and ``sequence``: of an echo request or reply (RFC 792, RFC 4443 4.1), 16 bits each.
    """

    source: str
    target: str
    ttl: int
    protocol: str
    source_port: int | None = None
    target_port: int | None = None
    echo: str | None = None
    payload: bytes = b""
    identifier: int | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One Ethernet header. ``vni`` names the VXLAN segment that the frame was inside of."""

    source: str
    target: str
    vlan: int | None
    headers: tuple[Header, ...] = ()
    vni: int | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """A captured packet: the outermost frame first. ``time`` is seconds since the epoch."""

    time: float
    frames: tuple[Frame, ...] = field(default=())

    @property
    def inner(self) -> Header | None:
        """The innermost IP header."""
        headers = [header for frame in self.frames for header in frame.headers]
        return headers[-1] if headers else None

    @property
    def outer(self) -> Header | None:
        """The outermost IP header when there is more than one."""
        headers = [header for frame in self.frames for header in frame.headers]
        return headers[0] if len(headers) > 1 else None

    def describe(self) -> str:
        """One line, like tshark's columns."""
        parts = []
        for frame in self.frames:
            tag = f" vlan {frame.vlan}" if frame.vlan is not None else ""
            vni = f"vni {frame.vni} " if frame.vni is not None else ""
            parts.append(f"{vni}{frame.source} > {frame.target}{tag}")
            parts += [_line(header) for header in frame.headers]
        return ", ".join(parts)


def _line(header: Header) -> str:
    ports = f" {header.source_port}>{header.target_port}" if header.target_port is not None else ""
    echo = f" echo {header.echo}" if header.echo else ""
    return f"{header.source} > {header.target} ttl {header.ttl} {header.protocol}{ports}{echo}"


def decode(data: bytes) -> tuple[Packet, ...]:
    """Every packet of a pcap file (either byte order, Ethernet); an empty tuple for what is no pcap."""
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if len(data) < 24 or order is None or struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF != 1:
        return ()
    return tuple(_packets(data, order))


def _packets(data: bytes, order: str) -> Iterator[Packet]:
    offset = 24
    while offset + 16 <= len(data):
        seconds, micros, kept, _ = struct.unpack_from(f"{order}IIII", data, offset)
        offset += 16
        yield Packet(seconds + micros / 1e6, tuple(_frames(data[offset : offset + kept], None)))
        offset += kept


def _frames(data: bytes, vni: int | None, depth: int = 0) -> list[Frame]:
    if len(data) < 14 or depth >= MAX_NESTING:
        return []
    target, source = _mac(data[:6]), _mac(data[6:12])
    kind, offset, vlan = struct.unpack_from(">H", data, 12)[0], 14, None
    while kind in (0x8100, 0x88A8) and len(data) >= offset + 4:
        tag, kind = struct.unpack_from(">HH", data, offset)
        vlan = tag & 0xFFF if vlan is None else vlan
        offset += 4
    headers, inside = _headers(data[offset:], ETHERTYPES[kind]) if kind in ETHERTYPES else ([], None)
    frame = Frame(source, target, vlan, tuple(headers), vni)
    return [frame, *_frames(inside[1], inside[0], depth + 1)] if inside is not None else [frame]


def _headers(data: bytes, version: int, depth: int = 0) -> tuple[list[Header], tuple[int, bytes] | None]:
    """The IP headers one in the other; and (VNI, frame) when the last carries VXLAN."""
    parsed = (_ip4(data) if version == 4 else _ip6(data)) if depth < MAX_NESTING else None
    if parsed is None:
        return [], None
    source, target, ttl, number, rest = parsed
    header = Header(source, target, ttl, PROTOCOLS.get(number, str(number)), payload=rest)
    inner, inside = list[Header](), None
    if header.protocol == "ipip":
        header = replace(header, payload=b"")
        inner, inside = _headers(rest, 4 if number == 4 else 6, depth + 1)
    elif len(rest) >= LEAST.get(header.protocol, len(rest) + 1):
        first, second = struct.unpack_from(">HH", rest)
        length = (rest[12] >> 4) * 4 if header.protocol == "tcp" else 8
        header = replace(header, source_port=first, target_port=second, payload=rest[length:])
        if header.protocol == "udp" and second == VXLAN_PORT and len(rest) >= 16:
            inside = int.from_bytes(rest[12:15], "big"), rest[16:]
    elif header.protocol == "icmp" and rest:
        header = replace(header, echo=ECHO.get((version, rest[0])), payload=rest[8:])
        if header.echo is not None and len(rest) >= 8:
            first, second = struct.unpack_from(">HH", rest, 4)
            header = replace(header, identifier=first, sequence=second)
    return [header, *inner], inside


def _ip4(data: bytes) -> tuple[str, str, int, int, bytes] | None:
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    length = (data[0] & 0xF) * 4
    total = struct.unpack_from(">H", data, 2)[0]
    end = total if length <= total <= len(data) else len(data)
    fragment = struct.unpack_from(">H", data, 6)[0] & 0x1FFF
    rest = b"" if fragment else data[length:end]
    return str(ip_address(data[12:16])), str(ip_address(data[16:20])), data[8], data[9], rest


def _ip6(data: bytes) -> tuple[str, str, int, int, bytes] | None:
    if len(data) < 40 or data[0] >> 4 != 6:
        return None
    end = 40 + struct.unpack_from(">H", data, 4)[0]
    return str(ip_address(data[8:24])), str(ip_address(data[24:40])), data[7], data[6], data[40:end]


def _mac(data: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in data)


def http_request(payload: bytes) -> tuple[str, str | None] | None:
    """(request line, Host) of an HTTP request; None for anything else."""
    found = re.match(rb"([A-Z]+ \S+ HTTP/1\.[01])\r\n", payload)
    if not found:
        return None
    host = re.search(rb"\r\nHost: ([^\r\n]+)", payload, re.IGNORECASE)
    return found[1].decode(), host[1].decode() if host else None
