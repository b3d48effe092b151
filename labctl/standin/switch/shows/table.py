"""The show commands as rows of a table: a pattern and what answers it. Deeper later means more rows.

What the box says of itself stands here: ``show version``, ``hostname``, ``clock``, ``vrf``, ``feature``, ``module`` (a
9000v's ports are module 1, its supervisor is module 27).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.standin.switch.dataplane.names import PLATFORM_CONSTANTS, vrf_device
from labctl.standin.switch.grammar import Fit, choose
from labctl.standin.switch.shows import bundles, forwarding, interfaces, routing
from labctl.standin.switch.shows.form import Answer, lines, listing, table
from labctl.standin.switch.shows.machine import Look, is_up

if TYPE_CHECKING:
    from labctl.standin.switch.dataplane.platform import FrrPlatform

VERSION = """\
{header_str}

Software
  BIOS: version {bios_ver_str}
  NXOS: version {nxos_ver_str}
  BIOS compile time:
  NXOS image file is: none, this is a stand-in of labctl
  NXOS compile time:

Hardware
  cisco {chassis_id} Chassis
  {cpu_name} with {memory} {mem_type} of memory.
  Processor Board ID {proc_board_id}
  Device name: {host_name}

Kernel uptime is {kern_uptm_days} day(s), {kern_uptm_hrs} hour(s), {kern_uptm_mins} minute(s), {kern_uptm_secs} \
second(s)

Last reset
  Reason: {rr_reason}
  System version:
  Service:

plugin


