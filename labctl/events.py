"""Facts that the engine tells and reporters render: the two sides meet only here.

An event never holds a secret and is always serialisable with `Event.as_json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

EventKind = Literal[
    "lab", "step-started", "step-progress", "step-done", "step-failed", "step-skipped", "check", "scenario", "message"
]


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. ``time`` is seconds since the epoch; ``elapsed`` seconds since the command began."""

    kind: EventKind
    lab: str
    name: str
    message: str = ""
    elapsed: float = 0.0
    time: float = field(default_factory=time.time)
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """One line of JSON, schema ``labctl.event/v1``."""
        rounded = {"elapsed": round(self.elapsed, 3), "time": round(self.time, 3)}
        return json.dumps({"schema": "labctl.event/v1", **asdict(self), **rounded}, sort_keys=True)


Listener = Callable[[Event], None]


INTERRUPTED = "interrupted"
"""Why something was cut short that the user ended."""


def interruption(ending: str) -> str:
    """What is said at once after Ctrl-C and its like: what is being ended or undone, and what a second one does."""
    return f"{INTERRUPTED}: {ending}; Ctrl-C again ends at once"
