"""What was changed since ``up``, as a verdict says it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.errors import InconclusiveError
from labctl.guest.api import Completed
from labctl.restore.changes import Change, write
from labctl.restore.client import LabClient
from labctl.restore.node import Link, NodeState
from labctl.restore.snapshot import Snapshot, drift, keep
from labctl.state import LabState

RUNNING = "interface port-channel11\n  switchport\ninterface port-channel12\n  switchport\n"
NODE = NodeState({"eth1": Link(up=True, mtu=9000, master="bond0")}, frozenset(), frozenset())


class Boxes:
    """Switches that print a running configuration (None: silent), nodes that print their links."""

    def __init__(self, **running: str | None) -> None:
        self.running = running
        self.flags = ["UP"]

    def login(self, switch: str) -> Any:
        text = self.running[switch]
        if text is None:
            raise InconclusiveError(f"{switch} does not answer")
        return Session(text)

    def exec(self, node: str, argv: list[str], **_more: Any) -> Completed:
        links = [{"ifname": "eth1", "flags": self.flags, "mtu": 9000, "master": "bond0"}]
        return Completed(0, f"{json.dumps(links)}\n\n[]\n\n[]".encode(), b"")


class Session:
    def __init__(self, text: str) -> None:
        self.text = text

    def show(self, _command: str, *, timeout: float) -> str:
        del timeout
        return self.text

    def close(self) -> None: ...


@pytest.fixture
def state(tmp_path: Path) -> LabState:
    state = LabState("lab", tmp_path)
    keep(state, Snapshot({"leaf101": RUNNING, "leaf102": RUNNING}, {"node01": NODE}, None))
    return state


def found(state: LabState, nodes: Boxes) -> list[str]:
    folder: Any = SimpleNamespace(path=state.folder, lab=SimpleNamespace(nodes=("leaf101", "leaf102", "node01")))
    return drift(state, LabClient(folder, nodes, nodes.login, None))  # type: ignore[arg-type]


def test_what_was_typed_taken_away_and_shut(state: LabState) -> None:
    nodes = Boxes(
        leaf101=RUNNING.replace("port-channel11\n", "port-channel11\n  shutdown\n"),
        leaf102="interface port-channel11\n  switchport\n",
    )
    nodes.flags = []
    assert found(state, nodes) == [
        "leaf101: interface port-channel11: shutdown",
        "leaf102: interface port-channel12 (and 1 below) is gone",
        "node01: interface eth1: no longer up",
    ]


def test_nothing_is_said_of_a_lab_that_is_as_up_left_it(state: LabState) -> None:
    assert found(state, Boxes(leaf101=RUNNING, leaf102=RUNNING)) == []


def test_a_silent_switch_hides_no_other(state: LabState) -> None:
    changed = RUNNING.replace("port-channel11\n", "port-channel11\n  shutdown\n")
    assert found(state, Boxes(leaf101=None, leaf102=changed)) == ["leaf102: interface port-channel11: shutdown"]


def test_what_labctl_itself_changes_is_no_drift(state: LabState) -> None:
    write(state.journal, Change("scale", "scale-routes"), "begun")
    assert found(state, Boxes(leaf101="", leaf102="")) == []


def test_a_lab_whose_snapshot_was_not_kept(tmp_path: Path) -> None:
    assert found(LabState("lab", tmp_path), Boxes()) == []
