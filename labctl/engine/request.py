"""What ``up`` is asked for, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.events import Listener
from labctl.runtime.api import Runtime
from labctl.state import LabState
from labctl.verify.verdict import Report


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What ``up`` was asked for. ``render`` writes the artifact folder to a path."""

    state: LabState
    runtime: Runtime
    render: Callable[[Path], None]
    listener: Listener
    kubectl: Path | None = None
    """The kubectl that set-up brought; one on PATH that is new enough is taken before it."""
    prove: bool = True
    limit: float | None = None
    """Of the whole command, seconds; None: what its runtime and target need."""
    calico: Path | None = None
    """The user's manifest of Calico, or a folder of them; for a real cluster."""
    judged: Callable[[Report], None] = lambda _report: None
    """Called with what the scenarios came to, also where ``up`` then fails or is interrupted."""
    kept: bool = True
    """False: whoever asks removes the lab afterwards, so nobody is told that it stays (``--rm``)."""


@dataclass(frozen=True, slots=True)
class UpResult:
    """What came of it. ``timings``: start and end of each step, seconds since the command began."""

    lab: str
    seconds: float
    timings: Mapping[str, tuple[float, float]]
    evidence: Path
    report: Report | None = None
