"""Nodes and external hosts: the gates that see that bond0 is there, addressed and joined."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

from labctl.parallel import at_once
from labctl.runtime.api import Endpoints
from labctl.waiting import Deadline, NotYet, wait_for

BOND = "bond0"


def await_bonds(
    nodes: Sequence[str],
    endpoints: Endpoints,
    deadline: Deadline,
    cancel: threading.Event,
    usable: Callable[[str], str | None],
) -> str:
    """The gate: bond0 of every node has an address and one member that distributes without partner mismatch.

    ``usable`` judges the text of ``/proc/net/bonding/bond0``: None, or why there is no usable member yet.
    """

    def all_joined() -> bool | NotYet:
        reasons = at_once(nodes, lambda node: _bond_reason(node, endpoints, usable)).values()
        return NotYet("; ".join(filter(None, reasons))) if any(reasons) else True

    wait_for(all_joined, deadline, every=0.1, cancel=cancel)
    return f"{BOND} of {', '.join(nodes)} distributes"


def _bond_reason(node: str, endpoints: Endpoints, usable: Callable[[str], str | None]) -> str | None:
    done = endpoints.exec(node, ["cat", f"/proc/net/bonding/{BOND}"])
    if done.code != 0:
        return f"{node}: no {BOND}"
    reason = usable(done.stdout.decode(errors="replace"))
    return f"{node}: {reason}" if reason else None


def await_addresses(nodes: Sequence[str], endpoints: Endpoints, deadline: Deadline, cancel: threading.Event) -> str:
    """The gate before Calico: bond0 has a global IPv4 address on every node (its IP autodetection reads it once)."""

    def all_addressed() -> bool | NotYet:
        missing = [node for node in nodes if not bond_addresses(node, endpoints)]
        return NotYet(f"no address on {BOND} of {', '.join(missing)}") if missing else True

    wait_for(all_addressed, deadline, every=0.1, cancel=cancel)
    return f"{BOND} addressed on {len(nodes)} nodes"


def bond_addresses(node: str, endpoints: Endpoints) -> frozenset[str]:
    """Global IPv4 addresses of bond0 with their prefix length, as the node's kernel has them; none without a bond0."""
    done = endpoints.exec(node, ["ip", "-j", "addr", "show", "dev", BOND])
    if done.code != 0:
        return frozenset()
    return frozenset(
        f"{info['local']}/{info['prefixlen']}"
        for row in json.loads(done.stdout or b"[]")
        for info in row.get("addr_info", [])
        if info.get("scope") == "global" and info.get("family") == "inet"
    )


def all_bond_addresses(nodes: Sequence[str], endpoints: Endpoints) -> dict[str, frozenset[str]]:
    """The same of several nodes, asked at once."""
    return at_once(nodes, lambda node: bond_addresses(node, endpoints))
