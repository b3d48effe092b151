"""``show port-channel summary``, ``show lacp neighbor``, ``show vpc brief``: the kernel's bonds, EVPN's segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labctl.bonding import Bond, Member
from labctl.standin.switch.dataplane.horizon import peers_by_port
from labctl.standin.switch.dataplane.model import Interface
from labctl.standin.switch.dataplane.names import kernel_name
from labctl.standin.switch.shows.form import short, table
from labctl.standin.switch.shows.machine import Source, bonds, frr, is_up, link_states

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


@dataclass(frozen=True, slots=True)
class Channel:
    """A port-channel with its members' flags."""

    interface: Interface
    up: bool
    members: tuple[tuple[str, str], ...]
    bond: Bond | None


def channels(source: Source) -> list[Channel]:
    """Every port-channel, read now."""
    interfaces = source.model.kind("port-channel")
    links = link_states(source)
    found = bonds(source, [kernel_name(i.name) for i in interfaces if kernel_name(i.name) in links and not i.peer_link])
    result = []
    for interface in interfaces:
        bond = found.get(kernel_name(interface.name))
        ports = [port for port in source.model.kind("Ethernet") if port.channel == interface.number]
        members = tuple((port.name, member_flag(bond, kernel_name(port.name))) for port in ports)
        up = any(flag == "P" for _, flag in members)
        if interface.peer_link and not ports and source.model.vpc and source.model.vpc.virtual:
            up = bool(segment_peers(source))
        result.append(Channel(interface, up, members, bond))
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
                "group": str(row.interface.number), "port-channel": f"port-channel{row.interface.number}",
                "layer": "R" if row.interface.routed else "S", "status": "U" if row.up else "D", "type": "Eth",
                "prtcl": "LACP" if row.members else "NONE",
                **table("member", [{"port": port, "port-status": flag} for port, flag in row.members]),
            }
            for row in rows
        ],
    )  # fmt: skip


def neighbor_text(rows: list[Channel]) -> str:
    """Partner information per port."""
    lines = [
        "Flags:  S - Device is sending Slow LACPDUs F - Device is sending Fast LACPDUs",
        "        A - Device is in Active mode       P - Device is in Passive mode",
    ]
    for row in rows:
        if row.bond is None:
            continue
        lines.append(f"port-channel{row.interface.number} neighbors")
        for member in row.bond.members:
            port = f"Eth1/{member.name.removeprefix('eth')}"
            lines += [
                "Partner's information",
                "            Partner                Partner                     Partner",
                "Port        System ID              Port Number     Age         Flags",
                f"{port:<11} {_system(member):<23}0x1            0           {_flags(member)}",
                "",
                "            LACP Partner           Partner                     Partner",
                "            Port Priority          Oper Key                    Port State",
                f"            255                    0xf                         0x{member.partner_state:x}",
            ]
    return "\n".join(lines)


def _system(member: Member) -> str:
    return "65535," + "-".join(f"{int(part, 16):x}" for part in member.partner_mac.split(":")) if member.partner_mac else "0"


def _flags(member: Member) -> str:
    return ("F" if member.partner_state & 0x02 else "S") + ("A" if member.partner_state & 0x01 else "P")


def neighbor_json(rows: list[Channel]) -> dict[str, Any]:
    interfaces = []
    for row in rows:
        if row.bond is not None:
            members = [
                {
                    "port": f"Ethernet1/{member.name.removeprefix('eth')}", "partner-mac": member.partner_mac,
                    "partner-port-state": f"0x{member.partner_state:x}", "actor-port-state": f"0x{member.actor_state:x}",
                }
                for member in row.bond.members
            ]  # fmt: skip
            interfaces.append({"interface": f"port-channel{row.interface.number}", **table("member", members)})
    return table("interface", interfaces)


def segment_peers(source: Source) -> dict[str, tuple[str, ...]]:
    """Kernel port → VTEPs of the other leaf, as EVPN says."""
    return {port: vteps for port, vteps in peers_by_port(frr(source, "zebra", "show evpn es json")).items() if vteps}


@dataclass(frozen=True, slots=True)
class Vpc:
    """The vPC domain now."""

    domain: int
    peer_ok: bool
    alive: bool
    role: str
    virtual: bool
    peer_gateway: bool
    layer3: bool
    peer_link: str
    vlans: str
    legs: tuple[tuple[int, str, bool, bool, str], ...]
    """(vpc id, port, up, consistent with the peer, VLANs)."""