Active Package(s):"""


def _version(look: Look) -> Answer:
    """What the box says of itself: that it is a stand-in stands in the chassis line."""
    text = look.switch.run("cat", "/proc/uptime", "/proc/meminfo")
    whole = int(float(text.split(maxsplit=1)[0]))
    memory = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    row = {
        "bios_ver_str": "",
        "header_str": "Cisco Nexus Operating System (NX-OS) Software: layout only, this is a stand-in of labctl",
        "nxos_ver_str": look.identity.nxos_version,
        "kickstart_ver_str": look.identity.nxos_version,
        "chassis_id": "Nexus9000 stand-in (labctl)",
        "host_name": look.model.hostname,
        "proc_board_id": "LABCTL",
        "cpu_name": look.switch.run("uname", "-m").strip(),
        "memory": memory[1] if memory else "0",
        "mem_type": "kB",
        "kern_uptm_days": str(whole // 86400),
        "kern_uptm_hrs": str(whole // 3600 % 24),
        "kern_uptm_mins": str(whole // 60 % 60),
        "kern_uptm_secs": str(whole % 60),
        "rr_reason": "Unknown",
    }
    return Answer(VERSION.format_map(row), row)


def _hostname(look: Look) -> Answer:
    return Answer(look.model.hostname, {"hostname": look.model.hostname})


def _clock(look: Look) -> Answer:
    """The machine's time; NX-OS's layout (``12:34:56.789 UTC Tue Nov 25 2025``)."""
    time = look.switch.run("date", "-u", "+%H:%M:%S.%3N UTC %a %b %d %Y").strip()
    return Answer(time, {"simple_time": time})


def _platform(_look: Look) -> Answer:
    return Answer("\n".join(f"{name:<40} {value}" for name, value in PLATFORM_CONSTANTS))


def _vrfs(look: Look) -> Answer:
    """Configured VRFs, up when their device is."""
    rows = []
    for index, name in enumerate(look.vrf_names, 1):
        up = name == "default" or is_up(look.links.get(vrf_device(name)))
        state, reason = ("Up", "--") if up else ("Down", "no such device in the kernel")
        rows.append({"vrf_name": name, "vrf_id": str(index), "vrf_state": state, "vrf_reason": reason})
    head = "VRF-Name                           VRF-ID State   Reason"
    return listing("vrf", rows, head, "{vrf_name:<34} {vrf_id:>6} {vrf_state:<7} {vrf_reason}")


def _features(look: Look) -> Answer:
    rows = [
        {"cfcFeatureCtrlName2": name, "cfcFeatureCtrlInstanceNum2": "1", "cfcFeatureCtrlOpStatus2": "enabled"}
        for name in sorted(look.model.features)
    ]
    head = "Feature Name          Instance  State\n--------------------  --------  --------"
    line = "{cfcFeatureCtrlName2:<22}{cfcFeatureCtrlInstanceNum2:<10}{cfcFeatureCtrlOpStatus2}"
    return listing("cfcFeatureCtrl2Table", rows, head, line)


MODULES = f"""\
Mod Ports             Module-Type                      Model           Status
--- ----- {"-" * 37} {"-" * 21} ---------"""
SOFTWARE = "\nMod  Sw                       Hw    Slot\n---  ----------------------- ------ ----"


def _modules(look: Look) -> Answer:
    """What the box has. That it is a stand-in stands in the model; its ports are those that are wired.

    Columns start at 0, 4, 10, 48 and 70 (a 9000v 9.3); the last line explains the star.
    """
    ports, supervisor, release = str(len(look.identity.interfaces)), "27", look.identity.nxos_version
    line_card = f"labctl stand-in with {ports} Ethernet ports"
    rows = [
        {"modinf": "1", "ports": ports, "modtype": line_card, "model": "labctl-ports", "status": "ok"},
        {"modinf": supervisor, "ports": "0", "modtype": "labctl stand-in supervisor", "model": "labctl-sup",
         "status": "active *"},
    ]  # fmt: skip
    versions = [
        {"modwwn": "1", "sw": release, "hw": "0.0", "slottype": "NA"},
        {"modwwn": supervisor, "sw": release, "hw": "0.0", "slottype": "SUP1"},
    ]
    first = lines(MODULES, "{modinf:<4} {ports:<4} {modtype:<37} {model:<21} {status}", rows)
    second = lines(SOFTWARE, "{modwwn:<4} {sw:<23} {hw:<6} {slottype}", versions)
    body = table("modinfo", rows) | table("modwwninfo", versions)
    return Answer(f"{first}\n{second}\n\n* this terminal session", body)


@dataclass(frozen=True, slots=True)
class Show:
    """One row: a pattern without ``show``."""

    pattern: str
    answer: Callable[[Look], Answer]
    key: int = 0


TABLE: tuple[Show, ...] = (
    Show("version", _version),
    Show("hostname", _hostname),
    Show("module", _modules),
    Show("clock", _clock),
    Show("labctl platform", _platform),
    Show("feature", _features),
    Show("vrf", _vrfs),
    Show("ip route [<ip4>] [vrf <name>]", routing.routes(4)),
    Show("ip route <any4> [vrf <name>]", routing.routes(4)),
    Show("ip route vrf <name> <ip4>", routing.routes(4)),
    Show("ip route vrf <name> <any4>", routing.routes(4)),
    Show("ipv6 route [<ip6>] [vrf <name>]", routing.routes(6)),
    Show("ipv6 route <any6> [vrf <name>]", routing.routes(6)),
    Show("ipv6 route vrf <name> <ip6>", routing.routes(6)),
    Show("ipv6 route vrf <name> <any6>", routing.routes(6)),
    Show("ip bgp summary [vrf <name>]", routing.summary("ipv4")),
    Show("bgp ipv4 unicast summary [vrf <name>]", routing.summary("ipv4")),
    Show("ipv6 bgp summary [vrf <name>]", routing.summary("ipv6")),
    Show("bgp ipv6 unicast summary [vrf <name>]", routing.summary("ipv6")),
    Show("bgp vrf <name> ipv4 unicast summary", routing.summary("ipv4")),
    Show("bgp vrf <name> ipv6 unicast summary", routing.summary("ipv6")),
    Show("ip bgp neighbors [<ip4>] [vrf <name>]", routing.neighbors(4)),
    Show("ipv6 bgp neighbors [<ip6>] [vrf <name>]", routing.neighbors(6)),
    Show("bgp l2vpn evpn summary", routing.summary("evpn")),
    Show("nve peers", forwarding.peers),
    Show("nve vni", forwarding.vnis),
    Show("nve interface nve1 [detail]", forwarding.interface),
    Show("vpc [brief]", bundles.vpc),
    Show("vpc peer-keepalive", bundles.keepalive),
    Show("port-channel summary", bundles.summary),
    Show("lacp neighbor", bundles.lacp),
    Show("interface", interfaces.details),
    Show("interface brief", interfaces.brief),
    Show("interface status", interfaces.status),
    Show("ip interface brief [vrf <name>]", interfaces.ip_brief),
    Show("vlan [brief]", interfaces.vlans),
    Show("ip arp [vrf <name>]", forwarding.adjacencies(4)),
    Show("ipv6 neighbor [vrf <name>]", forwarding.adjacencies(6)),
    Show("mac address-table [vlan <vlan>]", forwarding.macs),
    Show("ip ospf neighbors", routing.ospf),
)


def show(switch: FrrPlatform, words: tuple[str, ...], *, as_json: bool) -> str:
    """Answer ``show WORDS``, a command of the table. A VRF that is not there has nothing to tell."""
    found = choose(TABLE, words)
    assert isinstance(found, Fit)  # noqa: S101 - the command line has the same patterns
    look = Look(switch, found.words)
    if look.vrf != "all" and not look.has_vrf(look.vrf):
        return ""
    answer = found.row.answer(look)
    if as_json:
        return json.dumps(answer.body) if answer.body else ""
    return answer.text if isinstance(answer.text, str) else answer.text()
