"""The lab as ``up`` left it, kept in the state folder: what ``reset`` brings back.

``first-state/nxos/<switch>.cfg`` is each switch's running configuration, ``first-state/nodes.json`` the links,
addresses and static routes of nodes and hosts, ``first-state/objects.json`` the API objects that somebody made. All of
it was read from the running lab. It holds secrets (BGP passwords, Secrets): readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.engine import nodestate
from labctl.engine.atonce import on_every_switch, raise_all
from labctl.engine.nodestate import NodeState
from labctl.errors import InconclusiveError, LabError, UsageError
from labctl.folder import Lab
from labctl.kube.api import Api, Json
from labctl.kube.inventory import Key, collect
from labctl.nxos.session import NxosSession, SwitchUnreachable
from labctl.nxos.turnback import RUNNING
from labctl.runtime.api import Endpoints
from labctl.state import LabState

SCHEMA = "labctl.first-state/v1"


@dataclass(frozen=True, slots=True)
class FirstState:
    """``switches``: name → running configuration; ``objects``: None in a lab without a cluster."""

    switches: Mapping[str, str]
    nodes: Mapping[str, NodeState]
    objects: Mapping[Key, Json] | None


@dataclass(frozen=True, slots=True)
class Ways:
    """How the lab is reached. ``sessions``: switches that are logged in to; ``timeout``: seconds for an answer."""

    endpoints: Endpoints
    sessions: Mapping[str, NxosSession]
    login: Callable[[str], NxosSession]
    api: Api | None
    timeout: float


def take(state: LabState, lab: Lab, ways: Ways, *, must: bool) -> str:
    """Read and keep it; a sentence about it.

    A box that does not answer is an `InconclusiveError` where the state ``must`` be had, else a word in the sentence:
    the lab is known to be unwell, and that verdict is what its user has to hear.
    """
    try:
        first = FirstState(
            read_switches(lab.switches, ways),
            read_nodes([*lab.kube_nodes, *lab.hosts], ways.endpoints),
            collect(ways.api).kept() if ways.api is not None else None,
        )
    except InconclusiveError as error:
        if must:
            raise
        return f"not kept, so labctl reset cannot be used: {error.message}"
    keep(state, first)
    return f"{len(first.switches)} switches, {len(first.nodes)} nodes and hosts, {len(first.objects or ())} objects"


def read_switches(switches: Sequence[str], ways: Ways) -> dict[str, str]:
    """Running configurations, all at once, over sessions that are open where they still are.

    Raises `InconclusiveError` naming those that do not answer.
    """

    def one(switch: str) -> str:
        try:
            if switch in ways.sessions:
                return ways.sessions[switch].show(RUNNING, timeout=ways.timeout)
        except SwitchUnreachable:
            pass  # a scenario may have restarted the switch: a new login tells
        session = ways.login(switch)
        try:
            return session.show(RUNNING, timeout=ways.timeout)
        finally:
            session.close()

    good, wrong = on_every_switch(switches, one)
    raise_all(wrong, "switch-unreachable")
    return good


def read_nodes(nodes: Sequence[str], endpoints: Endpoints) -> dict[str, NodeState]:
    """All at once. Raises InconclusiveError for one that does not answer."""
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return dict(zip(nodes, pool.map(lambda node: nodestate.read(node, endpoints), nodes), strict=True))


def keep(state: LabState, first: FirstState) -> None:
    """Write it, instead of an earlier one, whole or not at all."""
    new = state.root / "first-state.new"
    shutil.rmtree(new, ignore_errors=True)
    (new / "nxos").mkdir(parents=True, mode=0o700)
    for name, text in first.switches.items():
        _write(new / "nxos" / f"{name}.cfg", text)
    nodes = {name: row.as_dict() for name, row in first.nodes.items()}
    _write(new / "nodes.json", json.dumps({"schema": SCHEMA, "nodes": nodes}, indent=1))
    if first.objects is not None:
        rows = [{"key": list(key), "object": body} for key, body in sorted(first.objects.items())]
        _write(new / "objects.json", json.dumps({"schema": SCHEMA, "objects": rows}, indent=1))
    shutil.rmtree(state.first_state, ignore_errors=True)
    new.rename(state.first_state)


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)


def load(state: LabState) -> FirstState:
    """Raises `UsageError` when the lab's ``up`` never came to its end, `LabError` when what was kept is broken."""
    folder = state.first_state
    if not folder.is_dir():
        raise UsageError(
            f"lab {state.name} has no first state to go back to: its up never came to its end",
            code="no-first-state",
            hint="labctl up keeps it as its last step",
            next_command=f"labctl status {state.name}",
        )
    try:
        switches = {path.stem: path.read_text() for path in sorted((folder / "nxos").glob("*.cfg"))}
        nodes = {name: NodeState.of(row) for name, row in _read(folder / "nodes.json")["nodes"].items()}
        path = folder / "objects.json"
        objects = {Key(*row["key"]): row["object"] for row in _read(path)["objects"]} if path.is_file() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"{folder} is broken: {error}", code="first-state-broken", next_command=f"labctl down {state.name}"
        ) from None
    return FirstState(switches, nodes, objects)


def _read(path: Path) -> Any:
    body = json.loads(path.read_text())
    if body["schema"] != SCHEMA:
        raise ValueError(f"{path.name} has schema {body['schema']}")
    return body
