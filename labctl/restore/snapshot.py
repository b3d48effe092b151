"""The lab as ``up`` left it, kept in the state folder: what is brought back, and what somebody changed since.

``first-state/nxos/<switch>.cfg`` is each switch's running configuration, ``first-state/nodes.json`` the links,
addresses and static routes of nodes and hosts, ``first-state/objects.json`` the API objects that somebody made. All of
it was read from the running lab. It holds secrets (BGP passwords, Secrets): readable by its owner alone.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, LabctlError, LabError, UsageError
from labctl.kube.api import Json
from labctl.nxos.session import NxosSession
from labctl.parallel import at_once, tried
from labctl.restore import node, switch
from labctl.restore.changes import open_changes
from labctl.restore.client import LabClient
from labctl.restore.cluster import ClusterPart
from labctl.restore.inventory import Key, collect
from labctl.restore.node import NodePart, NodeState
from labctl.restore.part import Entry, Kind, Part, look
from labctl.restore.switch import SwitchPart
from labctl.state import LabState, write_private
from labctl.waiting import Deadline

SCHEMA = "labctl.first-state/v1"
PATIENCE = 30.0
"""Seconds for a switch's running configuration, or the cluster's objects, where nobody waits for them."""


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


def switches(first: Snapshot, client: LabClient, timeout: float) -> list[Part[Any]]:
    """In the order of the folder, as everywhere. ``timeout``: seconds for one answer."""
    folder, named = client.folder, first.switches
    return [
        SwitchPart(name, named[name], client.login, folder.path, timeout) for name in folder.lab.nodes if name in named
    ]


def nodes(first: Snapshot, client: LabClient) -> list[Part[Any]]:
    """Nodes and external hosts, in the order of the folder."""
    folder, named = client.folder, first.nodes
    return [NodePart(name, named[name], client.endpoints, folder.path) for name in folder.lab.nodes if name in named]


def drift(state: LabState, client: LabClient) -> list[str]:
    """``leaf101: interface port-channel11: shutdown``, node by node; read from the running lab.

    Of a node that does not answer nothing is said: the checks tell that it is silent. Nor of a lab in the middle of a
    change of labctl's own.
    """
    if open_changes(state.journal):
        return []
    try:
        first = load(state)
    except LabctlError:
        return []  # nothing to compare with; labctl reset says why
    parts = [*switches(first, client, PATIENCE), *nodes(first, client)]
    if first.objects is not None:
        parts.append(ClusterPart(first.objects, client.cluster, Deadline(PATIENCE), threading.Event()))
    named = {part.name: part for part in parts}
    answered, _silent = tried(named, lambda name: look(named[name]))
    return [f"{found.name}: {_words(found.kind, row)}" for found in answered.values() for row in found.entries]


def _words(kind: Kind, entry: Entry) -> str:
    """``reset`` says what it would do, a drift what was done."""
    what = entry.what.replace(" / ", ": ")
    if kind == "node" and entry.do == "change":
        name, _, before = what.partition(": ")
        return f"{name}: no longer {before}"
    return {"remove": what, "add": f"{what} is gone", "change": f"{what} was changed"}[entry.do]
