"""``show ip route`` and ``show ipv6 route``: zebra's selected routes in NX-OS's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from labctl.standin.switch.shows.form import duration, frr_age, short, table
from labctl.standin.switch.shows.machine import Source, frr

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
    where = "" if vrf == "default" else f"vrf {vrf} "
    body = frr(source, "zebra", f"show {'ip' if family == 4 else 'ipv6'} route {where}{prefix or ''} json".replace("  ", " "))
    peers = _remote_as(source, vrf)
    vni = source.model.vrf_vni(vrf) if vrf != "default" else None
    routes = parse(body, source.model.asn or 0, source.model.ospf_name or "", vni, peers)
    return routes


def _remote_as(source: Source, vrf: str) -> dict[str, int]:
    """Neighbor address → its AS: NX-OS prints it as the tag of an external route."""
    found: dict[str, int] = {}
    for instance in source.model.bgp:
        if (instance.vrf or "default") == vrf:
            found |= {neighbor.address: neighbor.remote_as for neighbor in instance.neighbors if neighbor.remote_as}
    return found


def parse(body: Mapping[str, Any], asn: int, ospf: str, vni: int | None, peers: Mapping[str, int]) -> list[Route]:
    """zebra's JSON, sorted by prefix as NX-OS does."""
    routes = []
    for prefix, rows in body.items():
        if not isinstance(rows, list):
            continue
        paths = [path for row in rows if row.get("selected") or row["protocol"] == "local" for path in _paths(row, asn, ospf, vni, peers)]
        if paths:
            routes.append(Route(prefix, any(path.client in ("direct", "local") for path in paths), tuple(paths)))
    return sorted(routes, key=lambda route: (int(ip_network(route.prefix).network_address), ip_network(route.prefix).prefixlen))


def _paths(row: Mapping[str, Any], asn: int, ospf: str, vni: int | None, peers: Mapping[str, int]) -> list[Path]:
    found: list[Path] = []
    for hop in row.get("nexthops") or []:
        if hop.get("duplicate") or (not hop.get("fib") and row["protocol"] != "local"):
            continue
        address = str(hop.get("ip") or row["prefix"].partition("/")[0])
        vxlan = vni is not None and bool(hop.get("onLink")) and row["protocol"] == "bgp"
        client, kind, tag = _client(row, address, asn, ospf, peers)
        found.append(
            Path(
                address, None if row["protocol"] == "bgp" else hop.get("interfaceName"), row.get("distance", 0), row.get("metric", 0),
                frr_age(row.get("uptime", "")), client, kind, tag, vni if vxlan else None,
                address.removeprefix(MAPPED) if vxlan else None,
            )
        )  # fmt: skip
    return found


def _client(
    row: Mapping[str, Any], address: str, asn: int, ospf: str, peers: Mapping[str, int]
) -> tuple[str, str | None, int | None]:
    match row["protocol"]:
        case "bgp":
            external = row.get("distance") == 20
            return f"bgp-{asn}", "external" if external else "internal", peers.get(address) if external else asn
        case "ospf":
            return f"ospf-{ospf}", "intra", None
        case "connected":
            return "direct", None, None
        case "kernel":
            return "static", None, None
        case other:
            return str(other), None, None


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
        words.append(short(path.interface.replace("eth", "Eth1/") if path.interface.startswith("eth") else path.interface))
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


def as_json(vrf: str, family: int, routes: Sequence[Route]) -> dict[str, Any]:
    """NX-OS's keys; those of VXLAN hops are named after its text."""
    prefixes = [
        {
            "ipprefix": route.prefix, "ucast-nhops": str(len(route.paths)), "mcast-nhops": "0",
            "attached": "true" if route.attached else "false", **table("path", [_path(path) for path in route.paths]),
        }
        for route in routes
    ]  # fmt: skip
    return table("vrf", [{"vrf-name-out": vrf, **table("addrf", [{"addrf": f"ipv{family}", **table("prefix", prefixes)}])}])


def _path(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ipnexthop": path.via, "uptime": duration(path.age), "pref": str(path.preference), "metric": str(path.metric),
        "clientname": path.client, "ubest": "true",
    }  # fmt: skip
    if path.interface:
        row["ifname"] = path.interface
    if path.kind:
        row["type"] = path.kind
    if path.tag:
        row["tag"] = str(path.tag)
    if path.segment is not None and path.tunnel:
        row |= {"nexthop-vrf-name": "default", "segmentid": str(path.segment), "tunnelid": tunnel_id(path.tunnel), "encap": "VXLAN"}
    return row
