"""``show ip ospf neighbors``: ospfd's neighbours in NX-OS's layout (NTC's sample of a Nexus, nxos.md 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.shows.form import clock, duration, kernel_short, table
from labctl.standin.switch.shows.machine import Source, frr

NO_DR = " -"
"""The second half of the state on a point-to-point link."""


def neighbors(source: Source) -> list[dict[str, Any]]:
    """Read now, of the default VRF: the only one in which OSPF runs here."""
    return rows(frr(source, "ospfd", "show ip ospf neighbor json"))


def rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pure: ospfd's JSON, neighbours by router id."""
    found = []
    for router, entries in (body.get("neighbors") or {}).items():
        for entry in entries:
            state, _, role = str(entry["nbrState"]).partition("/")
            found.append(
                {
                    "rid": router,
                    "priority": str(entry.get("nbrPriority", 1)),
                    "state": "TWOWAY" if state == "2-Way" else state.upper(),
                    "drstate": NO_DR if role in ("", "-") else {"Backup": "BDR", "DROther": "DROTHER"}.get(role, role),
                    "uptime": clock(entry.get("upTimeInMsec", 0) / 1000),
                    "addr": entry["ifaceAddress"],
                    "intf": kernel_short(str(entry["ifaceName"]).partition(":")[0]),
                }
            )
    return sorted(found, key=lambda row: (ip_address(row["rid"]), row["intf"]))


def as_text(process: str, found: list[dict[str, Any]]) -> str:
    lines = [
        f" OSPF Process ID {process} VRF default",
        f" Total number of neighbors: {len(found)}",
        " Neighbor ID     Pri State            Up Time  Address         Interface",
    ]
    lines += [
        f" {row['rid']:<15} {row['priority']:>3} {row['state'] + '/' + row['drstate']:<16} {row['uptime']:<8} "
        f"{row['addr']:<15} {row['intf']}"
        for row in found
    ]
    return "\n".join(lines)


def as_json(process: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    bodies = [{**row, "drstate": row["drstate"].strip(), "uptime": duration(row["uptime"])} for row in found]
    context = {"ptag": process, "cname": "default", "nbrcount": str(len(found)), **table("nbr", bodies)}
    return table("ctx", [context])
