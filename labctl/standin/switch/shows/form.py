"""Small shared forms of NX-OS output: tables as JSON, ages, MAC addresses, abbreviated interface names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from labctl.standin.switch.dataplane.names import nxos_name

Row = dict[str, Any]
"""A row of a show command's table, with NX-OS's keys."""


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``TABLE_x``/``ROW_x`` as NX-OS prints them: an object for one row, an array for several, nothing for none."""
    if not rows:
        return {}
    return {f"TABLE_{name}": {f"ROW_{name}": rows[0] if len(rows) == 1 else list(rows)}}


def mac(text: str) -> str:
    """``fef8.86b8.5f7e``."""
    digits = text.replace(":", "").lower()
    return ".".join(digits[start : start + 4] for start in (0, 4, 8))


def short(interface: str) -> str:
    """``Eth1/7``, ``Po11``, ``Lo1002``; SVIs are not shortened."""
    for long, brief in (("Ethernet", "Eth"), ("port-channel", "Po"), ("loopback", "Lo")):
        if interface.startswith(long):
            return brief + interface.removeprefix(long)
    return interface


def kernel_short(kernel: str) -> str:
    """``eth7`` is ``Eth1/7``, ``po11`` is ``Po11``."""
    return short(nxos_name(kernel))


def clock(seconds: float) -> str:
    """``00:03:18``, ``1d02h``, ``3w4d``."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days >= 7:
        return f"{days // 7}w{days % 7}d"
    return f"{days}d{hours:02d}h" if days else f"{hours:02d}:{minutes:02d}:{whole % 60:02d}"


def frr_age(text: str) -> str:
    """FRR's uptime (``00:00:28``, ``01d02h03m``, ``02w3d04h``, ``never``) in NX-OS's form."""
    found = re.fullmatch(r"0?(\d+)d0?(\d+)h\d+m", text)
    if found:
        return f"{int(found[1])}d{int(found[2]):02d}h"
    found = re.fullmatch(r"0?(\d+)w(\d+)d\d+h", text)
    return f"{int(found[1])}w{found[2]}d" if found else text


def duration(text: str) -> str:
    """The same as an ISO 8601 duration, as ``| json`` has it: ``PT28S``."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+)", text)
    if not found:
        return text
    hours, minutes, seconds = (int(part) for part in found.groups())
    return "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + f"{seconds}S"
