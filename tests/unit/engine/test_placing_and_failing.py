"""What becomes of a lab whose creation was cut short, and of one that fails once its nodes are there."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.engine.steps import StepContext
from labctl.engine.up import Up, UpRequest, _after_failure, place_folder
from labctl.errors import HostError, InconclusiveError, LabError
from labctl.events import Event
from labctl.journal import Journal
from labctl.runtime.api import Observation
from labctl.state import LabState, lab_state
from labctl.verify.verdict import Report
from labctl.waiting import Deadline
from tests.rendered import rendered_folder

RENDERED = rendered_folder("whitepaper-standin-fabric")


class Scripted:
    """A runtime with real nodes that is observed as the test says."""

    name = "containerlab"
    images = reached = kept = True

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
def test_half_made_nodes_are_removed_before_anything_else(state: LabState, complete: bool) -> None:
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
        lab._runner.finished.add("create")
    _after_failure(lab, request, LabError("no"), told.append)


def test_nodes_that_were_made_stay_for_a_look(state: LabState) -> None:
    told: list[str] = []
    failed(state, told, made=True)
    assert state.exists


def test_nodes_that_were_not_made_are_removed(state: LabState) -> None:
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


@pytest.mark.parametrize(
    ("begun", "words"),
    [
        ((), "removing lab whitepaper, which was not configured yet"),
        (("push",), "ending the steps that run; lab whitepaper is kept"),
        (
            ("push", "verify"),
            "ending the checks, undoing what they changed; what was judged is written, lab whitepaper is kept",
        ),
    ],
)
def test_what_an_interruption_ends_is_said(state: LabState, begun: tuple[str, ...], words: str) -> None:
    runtime, events = Scripted(Observation("containerlab", None, alive=False, nodes={})), list[Event]()
    request = UpRequest(state, runtime, render, events.append)  # type: ignore[arg-type]
    lab = Up(request, place_folder(state, runtime, render, lambda _text: None), Deadline(10))  # type: ignore[arg-type]
    lab._runner.begun.update(begun)
    lab._give_up()
    assert [event.message for event in events] == [f"interrupted: {words}; Ctrl-C again ends at once"]


@pytest.mark.parametrize("begun", [("push",), ("push", "verify")])
def test_of_a_lab_that_is_removed_afterwards_nobody_says_that_it_is_kept(
    state: LabState, begun: tuple[str, ...]
) -> None:
    """``up --rm``, ended by Ctrl-C or by an error."""
    runtime, events, told = (
        Scripted(Observation("containerlab", None, alive=False, nodes={})),
        list[Event](),
        list[str](),
    )
    request = UpRequest(state, runtime, render, events.append, kept=False)  # type: ignore[arg-type]
    lab = Up(request, place_folder(state, runtime, render, lambda _text: None), Deadline(10))  # type: ignore[arg-type]
    lab._runner.begun.update(begun)
    lab._give_up()
    assert events[0].message.endswith("lab whitepaper is then removed; Ctrl-C again ends at once")
    error = LabError("no")
    for trouble in (None, error):
        _after_failure(lab, request, trouble, told.append)
    assert (told, error.next_command) == ([], None), "neither that it is kept, nor a command on a lab that is gone"


def test_a_report_that_was_cut_short_is_handed_out_and_the_step_says_why(
    state: LabState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on ``--timeout``: exit 3 with the limit's words, and what was judged to be written all the same."""
    cut, judged = Report("whitepaper", (), 1.0, cut="the limit of 600 s passed"), list[Report]()
    monkeypatch.setattr("labctl.engine.up.verify_request", lambda *_arguments, **_more: SimpleNamespace(drift=None))
    monkeypatch.setattr("labctl.engine.up.replace", lambda request, **_changes: request)
    monkeypatch.setattr("labctl.engine.up.verify", lambda _request: cut)
    runtime = Scripted(Observation("containerlab", None, alive=False, nodes={}))
    request = UpRequest(state, runtime, render, lambda _event: None, judged=judged.append)  # type: ignore[arg-type]
    lab = Up(request, place_folder(state, runtime, render, lambda _text: None), Deadline(10))  # type: ignore[arg-type]
    lab._lab.__dict__["endpoints"] = object()
    context = StepContext(Deadline(10), threading.Event(), lambda _text: None, lambda _text: None)
    with pytest.raises(InconclusiveError, match="cut short: the limit of 600 s passed") as raised:
        lab._verify(context)
    assert raised.value.code == "deadline"
    assert judged == [cut]
