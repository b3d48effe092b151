"""Repairs of single nodes, the rest of the lab as it is: links and bond0 given back, or a switch made anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from labctl.bonding import bond_trouble
from labctl.engine import proving
from labctl.engine.actions import nodes, switches
from labctl.engine.actions.profile import profile_of
from labctl.errors import InconclusiveError, LabError, UsageError, did_you_mean
from labctl.folder import Folder, load_folder
from labctl.restore.node import run_scripts
from labctl.runtime.api import Endpoints, NodeStatus, Runtime
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed

WRONG = ("broken", "stopped")
"""States of a node that can be repaired."""


def recover(state: LabState, runtime: Runtime, node: str | None, say: Callable[[str], None]) -> tuple[str, ...]:
    """``labctl repair``: repair one node, or every one that is broken or stopped; returns their names.

    Raises what the runtime raises when it cannot, and `LabError` when the bond of a node that was repaired does not
    come up, with what to type instead.
    """
    with state.lock():
        folder = load_folder(state.folder)
        names = [node] if node is not None else [row.name for row in _wrong(runtime)]
        # nodes and hosts first: a switch has its links back with theirs
        names.sort(key=lambda name: name in folder.lab.switches)
        for name in names:
            say(f"recovering {name}")
            runtime.recover(name, progress=say)
        nodes = [name for name in names if name not in folder.lab.switches]
        if nodes:
            _set_up(folder, nodes, runtime.endpoints())
        left = [row for row in _wrong(runtime) if row.name in names]
        if left:
            raise InconclusiveError(
                f"still not whole: {'; '.join(f'{row.name}: {row.detail}' for row in left)}",
                code="not-recovered",
                hint="labctl down and labctl up make the lab anew",
                next_command=f"labctl status {state.name}",
            )
        return tuple(names)


def _wrong(runtime: Runtime) -> list[NodeStatus]:
    return [row for row in runtime.observe().nodes.values() if row.state in WRONG]


def _set_up(folder: Folder, names: Sequence[str], endpoints: Endpoints) -> None:
    run_scripts(folder.path, names, endpoints)
    bonded = [name for name in names if name in folder.lab.kube_nodes]
    if not bonded:
        return
    never, lab = threading.Event(), folder.lab.name
    try:
        nodes.await_addresses(bonded, endpoints, Deadline(folder.lab.limit("nodes")), never)
        nodes.await_bonds(bonded, endpoints, Deadline(folder.lab.limit("bond")), never, bond_trouble)
    except DeadlinePassed as passed:
        leafs = sorted({leaf for name in bonded for leaf in _leafs(folder, name)})
        raise LabError(
            f"the links are back, but no bond came up: {passed.reason}",
            code="not-recovered",
            hint=f"its leafs may not have taken the new links: labctl repair {lab} --rebuild LEAF, one of "
            f"{', '.join(leafs)}",
            next_command=f"labctl repair {lab} --rebuild {leafs[0]}" if leafs else f"labctl status {lab}",
        ) from None


def _leafs(folder: Folder, node: str) -> list[str]:
    """Switches at the other ends of a node's links."""
    return [other for _, (other, _) in folder.lab.neighbors(node)]


def rebuild(state: LabState, runtime: Runtime, switch: str, say: Callable[[str], None]) -> str:
    """``labctl repair --rebuild``: a new node, its gates (SSH, ports), and the push of its configuration, read back.

    Returns what was pushed. Raises `UsageError` for what is no switch, what the runtime raises when it cannot, and what
    gate and push raise.
    """
    with state.lock():
        folder = load_folder(state.folder)
        if switch not in folder.lab.switches:
            raise UsageError(
                f"{switch} is no switch of lab {state.name}",
                code="no-such-switch",
                hint=did_you_mean(switch, folder.lab.switches, f"it has {', '.join(folder.lab.switches)}"),
            )
        runtime.rebuild(switch, progress=say)
        profile, never = profile_of(folder.lab.target), threading.Event()
        endpoints, deadline = runtime.endpoints(), Deadline(folder.lab.limit("ssh"))
        say(f"waiting for {switch} to take logins" + (f"; {profile.estimate}" if profile.estimate else ""))
        sessions = switches.await_ssh([switch], endpoints, deadline, never, profile=profile)
        wired = {switch: switches.wired_ports(folder)[switch]}
        try:
            switches.await_ports(wired, sessions, lambda name: proving.login(state, endpoints, name), deadline, never)
            say(f"pushing nxos/{switch}.cfg")
            return switches.push_all(folder.path, sessions, timeout=folder.lab.limit("push"))
        finally:
            switches.close_sessions(sessions.values())
