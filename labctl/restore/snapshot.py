"""The lab as ``up`` left it, kept in the state folder: what is brought back.

``first-state/nxos/<switch>.cfg`` is each switch's running configuration, ``first-state/nodes.json`` the links,
addresses and static routes of nodes and hosts, ``first-state/objects.json`` the API objects that somebody made. All of
it was read from the running lab. It holds secrets (BGP passwords, Secrets): readable by its owner alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, LabError, UsageError
from labctl.kube.api import Json
from labctl.nxos.session import NxosSession
from labctl.parallel import at_once
from labctl.restore import node, switch
from labctl.restore.client import LabClient
from labctl.restore.inventory import Key, collect
from labctl.restore.node import NodeState
from labctl.state import LabState, write_private

SCHEMA = "labctl.first-state/v1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``switches``: name → running configuration; ``objects``: None in a lab without a cluster."""

    switches: Mapping[str, str]
    nodes: Mapping[str, NodeState]
    objects: Mapping[Key, Json] | None


def take(state: LabState, client: LabClient, sessions: Mapping[str, NxosSession], *, timeout: float, must: bool) -> str:
    """Read and keep it; a sentence about it. ``sessions``: that are open; ``timeout``: seconds for a switch's answer.

    A node that does not answer is an `InconclusiveError` where the snapshot ``must`` be had, else a word in the
    sentence: the lab is known to be unwell, and that verdict is what its user has to hear.
    """
    lab = client.folder.lab
    try:
        first = Snapshot(
            switch.read(lab.switches, client.login, timeout, sessions),
            at_once([*lab.kube_nodes, *lab.hosts], lambda name: node.read(name, client.endpoints)),
            collect(client.api).kept() if client.api is not None else None,
        )
    except InconclusiveError as error:
        if must:
            raise
        return f"not kept, so labctl reset cannot be used: {error.message}"
    keep(state, first)
    return f"{len(first.switches)} switches, {len(first.nodes)} nodes and hosts, {len(first.objects or ())} objects"


def keep(state: LabState, first: Snapshot) -> None:
    """Write it, instead of an earlier one, whole or not at all."""
    new = state.root / "first-state.new"
    shutil.rmtree(new, ignore_errors=True)
    (new / "nxos").mkdir(parents=True, mode=0o700)
    for name, text in first.switches.items():
        write_private(new / "nxos" / f"{name}.cfg", text)
    nodes = {name: row.as_dict() for name, row in first.nodes.items()}
    write_private(new / "nodes.json", json.dumps({"schema": SCHEMA, "nodes": nodes}, indent=1))
    if first.objects is not None:
        rows = [{"key": list(key), "object": body} for key, body in sorted(first.objects.items())]
        write_private(new / "objects.json", json.dumps({"schema": SCHEMA, "objects": rows}, indent=1))
    shutil.rmtree(state.snapshot, ignore_errors=True)
    new.rename(state.snapshot)


def load(state: LabState) -> Snapshot:
    """Raises `UsageError` when the lab's ``up`` never came to its end, `LabError` when what was kept is broken."""
    folder = state.snapshot
    if not folder.is_dir():
        raise UsageError(
            f"lab {state.name} has no snapshot to go back to: its up never came to its end",
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
    return Snapshot(switches, nodes, objects)


def _read(path: Path) -> Any:
    body = json.loads(path.read_text())
    if body["schema"] != SCHEMA:
        raise ValueError(f"{path.name} has schema {body['schema']}")
    return body
