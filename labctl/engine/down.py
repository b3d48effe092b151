"""Taking a lab down: from the journal and the process records alone; the spec may be gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.engine.journal import Journal
from labctl.runtime.select import runtime_of
from labctl.state import LabState
from labctl.waiting import Deadline


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What happened: whether there was a lab, how long it took, where its record is now."""

    existed: bool
    seconds: float
    archive: Path | None


def archive_root() -> Path:
    """Where records of runs go: in the cache."""
    from labctl.cache import cache_dir

    return cache_dir() / "runs"


def take_down(state: LabState, say: Callable[[str], None]) -> TakenDown:
    """Remove a lab. Idempotent: a lab that is not there is a quiet success."""
    clock = Deadline(3600)
    if not state.exists:
        return TakenDown(existed=False, seconds=clock.elapsed, archive=None)
    runtime = runtime_of(state)
    journal = Journal(state.journal)
    journal.step("down", "started")
    runtime.destroy(progress=say)
    journal.step("down", "done")
    archive = state.keep_record(archive_root())
    state.remove()
    return TakenDown(existed=True, seconds=clock.elapsed, archive=archive)
