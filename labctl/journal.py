"""What was done to a lab, line by line, written before and after it was done.

``journal.jsonl`` holds one JSON object a line: ``{"time", "run", "entry", "name", "state", …}``. A second ``up``
reads it to go on where the first stopped; changes that must be healed are recorded in it before they are made.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

StepState = Literal["started", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    time: float
    kind: str
    name: str
    state: str
    data: Mapping[str, Any]


class Journal:
    """Append-only; every line is on disk before the call returns. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, kind: str, name: str, state: str, **data: Any) -> None:
        """Append one entry."""
        row = {"time": round(time.time(), 3), "entry": kind, "name": name, "state": state, **data}
        line = (json.dumps(row, sort_keys=True) + "\n").encode()
        with self._lock:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    line = b"\n" + line  # a crash left half a line: this one must not be part of it
                os.write(handle, line)
            finally:
                os.close(handle)

    def step(self, name: str, state: StepState, **data: Any) -> None:
        """A step of ``up``."""
        self.write("step", name, state, **data)

    def entries(self) -> Iterator[Entry]:
        """All entries; a half-written line (a crash) is passed over."""
        if not self.path.exists():
            return
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                row = json.loads(line)
                moment = float(row.pop("time", 0.0))
            except (ValueError, TypeError, AttributeError, IndexError):
                continue  # half a line, or no line of ours
            yield Entry(moment, row.pop("entry", ""), row.pop("name", ""), row.pop("state", ""), row)

    def last_run(self) -> str | None:
        """How the last ``up`` ended: done, failed, interrupted, or still started (it was killed); None: no ``up``."""
        states = [entry.state for entry in self.entries() if entry.kind == "run" and entry.name == "up"]
        return states[-1] if states else None

    def done_steps(self) -> set[str]:
        """Names of the steps whose last state is ``done``, since the last time the nodes were created."""
        done: set[str] = set()
        for entry in self.entries():
            if entry.kind != "step":
                continue
            if entry.name == "create" and entry.state == "started":
                done.clear()
            if entry.state == "done":
                done.add(entry.name)
            else:
                done.discard(entry.name)
        return done
