"""What the routing protocols say: ``show bgp … summary``, ``show [ip|ipv6] bgp neighbors``, ``show ip ospf neighbors``.

Keys of a BGP neighbor as NX-OS's JSON has them (public captures of ``show bgp ipv4 unicast neighbors | json``); of its
hundred only what FRR can tell. OSPF's layout is that of NTC's sample of a Nexus (nxos.md 5.2).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, vrf_device
from labctl.standin.switch.shows.form import Answer, Row, clock, duration, frr_age, kernel_short, lines, table
from labctl.standin.switch.shows.machine import Look

FAMILIES = {
    "ipv4": ("IPv4 Unicast", "ipv4 unicast", "1", "1"),
    "ipv6": ("IPv6 Unicast", "ipv6 unicast", "2", "1"),
    "evpn": ("L2VPN EVPN", "l2vpn evpn", "25", "70"),
}
"""NX-OS's name, FRR's, AFI and SAFI (IANA)."""
ROUTE_TYPES = (2, 3, 4, 5, 12)
VRF_KEYS = ("vrf-name-out", "vrf-router-id", "vrf-local-as")
FAMILY_KEYS = ("safi", "af-name", "tableversion", "configuredpeers", "capablepeers", "totalnetworks", "totalpaths")
SUMMARY = """\
BGP summary information for VRF {vrf-name-out}, address family {af-name}
BGP router identifier {vrf-router-id}, local AS number {vrf-local-as}
BGP table version is {tableversion}, {af-name} config peers {configuredpeers}, capable peers {capablepeers}
{totalnetworks} network entries and {totalpaths} paths using {memory} bytes of memory
BGP attribute entries {attributes}, BGP AS path entries {as-paths}
BGP community entries {communities}, BGP clusterlist entries {clusters}
"""
"""NX-OS 10.4's layout."""
PEERS = "Neighbor        V    AS    MsgRcvd    MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd"
PEER = (
    "{neighborversion} {neighboras:>5} {msgrecvd:>10} {msgsent:>10} {neighbortableversion:>8} {inq:>4} {outq:>4} "
    "{time:<8} "
)


def summary(family: str) -> Callable[[Look], Answer]:
    """One address family of one VRF, or of all in which BGP runs."""

    def answer(look: Look) -> Answer:
        names = [look.vrf] if look.vrf != "all" else ["default", *(item.vrf for item in look.model.bgp if item.vrf)]
        found = [row for name in names if (row := _summary(look, family, name)) is not None]
        body = table("vrf", [_summary_body(row) for row in found])
        return Answer(lambda: "\n\n".join(_summary_text(look, family, row) for row in found), body)

    return answer


def _summary(look: Look, family: str, vrf: str) -> Row | None:
    """Read now; None when BGP does not run in that VRF."""
    instances = look.frr("bgpd", "show bgp vrfs json").get("vrfs", {})
    own = instances.get(vrf if vrf == "default" else vrf_device(vrf))
    if own is None:
        return None
    where = "" if family == "evpn" else in_vrf(vrf)
    command = f"show bgp {where}{FAMILIES[family][1]}"
    body = look.frr("bgpd", f"{command} summary json")
    # of a VRF without peers FRR's summary is empty, its table need not be
    sizes = look.frr("bgpd", f"{command} statistics json") if body or where else {}
    return summary_row({"routerId": own["routerId"], "as": look.model.asn or 0, **body}, sizes, vrf, family)


def summary_row(body: Mapping[str, Any], statistics: Mapping[str, Any], vrf: str, family: str) -> Row:
    """FRR's JSON, flat; ``body`` has at least ``routerId`` and ``as``: a family without peers tells no more.

    FRR's own count of networks (``ribCount``) is of the nodes of its tree: branches without a prefix are counted there,
    too, and of EVPN the route distinguishers. So they come from the statistics.
    """
    name, _, afi, safi = FAMILIES[family]
    peers = sorted((_peer(*item) for item in (body.get("peers") or {}).items()), key=_by_address)
    blocks = [row for rows in statistics.values() for row in (rows if isinstance(rows, list) else [rows])]
    sizes: Row = next((row for row in blocks if isinstance(row, dict) and "totalPrefixes" in row), {})
    # FRR has a version for each route distinguisher, and of EVPN tells none: the newest that a peer was told
    version = body.get("tableVersion") or max((int(peer["neighbortableversion"]) for peer in peers), default=0)
    return {
        "vrf-name-out": vrf,
        "vrf-router-id": body["routerId"],
        "vrf-local-as": str(body["as"]),
        "af-id": afi,
        "safi": safi,
        "af-name": name,
        "tableversion": str(version),
        "configuredpeers": str(len(peers)),
        "capablepeers": str(sum(peer["state"] == "Established" for peer in peers)),
        "totalnetworks": str(sizes.get("totalPrefixes", 0)),
        "totalpaths": str(sizes.get("totalAdvertisements", 0)),
        "memory": str(body.get("ribMemory", 0)),
        "neighbors": peers,
    }


