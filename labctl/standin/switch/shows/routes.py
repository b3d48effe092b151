"""``show ip route`` and ``show ipv6 route``: zebra's selected routes in NX-OS's layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, kernel_name
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.shows.form import Answer, Row, duration, frr_age, kernel_short, table
from labctl.standin.switch.shows.machine import Look

HEAD = """\
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


def table_of(family: int) -> Callable[[Look], Answer]:
    """A prefix that is asked for may be an address: its longest match."""

    def answer(look: Look) -> Answer:
        rest = list(look.words[2:])
        if "vrf" in rest:
            del rest[rest.index("vrf") : rest.index("vrf") + 2]
        found = {vrf: _read(look, family, vrf, "".join(rest[:1])) for vrf in look.vrfs}
        texts = [as_text(vrf, family, rows, asked=bool(rest)) for vrf, rows in found.items()]
        return Answer("\n\n".join(texts), table("vrf", [_body(vrf, family, rows) for vrf, rows in found.items()]))

    return answer


def _read(look: Look, family: int, vrf: str, prefix: str) -> list[Row]:
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
    return parse(body, context)


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


def parse(body: Mapping[str, Any], context: Context) -> list[Row]:
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


def as_text(vrf: str, family: int, routes: Sequence[Row], *, asked: bool) -> str:
    """The whole table; for a prefix that is not there, NX-OS's words."""
    title = "IP Route Table" if family == 4 else "IPv6 Routing Table"
    text = [f"{title} {HEAD.format(vrf=vrf)}"]
    if asked and not routes:
        text.append("Route not found")
    for route in routes:
        attached = ", attached" if route["attached"] == "true" else ""
        text.append(f"{route['ipprefix']}, ubest/mbest: {route['ucast-nhops']}/0{attached}")
        text += map(_line, route["paths"])
    return "\n".join(text)


def _line(path: Row) -> str:
    vxlan, mapped = "segmentid" in path, path["ipnexthop"].startswith(MAPPED)
    parts = [f"    *via {path['ipnexthop']}{'%default' if vxlan else ''}{':IPv4' if mapped else ''}"]
    parts += [path["ifname"]] if "ifname" in path else []
    parts += [f"[{path['pref']}/{path['metric']}]", path["uptime"], path["clientname"]]
    parts += [path["type"]] if "type" in path else []
    parts += [f"tag {path['tag']}"] if "tag" in path else []
    overlay = ", segid: {segmentid} tunnelid: {tunnelid} encap: VXLAN\n ".format_map(path) if vxlan else ""
    return ", ".join(parts) + overlay


def _body(vrf: str, family: int, routes: Sequence[Row]) -> Row:
    """A VRF in NX-OS's tables."""
    prefixes = []
    for route in routes:
        paths = [{**path, "uptime": duration(path["uptime"])} for path in route["paths"]]
        head = {key: value for key, value in route.items() if key != "paths"}
        prefixes.append(head | table("path", paths))
    return {"vrf-name-out": vrf, **table("addrf", [{"addrf": f"ipv{family}", **table("prefix", prefixes)}])}
