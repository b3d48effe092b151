"""Putting the artifact folder in its place before ``up`` begins, and telling a new lab from one to go on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from labctl.errors import UsageError
from labctl.folder import Folder, load_folder
from labctl.journal import Journal
from labctl.runtime.api import Runtime
from labctl.state import LabState

BOXES = ("topology.clab.yml", "kind/cluster.yaml")
"""Files that decide which boxes there are: when one of them has changed, a running lab cannot go on with the folder."""


@dataclass(frozen=True, slots=True)
class Placing:
    """The folder that will run. ``running``: its boxes exist already; ``done``: steps that need not be done again."""

    folder: Folder
    running: bool = False
    done: frozenset[str] = frozenset()


def place_folder(
    state: LabState, runtime: Runtime, render: Callable[[Path], None], say: Callable[[str], None]
) -> Placing:
    """Render into the lab's state folder.

    What an earlier run left dead is removed first. A lab that runs is gone on with when its last ``up`` did not end,
    else refused. Raises `UsageError` or what ``render`` raises; a folder that runs is then left as it is.
    """
    now = runtime.observe() if state.runtime_file.is_file() else None
    running = now is not None and now.alive and now.complete
    journal = Journal(state.journal)
    if running and journal.last_run() in ("done", None):
        raise UsageError(
            f"lab {state.name} runs already",
            code="runs-already",
            hint="another lab of the same spec needs --name",
            next_command=f"labctl verify {state.name}, or labctl down {state.name}",
        )
    state.make()
    new = state.root / "folder.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        render(new)
        folder = load_folder(new)
        done = _steps_done(state, new, journal) if running else frozenset()
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if running:
        say(f"lab {state.name} runs and its last up did not end: going on with it")
    elif state.runtime_file.is_file():
        say(f"what an earlier run left of lab {state.name} is removed first")
        runtime.destroy(progress=say)
    shutil.rmtree(state.folder, ignore_errors=True)
    new.rename(state.folder)
    return Placing(replace(folder, path=state.folder), running, done)


def _steps_done(state: LabState, new: Path, journal: Journal) -> frozenset[str]:
    """Steps of the journal that hold for the new folder too. Raises `UsageError` when it needs other boxes."""
    before, after = _texts(state.folder), _texts(new)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if not changed:
        return frozenset(journal.done_steps())
    boxes = [name for name in changed if name in BOXES]
    if boxes:
        raise UsageError(
            f"lab {state.name} runs, and {', '.join(boxes)} differs from what it was made of",
            code="runs-already",
            next_command=f"labctl down {state.name}",
        )
    return frozenset()


def _texts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
