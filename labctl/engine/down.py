"""Taking a lab down: from the journal and the process records alone; the spec may be gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from labctl.journal import Journal
from labctl.runtime.select import runtime_of
from labctl.state import LabState
from labctl.waiting import Deadline

LOCK_PATIENCE = 20.0
"""Seconds for another labctl to notice that its lab is gone."""


@dataclass(frozen=True, slots=True)
class TakenDown:
    """What happened: whether there was a lab, how long it took, where its record is now."""

    existed: bool
    seconds: float
    archive: Path | None


def take_down(state: LabState, say: Callable[[str], None], *, locked: bool = False) -> TakenDown:
    """Remove a lab. Idempotent: a lab that is not there is a quiet success.

    A labctl that works on the lab finds its nodes gone and ends; it is waited for (unless the caller holds the lock).
    Raises `UsageError` when it does not end.
    """
    clock = Deadline(3600)
    if not state.exists:
        return TakenDown(existed=False, seconds=clock.elapsed, archive=None)
    Journal(state.journal).step("down", "started")
    runtime_of(state).destroy(progress=say)
    with nullcontext() if locked else state.lock(patience=LOCK_PATIENCE):
        runtime_of(state).destroy(progress=say)  # what it may have started in between
        if state.exists:
            Journal(state.journal).step("down", "done")
        archive = state.keep_record()
        state.remove()
    return TakenDown(existed=True, seconds=clock.elapsed, archive=archive)
