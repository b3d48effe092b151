"""``show port-channel summary``, ``show lacp neighbor``, ``show vpc [brief]`` and ``peer-keepalive``.

Of bundles the kernel's bonds tell, ``/proc/net/bonding/poN`` (Linux, Documentation/networking/bonding.rst), with the
partner's LACPDU of each member as it was last received; states are bytes of IEEE 802.1AX flags. The kernel does not
tell how old a LACPDU is: the Age column is ``-``.

The vPC peer is there, and the pair consistent, where its peer-link is up and EVPN lists the peer's VTEP for a leg's
ethernet segment. It is alive where the keepalive's destination answers in the keepalive's VRF.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labctl.bonding import Bond
from labctl.guest.api import AgentError
from labctl.standin.switch.dataplane.horizon import peers_by_port
from labctl.standin.switch.dataplane.names import BRIDGE, kernel_name, nxos_name, vrf_device
from labctl.standin.switch.dataplane.settings import Interface
from labctl.standin.switch.shows.form import short, table
from labctl.standin.switch.shows.machine import Source, bond_texts, bonds, bridge_vlans, frr, is_up, link_states

ACTIVE, FAST = 0x01, 0x02
PARTNER_FLAGS = """\
Flags:  S - Device is sending Slow LACPDUs F - Device is sending Fast LACPDUs
        A - Device is in Active mode       P - Device is in Passive mode"""
SYSTEM_HEAD = """\
Partner's information
            Partner                Partner                     Partner
Port        System ID              Port Number     Age         Flags"""
PORT_HEAD = """\

            LACP Partner           Partner                     Partner
            Port Priority          Oper Key                    Port State"""


@dataclass(frozen=True, slots=True)
class Partner:
    """What the other end says of itself; ``speed`` (Mbit/s, None: unknown) and ``duplex`` are the port's own."""

    port: str
    speed: int | None
    duplex: str
    system_priority: int
    system: str
    port_priority: int
    number: int
    key: int
    state: int
    actor_state: int

    @property
    def flags(self) -> str:
        return ("F" if self.state & FAST else "S") + ("A" if self.state & ACTIVE else "P")


def partners(source: Source) -> dict[str, list[Partner]]:
    """Port-channel → its members' partners, read now."""
    links = link_states(source)
    names = [kernel_name(channel.name) for channel in source.model.kind("port-channel")]
    texts = bond_texts(source, [name for name in names if name in links])
    return {nxos_name(name): parse_partners(text) for name, text in texts.items()}


def members(source: Source) -> dict[str, Partner]:
    """By member port (NX-OS name); the kernel's bonding files are the only place that tells a port's speed."""
    return {row.port: row for rows in partners(source).values() for row in rows}


def parse_partners(text: str) -> list[Partner]:
    """Pure: the kernel's text of one bond."""
    return [_partner(part) for part in re.split(r"\n(?=Slave Interface: )", text)[1:]]


def _partner(text: str) -> Partner:
    actor, _, partner = text.partition("details partner lacp pdu:")
    duplex = re.search(r"^Duplex: (full|half)$", actor, re.MULTILINE)
    speed = re.search(r"^Speed: (\d+) Mbps", actor, re.MULTILINE)

    def value(where: str, name: str) -> str:
        found = re.search(rf"^\s+{name}: (\S+)", where, re.MULTILINE)
        return found[1] if found else ""

    def number(where: str, name: str) -> int:
        return int(value(where, name) or "0")

    name = re.match(r"Slave Interface: (\S+)", text)
    return Partner(
        nxos_name(name[1] if name else ""),
        int(speed[1]) if speed else None,
        duplex[1] if duplex else "auto",
        number(partner, "system priority"),
        value(partner, "system mac address"),
        number(partner, "port priority"),
        number(partner, "port number"),
        number(partner, "oper key"),
        number(partner, "port state"),
        number(actor, "port state"),
    )


