"""``show [ip|ipv6] bgp neighbors``: each session by itself, with the connections that it has had.

Keys as NX-OS's JSON has them (seen in public captures of ``show bgp ipv4 unicast neighbors | json``); of its hundred
only what FRR can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf
from labctl.standin.switch.shows.form import clock, duration, table
from labctl.standin.switch.shows.machine import Source, frr


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One session. ``up``: its age as NX-OS writes it, None while there is none."""

    address: str
    asn: int
    external: bool
    router_id: str
    state: str
    up: str | None
    hold: int
    keepalive: int
    received: int
    sent: int
    established: int
    dropped: int
    reason: str
    local: str
    source: str


def neighbors(source: Source, version: int, vrf: str, address: str | None = None) -> list[Neighbor]:
    """Of one VRF and family, read now; all, or one."""
    body = frr(source, "bgpd", f"show bgp {in_vrf(vrf)}neighbors json")
    return [row for row in parse(body) if ip_address(row.address).version == version and address in {None, row.address}]


def parse(body: Mapping[str, Any]) -> list[Neighbor]:
    """FRR's ``show bgp neighbors json``; pure."""
    found = [_neighbor(address, row) for address, row in body.items() if isinstance(row, Mapping) and "bgpState" in row]
    return sorted(found, key=lambda row: (ip_address(row.address).version, ip_address(row.address)))


def _neighbor(address: str, row: Mapping[str, Any]) -> Neighbor:
    up = row.get("bgpTimerUpMsec")
    messages = row.get("messageStats") or {}
    router_id = row.get("remoteRouterId", "0.0.0.0")  # noqa: S104 - as NX-OS has it before the first OPEN
    state = "Shut (Admin)" if row.get("adminShutDown") else str(row["bgpState"])
    return Neighbor(
        address, int(row["remoteAs"]), bool(row.get("nbrExternalLink")), str(router_id),
        state, clock(up / 1000) if up is not None and state == "Established" else None,
        int(row.get("bgpTimerHoldTimeMsecs", 0)) // 1000, int(row.get("bgpTimerKeepAliveIntervalMsecs", 0)) // 1000,
        int(messages.get("totalRecv", 0)), int(messages.get("totalSent", 0)),
        int(row.get("connectionsEstablished", 0)), int(row.get("connectionsDropped", 0)),
        str(row.get("lastResetDueTo") or "No error"), str(row.get("hostLocal") or ""),
        str(row.get("updateSource") or ""),
    )  # fmt: skip


def as_text(rows: Sequence[Neighbor]) -> str:
    """The lines of NX-OS that there is something to say for."""
    return "\n\n".join("\n".join(_lines(index, row)) for index, row in enumerate(rows, 1))


def _lines(index: int, row: Neighbor) -> list[str]:
    up = f", up for {row.up}" if row.up else ""
    link = "ebgp" if row.external else "ibgp"
    return [
        f"BGP neighbor is {row.address}, remote AS {row.asn}, {link} link, Peer index {index}",
        f"  BGP version 4, remote router ID {row.router_id}",
        f"  BGP state = {row.state}{up}",
        *([f"  Using {row.source} as update source for this peer"] if row.source else []),
        f"  Hold time = {row.hold}, keepalive interval is {row.keepalive} seconds",
        f"  Received {row.received} messages",
        f"  Sent {row.sent} messages",
        f"  Connections established {row.established}, dropped {row.dropped}",
        f"  Last reset due to {row.reason}",
        *([f"  Local host: {row.local}"] if row.local else []),
    ]


def as_json(rows: Sequence[Neighbor]) -> dict[str, Any]:
    """NX-OS's keys."""
    return table(
        "neighbor",
        [
            {
                "neighbor": row.address,
                "remoteas": str(row.asn),
                "link": "ebgp" if row.external else "ibgp",
                "index": str(index),
                "version": "4",
                "remote-id": row.router_id,
                "state": row.state,
                "up": "true" if row.up else "false",
                **({"elapsedtime": duration(row.up)} if row.up else {}),
                "holdtime": str(row.hold),
                "keepalivetime": str(row.keepalive),
                "msgrecvd": str(row.received),
                "msgsent": str(row.sent),
                "connsestablished": str(row.established),
                "connsdropped": str(row.dropped),
                "resetreason": row.reason,
                **({"localaddr": row.local} if row.local else {}),
            }
            for index, row in enumerate(rows, 1)
        ],
    )
