"""The forms of NX-OS's output: an answer as text and as JSON, ages, MAC addresses, names of interfaces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labctl.nxos.normal import short_name
from labctl.standin.switch.dataplane.names import nxos_name

Row = dict[str, Any]
"""A row of a show command's table, with NX-OS's keys."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's answer in both forms. ``text`` may be made when it is wanted, where it takes more than ``body``."""

    text: str | Callable[[], str] = ""
    body: Row = field(default_factory=dict)


def listing(name: str, rows: Sequence[Row], head: str, line: str) -> Answer:
    """A table: each row is a line of the text (``line`` formats it), and the same in JSON."""
    return Answer(lines(head, line, rows), table(name, rows))


def lines(head: str, line: str, rows: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join([head, *map(line.format_map, rows)])


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> Row:
    """``TABLE_x``/``ROW_x`` as NX-OS prints them: an object for one row, an array for several, nothing for none."""
    if not rows:
        return {}
    return {f"TABLE_{name}": {f"ROW_{name}": rows[0] if len(rows) == 1 else list(rows)}}


def mac(text: str) -> str:
    """``fef8.86b8.5f7e``."""
    digits = text.replace(":", "").lower()
    return ".".join(digits[start : start + 4] for start in (0, 4, 8))


def kernel_short(kernel: str) -> str:
    """``eth7`` is ``Eth1/7``, ``po11`` is ``Po11``."""
    return short_name(nxos_name(kernel))


def clock(seconds: float) -> str:
    """``00:03:18``, ``1d02h``, ``3w4d``."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days >= 7:
        return f"{days // 7}w{days % 7}d"
    return f"{days}d{hours:02d}h" if days else f"{hours:02d}:{minutes:02d}:{whole % 60:02d}"


def frr_seconds(age: str) -> int:
    """FRR's uptime: ``00:00:28``, ``01d02h03m``, ``02w3d04h``; 0 for anything else (``never``)."""
    scales = {"w": 604800, "d": 86400, "h": 3600, "m": 60}
    found = re.fullmatch(r"(\d+):(\d+):(\d+)", age)
    if found:
        return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    return sum(int(number) * scales[unit] for number, unit in re.findall(r"(\d+)([wdhm])", age))


def frr_age(text: str) -> str:
    """FRR's uptime in NX-OS's form; ``never`` stays."""
    return clock(frr_seconds(text)) if text[:1].isdigit() else text


def duration(text: str) -> str:
    """An age of less than a day as an ISO 8601 duration, as ``| json`` has it: ``PT28S``."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+)", text)
    if not found:
        return text
    hours, minutes, seconds = (int(part) for part in found.groups())
    return "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + f"{seconds}S"