def partners_text(found: Mapping[str, list[Partner]]) -> str:
    """NX-OS's layout."""
    lines = [PARTNER_FLAGS]
    for channel, members in found.items():
        lines.append(f"{channel} neighbors")
        for row in members:
            mac = "-".join(f"{int(part, 16):x}" for part in row.system.split(":") if part)
            system = f"{row.system_priority},{mac}"
            lines += [
                SYSTEM_HEAD,
                f"{short(row.port):<11} {system:<22} {row.number:<#15x} {'-':<11} {row.flags}",
                PORT_HEAD,
                f"            {row.port_priority:<22} {row.key:<#27x} {row.state:#x}",
            ]
    return "\n".join(lines)


def partners_json(found: Mapping[str, list[Partner]]) -> dict[str, Any]:
    """``TABLE_interface``/``ROW_interface`` with ``TABLE_member``/``ROW_member``."""
    return table(
        "interface",
        [
            {
                "interface": channel,
                **table(
                    "member",
                    [
                        {
                            "port": row.port,
                            "partner-mac": row.system,
                            "partner-port-state": f"{row.state:#x}",
                            "actor-port-state": f"{row.actor_state:#x}",
                        }
                        for row in members
                    ],
                ),
            }
            for channel, members in found.items()
        ],
    )


FLAGS = """\
Flags:  D - Down        P - Up in port-channel (members)
        I - Individual  H - Hot-standby (LACP only)
        s - Suspended   r - Module-removed
        b - BFD Session Wait
        S - Switched    R - Routed
        U - Up (port-channel)
        p - Up in delay-lacp mode (member)
        M - Not in use. Min-links not met"""
DASHES = "-" * 80
AS_IT_IS = (
    ("Auto-recovery status", "Disabled"),
    ("Delay-restore status", "Timer is off.(timeout = 0s)"),
    ("Delay-restore SVI status", "Timer is off.(timeout = 0s)"),
    ("Delay-restore Orphan-port status", "Timer is off.(timeout = 0s)"),
    ("Operational Layer3 Peer-router", "Enabled"),
)
"""What a stand-in does whatever is configured: nothing is delayed, nothing recovers by a timer, packets to the peer's
addresses are routed (`labctl.standin.switch.commands` says so of the lines)."""
PEER_GATEWAY = "Enabled"
"""Always: both leafs have the gateway's address and MAC, each routes what arrives."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A port-channel with its members' flags."""

    interface: Interface
    up: bool
    members: tuple[tuple[str, str], ...]


def channels(source: Source) -> list[Channel]:
    """Every port-channel, read now."""
    interfaces = source.model.kind("port-channel")
    links = link_states(source)
    found = bonds(source, [kernel_name(i.name) for i in interfaces if kernel_name(i.name) in links])
    result = []
    for interface in interfaces:
        bond = found.get(kernel_name(interface.name))
        ports = [port for port in source.model.kind("Ethernet") if port.channel == interface.number]
        members = tuple((port.name, member_flag(bond, kernel_name(port.name))) for port in ports)
        up = any(flag == "P" for _, flag in members)
        if interface.peer_link and not ports and source.model.vpc and source.model.vpc.virtual:
            up = _virtual_peer(source, source.model.vpc.virtual[0])
        result.append(Channel(interface, up, members))
    return result


def member_flag(bond: Bond | None, name: str) -> str:
    """P: in the bundle; s: up without a partner that fits; D: down."""
    member = next((row for row in bond.members if row.name == name), None) if bond else None
    if member is None or not member.up:
        return "D"
    return "P" if member in (bond.carrying if bond else ()) else "s"


def summary_text(rows: list[Channel]) -> str:
    lines = [FLAGS, DASHES, "Group Port-       Type     Protocol  Member Ports", "      Channel", DASHES]
    for row in rows:
        number = row.interface.number
        name = f"Po{number}({'S' if not row.interface.routed else 'R'}{'U' if row.up else 'D'})"
        members = " ".join(f"{short(port)}({flag})" for port, flag in row.members) or "--"
        lines.append(f"{number:<5} {name:<11} {'Eth':<8} {'LACP' if row.members else 'NONE':<9} {members}")
    return "\n".join(lines)


