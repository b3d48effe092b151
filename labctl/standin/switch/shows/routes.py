"""``show ip route`` and ``show ipv6 route``: zebra's selected routes in NX-OS's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, kernel_name
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.shows.form import duration, frr_age, kernel_short, table
from labctl.standin.switch.shows.machine import Source, addresses, frr

Own = Mapping[str, Sequence[IPv4Interface | IPv6Interface]]
"""The switch's own addresses by kernel interface."""

LEGEND = (
    "'*' denotes best ucast next-hop",
    "'**' denotes best mcast next-hop",
    "'[x/y]' denotes [preference/metric]",
    "'%<string>' in via output denotes VRF <string>",
)
MAPPED = "::ffff:"


@dataclass(frozen=True, slots=True)
class Path:
    """One next hop. ``segment`` and ``tunnel`` belong to a VXLAN hop (tunnel: the VTEP)."""

    via: str
    interface: str | None
    preference: int
    metric: int
    age: str
    client: str
    kind: str | None
    tag: int | None
    segment: int | None = None
    tunnel: str | None = None

    @property
    def other_vrf(self) -> bool:
        """VXLAN hops resolve in the default VRF."""
        return self.segment is not None


@dataclass(frozen=True, slots=True)
class Route:
    """One prefix."""

    prefix: str
    attached: bool
    paths: tuple[Path, ...]


def read(source: Source, family: int, vrf: str, prefix: str | None) -> list[Route]:
    """Read now. ``prefix`` may be an address: its longest match."""
    where = in_vrf(vrf)
    asked = f"{prefix} " if prefix else ""
    body = frr(source, "zebra", f"show {'ip' if family == 4 else 'ipv6'} route {where}{asked}json")
    vni = source.model.vrf_vni(vrf) if vrf != "default" else None
    context = Context(
        source.model.asn or 0,
        source.model.ospf_name or "",
        vni,
        _remote_as(source, family, where),
        addresses(source),
        tags(source.model, None if vrf == "default" else vrf),
    )
    return parse(body, context)


@dataclass(frozen=True, slots=True)
class Context:
    """What zebra's route table does not say itself. ``peers``: BGP neighbor → its AS; ``tags``: see `tags`."""

    asn: int
    ospf: str
    vni: int | None
    peers: Mapping[str, int]
    own: Own
    tags: Mapping[tuple[str, str], int] = field(default_factory=dict)


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


def _remote_as(source: Source, family: int, where: str) -> dict[str, int]:
    """NX-OS prints the neighbor's AS as the tag of an external route."""
    body = frr(source, "bgpd", f"show bgp {where}ipv{family} unicast summary json")
    return {address: row["remoteAs"] for address, row in (body.get("peers") or {}).items()}


def parse(body: Mapping[str, Any], context: Context) -> list[Route]:
    """zebra's JSON, sorted by prefix as NX-OS does."""
    routes = []
    for prefix, rows in body.items():
        if not isinstance(rows, list) or ip_network(prefix).is_link_local:
            continue  # NX-OS keeps link-local prefixes out of its table
        shown = [row for row in rows if row.get("selected") or row["protocol"] == "local"]
        paths = [path for row in shown for path in _paths(row, context)]
        if paths:
            routes.append(Route(prefix, any(path.client in ("direct", "local") for path in paths), tuple(paths)))
    return sorted(routes, key=_place)


def _place(route: Route) -> tuple[int, int]:
    network = ip_network(route.prefix)
    return int(network.network_address), network.prefixlen


def _paths(row: Mapping[str, Any], context: Context) -> list[Path]:
    found: list[Path] = []
    for hop in row.get("nexthops") or []:
        if hop.get("duplicate") or (not hop.get("fib") and row["protocol"] != "local"):
            continue
        address = str(hop.get("ip") or _own_address(row["prefix"], hop.get("interfaceName", ""), context.own))
        vxlan = context.vni is not None and bool(hop.get("onLink")) and row["protocol"] == "bgp"
        client, kind, tag = _client(row, address, str(hop.get("interfaceName", "")), context)
        found.append(
            Path(
                address,
                None if row["protocol"] == "bgp" else hop.get("interfaceName"),
                row.get("distance", 0),
                row.get("metric", 0),
                frr_age(row.get("uptime", "")),
                client,
                kind,
                tag,
                context.vni if vxlan else None,
                address.removeprefix(MAPPED) if vxlan else None,
            )
        )
    return found


