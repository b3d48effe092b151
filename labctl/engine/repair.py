"""Repairs of single nodes, the rest of the lab as it is: links and bond0 given back, or a switch made anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from labctl.engine import cluster, switches
from labctl.engine.proving import Running
from labctl.engine.steps import StepContext
from labctl.errors import InconclusiveError, LabError, UsageError, did_you_mean
from labctl.folder import load_folder
from labctl.runtime.api import NodeStatus, Runtime
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed

WRONG = ("broken", "stopped")
"""States of a node that can be repaired."""


def recover(state: LabState, runtime: Runtime, node: str | None, say: Callable[[str], None]) -> tuple[str, ...]:
    """``labctl repair``: one node, or every one that is broken or stopped; returns their names.

    Raises what the runtime raises, and `LabError` when the bond of a node that was repaired does not come up.
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
            _set_up(Running(state, runtime, folder), nodes, _alone(say))
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


def _alone(say: Callable[[str], None]) -> StepContext:
    """For a gate that is no step of a plan: it has its own limit, and nobody else can end it."""
    return StepContext(Deadline(float("inf")), threading.Event(), say, lambda _text: None)


def _set_up(lab: Running, names: Sequence[str], context: StepContext) -> None:
    bonded = [name for name in names if name in lab.folder.lab.kube_nodes]
    try:
        cluster.set_up(lab, context, names)
        if bonded:
            cluster.await_bonds(lab, context, bonded)
    except DeadlinePassed as passed:
        name = lab.state.name
        # switches at the other ends of the nodes' links
        leafs = sorted({leaf for node in bonded for _, (leaf, _) in lab.folder.lab.neighbors(node)})
        raise LabError(
            f"the links are back, but no bond came up: {passed.reason}",
            code="not-recovered",
            hint=f"its leafs may not have taken the new links: labctl repair {name} --rebuild LEAF, one of "
            f"{', '.join(leafs)}",
            next_command=f"labctl repair {name} --rebuild {leafs[0]}" if leafs else f"labctl status {name}",
        ) from None


def rebuild(state: LabState, runtime: Runtime, switch: str, say: Callable[[str], None]) -> str:
    """``labctl repair --rebuild``: a new node, its gates, and the push of its configuration; returns what was pushed.

    Raises `UsageError` for what is no switch, and what runtime, gates and push raise.
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
        lab, context = Running(state, runtime, folder), _alone(say)
        long = switches.estimate(folder)
        say(f"waiting for {switch} to take logins" + (f"; {long}" if long else ""))
        switches.await_ssh(lab, context, [switch])
        try:
            switches.await_ports(lab, context)
            say(f"pushing nxos/{switch}.cfg")
            return switches.push_all(lab, context)
        finally:
            switches.close_sessions(lab.sessions.values())