def summary_json(rows: list[Channel]) -> dict[str, Any]:
    return table(
        "channel",
        [
            {
                "group": str(row.interface.number),
                "port-channel": f"port-channel{row.interface.number}",
                "layer": "R" if row.interface.routed else "S",
                "status": "U" if row.up else "D",
                "type": "Eth",
                "prtcl": "LACP" if row.members else "NONE",
                **table("member", [{"port": port, "port-status": flag} for port, flag in row.members]),
            }
            for row in rows
        ],
    )


def segment_peers(source: Source) -> dict[str, tuple[str, ...]]:
    """Kernel port → VTEPs of the other leaf, as EVPN says."""
    return {port: vteps for port, vteps in peers_by_port(frr(source, "zebra", "show evpn es json")).items() if vteps}


def _virtual_peer(source: Source, destination: str) -> bool:
    """Whether the other end of a virtual peer-link is there: EVPN lists it for our segments.

    A pair without a leg has no segment; then the underlay must have the way to it, which its own OSPF announces.
    """
    if any(row.vpc is not None for row in source.model.kind("port-channel")):
        return bool(segment_peers(source))
    prefix = f"{destination}/32"
    rows = frr(source, "zebra", f"show ip route {prefix} json").get(prefix) or []
    return any(row.get("selected") for row in rows)


@dataclass(frozen=True, slots=True)
class Vpc:
    """The vPC domain now."""

    domain: int
    peer_ok: bool
    alive: bool
    role: str
    virtual: bool
    peer_link: str | None
    link_up: bool
    vlans: str
    """That the bridge carries, so over EVPN to the peer."""
    legs: tuple[tuple[int, str, bool, bool, str], ...]
    """(vpc id, port, up, consistent with the peer, VLANs)."""


def vpc(source: Source) -> Vpc | None:
    """Read now; None without a vPC domain."""
    model = source.model
    if model.vpc is None:
        return None
    links = link_states(source)
    segments = segment_peers(source)
    carried = bridge_vlans(source)
    legs = []
    for interface in model.kind("port-channel"):
        if interface.vpc is not None and not interface.peer_link:
            name = kernel_name(interface.name)
            legs.append(
                (interface.vpc, interface.name, is_up(links.get(name)), name in segments, _vlans(carried, name))
            )
    link = next((row for row in channels(source) if row.interface.peer_link), None)
    peer_ok = link is not None and link.up and (bool(segments) or not legs)
    role = designated(frr(source, "zebra", "show evpn es json")) if segments else "none established"
    return Vpc(
        model.vpc.domain,
        peer_ok,
        _alive(source, model.vpc.keepalive),
        role,
        model.vpc.virtual is not None,
        link.interface.name if link else None,
        link is not None and link.up,
        _vlans(carried, BRIDGE),
        tuple(sorted(legs)),
    )


def _alive(source: Source, keepalive: tuple[str, str] | None) -> bool:
    """Whether the destination answers now: no keepalive of vPC's own protocol is sent here, but an echo request."""
    if keepalive is None:
        return False
    destination, vrf = keepalive
    bound = ("-I", vrf_device(vrf)) if vrf != "default" else ()
    try:
        source.run("ping", "-n", "-q", "-c", "1", "-W", "1", *bound, destination)
    except AgentError:
        return False  # ping says by its exit code that nobody answered
    return True


def _vlans(carried: dict[str, list[tuple[int, bool]]], port: str) -> str:
    return ",".join(str(vlan) for vlan, _ in sorted(carried.get(port, []))) or "-"


def designated(segments: object) -> str:
    """The role as the machine lives it: who is the designated forwarder of the shared segments (RFC 7432, 8.5).

    EVPN carries no vPC role priority, so it cannot decide here.
    """
    rows = [row for row in segments if row.get("vteps")] if isinstance(segments, list) else []
    return "secondary" if rows and all("nonDF" in row.get("flags", []) for row in rows) else "primary"