def _by_address(row: Row) -> tuple[int, Any]:
    address = ip_address(row["neighborid"])
    return address.version, address


def _peer(address: str, row: Mapping[str, Any]) -> Row:
    shut = "Admin" in row["state"] or row.get("peerState") == "Admin"
    return {
        "neighborid": address,
        "neighborversion": str(row.get("version", 4)),
        "msgrecvd": str(row["msgRcvd"]),
        "msgsent": str(row["msgSent"]),
        "neighbortableversion": str(row.get("tableVersion", 0)),
        "inq": str(row["inq"]),
        "outq": str(row["outq"]),
        "neighboras": str(row["remoteAs"]),
        "time": frr_age(row["peerUptime"]),
        "state": "Shut (Admin)" if shut else row["state"],
        "prefixreceived": str(row.get("pfxRcd", 0)),
    }


def _summary_body(row: Row) -> Row:
    """NX-OS's tables."""
    peers = [{**peer, "time": duration(peer["time"])} for peer in row["neighbors"]]
    family = {key: row[key] for key in FAMILY_KEYS} | table("neighbor", peers)
    return {key: row[key] for key in VRF_KEYS} | table("af", [{"af-id": row["af-id"], **table("saf", [family])}])


def _summary_text(look: Look, family: str, row: Row) -> str:
    parts = [SUMMARY.format_map(row | memory(look.switch.daemons.show("bgpd", "show bgp memory")))]
    if row["neighbors"]:
        parts.append("\n".join([PEERS, *map(peer_line, row["neighbors"])]))
    if row["neighbors"] and family == "evpn":
        parts += ["", _types_text(row, route_types(look.frr("bgpd", "show bgp l2vpn evpn json")))]
    return "\n".join(parts)


def peer_line(peer: Row) -> str:
    """A long address has a line of its own."""
    address = peer["neighborid"]
    rest = PEER.format_map(peer) + _last(peer)
    return f"{address}\n{'':16}{rest}" if len(address) > 15 else f"{address:<16}{rest}"


def _last(peer: Row) -> str:
    """State/PfxRcd."""
    return str(peer["prefixreceived"] if peer["state"] == "Established" else peer["state"])


def memory(text: str) -> dict[str, str]:
    """``show bgp memory``: how many of each FRR holds, and the bytes of them (rounded by FRR); of all VRFs together."""

    def held(what: str) -> str:
        found = re.search(rf"^(\d+) {what}, using (\d+) (bytes|KiB|MiB)", text, re.MULTILINE)
        scale = {"bytes": 1, "KiB": 1024, "MiB": 1024 * 1024}
        return f"[{found[1]}/{int(found[2]) * scale[found[3]]}]" if found else "[0/0]"

    rows = {"attributes": "BGP attributes", "as-paths": "BGP AS-PATH entries"}
    rows |= {"communities": "BGP community entries", "clusters": "Cluster lists"}
    return {key: held(what) for key, what in rows.items()}


def route_types(routes: Mapping[str, Any]) -> Counter[tuple[str, int]]:
    """``show bgp l2vpn evpn json``, the whole table: (neighbor, route type) → paths that it sent."""
    found: Counter[tuple[str, int]] = Counter()
    for block in routes.values():
        for route in block.values() if isinstance(block, dict) else []:
            for path in route.get("paths", []) if isinstance(route, dict) else []:
                # FRR wraps each path in a list in some of its answers
                row = path[0] if isinstance(path, list) else path
                found[row["peerId"], row["routeType"]] += 1
    return found


def _types_text(row: Row, types: Mapping[tuple[str, int], int]) -> str:
    """The second table of 10.4: paths by EVPN route type."""
    text = ["Neighbor        T    AS PfxRcd     Type-2     Type-3     Type-4     Type-5     Type-12"]
    for peer in row["neighbors"]:
        address, asn = peer["neighborid"], peer["neighboras"]
        kind = "I" if asn == row["vrf-local-as"] else "E"
        counts = " ".join(f"{types[address, number]:<10}" for number in ROUTE_TYPES)
        text.append(f"{address:<15} {kind} {asn:>5} {_last(peer):<10} {counts}".rstrip())
    return "\n".join(text)


