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

from labctl.bonding import Bond, parse_bond
from labctl.guest.api import AgentError
from labctl.nxos.normal import short_name
from labctl.standin.switch.dataplane.names import BRIDGE, kernel_name, nxos_name, vrf_device
from labctl.standin.switch.dataplane.settings import Interface
from labctl.standin.switch.shows.form import Answer, Row, lines, table
from labctl.standin.switch.shows.machine import Look, is_up

ACTIVE, FAST = 0x01, 0x02
PARTNER_FLAGS = """\
Flags:  S - Device is sending Slow LACPDUs F - Device is sending Fast LACPDUs
        A - Device is in Active mode       P - Device is in Passive mode"""
PARTNER = """\
Partner's information
            Partner                Partner                     Partner
Port        System ID              Port Number     Age         Flags
{port:<11} {system:<22} {number:<#15x} {age:<11} {flags}

            LACP Partner           Partner                     Partner
            Port Priority          Oper Key                    Port State
            {priority:<22} {key:<#27x} {state:#x}"""


@dataclass(frozen=True, slots=True)
class Member:
    """A port of a bundle: what the kernel says of it, and what its partner says, by the kernel's words."""

    port: str
    own: Mapping[str, str]
    partner: Mapping[str, str]

    @property
    def speed(self) -> int | None:
        """Mbit/s; None: unknown."""
        return int(self.own["Speed"]) if self.own.get("Speed", "").isdigit() else None

    @property
    def duplex(self) -> str:
        duplex = self.own.get("Duplex", "")
        return duplex if duplex in ("full", "half") else "auto"

    def number(self, name: str) -> int:
        """Of the partner; 0: it never said."""
        return int(self.partner.get(name, 0))


def members(text: str) -> list[Member]:
    """Pure: the kernel's text of one bond."""
    found = []
    for part in re.split(r"\n(?=Slave Interface: )", text)[1:]:
        halves = part.partition("details partner lacp pdu:")[::2]
        own, partner = (dict(re.findall(r"^\s*([\w ]+): (\S+)", half, re.MULTILINE)) for half in halves)
        found.append(Member(nxos_name(own["Slave Interface"]), own, partner))
    return found


def ports_in_bundles(look: Look) -> dict[str, Member]:
    """By NX-OS's name; the kernel's bonding files are the only place that tells a port's speed."""
    return {row.port: row for text in look.bonds.values() for row in members(text)}


def lacp(look: Look) -> Answer:
    text, bodies = [PARTNER_FLAGS], []
    for name, bond in look.bonds.items():
        rows = []
        text.append(f"{nxos_name(name)} neighbors")
        for member in members(bond):
            text.append(partner_text(member))
            rows.append(
                {
                    "port": member.port,
                    "partner-mac": member.partner.get("system mac address", ""),
                    "partner-port-state": f"{member.number('port state'):#x}",
                    "actor-port-state": f"{int(member.own.get('port state', 0)):#x}",
                }
            )
        bodies.append({"interface": nxos_name(name), **table("member", rows)})
    return Answer("\n".join(text), table("interface", bodies))


def partner_text(member: Member) -> str:
    """NX-OS's layout."""
    state, octets = member.number("port state"), member.partner.get("system mac address", "").split(":")
    return PARTNER.format(
        port=short_name(member.port),
        system=f"{member.number('system priority')},{'-'.join(f'{int(part, 16):x}' for part in octets if part)}",
        number=member.number("port number"),
        age="-",
        flags=("F" if state & FAST else "S") + ("A" if state & ACTIVE else "P"),
        priority=member.number("port priority"),
        key=member.number("oper key"),
        state=state,
    )


CHANNELS = f"""\
Flags:  D - Down        P - Up in port-channel (members)
        I - Individual  H - Hot-standby (LACP only)
        s - Suspended   r - Module-removed
        b - BFD Session Wait
        S - Switched    R - Routed
        U - Up (port-channel)
        p - Up in delay-lacp mode (member)
        M - Not in use. Min-links not met
{"-" * 80}
Group Port-       Type     Protocol  Member Ports
      Channel
{"-" * 80}"""


