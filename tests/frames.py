"""Packets and pcap files made byte by byte, for tests of what reads them."""

from __future__ import annotations

import struct
from ipaddress import ip_address

NODE, LEAF = "fe:f8:86:b8:5f:7e", "6c:31:0e:b3:7c:47"


def pcap(*frames: bytes, order: str = "<", cut: int | None = None) -> bytes:
    data = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    for number, frame in enumerate(frames):
        kept = frame[:cut]
        data += struct.pack(f"{order}IIII", 1000 + number, 500000, len(kept), len(frame)) + kept
    return data


def ethernet(payload: bytes, *, kind: int = 0x0800, vlan: int | None = None, outer: int | None = None) -> bytes:
    macs = bytes.fromhex((NODE + LEAF).replace(":", ""))
    tags = b"" if outer is None else struct.pack(">HH", 0x88A8, outer)
    tags += b"" if vlan is None else struct.pack(">HH", 0x8100, 0x2000 | vlan)  # priority bits are no part of the id
    return macs + tags + struct.pack(">H", kind) + payload


def ip4(source: str, target: str, protocol: int, payload: bytes, *, ttl: int = 63, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), 1, 0, ttl, protocol, 0)
    return head + ip_address(source).packed + ip_address(target).packed + options + payload


def ip6(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    head = struct.pack(">IHBB", 0x60000000, len(payload), protocol, 62)
    return head + ip_address(source).packed + ip_address(target).packed + payload


def tcp(source: int, target: int, payload: bytes = b"", *, options: bytes = b"") -> bytes:
    offset = (5 + len(options) // 4) << 4
    return struct.pack(">HHIIBBHHH", source, target, 1, 1, offset, 0x18, 500, 0, 0) + options + payload


def udp(source: int, target: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload


def echo(kind: int) -> bytes:
    return struct.pack(">BBHHH", kind, 0, 0, 7, 1) + b"payload."


def vxlan(vni: int, frame: bytes) -> bytes:
    return struct.pack(">BBHI", 8, 0, 0, vni << 8) + frame
