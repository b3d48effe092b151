"""What this host has for a lab: free memory, and what the guest and all else waited for a processor over a while.

`look` reads counters of the kernel, which only grow; `between` makes shares of two looks, `overloaded` judges them.
Measured on two processors with the white paper's lab in a guest of one: beside one or two other programs the guest
waited for 42 to 50 % of the time in which it had work, beside sixteen of one session (which share one weight) for 34 to
57 %, beside six to eight of several for 60 to 67 %; all that had to come came within a quarter of its deadline.
Beside 28 it was 76 %, and a pod needed three quarters. PSI said 60 to 80 % the first time and over 95 % ever after, so
it is the word only where there is no guest to ask.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GUEST_WAITED = 0.7
LOST = 3.0
"""Seconds that a guest must have waited, or a look must be long: fewer explain nothing."""
STOLEN = 0.3
PRESSURE, IDLE = 0.95, 0.02


@dataclass(frozen=True, slots=True)
class Look:
    """Counters at one moment, None where this kernel has none: seconds, and ticks from /proc/stat."""

    at: float
    pressure: float | None
    idle: float
    stolen: float
    total: float
    ran: float | None
    waited: float | None


@dataclass(frozen=True, slots=True)
class Load:
    """Shares of a while, 0 to 1. ``guest_waited``: of the time in which the guest had work; ``guest_share``: of one
    processor."""

    seconds: float
    pressure: float | None
    idle: float
    stolen: float
    guest_waited: float | None
    guest_share: float | None
    guest_lost: float | None
    """Seconds for which the guest had work and no processor."""

    def as_json(self) -> dict[str, Any]:
        """As the evidence holds it."""
        return {name: None if value is None else round(value, 3) for name, value in asdict(self).items()}


def look(guest: int | None, proc: Path = Path("/proc")) -> Look:
    """Read them. ``guest``: the process that is the guest."""
    words = [float(word) for word in (proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    ran, waited = _scheduled(proc / str(guest) / "task") if guest is not None else (None, None)
    return Look(time.monotonic(), _pressure(proc), words[3] + words[4], words[7], sum(words), ran, waited)


def _pressure(proc: Path) -> float | None:
    """Seconds for which somebody waited for a processor (PSI, Documentation/accounting/psi.rst)."""
    try:
        line = (proc / "pressure" / "cpu").read_text().splitlines()[0]
    except OSError:
        return None
    return float(line.rpartition("total=")[2]) / 1e6


def _scheduled(tasks: Path) -> tuple[float | None, float | None]:
    """Seconds that a process' threads ran, and waited to run (sched-stats.rst: nanoseconds)."""
    ran = waited = 0.0
    try:
        for task in tasks.iterdir():
            words = (task / "schedstat").read_text().split()
            ran, waited = ran + float(words[0]) / 1e9, waited + float(words[1]) / 1e9
    except (OSError, IndexError):
        return None, None  # it ended, or the kernel counts nothing
    return ran, waited


def between(first: Look, last: Look) -> Load:
    """What was between two looks."""
    seconds = max(last.at - first.at, 1e-6)
    total = max(last.total - first.total, 1e-6)
    pressure = None
    if first.pressure is not None and last.pressure is not None:
        pressure = min(1.0, (last.pressure - first.pressure) / seconds)
    ran = waited = None
    if first.ran is not None and last.ran is not None and first.waited is not None and last.waited is not None:
        ran, waited = max(0.0, last.ran - first.ran), max(0.0, last.waited - first.waited)
    return Load(
        seconds, pressure, (last.idle - first.idle) / total, (last.stolen - first.stolen) / total,
        None if ran is None or waited is None else waited / max(ran + waited, 1e-6),
        None if ran is None else ran / seconds, waited,
    )  # fmt: skip


def not_judged(why: str, last: str) -> str:
    """The sentence of a verdict that an overloaded host kept from being one."""
    return f"not judged: the host was overloaded ({why}); last: {last}"


def overloaded(load: Load) -> str | None:
    """How the host kept the lab from its work; None when it did not. Pure."""
    if load.stolen >= STOLEN and load.seconds >= LOST:
        return f"other machines took {load.stolen:.0%} of its processors"
    if load.guest_waited is not None and load.guest_lost is not None:
        if load.guest_waited >= GUEST_WAITED and load.guest_lost >= LOST:
            return f"the guest waited {load.guest_waited:.0%} of the time for a processor"
        return None
    if load.pressure is not None and load.pressure >= PRESSURE and load.idle <= IDLE and load.seconds >= LOST:
        return f"programs waited {load.pressure:.0%} of the time for a processor, {load.idle:.0%} was idle"
    return None


def memory_free(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that new processes may take: what the kernel calls available, less where a control group limits it."""
    available = 0
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    group = next(
        (line.split(":", 2)[2] for line in text(proc / "self" / "cgroup").splitlines() if line.startswith("0::")), "/"
    )
    folder = cgroups / group.lstrip("/")
    for level in (folder, *folder.parents):  # a limit anywhere above holds too
        limit, used = number(level / "memory.max"), number(level / "memory.current")
        if limit is not None and used is not None:
            available = min(available, max(0, limit - used + _reclaimable(level)))
        if level == cgroups:
            break
    return available


def _reclaimable(group: Path) -> int:
    """File pages that the kernel gives up first; memory.current counts them."""
    for line in text(group / "memory.stat").splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def text(path: Path) -> str:
    """A file's text; empty when there is none that can be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """A file with one number in it; None when there is none."""
    found = text(path).strip()
    return int(found) if found.isdecimal() else None
