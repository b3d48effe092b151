"""What the routing protocols say: ``show bgp … summary``, ``show [ip|ipv6] bgp neighbors``, ``show ip ospf neighbors``.

Keys of a BGP neighbor as NX-OS's JSON has them (public captures of ``show bgp ipv4 unicast neighbors | json``); of its
hundred only what FRR can tell. OSPF's layout is that of NTC's sample of a Nexus (nxos.md 5.2).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, vrf_device
from labctl.standin.switch.shows.form import clock, duration, frr_age, kernel_short, table
from labctl.standin.switch.shows.machine import Source, frr

AF_NAMES = {"ipv4": "IPv4 Unicast", "ipv6": "IPv6 Unicast", "evpn": "L2VPN EVPN"}
AF_IDS = {"ipv4": ("1", "1"), "ipv6": ("2", "1"), "evpn": ("25", "70")}
"""(AFI, SAFI), IANA."""
COMMANDS = {"ipv4": "ipv4 unicast", "ipv6": "ipv6 unicast"}
ROUTE_TYPES = (2, 3, 4, 5, 12)


@dataclass(frozen=True, slots=True)
class Peer:
    """One line of the neighbor table. ``state`` is ``Established`` or FRR's word for what it is doing."""

    address: str
    version: int
    asn: int
    received: int
    sent: int
    table: int
    in_queue: int
    out_queue: int
    age: str
    state: str
    prefixes: int

    @property
    def last(self) -> str:
        """State/PfxRcd."""
        return str(self.prefixes) if self.state == "Established" else self.state


@dataclass(frozen=True, slots=True)
class Summary:
    """One address family of one VRF."""

    vrf: str
    family: str
    router_id: str
    asn: int
    version: int
    networks: int
    paths: int
    memory: int
    """Of the table, in bytes, as FRR counts it."""
    peers: tuple[Peer, ...]
    attributes: Memory


@dataclass(frozen=True, slots=True)
class Memory:
    """How many of each FRR holds, and the bytes of them (rounded by FRR); of all VRFs together."""

    attributes: tuple[int, int] = (0, 0)
    as_paths: tuple[int, int] = (0, 0)
    communities: tuple[int, int] = (0, 0)
    clusters: tuple[int, int] = (0, 0)


def summary(source: Source, family: str, vrf: str) -> Summary | None:
    """Read now; None when BGP does not run in that VRF."""
    if "bgpd" not in source.daemons.running:
        return None
    instances = frr(source, "bgpd", "show bgp vrfs json").get("vrfs", {})
    own = instances.get(vrf if vrf == "default" else vrf_device(vrf))
    if own is None:
        return None
    where = in_vrf(vrf)
    name = "l2vpn evpn" if family == "evpn" else f"{where}{COMMANDS[family]}"
    body = frr(source, "bgpd", f"show bgp {name} summary json")
    # of a VRF without peers FRR's summary is empty, its table need not be
    sizes = parse_sizes(frr(source, "bgpd", f"show bgp {name} statistics json")) if body or where else (0, 0)
    memory = parse_memory(source.daemons.show("bgpd", "show bgp memory")[0])
    head = {"routerId": own["routerId"], "as": source.model.asn or 0}
    return parse_summary({**head, **body}, sizes, memory, vrf=vrf, family=family)


def route_types(source: Source) -> Types:
    """EVPN: (neighbor, route type) → paths that it sent. Reads the whole table."""
    return Counter(parse_paths(frr(source, "bgpd", "show bgp l2vpn evpn json")))


def parse_memory(text: str) -> Memory:
    """``show bgp memory``."""

    def held(what: str) -> tuple[int, int]:
        found = re.search(rf"^(\d+) {what}, using (\d+) (bytes|KiB|MiB)", text, re.MULTILINE)
        scale = {"bytes": 1, "KiB": 1024, "MiB": 1024 * 1024}
        return (int(found[1]), int(found[2]) * scale[found[3]]) if found else (0, 0)

    attributes = held(r"BGP attributes"), held(r"BGP AS-PATH entries")
    return Memory(*attributes, held(r"BGP community entries"), held(r"Cluster lists"))


