"""Nodes and external hosts: links up, what was added taken away, the node's script again where something is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labctl.engine import nodestate
from labctl.engine.actions import nodes as nodes_action
from labctl.engine.nodestate import NodeChange, NodeState
from labctl.engine.reset.model import Turned
from labctl.errors import CheckFailed, InconclusiveError, LabctlError
from labctl.guest.api import AgentError
from labctl.runtime.api import Endpoints

ROUNDS = 3
"""A bond that is made again has no addresses yet, and an address that comes back brings its routes."""


def look(first: Mapping[str, NodeState], endpoints: Endpoints) -> list[Turned]:
    """What is different on each node. Raises `InconclusiveError`."""
    return _all(first, lambda node: _turned(node, _left(node, first[node], endpoints)))


def back(first: Mapping[str, NodeState], folder: Path, endpoints: Endpoints) -> list[Turned]:
    """Bring all back, at once. Raises `CheckFailed` with what could not be, `InconclusiveError`."""
    return _all(first, lambda node: _one(node, first[node], folder, endpoints))


def _all(nodes: Mapping[str, NodeState], work: Callable[[str], Turned]) -> list[Turned]:
    """Every node is brought back before the first error is raised."""
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        futures = [pool.submit(work, node) for node in nodes]
    errors = [error for future in futures if isinstance(error := future.exception(), LabctlError)]
    if errors:
        kind = CheckFailed if any(not isinstance(error, InconclusiveError) for error in errors) else InconclusiveError
        raise kind("; ".join(error.message for error in errors), code=errors[0].code, hint=errors[0].hint)
    return [future.result() for future in futures]


def _left(node: str, first: NodeState, endpoints: Endpoints) -> list[NodeChange]:
    return nodestate.differences(first, nodestate.read(node, endpoints))


def _one(node: str, first: NodeState, folder: Path, endpoints: Endpoints) -> Turned:
    changes = _left(node, first, endpoints)
    left, words = changes, ""
    for _ in range(ROUNDS):
        if not left:
            break
        words = _undo(node, left, endpoints)
        if any(change.ours for change in left):
            nodes_action.run_scripts(folder, [node], endpoints)
        left = _left(node, first, endpoints)
    if left:
        told = "; ".join(change.row.what for change in left)
        raise CheckFailed(
            f"{node} is not as it was: {told}" + (f" ({words})" if words else ""),
            code="node-not-turned-back",
            hint="an interface that is gone altogether comes back with labctl repair",
        )
    return _turned(node, changes)


def _undo(node: str, changes: list[NodeChange], endpoints: Endpoints) -> str:
    """One batch; what ip says of a line that fails is for the message only: the next look tells what is left."""
    lines = nodestate.batch(changes)
    if not lines:
        return ""
    try:
        done = endpoints.exec(node, ["ip", "-force", "-batch", "-"], stdin=lines.encode())
    except AgentError as error:
        raise InconclusiveError(f"{node}: {error.message}", code="node-unreachable") from error
    return done.stderr.decode(errors="replace").strip().replace("\n", "; ")


def _turned(node: str, changes: list[NodeChange]) -> Turned:
    return Turned("node", node, tuple(change.row for change in changes))
