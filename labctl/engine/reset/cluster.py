"""The cluster: objects of the first inventory brought back, those that were not in it deleted, pods restarted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from labctl.engine.reset.model import Do, Row, Turned
from labctl.kube.api import Api, Json
from labctl.kube.inventory import Key
from labctl.kube.turnback import Change, Restorer
from labctl.waiting import Deadline

NAME = "kubernetes"
_DO: Mapping[str, Do] = {"added": "remove", "missing": "add", "changed": "change", "pod": "change"}


def look(first: Mapping[Key, Json], api: Api) -> Turned:
    """What is different. Raises `ApiError` or `ApiUnreachable`."""
    return _turned(Restorer(api, first).changes()[0])


def back(
    first: Mapping[Key, Json], api: Api, deadline: Deadline, stop: threading.Event, tick: Callable[[str], None]
) -> Turned:
    """Raises `CheckFailed` with what is still different at the deadline and what the API said to it."""
    return _turned(Restorer(api, first).restore(deadline, stop, tick))


def _turned(changes: Sequence[Change]) -> Turned:
    rows = []
    for change in changes:
        words = f"{change.key}" + (f": {change.detail}" if change.detail else "")
        rows.append(Row(_DO[change.what], f"{words}, restarted" if change.what == "pod" else words))
    return Turned("cluster", NAME, tuple(rows))


def namespaces(first: Mapping[Key, Json]) -> list[str]:
    """Where workloads were."""
    return sorted({key.namespace for key in first if key.kind in ("Deployment", "DaemonSet")})
