"""Faults made at a switch's command line: they work on a 9000v as on a stand-in.

Commands: Cisco Nexus 9000 NX-OS configuration guides 10.x, Interfaces (vPC, vPC fabric peering) and Unicast Routing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address

from labctl.nxos.tree import parse
from labctl.verify.faults.plan import Plan, Planned
from labctl.verify.hands import NotDone
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.faultmodel import Neighbor, Port

NOBODY = "192.0.2.1"
"""An address of TEST-NET-1 (RFC 5737): routed nowhere."""
RUNNING = "show running-config"


def shutdown(lab: LabUnderTest, row: Port) -> Plan:
    """``shutdown`` on interfaces."""
    closed = [name for name in row.interface if _is_shut(lab, row.switch, name)]
    if closed:
        raise NotDone(f"{row.switch}: {', '.join(closed)} is shut already: healing would open it")
    return Plan(f"{row.switch}: shutdown of {', '.join(row.interface)}", [_shut(lab, row.switch, row.interface)])


def isolate(lab: LabUnderTest, switch: str) -> Plan:
    """``shutdown`` on each Ethernet port that has a wire and is not shut."""
    wired = lab.folder.lab.interfaces(switch)
    ports = [name for name in wired if not _is_shut(lab, switch, name)]
    if not ports:
        raise NotDone(f"{switch} has no port that is not shut already")
    what = f"{switch} is cut off: shutdown of its {len(ports)} Ethernet ports (it runs on)"
    return Plan(what, [_shut(lab, switch, ports)])


def _shut(lab: LabUnderTest, switch: str, ports: Sequence[str]) -> Planned:
    def lines(word: str) -> list[str]:
        return [line for port in ports for line in (f"interface {port}", word)]

    configure = lab.hands.configure
    return Planned("switch-lines", {"switch": switch, "lines": lines("no shutdown")},
                   lambda: configure(switch, lines("shutdown")))  # fmt: skip


def _is_shut(lab: LabUnderTest, switch: str, interface: str) -> bool:
    text = lab.hands.command(switch, f"{RUNNING} interface {interface}")
    return re.search(r"^\s+shutdown\s*$", text, re.MULTILINE) is not None


def keepalive(lab: LabUnderTest, leaf: str) -> Plan:
    """The keepalive's destination becomes an address where nobody is."""
    domain, lines = vpc_domain(lab.hands.command(leaf, RUNNING))
    line = next((text for text in lines if text.startswith("peer-keepalive destination ")), None)
    if domain is None or line is None:
        raise NotDone(f"{leaf} has no vPC keepalive")
    elsewhere = re.sub(r"destination \S+", f"destination {NOBODY}", line)
    return _domain_lines(lab, leaf, domain, [elsewhere], [line], f"{leaf}: its keepalive goes to {NOBODY}")


def peer_link(lab: LabUnderTest, leaf: str) -> Plan:
    """The members of a physical peer-link, or the line that makes a virtual one."""
    running = lab.hands.command(leaf, RUNNING)
    domain, lines = vpc_domain(running)
    virtual = next((text for text in lines if text.startswith("virtual peer-link destination ")), None)
    if domain is not None and virtual is not None:
        return _domain_lines(lab, leaf, domain, [f"no {virtual}"], [virtual], f"{leaf}: no {virtual}")
    members = peer_link_members(running)
    if not members:
        raise NotDone(f"{leaf} has no peer-link with members, and no virtual one")
    return shutdown(lab, Port(switch=leaf, interface=tuple(members)))


def _domain_lines(
    lab: LabUnderTest, leaf: str, domain: str, made: Sequence[str], healed: Sequence[str], sentence: str
) -> Plan:
    enter, configure = f"vpc domain {domain}", lab.hands.configure
    data = {"switch": leaf, "lines": [enter, *healed]}
    return Plan(sentence, [Planned("switch-lines", data, partial(configure, leaf, [enter, *made]))])


def clear_bgp(lab: LabUnderTest, row: Neighbor) -> Plan:
    """A session is reset; both sides make it again by themselves."""
    vrf = row.vrf or default_vrf(lab)
    word = "ip" if ip_address(row.neighbor).version == 4 else "ipv6"
    line = f"clear {word} bgp vrf {vrf} {row.neighbor}"
    done = partial(lab.hands.command, row.switch, line)
    return Plan(f"{row.switch}: {line}", [Planned("by-itself", {}, done)])


def default_vrf(lab: LabUnderTest) -> str:
    """The VRF of the lab's sessions with nodes, else of its routes; NX-OS's default where it has neither."""
    bgp = lab.mode.bgp
    return next(iter([*(row.vrf for row in bgp.sessions), *(row.vrf for row in bgp.routes)]), "default")


def vpc_domain(running: str) -> tuple[str | None, list[str]]:
    """The number of the vPC domain and its lines; None without one. Pure."""
    domain = parse(running).find("vpc", "domain")
    return (None, []) if domain is None else (domain.words[2], [child.line for child in domain.children])


def peer_link_members(running: str) -> list[str]:
    """Ethernet ports in the channel that is the vPC peer-link. Pure."""
    interfaces = [section for section in parse(running).all("interface") if len(section.words) == 2]
    channels = {section.words[1] for section in interfaces if section.has("vpc peer-link")}
    return [
        section.words[1]
        for section in interfaces
        if (group := section.rest("channel-group")) and f"port-channel{group[0]}" in channels
    ]
