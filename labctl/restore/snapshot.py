"""The lab as ``up`` left it, kept in the state folder: what is brought back, and what somebody changed since.

``first-state.json`` has each switch's running configuration, the links, addresses and static routes of nodes and hosts,
and the API objects that somebody made. All of it was read from the running lab. It holds secrets (BGP passwords,
Secrets): readable by its owner alone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
from labctl.restore.node import NodeState
from labctl.restore.part import Entry, Kind, Part, look
from labctl.state import LabState, write_private
from labctl.waiting import Deadline

SCHEMA = "labctl.first-state/v2"
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
    objects = None if first.objects is None else sorted(first.objects.items())
    body = {"schema": SCHEMA, **asdict(replace(first, objects=None)), "objects": objects}
    new = state.snapshot.with_suffix(".new")
    write_private(new, json.dumps(body, default=sorted))  # of sets
    new.rename(state.snapshot)


def load(state: LabState) -> Snapshot:
    """Raises `UsageError` when the lab's ``up`` never came to its end, `LabError` when what was kept is broken."""
    if not state.snapshot.is_file():
        raise UsageError(
            f"lab {state.name} has no snapshot to go back to: its up never came to its end",
            code="no-first-state",
            hint="labctl up keeps it as its last step",
            next_command=f"labctl status {state.name}",
        )
    try:
        body = _read(state.snapshot)
        nodes = {name: NodeState.of(row) for name, row in body["nodes"].items()}
        objects = None if body["objects"] is None else {Key(*key): item for key, item in body["objects"]}
        return Snapshot(body["switches"], nodes, objects)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"{state.snapshot} is broken: {error}", code="first-state-broken", next_command=f"labctl down {state.name}"
        ) from None


def _read(path: Path) -> Any:
    body = json.loads(path.read_text())
    if body["schema"] != SCHEMA:
        raise ValueError(f"it has schema {body['schema']}")
    return body


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
    parts: list[Part[Any]] = [*switch.parts(first.switches, client, PATIENCE), *node.parts(first.nodes, client)]
    if first.objects is not None:
        parts.append(ClusterPart(first.objects, client.cluster, Deadline(PATIENCE), threading.Event()))
    named = {part.name: part for part in parts}
    answered, _silent = tried(named, lambda name: look(named[name]))
    return [f"{found.name}: {_told(found.kind, row)}" for found in answered.values() for row in found.entries]


def _told(kind: Kind, entry: Entry) -> str:
    """``reset`` says what it would do, a drift what was done."""
    what = entry.what.replace(" / ", ": ")
    if kind == "node" and entry.do == "change":
        name, _, before = what.partition(": ")
        return f"{name}: no longer {before}"
    return {"remove": what, "add": f"{what} is gone", "change": f"{what} was changed"}[entry.do]
