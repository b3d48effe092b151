"""What routing says: ``show bgp … summary``, ``show ip bgp neighbors``, ``show ip ospf neighbors``, ``show ip route``.

Keys of a BGP neighbor as NX-OS's JSON has them (public captures of ``show bgp ipv4 unicast neighbors | json``); of its
hundred only what FRR can tell. OSPF's layout is that of NTC's sample of a Nexus (nxos.md 5.2). Routes are those that
zebra selected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, kernel_name, vrf_device
from labctl.standin.switch.dataplane.settings import SwitchModel
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


ROUTES = """\
for VRF "{vrf}"
'*' denotes best ucast next-hop
'**' denotes best mcast next-hop
'[x/y]' denotes [preference/metric]
'%<string>' in via output denotes VRF <string>
"""
MAPPED = "::ffff:"


@dataclass(frozen=True, slots=True)
class Context:
    """What zebra's route table does not say itself."""

    asn: int
    ospf: str
    vni: int | None
    peers: Mapping[str, int]
    """BGP neighbor → its AS, which NX-OS prints as the tag of an external route."""
    own: Mapping[str, Sequence[IPv4Interface | IPv6Interface]]
    """The switch's own addresses by kernel interface."""
    tags: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """See `tags`."""


def routes(family: int) -> Callable[[Look], Answer]:
    """A prefix that is asked for may be an address: its longest match."""

    def answer(look: Look) -> Answer:
        rest = list(look.words[2:])
        if "vrf" in rest:
            del rest[rest.index("vrf") : rest.index("vrf") + 2]
        found = {vrf: _routes(look, family, vrf, "".join(rest[:1])) for vrf in look.vrfs}
        texts = [routes_text(vrf, family, rows, asked=bool(rest)) for vrf, rows in found.items()]
        bodies = [_routes_body(vrf, family, rows) for vrf, rows in found.items()]
        return Answer("\n\n".join(texts), table("vrf", bodies))

    return answer


def _routes(look: Look, family: int, vrf: str, prefix: str) -> list[Row]:
    where = in_vrf(vrf)
    asked = f"{prefix} " if prefix else ""
    body = look.frr("zebra", f"show {'ip' if family == 4 else 'ipv6'} route {where}{asked}json")
    peers = look.frr("bgpd", f"show bgp {where}ipv{family} unicast summary json").get("peers") or {}
    context = Context(
        look.model.asn or 0,
        look.model.ospf_name or "",
        look.model.vrf_vni(vrf) if vrf != "default" else None,
        {address: row["remoteAs"] for address, row in peers.items()},
        look.addresses,
        tags(look.model, None if vrf == "default" else vrf),
    )
    return route_rows(body, context)


def tags(model: SwitchModel, vrf: str | None) -> dict[tuple[str, str], int]:
    """(prefix, kernel interface or next hop) → the tag that the configuration gives to an address or static route.

    NX-OS keeps it on the route (``ip address … tag 12345``); Linux's routes carry none.
    """
    found = {}
    for interface in model.interfaces:
        if interface.vrf == vrf:
            for address in (*interface.addresses, *interface.addresses6):
                value = ip_interface(address.value)
                for prefix in (value.network, ip_network(value.ip)):
                    found[str(prefix), kernel_name(interface.name)] = address.tag
    for context in model.vrfs:
        if context.name == vrf:
            found |= {(route.prefix, route.via): route.tag for route in context.statics}
    return found


def route_rows(body: Mapping[str, Any], context: Context) -> list[Row]:
    """zebra's JSON as rows with NX-OS's keys, sorted by prefix as NX-OS does; their ``paths`` have NX-OS's ages."""
    found = []
    for prefix, rows in body.items():
        if not isinstance(rows, list) or ip_network(prefix).is_link_local:
            continue  # NX-OS keeps link-local prefixes out of its table
        shown = [row for row in rows if row.get("selected") or row["protocol"] == "local"]
        paths = [path for row in shown for path in _paths(row, context)]
        attached = any(path["clientname"] in ("direct", "local") for path in paths)
        if paths:
            head: Row = {"ipprefix": prefix, "ucast-nhops": str(len(paths)), "mcast-nhops": "0"}
            found.append(head | {"attached": "true" if attached else "false", "paths": paths})
    return sorted(found, key=_place)


def _place(route: Row) -> tuple[int, int]:
    network = ip_network(route["ipprefix"])
    return int(network.network_address), network.prefixlen


