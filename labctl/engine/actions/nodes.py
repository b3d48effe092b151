"""Nodes and external hosts: run ``nodes/<node>.sh`` in each, then see that bond0 is there, addressed and joined."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labctl.errors import CheckFailed, InconclusiveError, Place
from labctl.guest.api import AgentError
from labctl.pace import limit
from labctl.runtime.api import Endpoints
from labctl.waiting import Deadline, NotYet, wait_for

BOND = "bond0"


def run_scripts(folder: Path, nodes: Sequence[str], endpoints: Endpoints) -> str:
    """Run each node's script, all at once. Raises `CheckFailed` with the script's own words when one fails."""
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        for future in [pool.submit(_run_script, folder, node, endpoints) for node in nodes]:
            future.result()
    return f"{len(nodes)} nodes and hosts set up"


def _run_script(folder: Path, node: str, endpoints: Endpoints) -> None:
    path = folder / "nodes" / f"{node}.sh"
    try:
        done = endpoints.exec(node, ["sh", "-eu", "-s"], stdin=path.read_bytes(), timeout=limit("script"))
    except AgentError as error:
        raise InconclusiveError(f"{node}: its script could not be run: {error.message}", code="node-script") from error
    if done.code != 0:
        words = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip()
        raise CheckFailed(
            f"{node}: nodes/{node}.sh ended with code {done.code}: {words}",
            code="node-script",
            place=Place(f"nodes/{node}.sh"),
        )


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
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            reasons = [
                reason for reason in pool.map(lambda node: _bond_reason(node, endpoints, usable), nodes) if reason
            ]
        return NotYet("; ".join(reasons)) if reasons else True

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
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return dict(zip(nodes, pool.map(lambda node: bond_addresses(node, endpoints), nodes), strict=True))