def parse_paths(routes: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(neighbor, route type) of every path of ``show bgp l2vpn evpn json``."""
    found = []
    for block in routes.values():
        for route in block.values() if isinstance(block, dict) else []:
            for path in route.get("paths", []) if isinstance(route, dict) else []:
                # FRR wraps each path in a list in some of its answers
                row = path[0] if isinstance(path, list) else path
                found.append((row["peerId"], row["routeType"]))
    return found


def parse_sizes(statistics: Mapping[str, Any]) -> tuple[int, int]:
    """(networks, paths) of ``show bgp … statistics json``. FRR's summary has a count of its own (``ribCount``), of the
    nodes of its tree: branches without a prefix are counted there, too, and of EVPN the route distinguishers.
    """
    for rows in statistics.values():
        for row in rows if isinstance(rows, list) else [rows]:
            if isinstance(row, dict) and "totalPrefixes" in row:
                return int(row["totalPrefixes"]), int(row["totalAdvertisements"])
    return 0, 0


def parse_summary(body: Mapping[str, Any], sizes: tuple[int, int], memory: Memory, *, vrf: str, family: str) -> Summary:
    """FRR's JSON; ``body`` has at least ``routerId`` and ``as``: a family without peers tells no more."""
    peers = [_peer(address, row) for address, row in (body.get("peers") or {}).items()]
    return Summary(
        vrf,
        family,
        body["routerId"],
        body["as"],
        # FRR has a version for each route distinguisher, and of EVPN tells none: the newest that a peer was told
        body.get("tableVersion") or max((peer.table for peer in peers), default=0),
        *sizes,
        body.get("ribMemory", 0),
        tuple(sorted(peers, key=lambda peer: (ip_address(peer.address).version, ip_address(peer.address)))),
        memory,
    )


def _peer(address: str, row: Mapping[str, Any]) -> Peer:
    state = row["state"]
    if "Admin" in state or row.get("peerState") == "Admin":
        state = "Shut (Admin)"
    return Peer(
        address,
        row.get("version", 4),
        row["remoteAs"],
        row["msgRcvd"],
        row["msgSent"],
        row.get("tableVersion", 0),
        row["inq"],
        row["outq"],
        frr_age(row["peerUptime"]),
        state,
        row.get("pfxRcd", 0),
    )


Types = Mapping[tuple[str, int], int]


def as_text(item: Summary, types: Types | None = None) -> str:
    """NX-OS 10.4's layout. ``types``: of `route_types`, for EVPN."""
    name, held = AF_NAMES[item.family], item.attributes
    count = len(item.peers)
    capable = sum(peer.state == "Established" for peer in item.peers)
    lines = [
        f"BGP summary information for VRF {item.vrf}, address family {name}",
        f"BGP router identifier {item.router_id}, local AS number {item.asn}",
        f"BGP table version is {item.version}, {name} config peers {count}, capable peers {capable}",
        f"{item.networks} network entries and {item.paths} paths using {item.memory} bytes of memory",
        f"BGP attribute entries {_held(held.attributes)}, BGP AS path entries {_held(held.as_paths)}",
        f"BGP community entries {_held(held.communities)}, BGP clusterlist entries {_held(held.clusters)}",
        "",
    ]
    if item.peers:
        lines.append("Neighbor        V    AS    MsgRcvd    MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd")
        for peer in item.peers:
            rest = (
                f"{peer.version} {peer.asn:>5} {peer.received:>10} {peer.sent:>10} {peer.table:>8} {peer.in_queue:>4} "
                f"{peer.out_queue:>4} {peer.age:<8} {peer.last}"
            )
            lines += [peer.address, " " * 16 + rest] if len(peer.address) > 15 else [f"{peer.address:<16}{rest}"]
    if types is not None and item.peers:
        lines += ["", *_type_lines(item, types)]
    return "\n".join(lines)


def _held(pair: tuple[int, int]) -> str:
    return f"[{pair[0]}/{pair[1]}]"


def _type_lines(item: Summary, types: Types) -> list[str]:
    """The second table of 10.4: paths by EVPN route type."""
    lines = ["Neighbor        T    AS PfxRcd     Type-2     Type-3     Type-4     Type-5     Type-12"]
    for peer in item.peers:
        kind = "I" if peer.asn == item.asn else "E"
        counts = " ".join(f"{types.get((peer.address, number), 0):<10}" for number in ROUTE_TYPES)
        lines.append(f"{peer.address:<15} {kind} {peer.asn:>5} {peer.last:<10} {counts}".rstrip())
    return lines


def as_json(item: Summary) -> dict[str, Any]:
    """NX-OS's keys."""
    afi, safi = AF_IDS[item.family]
    neighbors = [
        {
            "neighborid": peer.address,
            "neighborversion": str(peer.version),
            "msgrecvd": str(peer.received),
            "msgsent": str(peer.sent),
            "neighbortableversion": str(peer.table),
            "inq": str(peer.in_queue),
            "outq": str(peer.out_queue),
            "neighboras": str(peer.asn),
            "time": duration(peer.age),
            "state": peer.state,
            "prefixreceived": str(peer.prefixes),
        }
        for peer in item.peers
    ]
    safi_row = {
        "safi": safi,
        "af-name": AF_NAMES[item.family],
        "tableversion": str(item.version),
        "configuredpeers": str(len(item.peers)),
        "capablepeers": str(sum(p.state == "Established" for p in item.peers)),
        "totalnetworks": str(item.networks),
        "totalpaths": str(item.paths),
        **table("neighbor", neighbors),
    }
    vrf_row = {
        "vrf-name-out": item.vrf,
        "vrf-router-id": item.router_id,
        "vrf-local-as": str(item.asn),
        **table("af", [{"af-id": afi, **table("saf", [safi_row])}]),
    }
    return table("vrf", [vrf_row])


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
    return [
        row
        for row in parse_neighbors(body)
        if ip_address(row.address).version == version and address in {None, row.address}
    ]


def parse_neighbors(body: Mapping[str, Any]) -> list[Neighbor]:
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


def neighbors_text(rows: Sequence[Neighbor]) -> str:
    """The lines of NX-OS that there is something to say for."""
    return "\n\n".join("\n".join(_neighbor_lines(index, row)) for index, row in enumerate(rows, 1))


def _neighbor_lines(index: int, row: Neighbor) -> list[str]:
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


def neighbors_json(rows: Sequence[Neighbor]) -> dict[str, Any]:
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


NO_DR = " -"
"""The second half of the state on a point-to-point link."""


def ospf_neighbors(source: Source) -> list[dict[str, Any]]:
    """Read now, of the default VRF: the only one in which OSPF runs here."""
    return ospf_rows(frr(source, "ospfd", "show ip ospf neighbor json"))


def ospf_rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def ospf_text(process: str, found: list[dict[str, Any]]) -> str:
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


def ospf_json(process: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    bodies = [{**row, "drstate": row["drstate"].strip(), "uptime": duration(row["uptime"])} for row in found]
    context = {"ptag": process, "cname": "default", "nbrcount": str(len(found)), **table("nbr", bodies)}
    return table("ctx", [context])
