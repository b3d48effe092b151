"""``show version``, ``show hostname``, ``show clock``, ``show vrf``, ``show feature``, ``show module``.

A 9000v's ports are module 1, its supervisor is module 27.
"""

from __future__ import annotations

import re
from typing import Any

from labctl.standin.switch.dataplane.names import vrf_device
from labctl.standin.switch.shows.form import table
from labctl.standin.switch.shows.machine import Source, is_up, link_states


def version(source: Source) -> dict[str, Any]:
    """What the box says of itself: that it is a stand-in stands in the chassis line."""
    return parse_version(source, source.run("cat", "/proc/uptime", "/proc/meminfo"), source.run("uname", "-m").strip())


def parse_version(source: Source, text: str, architecture: str) -> dict[str, Any]:
    """``text``: /proc/uptime, then /proc/meminfo."""
    whole = int(float(text.split(maxsplit=1)[0]))
    memory = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return {
        "bios_ver_str": "",
        "header_str": "Cisco Nexus Operating System (NX-OS) Software: layout only, this is a stand-in of labctl",
        "nxos_ver_str": source.identity.nxos_version,
        "kickstart_ver_str": source.identity.nxos_version,
        "chassis_id": "Nexus9000 stand-in (labctl)",
        "host_name": source.model.hostname,
        "proc_board_id": "LABCTL",
        "cpu_name": architecture,
        "memory": memory[1] if memory else "0",
        "mem_type": "kB",
        "kern_uptm_days": str(whole // 86400),
        "kern_uptm_hrs": str(whole // 3600 % 24),
        "kern_uptm_mins": str(whole // 60 % 60),
        "kern_uptm_secs": str(whole % 60),
        "rr_reason": "Unknown",
    }


def version_text(row: dict[str, Any]) -> str:
    return (
        f"{row['header_str']}\n\n"
        f"Software\n  BIOS: version {row['bios_ver_str']}\n  NXOS: version {row['nxos_ver_str']}\n"
        "  BIOS compile time:\n  NXOS image file is: none, this is a stand-in of labctl\n  NXOS compile time:\n\n"
        f"Hardware\n  cisco {row['chassis_id']} Chassis\n  {row['cpu_name']} with {row['memory']} {row['mem_type']} "
        "of memory.\n"
        f"  Processor Board ID {row['proc_board_id']}\n  Device name: {row['host_name']}\n\n"
        f"Kernel uptime is {row['kern_uptm_days']} day(s), {row['kern_uptm_hrs']} hour(s), "
        f"{row['kern_uptm_mins']} minute(s), {row['kern_uptm_secs']} second(s)\n\n"
        f"Last reset\n  Reason: {row['rr_reason']}\n  System version:\n  Service:\n\n"
        "plugin\n\n\nActive Package(s):"
    )


def clock(source: Source) -> dict[str, str]:
    """The machine's time; NX-OS's layout (``12:34:56.789 UTC Tue Nov 25 2025``)."""
    return {"simple_time": source.run("date", "-u", "+%H:%M:%S.%3N UTC %a %b %d %Y").strip()}


def clock_text(row: dict[str, str]) -> str:
    return row["simple_time"]


def vrf_names(source: Source) -> list[str]:
    """In the order of their ids, which begin at 1: NX-OS gives 1 and 2 to its own."""
    return list(dict.fromkeys(["default", "management", *(vrf.name for vrf in source.model.vrfs)]))


def vrfs(source: Source) -> list[dict[str, Any]]:
    """Configured VRFs, up when their device is."""
    links = link_states(source)
    return [
        _vrf(name, index, up=name == "default" or is_up(links.get(vrf_device(name))))
        for index, name in enumerate(vrf_names(source), 1)
    ]


def _vrf(name: str, index: int, *, up: bool) -> dict[str, Any]:
    reason = "--" if up else "no such device in the kernel"
    return {"vrf_name": name, "vrf_id": str(index), "vrf_state": "Up" if up else "Down", "vrf_reason": reason}


def vrfs_text(rows: list[dict[str, Any]]) -> str:
    lines = ["VRF-Name                           VRF-ID State   Reason"]
    lines += [f"{row['vrf_name']:<34} {row['vrf_id']:>6} {row['vrf_state']:<7} {row['vrf_reason']}" for row in rows]
    return "\n".join(lines)


def features(source: Source) -> list[dict[str, Any]]:
    return [
        {"cfcFeatureCtrlName2": name, "cfcFeatureCtrlInstanceNum2": "1", "cfcFeatureCtrlOpStatus2": "enabled"}
        for name in sorted(source.model.features)
    ]


def features_text(rows: list[dict[str, Any]]) -> str:
    lines = ["Feature Name          Instance  State", "--------------------  --------  --------"]
    lines += [f"{row['cfcFeatureCtrlName2']:<22}{row['cfcFeatureCtrlInstanceNum2']:<10}enabled" for row in rows]
    return "\n".join(lines)


SUPERVISOR = "27"


def modules(source: Source) -> list[dict[str, str]]:
    """What the box has. That it is a stand-in stands in the model; its ports are those that are wired."""
    ports = len(source.identity.interfaces)
    line_card = f"labctl stand-in with {ports} Ethernet ports"
    return [
        {"modinf": "1", "ports": str(ports), "modtype": line_card, "model": "labctl-ports", "status": "ok"},
        {"modinf": SUPERVISOR, "ports": "0", "modtype": "labctl stand-in supervisor", "model": "labctl-sup",
         "status": "active *"},
    ]  # fmt: skip


def software(source: Source) -> list[dict[str, str]]:
    """The second table."""
    version = source.identity.nxos_version
    return [
        {"modwwn": "1", "sw": version, "hw": "0.0", "slottype": "NA"},
        {"modwwn": SUPERVISOR, "sw": version, "hw": "0.0", "slottype": "SUP1"},
    ]


def modules_text(rows: list[dict[str, str]], versions: list[dict[str, str]]) -> str:
    """Columns start at 0, 4, 10, 48 and 70 (a 9000v 9.3); the last line explains the star."""
    lines = [
        "Mod Ports             Module-Type                      Model           Status",
        f"--- ----- {'-' * 37} {'-' * 21} ---------",
    ]
    lines += [
        f"{row['modinf']:<4} {row['ports']:<4} {row['modtype']:<37} {row['model']:<21} {row['status']}" for row in rows
    ]
    lines += ["", "Mod  Sw                       Hw    Slot", "---  ----------------------- ------ ----"]
    lines += [f"{row['modwwn']:<4} {row['sw']:<23} {row['hw']:<6} {row['slottype']}" for row in versions]
    return "\n".join([*lines, "", "* this terminal session"])


def modules_json(rows: list[dict[str, str]], versions: list[dict[str, str]]) -> dict[str, Any]:
    return table("modinfo", rows) | table("modwwninfo", versions)
