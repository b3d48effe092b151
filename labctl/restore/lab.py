"""All parts of a lab beside its snapshot, and what somebody changed in it since ``up``."""

from __future__ import annotations

import threading
from typing import Any

from labctl.errors import LabctlError
from labctl.parallel import tried
from labctl.restore import snapshot
from labctl.restore.changes import open_changes
from labctl.restore.client import LabClient
from labctl.restore.cluster import ClusterPart
from labctl.restore.node import NodePart
from labctl.restore.part import Entry, Kind, Part, look
from labctl.restore.snapshot import Snapshot
from labctl.restore.switch import SwitchPart
from labctl.state import LabState
from labctl.waiting import Deadline

PATIENCE = 30.0
"""Seconds for a switch's running configuration, or the cluster's objects, where nobody waits for them."""


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
        first = snapshot.load(state)
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
