"""Processes of a lab by pid and start time, and the ends of their logs: what is left of a dead lab is found by them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.waiting import Deadline, NotYet, wait_for


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process of the lab: its name in the lab, pid, and start time in clock ticks since boot (proc(5), field 22)."""

    name: str
    pid: int
    started: int


def stat(pid: int, proc: Path = Path("/proc")) -> list[str]:
    """What proc(5) has in /proc/PID/stat from field 3 on; empty when there is no such process."""
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def numbers(proc: Path = Path("/proc")) -> Iterator[int]:
    """Of all processes."""
    return (int(path.name) for path in proc.glob("[0-9]*"))


def start_time(pid: int) -> int | None:
    """Field 22; None when there is no such process or it is a zombie."""
    fields = stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


@dataclass(frozen=True, slots=True)
class Cost:
    """What processes take of this host now.

    ``memory``: bytes, shared pages by their share (PSS) where the kernel tells this user, else resident (RSS).
    ``cpu``: processors on the average since each began.
    """

    memory: int
    measure: str
    cpu: float
    processes: int

    def as_dict(self) -> dict[str, object]:
        return {"memory": self.memory, "measure": self.measure, "cpu": round(self.cpu, 3), "processes": self.processes}


def cost(roots: Iterable[int], proc: Path = Path("/proc")) -> Cost:
    """Of processes and all that they started (proc(5): stat, smaps_rollup, statm)."""
    parents: dict[int, tuple[int, int, int]] = {}
    for pid in numbers(proc):
        if fields := stat(pid, proc):  # else it ended meanwhile
            parents[pid] = int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[19])
    family = set(roots) & set(parents)
    while more := {pid for pid, row in parents.items() if row[0] in family} - family:
        family |= more
    tick, uptime = os.sysconf("SC_CLK_TCK"), float((proc / "uptime").read_text().split()[0])
    shares, resident = [_pss(proc / str(pid)) for pid in family], sum(_rss(proc / str(pid)) for pid in family)
    cpu = sum(used / max(1.0, uptime * tick - began) for _, used, began in map(parents.__getitem__, family))
    if None in shares:
        return Cost(resident, "RSS", cpu, len(family))
    return Cost(sum(share or 0 for share in shares), "PSS", cpu, len(family))


def _pss(process: Path) -> int | None:
    """Bytes; None when this user may not ask. One that has ended takes nothing."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except PermissionError:
        return None
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _rss(process: Path) -> int:
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def is_running(record: ProcessRecord) -> bool:
    """Whether that very process (not a later one with its number) runs."""
    return start_time(record.pid) == record.started


def read_records(path: Path) -> list[ProcessRecord]:
    """The processes that were written down; empty when it never came so far."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    # an older labctl wrote its daemon's record alone
    return [ProcessRecord(row["name"], row["pid"], row["started"]) for row in (rows if type(rows) is list else [rows])]


def write_records(path: Path, records: Iterable[ProcessRecord]) -> None:
    """All at once: a reader sees those before or these. Readable by the owner alone."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps([asdict(record) for record in records]))
    new.replace(path)


def open_log(path: Path) -> int:
    """A log for a process to append to, readable by the owner alone; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


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
