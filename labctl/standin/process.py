"""A child process that somebody else supervises: what to run, in which order, and when it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labctl.waiting import NotYet


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One supervised process.

    ``after``: names of processes that must be ready before this one is started. ``ready``: asked until it
    answers None (ready) or given up; None means ready as soon as it runs. Secrets never appear in ``argv``.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    after: tuple[str, ...] = ()
    ready: Callable[[], NotYet | None] | None = None
