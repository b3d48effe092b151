"""What becomes of a lab whose creation was cut short, and of one that fails once its boxes are there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from labctl.engine.placing import place_folder
from labctl.engine.up import Up, UpRequest, _after_failure
from labctl.errors import HostError, LabError
from labctl.journal import Journal
from labctl.runtime.api import Observation
from labctl.state import LabState, lab_state
from labctl.waiting import Deadline

RENDERED = Path(__file__).parents[2] / "golden" / "render" / "whitepaper-standin-fabric"


class Scripted:
    """A runtime with real boxes that is observed as the test says."""

    name = "containerlab"

    def __init__(self, now: Observation) -> None:
        self._now = now
        self.destroyed = 0

    def observe(self) -> Observation:
        return self._now

    def destroy(self, *, progress: Any) -> None:
        self.destroyed += 1


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabState:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "s"))
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "c"))
    state = lab_state("whitepaper")
    state.make()
    shutil.copytree(RENDERED, state.folder)
    state.runtime_file.write_text('{"runtime": "containerlab"}')
    return state


def render(target: Path) -> None:
    shutil.copytree(RENDERED, target)


@pytest.mark.parametrize("complete", [True, False])
def test_half_made_boxes_are_removed_before_anything_else(state: LabState, complete: bool) -> None:
    Journal(state.journal).write("run", "up", "failed")
    runtime = Scripted(Observation("containerlab", None, alive=True, nodes={}, complete=complete))
    placing = place_folder(state, runtime, render, lambda _text: None)  # type: ignore[arg-type]
    assert placing.running is complete
    assert runtime.destroyed == (0 if complete else 1)


def failed(state: LabState, told: list[str], *, made: bool) -> None:
    runtime = Scripted(Observation("containerlab", None, alive=False, nodes={}))
    request = UpRequest(state, runtime, render, lambda _event: None)  # type: ignore[arg-type]
    lab = Up(request, place_folder(state, runtime, render, told.append), Deadline(10))  # type: ignore[arg-type]
    if made:
        lab._now.endpoints = object()  # type: ignore[assignment]
    _after_failure(lab, request, LabError("no"), told.append)


def test_boxes_that_were_made_stay_for_a_look(state: LabState) -> None:
    told: list[str] = []
    failed(state, told, made=True)
    assert state.exists


def test_boxes_that_were_not_made_are_removed(state: LabState) -> None:
    told: list[str] = []
    failed(state, told, made=False)
    assert not state.exists
    assert any("lab whitepaper was removed" in line for line in told)


def test_a_removal_that_fails_does_not_hide_why_up_failed(state: LabState, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise HostError("network x stays")

    monkeypatch.setattr("labctl.engine.up.take_down", cannot)
    told: list[str] = []
    failed(state, told, made=False)
    assert any("could not be removed: network x stays; next: labctl down whitepaper" in line for line in told)
