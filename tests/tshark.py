"""Wireshark's dissectors as a second reader of captures: they confirm what a report says of each pcap, or contradict.

Nothing here uses labctl's own decoder or matcher; the report's words are compared with tshark's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labctl.report.evidencefolder import EvidenceFolder
from labctl.report.page import CaptureShown, Layer, captures_shown
from tests.tools import tool

FIELDS = (
    "eth.src", "eth.dst", "vlan.id", "ip.src", "ip.dst", "ip.ttl", "ip.proto", "ipv6.src", "ipv6.dst", "ipv6.hlim",
    "icmp.type", "icmpv6.type", "tcp.srcport", "tcp.dstport", "udp.dstport", "vxlan.vni", "http.request.method",
    "http.request.uri", "http.host",
)  # fmt: skip
Row = Mapping[str, list[str]]
WORDS = {
    ("Ethernet", "from"): "eth.src", ("Ethernet", "to"): "eth.dst", ("802.1Q", "VLAN"): "vlan.id",
    ("IPv4", "from"): "ip.src", ("IPv4", "to"): "ip.dst", ("IPv4", "ttl"): "ip.ttl", ("IPv6", "from"): "ipv6.src",
    ("IPv6", "to"): "ipv6.dst", ("IPv6", "ttl"): "ipv6.hlim", ("ICMP", "type"): "icmp.type",
    ("ICMPv6", "type"): "icmpv6.type", ("TCP", "from"): "tcp.srcport", ("TCP", "to"): "tcp.dstport",
    ("VXLAN", "VNI"): "vxlan.vni", ("HTTP", "host"): "http.host",
}  # fmt: skip
"""The report's words → tshark's field."""


def rows(path: Path) -> list[Row]:
    """Every packet of a capture."""
    # each packet for itself: a bridge shows a packet twice, and of a retransmission tshark reads no HTTP
    alone = ("tcp.analyze_sequence_numbers:FALSE", "tcp.desegment_tcp_streams:FALSE")
    command = [
        tool("tshark"),
        "-n",
        *(word for setting in alone for word in ("-o", setting)),
        "-r",
        str(path),
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=,",
    ]
    command += [word for name in FIELDS for word in ("-e", name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [
        {name: value.split(",") if value else [] for name, value in zip(FIELDS, line.split("\t"), strict=True)}
        for line in done.stdout.splitlines()
    ]


def said(layers: Sequence[Layer]) -> dict[str, list[str]]:
    """What drawn layers say, by tshark's fields."""
    found: dict[str, list[str]] = {}
    for layer in layers:
        name = layer.name.removeprefix("outer ").removeprefix("inner ")
        for word, value in layer.fields:
            field = WORDS.get((name, word))
            if field:
                found.setdefault(field, []).append(value.split()[0])
    return found


def fits(row: Row, expected: Mapping[str, Any]) -> bool:
    """Whether a packet is what a check expects, by tshark's fields alone."""
    sources, targets = row["ip.src"] + row["ipv6.src"], row["ip.dst"] + row["ipv6.dst"]
    inner, outer = expected["inner"], expected.get("outer")
    if not sources or sources[-1] not in inner["source"] or targets[-1] not in inner["target"]:
        return False
    if inner.get("protocol") == "tcp" and not row["tcp.dstport"]:
        return False
    if inner.get("port") and row["tcp.dstport"] != [str(inner["port"])]:
        return False
    if outer and (len(sources) < 2 or sources[0] not in outer["source"] or targets[0] not in outer["target"]):
        return False
    if outer and row["ip.proto"][0] != "4":
        return False
    if not outer and len(sources) > 1:
        return False
    if expected.get("vlan") is not None and row["vlan.id"][:1] != [str(expected["vlan"])]:
        return False
    if expected.get("source_mac") and row["eth.src"][0] not in expected["source_mac"]:
        return False
    port = expected.get("mac_of_the_port")
    return not port or bool({row["eth.src"][0], row["eth.dst"][0]} & set(port))


def disagreements(folder: EvidenceFolder) -> list[str]:
    """What a report says of its captures and tshark does not; empty when both agree on every one."""
    return [
        f"{check['id']}: {shown.file}: {trouble}"
        for check in folder.checks
        for shown in captures_shown(folder, check)
        for trouble in _troubles(folder, check, shown)
    ]


def _troubles(folder: EvidenceFolder, check: Mapping[str, Any], shown: CaptureShown) -> list[str]:
    path = folder.file(shown.file)
    if path is None:
        return [] if not shown.there else ["the report has read a file that is not there"]
    read = rows(path)
    found = []
    if len(read) != shown.packets:
        found.append(f"{shown.packets} packets in the report, {len(read)} in tshark")
    if "inner" in (check.get("expected") or {}):
        fitting = sum(fits(row, check["expected"]) for row in read)
        if fitting != shown.fitting:
            found.append(f"{shown.fitting} as expected in the report, {fitting} in tshark")
    words = said(shown.layers)
    if words and not any(all(row[name] == values for name, values in words.items()) for row in read):
        found.append(f"no packet is as drawn: {words}")
    return found
