"""What ``reset`` is asked for, and what it says that it changed back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labctl.events import Listener
from labctl.runtime.api import Runtime
from labctl.state import LabState
from labctl.verify.verdict import Report

Part = Literal["scenario", "node", "switch", "cluster"]
Do = Literal["add", "remove", "change"]
SCHEMA = "labctl.reset/v1"
LIMIT = 600.0
"""Seconds for the whole command when the user says nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is changed back: ``add`` what was taken away, ``remove`` what was added, ``change`` a value."""

    do: Do
    what: str
    lines: int = 1
    """How many lines of a configuration it is."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What was changed back on one box (in the cluster: ``name`` is the lab's API). No rows: nothing."""

    part: Part
    name: str
    rows: tuple[Row, ...] = ()

    @property
    def sentence(self) -> str:
        """``2 lines added, 1 removed``."""
        return f"{self.name}: {counted(self.rows, 'line' if self.part == 'switch' else 'thing')}"

    def as_dict(self) -> dict[str, Any]:
        rows = [{"do": row.do, "what": row.what, "lines": row.lines} for row in self.rows]
        return {"part": self.part, "name": self.name, "rows": rows}


def counted(rows: Iterable[Row], noun: str) -> str:
    """``2 lines added, 1 removed, 3 changed``."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.do] = counts.get(row.do, 0) + row.lines
    words = {"add": "added", "remove": "removed", "change": "changed"}
    parts = [f"{counts[do]} {word}" for do, word in words.items() if do in counts]
    if not parts:
        return "nothing"
    number, _, word = parts[0].partition(" ")
    return ", ".join([f"{number} {noun}{'' if number == '1' else 's'} {word}", *parts[1:]])


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """``prove``: end with the checks of links and BGP; ``look``: say what would be done, and do nothing."""

    state: LabState
    runtime: Runtime
    listener: Listener
    prove: bool = True
    look: bool = False
    limit: float | None = None
    """Of the whole, seconds; None: `LIMIT` at the guest's pace."""


@dataclass(frozen=True, slots=True)
class ResetResult:
    """What came of it. ``timings``: start and end of each step, seconds since the command began."""

    lab: str
    seconds: float
    timings: Mapping[str, tuple[float, float]]
    turned: tuple[Turned, ...]
    look: bool
    report: Report | None = None

    def as_dict(self) -> dict[str, Any]:
        """Schema ``labctl.reset/v1``."""
        return {
            "schema": SCHEMA,
            "lab": self.lab,
            "dry_run": self.look,
            "seconds": round(self.seconds, 3),
            "timings": {name: [round(moment, 3) for moment in span] for name, span in self.timings.items()},
            "changes": [row.as_dict() for row in self.turned if row.rows],
            "report": self.report.as_dict() if self.report else None,
        }