def summary(look: Look) -> Answer:
    rows, shown = [], []
    for channel in look.model.kind("port-channel"):
        flags = _flags(look, channel)
        row = {
            "group": str(channel.number),
            "port-channel": f"port-channel{channel.number}",
            "layer": "R" if channel.routed else "S",
            "status": "U" if _carries(look, channel) else "D",
            "type": "Eth",
            "prtcl": "LACP" if flags else "NONE",
        }
        name = f"Po{channel.number}({row['layer']}{row['status']})"
        ports = " ".join(f"{short_name(port)}({flag})" for port, flag in flags.items()) or "--"
        shown.append(row | {"name": name, "ports": ports})
        rows.append(row | table("member", [{"port": port, "port-status": flag} for port, flag in flags.items()]))
    text = lines(CHANNELS, "{group:<5} {name:<11} {type:<8} {prtcl:<9} {ports}", shown)
    return Answer(text, table("channel", rows))


def _flags(look: Look, channel: Interface) -> dict[str, str]:
    """Of each configured member."""
    bond = parse_bond(look.bonds.get(kernel_name(channel.name), ""))
    ports = (port.name for port in look.model.kind("Ethernet") if port.channel == channel.number)
    return {port: member_flag(bond, kernel_name(port)) for port in ports}


def member_flag(bond: Bond, name: str) -> str:
    """P: in the bundle; s: up without a partner that fits; D: down."""
    member = next((row for row in bond.members if row.name == name), None)
    if member is None or not member.up:
        return "D"
    return "P" if member in bond.carrying else "s"


def _carries(look: Look, channel: Interface) -> bool:
    """Whether a member is in the bundle; a virtual peer-link has none: its other end is to be there."""
    flags, vpc = _flags(look, channel), look.model.vpc
    if channel.peer_link and not flags and vpc and vpc.virtual:
        return _virtual_peer(look, vpc.virtual[0])
    return "P" in flags.values()


def _virtual_peer(look: Look, destination: str) -> bool:
    """Whether the other end of a virtual peer-link is there: EVPN lists it for our segments.

    A pair without a leg has no segment; then the underlay must have the way to it, which its own OSPF announces.
    """
    if any(channel.vpc is not None for channel in look.model.kind("port-channel")):
        return bool(look.segment_peers)
    prefix = f"{destination}/32"
    rows = look.frr("zebra", f"show ip route {prefix} json").get(prefix) or []
    return any(row.get("selected") for row in rows)


VPC = """\
Legend:
                (*) - local vPC is down, forwarding via vPC peer-link

vPC domain id                     : {vpc-domain-id}
Peer status                       : {peer}
vPC keep-alive status             : {keepalive}
Configuration consistency status  : {success}
Per-vlan consistency status       : {success}
Type-2 consistency status         : {success}
vPC role                          : {role}
Number of vPCs configured         : {num-of-vpcs}
Peer Gateway                      : Enabled
Dual-active excluded VLANs        : -
Graceful Consistency Check        : Enabled
Auto-recovery status              : Disabled
Delay-restore status              : Timer is off.(timeout = 0s)
Delay-restore SVI status          : Timer is off.(timeout = 0s)
Delay-restore Orphan-port status  : Timer is off.(timeout = 0s)
Operational Layer3 Peer-router    : Enabled
Virtual-peerlink mode             : {virtual}
"""
"""What has no value of its own a stand-in does whatever is configured: nothing is delayed, nothing recovers by a timer,
packets to the peer's addresses are routed, and both leafs have the gateway's address and MAC
(`labctl.standin.switch.commands` says so of the lines)."""
PEER_LINK = f"""\
vPC Peer-link status
{"-" * 69}
id    Port   Status Active vlans
--    ----   ------ {"-" * 49}"""
LEGS = f"""\
vPC status
{"-" * 76}
Id    Port          Status Consistency Reason                Active vlans
--    ------------  ------ ----------- ------                ---------------"""
HINT = """\

Please check "show vpc consistency-parameters vpc <vpc-num>" for the
consistency reason of down vpc and for type-2 consistency reasons for
any vpc."""


