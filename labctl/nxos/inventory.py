"""What a switch says that it consists of: its modules and its Ethernet ports, out of text or ``| json``. Pure.

A 9000v takes logins before its line card is there: the ports appear about a minute later, and a card that lacks
memory or processors never stays (``pwr-cycld``). (Reference: nxos.md 3.6, 4; containerlab.md 6.8.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from labctl.nxos.normal import interface_name
from labctl.nxos.tables import rows

PORTS = "show interface brief"
MODULES = "show module"
GOOD = frozenset({"ok", "active", "standby", "ha-standby"})
"""States of a module that works."""


def ports(body: Mapping[str, Any]) -> frozenset[str]:
    """The Ethernet ports that ``show interface brief | json`` lists, by their full names."""
    return _ethernets(str(row.get("interface", "")) for row in rows(body, "interface"))


def ports_of_text(text: str) -> frozenset[str]:
    """The same from its text."""
    return _ethernets(line.split()[0] for line in text.splitlines() if line.startswith("Eth") and "/" in line)


def _ethernets(names: Iterator[str]) -> frozenset[str]:
    found = (interface_name(name) for name in names)
    return frozenset(name for name in found if name and name.startswith("Ethernet"))


def module_trouble(body: Mapping[str, Any]) -> str | None:
    """Why the modules that ``show module | json`` lists are not ready; None: they are."""
    return _trouble((str(row.get("modinf", "?")), str(row.get("status", ""))) for row in rows(body, "modinfo"))


def module_trouble_of_text(text: str) -> str | None:
    """The same from its text: the columns stand where the first line of dashes says."""
    lines = text.splitlines()
    ruler = next((index for index, line in enumerate(lines) if re.fullmatch(r"-+( +-+)+\s*", line)), None)
    if ruler is None:
        return "it lists no module"
    start = [match.start() for match in re.finditer(r"-+", lines[ruler])][-1]
    return _trouble(
        (line.split()[0], line[start:]) for line in takewhile(lambda line: line[:1].isdigit(), lines[ruler + 1 :])
    )


def _trouble(modules: Iterator[tuple[str, str]]) -> str | None:
    states = {module: state.replace("*", "").strip() for module, state in modules}
    if not states:
        return "it lists no module"
    bad = [f"module {module} is {state or 'without a state'}" for module, state in states.items() if state not in GOOD]
    return ", ".join(bad) or None
