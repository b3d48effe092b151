"""``labctl recover``: boxes that were started again get their wires, bond0 and addresses back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from labctl.bonding import bond_trouble
from labctl.engine.actions import nodes as nodes_action
from labctl.errors import InconclusiveError, LabError
from labctl.folder import Folder, load_folder
from labctl.runtime.api import Endpoints, NodeStatus, Runtime
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed


def recover(state: LabState, runtime: Runtime, node: str | None, say: Callable[[str], None]) -> tuple[str, ...]:
    """Repair one node, or every one that is broken or stopped; returns their names.

    Raises what the runtime raises when it cannot, and `LabError` when the bond of a node that was repaired does not
    come up, with what to type instead.
    """
    with state.lock():
        folder = load_folder(state.folder)
        names = [node] if node is not None else _broken(runtime, folder)
        for name in names:
            say(f"recovering {name}")
            runtime.recover(name, progress=say)
        boxes = [name for name in names if name not in folder.lab.switches]
        if boxes:
            _set_up(folder, boxes, runtime.endpoints())
        _judge(state, runtime, names)
        return tuple(names)


def _broken(runtime: Runtime, folder: Folder) -> list[str]:
    """Nodes and hosts first: a switch has its wires back with theirs."""
    rows = runtime.observe().nodes.values()
    wrong = [row.name for row in rows if row.state in ("broken", "stopped")]
    return sorted(wrong, key=lambda name: name in folder.lab.switches)


def _set_up(folder: Folder, names: Sequence[str], endpoints: Endpoints) -> None:
    nodes_action.run_scripts(folder.path, names, endpoints)
    bonded = [name for name in names if name in folder.lab.kube_nodes]
    if not bonded:
        return
    never = threading.Event()
    try:
        nodes_action.await_addresses(bonded, endpoints, Deadline(folder.lab.limit("nodes")), never)
        nodes_action.await_bonds(bonded, endpoints, Deadline(folder.lab.limit("bond")), never, bond_trouble)
    except DeadlinePassed as passed:
        leafs = sorted({leaf for name in bonded for leaf in _leafs(folder, name)})
        raise LabError(
            f"the wires are back, but no bond came up: {passed.reason}",
            code="not-recovered",
            hint=f"its leafs may not have taken the new wires: labctl rebuild {folder.lab.name} LEAF, one of "
            f"{', '.join(leafs)}",
            next_command=f"labctl rebuild {folder.lab.name} {leafs[0]}"
            if leafs
            else f"labctl status {folder.lab.name}",
        ) from None


def _leafs(folder: Folder, node: str) -> list[str]:
    """Switches at the other ends of a node's wires."""
    return [other for _, (other, _) in folder.lab.neighbors(node)]


def _judge(state: LabState, runtime: Runtime, names: Sequence[str]) -> None:
    rows = runtime.observe().nodes
    wrong: list[NodeStatus] = [
        rows[name] for name in names if name in rows and rows[name].state in ("broken", "stopped")
    ]
    if wrong:
        raise InconclusiveError(
            f"still not whole: {'; '.join(f'{row.name}: {row.detail}' for row in wrong)}",
            code="not-recovered",
            hint="labctl down and labctl up make the lab anew",
            next_command=f"labctl status {state.name}",
        )
