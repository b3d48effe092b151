"""The judges of what the white paper prints of BGP: a route over VXLAN with its tunnel, the head of a summary. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from labctl.verify.inputs import PeersInput
from labctl.verify.judges import rows
from labctl.verify.verdict import Judgement

VIA = re.compile(r"^\s*\*via (?:::ffff:)?(?P<hop>[0-9A-Fa-f.:]+)")
"""The hop of an IPv6 route over VXLAN is an IPv4 address in IPv6's form (``::ffff:10.2.0.1%default:IPv4``)."""
SEGMENT = re.compile(r"segid: (?P<segment>\d+)")
TUNNEL = re.compile(r"tunnelid: (?P<tunnel>0x[0-9a-f]+)")
ENCAPSULATION = re.compile(r"encap: (?P<encap>\S+)")


def tunnel_id(address: str) -> str:
    """NX-OS's tunnel id of a VTEP: its IPv4 address in hex without leading zero (10.2.0.1 is 0xa020001)."""
    return f"0x{int(ip_address(address)):x}"


def tunnelled(switch: str, prefix: str, next_hops: Sequence[str], segment: int, text: str) -> Judgement:
    """``show ip route PREFIX`` as it prints: these next hops, over VXLAN, in the segment, each by its own tunnel."""
    expected: dict[str, Any] = {
        "prefix": prefix, "next_hops": sorted(next_hops), "segment": segment, "encapsulation": "VXLAN",
        "tunnels": sorted(tunnel_id(hop) for hop in next_hops),
    }  # fmt: skip
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"{prefix},")), None)
    if start is None:
        return Judgement("FAIL", f"{switch}: no route to {prefix}", expected, None)
    hops: dict[str, list[str]] = {"next_hops": [], "segments": [], "tunnels": [], "encapsulation": []}
    patterns = dict(zip(hops, (VIA, SEGMENT, TUNNEL, ENCAPSULATION), strict=True))
    for line in lines[start + 1 :]:
        if line.strip() and not line.lstrip().startswith("*"):
            break
        for key, pattern in patterns.items():
            hops[key] += [match[1] for match in [pattern.search(line)] if match]
    seen: dict[str, Any] = {"prefix": prefix, **{key: sorted(set(found)) for key, found in hops.items()}}
    seen["segments"] = [int(text) for text in seen["segments"]]
    told = ", ".join(seen["next_hops"])
    if seen["next_hops"] != expected["next_hops"]:
        wanted = ", ".join(expected["next_hops"])
        return Judgement(
            "FAIL", f"{switch}: {prefix} has next hops {told or 'none'}, expected {wanted}", expected, seen
        )
    if seen["encapsulation"] != ["VXLAN"]:
        return Judgement("FAIL", f"{switch}: {prefix} via {told} is not over VXLAN", expected, seen)
    if seen["segments"] != [segment]:
        return Judgement(
            "FAIL", f"{switch}: {prefix} is in segment {seen['segments']}, expected {segment}", expected, seen
        )
    if seen["tunnels"] != expected["tunnels"]:
        have, want = ", ".join(seen["tunnels"]), ", ".join(expected["tunnels"])
        return Judgement("FAIL", f"{switch}: {prefix} goes by tunnel {have}, expected {want}", expected, seen)
    tunnels = ", ".join(seen["tunnels"])
    return Judgement(
        "PASS", f"{switch}: {prefix} via {told} over VXLAN segment {segment}, tunnel {tunnels}", expected, seen
    )


def peers(row: PeersInput, body: Any) -> Judgement:
    """``config peers`` and ``capable peers`` of a summary (white paper: Figure 16)."""
    families = rows(body, "vrf", "af", "saf")
    expected = {"configured": row.count, "capable": row.count}
    if not families:
        return Judgement("FAIL", f"{row.switch} has no BGP in VRF {row.vrf}, {row.family}", expected, None)
    seen = {word: int(families[0].get(f"{word}peers") or 0) for word in expected}
    words = f"{row.switch}: {row.family}: config peers {seen['configured']}, capable peers {seen['capable']}"
    if seen != expected:
        return Judgement("FAIL", f"{words}, expected {row.count} of both", expected, seen)
    return Judgement("PASS", words, expected, seen)
