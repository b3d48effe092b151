"""A lab as steps work on it, with as little of it as a gate looks at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from labctl.engine.proving import Running
from labctl.engine.steps import StepContext
from labctl.folder import Folder, Topology
from labctl.waiting import Deadline
from tests.unit.folder.labs import a_lab


def context(seconds: float) -> StepContext:
    return StepContext(Deadline(seconds), threading.Event(), lambda _text: None, lambda _text: None)


def a_running(
    cluster: Any = None, endpoints: Any = None, observe: Callable[[], Any] | None = None, **lab: Any
) -> Running:
    """``cluster``: its API; ``lab``: what its lab.json says."""
    limits = dict.fromkeys(("ssh", "push", "api", "nodes", "workloads", "bond"), 60.0)
    folder = Folder(Path(), a_lab(deadlines=limits, **lab), Topology())
    runtime: Any = SimpleNamespace(
        observe=observe or (lambda: SimpleNamespace(detail="", guest=4711)), last_line=lambda _switch: ""
    )
    state: Any = None
    running = Running(state, runtime, folder)
    running.__dict__.update(endpoints=endpoints, client=SimpleNamespace(cluster=cluster))
    return running