def _own_address(prefix: str, interface: str, own: Own) -> str:
    """An attached route goes via the switch's own address in it."""
    network = ip_network(prefix)
    inside = [address.ip for address in own.get(interface, ()) if address.ip in network]
    return str(inside[0]) if inside else str(network.network_address)


def _client(
    row: Mapping[str, Any], address: str, interface: str, context: Context
) -> tuple[str, str | None, int | None]:
    prefix = str(row["prefix"])
    match row["protocol"]:
        case "bgp":
            external = row.get("distance") == 20
            tag = context.peers.get(address) if external else context.asn
            return f"bgp-{context.asn}", "external" if external else "internal", tag
        case "ospf":
            return f"ospf-{context.ospf}", "intra", None
        case "connected":
            return "direct", None, context.tags.get((prefix, interface))
        case "kernel":
            return "static", None, context.tags.get((prefix, address))
        case other:
            return str(other), None, context.tags.get((prefix, interface))


def as_text(vrf: str, family: int, routes: Sequence[Route], *, asked: bool) -> str:
    """The whole table; for a prefix that is not there, NX-OS's words."""
    title = "IP Route Table" if family == 4 else "IPv6 Routing Table"
    lines = [f'{title} for VRF "{vrf}"', *LEGEND, ""]
    if asked and not routes:
        return "\n".join([*lines, "Route not found"])
    for route in routes:
        attached = ", attached" if route.attached else ""
        lines.append(f"{route.prefix}, ubest/mbest: {len(route.paths)}/0{attached}")
        for path in route.paths:
            lines.append(_line(path))
            if path.segment is not None:
                lines.append(" ")
    return "\n".join(lines)


def _line(path: Path) -> str:
    via = f"    *via {path.via}{'%default' if path.other_vrf else ''}"
    if path.via.startswith(MAPPED):
        via += ":IPv4"
    words = [via]
    if path.interface:
        words.append(kernel_short(path.interface))
    words += [f"[{path.preference}/{path.metric}]", path.age, path.client]
    if path.kind:
        words.append(path.kind)
    if path.tag:
        words.append(f"tag {path.tag}")
    text = ", ".join(words)
    if path.segment is not None and path.tunnel:
        text += f", segid: {path.segment} tunnelid: {tunnel_id(path.tunnel)} encap: VXLAN"
    return text


def tunnel_id(address: str) -> str:
    """Hex of the VTEP's address, without leading zero: 10.2.0.1 is 0xa020001."""
    return f"0x{int(ip_address(address)):x}"


def as_row(vrf: str, family: int, routes: Sequence[Route]) -> dict[str, Any]:
    """A VRF with NX-OS's keys; those of VXLAN hops are named after its text."""
    prefixes = [
        {
            "ipprefix": route.prefix,
            "ucast-nhops": str(len(route.paths)),
            "mcast-nhops": "0",
            "attached": "true" if route.attached else "false",
            **table("path", [_path(path) for path in route.paths]),
        }
        for route in routes
    ]
    family_row = {"addrf": f"ipv{family}", **table("prefix", prefixes)}
    return {"vrf-name-out": vrf, **table("addrf", [family_row])}


def _path(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ipnexthop": path.via,
        "uptime": duration(path.age),
        "pref": str(path.preference),
        "metric": str(path.metric),
        "clientname": path.client,
        "ubest": "true",
    }
    if path.interface:
        row["ifname"] = kernel_short(path.interface)
    if path.kind:
        row["type"] = path.kind
    if path.tag:
        row["tag"] = str(path.tag)
    if path.segment is not None and path.tunnel:
        row |= {"nexthop-vrf-name": "default", "segmentid": str(path.segment)}
        row |= {"tunnelid": tunnel_id(path.tunnel), "encap": "VXLAN"}
    return row
