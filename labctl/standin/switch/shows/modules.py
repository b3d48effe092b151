"""``show module``, as a 9000v lays it out: its ports are module 1, its supervisor is module 27."""

from __future__ import annotations

from typing import Any

from labctl.standin.switch.shows.form import table
from labctl.standin.switch.shows.machine import Source

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


def as_text(rows: list[dict[str, str]], versions: list[dict[str, str]]) -> str:
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


def as_json(rows: list[dict[str, str]], versions: list[dict[str, str]]) -> dict[str, Any]:
    return table("modinfo", rows) | table("modwwninfo", versions)
