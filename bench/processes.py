"""Whole processes: how long they take, and what a family of processes holds of the machine's memory."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Self


def summary(values: Sequence[float]) -> dict[str, float]:
    """Best, median and worst, rounded to milliseconds."""
    return {"best": round(min(values), 3), "median": round(median(values), 3), "worst": round(max(values), 3)}


def measure_command(command: Sequence[str], *, runs: int) -> dict[str, float]:
    """Seconds of a command that succeeds, the first (cold) run left out."""
    seconds = []
    for _ in range(runs + 1):
        started = time.monotonic()
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=120)
        seconds.append(time.monotonic() - started)
    return summary(seconds[1:])


def family(mark: bytes) -> list[Path]:
    """/proc folders of the processes whose environment holds ``mark``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder)
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def proportional(folders: Sequence[Path]) -> int:
    """Bytes held by processes: the sum of their proportional set sizes (proc(5), smaps_rollup)."""
    total = 0
    for folder in folders:
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)
    return total


def used() -> int:
    """Bytes of the machine that are not available, shared memory included (proc(5), meminfo)."""
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(rows["MemTotal"].split()[0]) - int(rows["MemAvailable"].split()[0])) << 10


class MemoryWatch:
    """Peaks while a body runs: of a family of processes, and of the whole machine against the time before."""

    def __init__(self, mark: bytes, every: float = 0.5) -> None:
        self._mark = mark
        self._every = every
        self._over = threading.Event()
        self._before = used()
        self.family_peak = 0
        self.machine_peak = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self.family_peak = max(self.family_peak, proportional(family(self._mark)))
            self.machine_peak = max(self.machine_peak, used() - self._before)
