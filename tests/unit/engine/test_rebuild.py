"""``labctl repair --rebuild``: the node first, then its login, then its configuration, and of that switch alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from labctl.engine import repair as rebuild_module
from labctl.engine.repair import rebuild
from labctl.errors import UsageError
from labctl.state import LabState, lab_state
from tests.rendered import rendered_folder

RENDERED = rendered_folder("whitepaper-standin-fabric")


class Session:
    """A login that is closed afterwards."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Scripted:
    """Notes what it is asked for."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def rebuild(self, switch: str, *, progress: Any) -> None:
        self.done.append(f"rebuild {switch}")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabState:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path))
    state = lab_state("whitepaper")
    state.make()
    shutil.copytree(RENDERED, state.folder)
    return state


def test_the_order_and_the_one_switch(state: LabState, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    session = Session()

    def await_ssh(lab: Any, _context: Any, names: list[str]) -> str:
        done.append(f"ssh {names}")
        lab.sessions["leaf2101"] = session
        return ""

    def push_all(lab: Any, _context: Any) -> str:
        assert not session.closed
        done.append(f"push {list(lab.sessions)} {lab.folder.path == state.folder}")
        return "42 lines"

    def await_ports(lab: Any, _context: Any) -> str:
        done.append(f"ports {list(lab.sessions)}")
        return ""

    monkeypatch.setattr(rebuild_module.switches, "await_ssh", await_ssh)
    monkeypatch.setattr(rebuild_module.switches, "await_ports", await_ports)
    monkeypatch.setattr(rebuild_module.switches, "push_all", push_all)
    assert rebuild(state, Scripted(done), "leaf2101", lambda _text: None) == "42 lines"  # type: ignore[arg-type]
    assert done == [
        "rebuild leaf2101",
        "ssh ['leaf2101']",
        "ports ['leaf2101']",
        "push ['leaf2101'] True",
    ]
    assert session.closed


def test_what_is_no_switch(state: LabState) -> None:
    done: list[str] = []
    with pytest.raises(UsageError) as caught:
        rebuild(state, Scripted(done), "leaf2101x", lambda _text: None)  # type: ignore[arg-type]
    assert caught.value.hint == "did you mean leaf2101?"
    assert done == []


def test_only_one_labctl_at_a_time(state: LabState) -> None:
    with state.lock(), pytest.raises(UsageError) as caught:
        rebuild(state, Scripted([]), "leaf2101", lambda _text: None)  # type: ignore[arg-type]
    assert caught.value.code == "lab-locked"
