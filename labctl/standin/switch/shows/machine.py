"""What a show command reads of the running machine: FRR's JSON by vty, iproute2's JSON, the kernel's bonding files."""

from __future__ import annotations

import json
from typing import Any, Protocol

from labctl.bonding import Bond, parse_bond
from labctl.standin.switch.dataplane.model import SwitchModel
from labctl.standin.switch.platform import SwitchIdentity


class Source(Protocol):
    """`labctl.standin.switch.dataplane.platform.FrrPlatform`."""

    identity: SwitchIdentity
    model: SwitchModel
    mac: str
    daemons: Any

    def run(self, *argv: str) -> str: ...


def frr(source: Source, daemon: str, command: str) -> Any:
    """FRR's answer as JSON; an empty dict when the daemon does not run or has nothing."""
    text = source.daemons.show(daemon, command)[0].strip()
    try:
        return json.loads(text) if text[:1] in "{[" and text else {}
    except ValueError:
        return {}


def iproute(source: Source, *argv: str) -> list[dict[str, Any]]:
    """iproute2's answer as JSON."""
    text = source.run(*argv).strip()
    rows: list[dict[str, Any]] = json.loads(text) if text else []
    return [row for row in rows if row]


def bonds(source: Source, names: list[str]) -> dict[str, Bond]:
    """The kernel's word on several bonds, in one process."""
    if not names:
        return {}
    text = source.run("tail", "-v", "-n", "+1", *(f"/proc/net/bonding/{name}" for name in names))
    result = {}
    for piece in text.split("==> /proc/net/bonding/")[1:]:
        name, _, body = piece.partition(" <==\n")
        result[name] = parse_bond(body)
    return result


def link_states(source: Source) -> dict[str, dict[str, Any]]:
    """Every link by kernel name."""
    return {row["ifname"]: row for row in iproute(source, "ip", "-j", "-d", "link", "show")}


def is_up(link: dict[str, Any] | None) -> bool:
    """Administratively and operationally up."""
    return link is not None and "UP" in link["flags"] and link.get("operstate") in ("UP", "UNKNOWN")