def _paths(row: Mapping[str, Any], context: Context) -> list[Row]:
    """The next hops. Those of VXLAN resolve in the default VRF; their keys are named after NX-OS's text."""
    found: list[Row] = []
    for hop in row.get("nexthops") or []:
        if hop.get("duplicate") or (not hop.get("fib") and row["protocol"] != "local"):
            continue
        interface, bgp = str(hop.get("interfaceName", "")), row["protocol"] == "bgp"
        address = str(hop.get("ip") or _own_address(row["prefix"], interface, context))
        client, kind, tag = _client(row, address, interface, context)
        path = {
            "ipnexthop": address,
            "uptime": frr_age(row.get("uptime", "")),
            "pref": str(row.get("distance", 0)),
            "metric": str(row.get("metric", 0)),
            "clientname": client,
            "ubest": "true",
        }
        path |= {"ifname": kernel_short(interface)} if interface and not bgp else {}
        path |= {"type": kind} if kind else {}
        path |= {"tag": str(tag)} if tag else {}
        if context.vni is not None and hop.get("onLink") and bgp:
            path |= {"nexthop-vrf-name": "default", "segmentid": str(context.vni)}
            path |= {"tunnelid": tunnel_id(address.removeprefix(MAPPED)), "encap": "VXLAN"}
        found.append(path)
    return found


def _own_address(prefix: str, interface: str, context: Context) -> str:
    """An attached route goes via the switch's own address in it."""
    network = ip_network(prefix)
    inside = [address.ip for address in context.own.get(interface, ()) if address.ip in network]
    return str(inside[0]) if inside else str(network.network_address)


def _client(row: Mapping[str, Any], address: str, interface: str, context: Context) -> tuple[str, str, int | None]:
    prefix = str(row["prefix"])
    match row["protocol"]:
        case "bgp" if row.get("distance") == 20:
            return f"bgp-{context.asn}", "external", context.peers.get(address)
        case "bgp":
            return f"bgp-{context.asn}", "internal", context.asn
        case "ospf":
            return f"ospf-{context.ospf}", "intra", None
        case "kernel":
            return "static", "", context.tags.get((prefix, address))
        case other:
            return "direct" if other == "connected" else str(other), "", context.tags.get((prefix, interface))


def tunnel_id(address: str) -> str:
    """Hex of the VTEP's address, without leading zero: 10.2.0.1 is 0xa020001."""
    return f"0x{int(ip_address(address)):x}"


def routes_text(vrf: str, family: int, rows: Sequence[Row], *, asked: bool) -> str:
    """The whole table; for a prefix that is not there, NX-OS's words."""
    title = "IP Route Table" if family == 4 else "IPv6 Routing Table"
    text = [f"{title} {ROUTES.format(vrf=vrf)}"]
    if asked and not rows:
        text.append("Route not found")
    for route in rows:
        attached = ", attached" if route["attached"] == "true" else ""
        text.append(f"{route['ipprefix']}, ubest/mbest: {route['ucast-nhops']}/0{attached}")
        text += map(_path_line, route["paths"])
    return "\n".join(text)


def _path_line(path: Row) -> str:
    vxlan, mapped = "segmentid" in path, path["ipnexthop"].startswith(MAPPED)
    parts = [f"    *via {path['ipnexthop']}{'%default' if vxlan else ''}{':IPv4' if mapped else ''}"]
    parts += [path["ifname"]] if "ifname" in path else []
    parts += [f"[{path['pref']}/{path['metric']}]", path["uptime"], path["clientname"]]
    parts += [path["type"]] if "type" in path else []
    parts += [f"tag {path['tag']}"] if "tag" in path else []
    overlay = ", segid: {segmentid} tunnelid: {tunnelid} encap: VXLAN\n ".format_map(path) if vxlan else ""
    return ", ".join(parts) + overlay


def _routes_body(vrf: str, family: int, rows: Sequence[Row]) -> Row:
    """A VRF in NX-OS's tables."""
    prefixes = []
    for route in rows:
        paths = [{**path, "uptime": duration(path["uptime"])} for path in route["paths"]]
        head = {key: value for key, value in route.items() if key != "paths"}
        prefixes.append(head | table("path", paths))
    return {"vrf-name-out": vrf, **table("addrf", [{"addrf": f"ipv{family}", **table("prefix", prefixes)}])}
