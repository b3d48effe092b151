"""Processes of a lab by pid and start time, and the ends of their logs: what is left of a dead lab is found by them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.waiting import Deadline, NotYet, wait_for


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process of the lab: its name in the lab, pid, and start time in clock ticks since boot (proc(5), field 22)."""

    name: str
    pid: int
    started: int


def start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None when there is no such process or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_running(record: ProcessRecord) -> bool:
    """Whether that very process (not a later one with its number) runs."""
    return start_time(record.pid) == record.started


def read_records(path: Path) -> list[ProcessRecord]:
    """The processes that the daemon wrote down; empty when it never got so far."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return [ProcessRecord(row["name"], row["pid"], row["started"]) for row in rows]


def end_leftovers(records: Sequence[ProcessRecord], deadline: Deadline) -> list[ProcessRecord]:
    """Kill what still runs of a dead daemon's lab; returns what was found running."""
    found = [record for record in records if is_running(record)]
    for record in found:
        try:
            os.kill(record.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue

    def gone() -> NotYet | bool:
        left = [record.name for record in found if is_running(record)]
        return NotYet(f"still running: {', '.join(left)}") if left else True

    wait_for(gone, deadline, every=0.02)
    return found


def tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return "(no log)"
    return " | ".join(text.strip().splitlines()[-lines:]) or "(empty log)"
