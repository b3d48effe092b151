"""How much memory this host has for new processes."""

from __future__ import annotations

from pathlib import Path


def memory_free(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that new processes may take: what the kernel calls available, less where a control group limits it."""
    available = 0
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    group = next((line.split(":", 2)[2] for line in _lines(proc / "self" / "cgroup") if line.startswith("0::")), "/")
    folder = cgroups / group.lstrip("/")
    for level in (folder, *folder.parents):  # a limit anywhere above holds too
        limit, used = _number(level / "memory.max"), _number(level / "memory.current")
        if limit is not None and used is not None:
            available = min(available, max(0, limit - used + _reclaimable(level)))
        if level == cgroups:
            break
    return available


def _reclaimable(group: Path) -> int:
    """File pages that the kernel gives up first; memory.current counts them."""
    for line in _lines(group / "memory.stat"):
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