def vpc_text(item: Vpc) -> str:
    success = "success" if item.peer_ok else "failed"
    values = [
        ("vPC domain id", str(item.domain)),
        ("Peer status", "peer adjacency formed ok" if item.peer_ok else "peer link is down"),
        ("vPC keep-alive status", "peer is alive" if item.alive else "Suspended (Destination IP not reachable)"),
        ("Configuration consistency status", success),
        ("Per-vlan consistency status", success),
        ("Type-2 consistency status", success),
        ("vPC role", item.role),
        ("Number of vPCs configured", str(len(item.legs))),
        ("Peer Gateway", PEER_GATEWAY),
        ("Dual-active excluded VLANs", "-"),
        ("Graceful Consistency Check", "Enabled"),
        *AS_IT_IS,
        ("Virtual-peerlink mode", "Enabled" if item.virtual else "Disabled"),
    ]
    lines = ["Legend:", "                (*) - local vPC is down, forwarding via vPC peer-link", ""]
    lines += [f"{name:<34}: {value}" for name, value in values]
    if item.peer_link is not None:
        row = f"{short(item.peer_link):<6} {'up' if item.link_up else 'down':<6} {item.vlans if item.link_up else '-'}"
        lines += [
            "",
            "vPC Peer-link status",
            "-" * 69,
            "id    Port   Status Active vlans",
            f"--    ----   ------ {'-' * 49}",
            f"1     {row}",
        ]
    lines += [
        "",
        "vPC status",
        "-" * 76,
        "Id    Port          Status Consistency Reason                Active vlans",
        "--    ------------  ------ ----------- ------                ---------------",
    ]
    for number, port, up, consistent, vlans in item.legs:
        name = short(port)
        word = "success" if consistent else "failed"
        reason = "success" if consistent else "peer has no such vPC up"
        lines.append(
            f"{number:<5} {name:<13} {'up' if up else 'down*':<6} {word:<11} {reason:<21} {vlans if up else '-'}"
        )
    lines += [
        "",
        'Please check "show vpc consistency-parameters vpc <vpc-num>" for the',
        "consistency reason of down vpc and for type-2 consistency reasons for",
        "any vpc.",
    ]
    return "\n".join(lines)


def vpc_json(item: Vpc) -> dict[str, Any]:
    word = "consistent" if item.peer_ok else "inconsistent"
    legs = [
        {
            "vpc-id": str(number),
            "vpc-ifindex": short(port),
            "vpc-port-state": "1" if up else "0",
            "vpc-consistency": "consistent" if consistent else "inconsistent",
            "vpc-consistency-status": "SUCCESS" if consistent else "FAILED",
            "up-vlan-bitset": vlans if up else "-",
            "vpc-thru-peerlink": "0",
        }
        for number, port, up, consistent, vlans in item.legs
    ]
    links = (
        [
            {
                "peer-link-id": "1",
                "peerlink-ifindex": short(item.peer_link),
                "peer-link-port-state": "1" if item.link_up else "0",
                "peer-up-vlan-bitset": item.vlans if item.link_up else "-",
            }
        ]
        if item.peer_link is not None
        else []
    )
    return {
        "vpc-domain-id": str(item.domain),
        "vpc-peer-status": "peer-ok" if item.peer_ok else "peer-link-down",
        "vpc-peer-keepalive-status": "peer-alive" if item.alive else "peer-not-alive",
        "vpc-peer-consistency": word,
        "vpc-per-vlan-peer-consistency": word,
        "vpc-type-2-consistency": word,
        "vpc-role": item.role.replace(" ", "-"),
        "num-of-vpcs": str(len(item.legs)),
        "peer-gateway": "1",
        "virtual-peer-link": "1" if item.virtual else "0",
        **table("peerlink", links),
        **table("vpc", legs),
    }


def keepalive_text(item: Vpc) -> str:
    """No keepalive packets are sent here: an echo request tells whether the peer answers, and the answer says so."""
    state = "peer is alive" if item.alive else "Suspended (Destination IP not reachable)"
    rows = [
        ("vPC keep-alive status", state),
        ("--Source of this status", "an echo request to the destination (stand-in)"),
    ]
    return "\n".join(f"{name:<34}: {value}" for name, value in rows)


def keepalive_json(item: Vpc) -> dict[str, Any]:
    return {"vpc-peer-keepalive-status": "peer-alive" if item.alive else "peer-not-alive"}
