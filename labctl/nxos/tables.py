"""Tables of NX-OS's JSON (``… | json``): rows, and what flags and AS numbers in them mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def rows(body: Any, *names: str) -> list[Mapping[str, Any]]:
    """Rows of nested ``TABLE_x``/``ROW_x`` of NX-OS JSON, whether an object or an array."""
    current: list[Mapping[str, Any]] = [body] if isinstance(body, Mapping) else []
    for name in names:
        tables = (item.get(f"TABLE_{name}") for item in current)
        found = [table.get(f"ROW_{name}") for table in tables if isinstance(table, Mapping)]
        listed = [row for rows in found for row in (rows if isinstance(rows, list) else [rows])]
        current = [row for row in listed if isinstance(row, Mapping)]
    return current


def neighbors(body: Any) -> dict[str, Mapping[str, Any]]:
    """Address → row of a BGP summary's neighbor table."""
    return {str(row["neighborid"]): row for row in rows(body, "vrf", "af", "saf", "neighbor")}


def route_paths(body: Any, prefix: str) -> list[Mapping[str, Any]] | None:
    """Paths of a prefix in ``show ip route``; None where it has no entry."""
    entry = next((row for row in rows(body, "vrf", "addrf", "prefix") if row.get("ipprefix") == prefix), None)
    return None if entry is None else rows(entry, "path")


def best_hops(paths: Iterable[Mapping[str, Any]]) -> list[str]:
    """Next hops of the best paths, without the VRF behind ``%`` and the IPv6 form of an IPv4 VTEP."""
    best = (str(row.get("ipnexthop", "")) for row in paths if row.get("ubest") == "true")
    return sorted({hop.removeprefix("::ffff:").partition("%")[0] for hop in best})


def flag_words(flag: str | None) -> str:
    """NX-OS's member flag in words."""
    words = {"D": "down", "s": "suspended", "I": "individual", "H": "hot-standby", "P": "bundled"}
    return "not a member" if flag is None else f"{words.get(flag, 'in state')} ({flag})"


def as_number(text: str) -> int:
    """``65531`` or ``1.10`` (RFC 5396, asdot) as a number; 0 for anything else."""
    high, dot, low = text.rpartition(".")
    if not low.isdecimal() or (dot and not high.isdecimal()):
        return 0
    return (int(high or 0) << 16) + int(low)