NEIGHBOR = """\
BGP neighbor is {neighbor}, remote AS {remoteas}, {link} link, Peer index {index}
  BGP version {version}, remote router ID {remote-id}
  BGP state = {state}{since}{update-source}
  Hold time = {holdtime}, keepalive interval is {keepalivetime} seconds
  Received {msgrecvd} messages
  Sent {msgsent} messages
  Connections established {connsestablished}, dropped {connsdropped}
  Last reset due to {resetreason}{local-host}"""
"""The lines of NX-OS that there is something to say for."""


def neighbors(version: int) -> Callable[[Look], Answer]:
    """The sessions of an IP version; all, or one."""

    def answer(look: Look) -> Answer:
        words = look.words
        asked = words[3] if len(words) > 3 and words[3] != "vrf" else None
        rows = []
        for vrf in look.vrfs:
            body = look.frr("bgpd", f"show bgp {in_vrf(vrf)}neighbors json")
            found = [item for item in body.items() if isinstance(item[1], Mapping) and "bgpState" in item[1]]
            rows += sorted(
                (item for item in found if ip_address(item[0]).version == version and asked in {None, item[0]}),
                key=lambda item: ip_address(item[0]),
            )
        return sessions(rows)

    return answer


def sessions(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Answer:
    """Pure: of ``show bgp neighbors json``, address and body of each session."""
    found = [_session(index, address, row) for index, (address, row) in enumerate(rows, 1)]
    return Answer("\n\n".join(text for text, _ in found), table("neighbor", [row for _, row in found]))


def _session(index: int, address: str, row: Mapping[str, Any]) -> tuple[str, Row]:
    state = "Shut (Admin)" if row.get("adminShutDown") else str(row["bgpState"])
    up = clock(row["bgpTimerUpMsec"] / 1000) if "bgpTimerUpMsec" in row and state == "Established" else ""
    messages, local, source = row.get("messageStats") or {}, row.get("hostLocal"), row.get("updateSource")
    found = {
        "neighbor": address,
        "remoteas": str(row["remoteAs"]),
        "link": "ebgp" if row.get("nbrExternalLink") else "ibgp",
        "index": str(index),
        "version": "4",
        "remote-id": str(row.get("remoteRouterId", "0.0.0.0")),  # noqa: S104 - as NX-OS has it before the first OPEN
        "state": state,
        "up": "true" if up else "false",
        **({"elapsedtime": duration(up)} if up else {}),
        "holdtime": str(row.get("bgpTimerHoldTimeMsecs", 0) // 1000),
        "keepalivetime": str(row.get("bgpTimerKeepAliveIntervalMsecs", 0) // 1000),
        "msgrecvd": str(messages.get("totalRecv", 0)),
        "msgsent": str(messages.get("totalSent", 0)),
        "connsestablished": str(row.get("connectionsEstablished", 0)),
        "connsdropped": str(row.get("connectionsDropped", 0)),
        "resetreason": str(row.get("lastResetDueTo") or "No error"),
        **({"localaddr": str(local)} if local else {}),
    }
    shown = {
        "since": f", up for {up}" if up else "",
        "update-source": f"\n  Using {source} as update source for this peer" if source else "",
        "local-host": f"\n  Local host: {local}" if local else "",
    }
    return NEIGHBOR.format_map(found | shown), found


OSPF = """\
 OSPF Process ID {ptag} VRF {cname}
 Total number of neighbors: {nbrcount}
 Neighbor ID     Pri State            Up Time  Address         Interface"""
NO_DR = " -"
"""The second half of the state on a point-to-point link."""


def ospf(look: Look) -> Answer:
    """Of the default VRF: the only one in which OSPF runs here."""
    process = look.model.ospf_name
    return ospf_neighbors(process, look.frr("ospfd", "show ip ospf neighbor json")) if process else Answer()


def ospf_neighbors(process: str, body: Mapping[str, Any]) -> Answer:
    """Pure: ospfd's JSON, neighbours by router id."""
    rows = []
    for router, entries in (body.get("neighbors") or {}).items():
        for entry in entries:
            state, _, role = str(entry["nbrState"]).partition("/")
            rows.append(
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
    rows.sort(key=lambda row: (ip_address(row["rid"]), row["intf"]))
    context = {"ptag": process, "cname": "default", "nbrcount": str(len(rows))}
    shown = [row | {"both": f"{row['state']}/{row['drstate']}"} for row in rows]
    text = lines(OSPF.format_map(context), " {rid:<15} {priority:>3} {both:<16} {uptime:<8} {addr:<15} {intf}", shown)
    bodies = [{**row, "drstate": row["drstate"].strip(), "uptime": duration(row["uptime"])} for row in rows]
    return Answer(text, table("ctx", [context | table("nbr", bodies)]))
