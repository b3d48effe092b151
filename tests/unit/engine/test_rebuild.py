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

    def endpoints(self) -> str:
        return "endpoints"


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

    def await_ssh(names: list[str], endpoints: str, *_: Any, profile: Any) -> dict[str, Session]:
        done.append(f"ssh {names} {endpoints}")
        return {"leaf2101": session}

    def push_all(folder: Path, sessions: dict[str, Session], *, timeout: float) -> str:
        assert not session.closed
        done.append(f"push {list(sessions)} {folder == state.folder}")
        return "42 lines"

    def await_ports(wanted: dict[str, tuple[str, ...]], *_: Any) -> str:
        done.append(f"ports {wanted}")
        return ""

    monkeypatch.setattr(rebuild_module.switches, "await_ssh", await_ssh)
    monkeypatch.setattr(rebuild_module.switches, "await_ports", await_ports)
    monkeypatch.setattr(rebuild_module.switches, "push_all", push_all)
    assert rebuild(state, Scripted(done), "leaf2101", lambda _text: None) == "42 lines"  # type: ignore[arg-type]
    wired = tuple(f"Ethernet1/{number}" for number in range(1, 6))
    assert done == [
        "rebuild leaf2101",
        "ssh ['leaf2101'] endpoints",
        f"ports {{'leaf2101': {wired}}}",
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