def vpc(look: Look) -> Answer:
    """Nothing without a vPC domain."""
    domain = look.model.vpc
    if domain is None:
        return Answer()
    legs, links = _legs(look), _peer_links(look)
    peer = bool(links) and links[0]["peer-link-port-state"] == "1" and (bool(look.segment_peers) or not legs)
    alive = _alive(look)
    role = designated(look.segments) if look.segment_peers else "none established"
    consistent = "consistent" if peer else "inconsistent"
    body = {
        "vpc-domain-id": str(domain.domain),
        "vpc-peer-status": "peer-ok" if peer else "peer-link-down",
        "vpc-peer-keepalive-status": ALIVE[alive][0],
        "vpc-peer-consistency": consistent,
        "vpc-per-vlan-peer-consistency": consistent,
        "vpc-type-2-consistency": consistent,
        "vpc-role": role.replace(" ", "-"),
        "num-of-vpcs": str(len(legs)),
        "peer-gateway": "1",
        "virtual-peer-link": "1" if domain.virtual else "0",
    }
    shown = {
        "peer": "peer adjacency formed ok" if peer else "peer link is down",
        "keepalive": ALIVE[alive][1],
        "success": "success" if peer else "failed",
        "role": role,
        "virtual": "Enabled" if domain.virtual else "Disabled",
    }
    text = [VPC.format_map(body | shown)]
    if links:
        line = "{peer-link-id:<5} {peerlink-ifindex:<6} {status:<6} {peer-up-vlan-bitset}"
        text.append(lines(PEER_LINK, line, [row | {"status": _word(row["peer-link-port-state"])} for row in links]))
        text.append("")
    line = "{vpc-id:<5} {vpc-ifindex:<13} {status:<6} {word:<11} {reason:<21} {up-vlan-bitset}"
    text += [lines(LEGS, line, [row | _leg_words(row) for row in legs]), HINT]
    return Answer("\n".join(text), body | table("peerlink", links) | table("vpc", legs))


def _word(state: str, down: str = "down") -> str:
    return "up" if state == "1" else down


def _leg_words(row: Row) -> Row:
    good = row["vpc-consistency-status"] == "SUCCESS"
    reason = "success" if good else "peer has no such vPC up"
    return {"status": _word(row["vpc-port-state"], "down*"), "word": "success" if good else "failed", "reason": reason}


def _legs(look: Look) -> list[Row]:
    rows = []
    for channel in sorted(look.model.kind("port-channel"), key=lambda channel: channel.vpc or 0):
        if channel.vpc is not None and not channel.peer_link:
            device = kernel_name(channel.name)
            up, consistent = is_up(look.links.get(device)), device in look.segment_peers
            rows.append(
                {
                    "vpc-id": str(channel.vpc),
                    "vpc-ifindex": short_name(channel.name),
                    "vpc-port-state": "1" if up else "0",
                    "vpc-consistency": "consistent" if consistent else "inconsistent",
                    "vpc-consistency-status": "SUCCESS" if consistent else "FAILED",
                    "up-vlan-bitset": _vlans(look, device) if up else "-",
                    "vpc-thru-peerlink": "0",
                }
            )
    return rows


def _peer_links(look: Look) -> list[Row]:
    """The first, if there is one; its VLANs are those that the bridge carries, so over EVPN to the peer."""
    channels = [channel for channel in look.model.kind("port-channel") if channel.peer_link][:1]
    return [
        {
            "peer-link-id": "1",
            "peerlink-ifindex": short_name(channel.name),
            "peer-link-port-state": "1" if (up := _carries(look, channel)) else "0",
            "peer-up-vlan-bitset": _vlans(look, BRIDGE) if up else "-",
        }
        for channel in channels
    ]


def _vlans(look: Look, port: str) -> str:
    return ",".join(str(vlan) for vlan, _ in sorted(look.vlans.get(port, []))) or "-"


def designated(segments: object) -> str:
    """The role as the machine lives it: who is the designated forwarder of the shared segments (RFC 7432, 8.5).

    EVPN carries no vPC role priority, so it cannot decide here.
    """
    rows = [row for row in segments if row.get("vteps")] if isinstance(segments, list) else []
    return "secondary" if rows and all("nonDF" in row.get("flags", []) for row in rows) else "primary"


KEEPALIVE = """\
vPC keep-alive status             : {}
--Source of this status           : an echo request to the destination (stand-in)"""
ALIVE = {
    True: ("peer-alive", "peer is alive"),
    False: ("peer-not-alive", "Suspended (Destination IP not reachable)"),
}


def keepalive(look: Look) -> Answer:
    """No keepalive packets are sent here: an echo request tells whether the peer answers, and the answer says so."""
    if look.model.vpc is None:
        return Answer()
    state, text = ALIVE[_alive(look)]
    return Answer(KEEPALIVE.format(text), {"vpc-peer-keepalive-status": state})


def _alive(look: Look) -> bool:
    """Whether the destination answers now: no keepalive of vPC's own protocol is sent here, but an echo request."""
    if look.model.vpc is None or look.model.vpc.keepalive is None:
        return False
    destination, vrf = look.model.vpc.keepalive
    bound = ("-I", vrf_device(vrf)) if vrf != "default" else ()
    try:
        look.switch.run("ping", "-n", "-q", "-c", "1", "-W", "1", *bound, destination)
    except AgentError:
        return False  # ping says by its exit code that nobody answered
    return True
