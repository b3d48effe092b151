"""A runtime that labctl does not bring: what a new one has to be, and the one line that registers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labctl.doctor.findings import Finding
from labctl.errors import LabError
from labctl.runtime.api import Examined, Observation, Progress, SwitchLogin
from labctl.runtime.select import RUNTIMES
from labctl.state import LabState

REGISTRATION = {"paper": ("tests.unit.runtime.fakeruntime:PaperRuntime", "tests.unit.runtime.fakeruntime:PaperHost")}
"""The line that a runtime of labctl has in `labctl.runtime.select`."""


class PaperRuntime:
    """`labctl.runtime.api.Runtime` without nodes: every switch is drawn on paper, and an image of it is asked for."""

    name = "paper"
    images, reached, kept, limit = True, True, False, 7.0
    made: list[tuple[str, str, SwitchLogin | None]] = []

    def __init__(self, state: LabState) -> None:
        self._state = state

    @classmethod
    def of(cls, state: LabState, *, launcher: str = "auto", login: SwitchLogin | None = None) -> PaperRuntime:
        cls.made.append((state.name, launcher, login))
        return cls(state)

    def create(self, folder: Path, *, progress: Progress) -> Any:
        self._state.write(self._state.runtime_file, '{"runtime": "paper"}')
        progress(f"drawing {folder.name}")
        raise LabError("paper does not boot", code="only-paper")

    def observe(self) -> Observation:
        return Observation(self.name, None, alive=False, nodes={}, detail="it is drawn")

    def pids(self) -> Mapping[str, int]:
        return {}

    def destroy(self, *, progress: Progress) -> None:
        progress("torn up")


class PaperHost:
    """`labctl.runtime.api.Host` with a pencil."""

    def topology_reader(self) -> str | None:
        return None

    def examine(self, source: Path | None) -> Examined:
        del source
        return Examined((Finding("pencil", "ok", "it is sharp"),), "paper", {"pencils": 1})

    def ensure(self, render: Callable[[Path], None]) -> None:
        del render


def register() -> None:
    """As if the line stood there."""
    RUNTIMES.update(REGISTRATION)
