"""``show [ip|ipv6] bgp summary`` and ``show bgp l2vpn evpn summary``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labctl.standin.switch.shows.form import duration, frr_age, table
from labctl.standin.switch.shows.machine import Source, frr

AF_NAMES = {"ipv4": "IPv4 Unicast", "ipv6": "IPv6 Unicast", "evpn": "L2VPN EVPN"}
AF_IDS = {"ipv4": ("1", "1"), "ipv6": ("2", "1"), "evpn": ("25", "70")}
"""(AFI, SAFI), IANA."""
COMMANDS = {"ipv4": "ipv4 unicast", "ipv6": "ipv6 unicast"}


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
    peers: tuple[Peer, ...]


def summary(source: Source, family: str, vrf: str) -> Summary | None:
    """Read now; None when BGP does not run in that VRF."""
    if "bgpd" not in source.daemons.running:
        return None
    if family == "evpn":
        body = frr(source, "bgpd", "show bgp l2vpn evpn summary json")
    else:
        where = "" if vrf == "default" else f"vrf {vrf} "
        body = frr(source, "bgpd", f"show bgp {where}{COMMANDS[family]} summary json")
    return parse_summary(body, vrf, family, source.model.asn or 0)


def parse_summary(body: Mapping[str, Any], vrf: str, family: str, asn: int) -> Summary:
    """FRR's JSON. A family without peers is an empty object."""
    peers = [_peer(address, row) for address, row in (body.get("peers") or {}).items()]
    return Summary(
        vrf,
        family,
        body.get("routerId", "0.0.0.0"),  # noqa: S104 - as NX-OS prints an unset router id
        body.get("as", asn),
        body.get("tableVersion", 0),
        body.get("ribCount", 0),
        sum(peer.prefixes for peer in peers),
        tuple(sorted(peers, key=lambda peer: (":" in peer.address, peer.address))),
    )


def _peer(address: str, row: Mapping[str, Any]) -> Peer:
    state = row["state"]
    if "Admin" in state or row.get("peerState") == "Admin":
        state = "Shut (Admin)"
    return Peer(
        address, row.get("version", 4), row["remoteAs"], row["msgRcvd"], row["msgSent"], row.get("tableVersion", 0), row["inq"],
        row["outq"], frr_age(row["peerUptime"]), state, row.get("pfxRcd", 0),
    )  # fmt: skip


def as_text(item: Summary) -> str:
    """NX-OS 10.4's layout."""
    name = AF_NAMES[item.family]
    count = len(item.peers)
    capable = sum(peer.state == "Established" for peer in item.peers)
    lines = [
        f"BGP summary information for VRF {item.vrf}, address family {name}",
        f"BGP router identifier {item.router_id}, local AS number {item.asn}",
        f"BGP table version is {item.version}, {name} config peers {count}, capable peers {capable}",
        f"{item.networks} network entries and {item.paths} paths using {item.networks * 128} bytes of memory",
        "BGP attribute entries [0/0], BGP AS path entries [0/0]",
        "BGP community entries [0/0], BGP clusterlist entries [0/0]",
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
    return "\n".join(lines)


def as_json(item: Summary) -> dict[str, Any]:
    """NX-OS's keys."""
    afi, safi = AF_IDS[item.family]
    neighbors = [
        {
            "neighborid": peer.address, "neighborversion": str(peer.version), "msgrecvd": str(peer.received),
            "msgsent": str(peer.sent), "neighbortableversion": str(peer.table), "inq": str(peer.in_queue),
            "outq": str(peer.out_queue), "neighboras": str(peer.asn), "time": duration(peer.age), "state": peer.state,
            "prefixreceived": str(peer.prefixes),
        }
        for peer in item.peers
    ]  # fmt: skip
    safi_row = {
        "safi": safi, "af-name": AF_NAMES[item.family], "tableversion": str(item.version),
        "configuredpeers": str(len(item.peers)), "capablepeers": str(sum(p.state == "Established" for p in item.peers)),
        "totalnetworks": str(item.networks), "totalpaths": str(item.paths), **table("neighbor", neighbors),
    }  # fmt: skip
    vrf_row = {
        "vrf-name-out": item.vrf, "vrf-router-id": item.router_id, "vrf-local-as": str(item.asn),
        **table("af", [{"af-id": afi, **table("saf", [safi_row])}]),
    }  # fmt: skip
    return table("vrf", [vrf_row])
