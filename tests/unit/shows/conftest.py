"""A switch that answers from what was recorded on a running one: its FRR daemons and its kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labctl.guest.api import AgentError
from labctl.nxos.tree import parse
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.platform import SwitchIdentity

RECORDED = Path(__file__).parents[2] / "data" / "shows"


@dataclass
class RecordedDaemons:
    """The vty answers; a command that was not recorded is an error of the test."""

    running: frozenset[str]
    answers: dict[str, str]

    def show(self, daemon: str, command: str) -> str:
        return self.answers[f"{daemon}: {command}"] if daemon in self.running else ""


@dataclass
class RecordedSwitch:
    """Stands for the platform; ``vty`` and ``kernel`` may be changed to tell of another state."""

    identity: SwitchIdentity
    model: SwitchModel
    mac: str
    daemons: RecordedDaemons
    kernel: dict[str, str]
    failing: set[str] = field(default_factory=set)
    """Commands that end with an exit code."""

    @property
    def vty(self) -> dict[str, str]:
        return self.daemons.answers

    def run(self, *argv: str) -> str:
        command = " ".join(argv)
        if command in self.failing:
            raise AgentError(f"{argv[0]}: exit code 1")
        return self.kernel[command]


def load(label: str) -> RecordedSwitch:
    """``label``: a recording, without ``.recorded.json``."""
    row = json.loads((RECORDED / f"{label}.recorded.json").read_text())
    name = row["switch"]
    return RecordedSwitch(
        SwitchIdentity(name, name, row["interfaces"], row["management"]),
        SwitchModel(parse((RECORDED / f"{name}.cfg").read_text())),
        row["mac"],
        RecordedDaemons(frozenset(row["running"]), row["vty"]),
        row["run"],
    )


@pytest.fixture
def recorded() -> Callable[[str], RecordedSwitch]:
    return load


@pytest.fixture
def leaf() -> RecordedSwitch:
    """leaf2101 of a whole fabric: two Calico peers up, one that does not run; the pair complete."""
    return load("leaf2101")