def vpc(source: Source) -> Vpc | None:
    """Read now; None without a vPC domain. The peer is there when EVPN lists its VTEP for our segments."""
    model = source.model
    if model.vpc is None:
        return None
    links = link_states(source)
    segments = segment_peers(source)
    legs = []
    for interface in model.kind("port-channel"):
        if interface.vpc is not None and not interface.peer_link:
            name = kernel_name(interface.name)
            vlans = ",".join(str(vlan) for vlan in interface.allowed_vlans or ()) or str(interface.native_vlan or 1)
            legs.append((interface.vpc, interface.name, is_up(links.get(name)), name in segments, vlans))
    link = next((interface.name for interface in model.kind("port-channel") if interface.peer_link), "port-channel500")
    peer_ok = bool(segments)
    return Vpc(
        model.vpc.domain, peer_ok, peer_ok, _role(source, segments) if peer_ok else "none established", model.vpc.virtual is not None,
        True, False, link, ",".join(["1", *(str(vlan) for vlan in sorted(model.vlans) if vlan != 1)]), tuple(sorted(legs)),
    )  # fmt: skip


def _role(source: Source, segments: dict[str, tuple[str, ...]]) -> str:
    """With equal priorities the lower system MAC is primary (Cisco Nexus 9000 vPC guide)."""
    peer = next(iter(segments.values()))[0]
    for body in frr(source, "zebra", "show evpn rmac vni all json").values():
        for row in body.values() if isinstance(body, dict) else []:
            if isinstance(row, dict) and row.get("vtepIp") == peer:
                return "primary" if source.mac < row["routerMac"] else "secondary"
    return "primary"


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
        ("Peer Gateway", "Enabled" if item.peer_gateway else "Disabled"),
        ("Dual-active excluded VLANs", "-"),
        ("Graceful Consistency Check", "Enabled"),
        ("Operational Layer3 Peer-router", "Enabled" if item.layer3 else "Disabled"),
        ("Virtual-peerlink mode", "Enabled" if item.virtual else "Disabled"),
    ]
    lines = ["Legend:", "                (*) - local vPC is down, forwarding via vPC peer-link", ""]
    lines += [f"{name:<34}: {value}" for name, value in values]
    state = "up" if item.peer_ok else "down"
    lines += [
        "", "vPC Peer-link status", "-" * 69, "id    Port   Status Active vlans", f"--    ----   ------ {'-' * 49}",
        f"1     {short(item.peer_link):<6} {state:<6} {item.vlans if item.peer_ok else '-'}",
        "", "vPC status", "-" * 76, "Id    Port          Status Consistency Reason                Active vlans",
        "--    ------------  ------ ----------- ------                ---------------",
    ]  # fmt: skip
    for number, port, up, consistent, vlans in item.legs:
        name = short(port) + ("" if up else "*")
        word = "success" if consistent else "failed"
        reason = "success" if consistent else "peer has no such vPC up"
        lines.append(f"{number:<5} {name:<13} {'up' if up else 'down*':<6} {word:<11} {reason:<21} {vlans if up else '-'}")
    lines += [
        "", 'Please check "show vpc consistency-parameters vpc <vpc-num>" for the', "consistency reason of down vpc and for type-2 consistency reasons for",
        "any vpc.",
    ]  # fmt: skip
    return "\n".join(lines)


def vpc_json(item: Vpc) -> dict[str, Any]:
    word = "consistent" if item.peer_ok else "inconsistent"
    legs = [
        {
            "vpc-id": str(number), "vpc-ifindex": short(port), "vpc-port-state": "1" if up else "0",
            "vpc-consistency": "consistent" if consistent else "inconsistent",
            "vpc-consistency-status": "SUCCESS" if consistent else "FAILED", "up-vlan-bitset": vlans if up else "-",
        }
        for number, port, up, consistent, vlans in item.legs
    ]  # fmt: skip
    link = {
        "peer-link-id": "1", "peerlink-ifindex": short(item.peer_link), "peer-link-port-state": "1" if item.peer_ok else "0",
        "peer-up-vlan-bitset": item.vlans if item.peer_ok else "-",
    }  # fmt: skip
    return {
        "vpc-domain-id": str(item.domain), "vpc-peer-status": "peer-ok" if item.peer_ok else "peer-link-down",
        "vpc-peer-keepalive-status": "peer-alive" if item.alive else "peer-not-alive", "vpc-peer-consistency": word,
        "vpc-per-vlan-peer-consistency": word, "vpc-type-2-consistency": word, "vpc-role": item.role.replace(" ", "-"),
        "num-of-vpcs": str(len(item.legs)), "peer-gateway": "1" if item.peer_gateway else "0",
        "virtual-peer-link": "1" if item.virtual else "0", **table("peerlink", [link]), **table("vpc", legs),
    }  # fmt: skip
