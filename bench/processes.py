"""Whole processes: how long they take, and what a family of processes holds of the machine's memory."""

from __future__ import annotations

import ctypes
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Self

KCMP, KCMP_VM = 312, 1
"""The system call's number on x86-64, and what it is to compare."""
_LIBC = ctypes.CDLL(None)


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


def own_memory(folders: Sequence[Path]) -> list[Path]:
    """One process for each address space: UML's helpers share that of its kernel, which must count once (kcmp(2))."""
    found: list[Path] = []
    for folder in folders:
        if not any(_same_memory(folder, other) for other in found):
            found.append(folder)
    return found


def _same_memory(one: Path, other: Path) -> bool:
    return _LIBC.syscall(KCMP, int(one.name), int(other.name), KCMP_VM, 0, 0) == 0


def proportional(folders: Sequence[Path]) -> int:
    """Bytes held by processes: the sum of their proportional set sizes (proc(5), smaps_rollup)."""
    total = 0
    for folder in own_memory(folders):
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
