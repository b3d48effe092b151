"""What became of the launchers that were tried on this host: kept, so that one which fails is not tried at each boot.

A verdict holds for one launcher, image, kernel of the host and processor. One that was good, or whose guest ended by
itself, holds until one of these changes; a guest that was silent or was killed may have had a busy machine, so that
holds for a day.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labctl.cache import cache_dir, shared_caches
from labctl.guest.image import GuestImage
from labctl.state import state_root

NAME = "launchers.json"
DAY = 86400.0
MOST = 64
"""Rows that a file keeps: hosts may share it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one launcher: why its guest did not boot (empty when it did), when that was, whether it lasts."""

    reason: str
    when: float
    lasting: bool = True

    @property
    def good(self) -> bool:
        return not self.reason

    @property
    def date(self) -> str:
        """As people read it, in their own time zone."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.when))


def kept(launcher: str, image: GuestImage) -> Verdict | None:
    """The latest one that holds here and now; None when there is none."""
    here = _here(launcher, image)
    found = [Verdict(row["reason"], row["when"], row["lasting"]) for row in _rows() if row.items() >= here.items()]
    return max(found, key=lambda verdict: verdict.when, default=None)


def keep(launcher: str, image: GuestImage, verdict: Verdict) -> None:
    """Write it down beside the image, or in the state folder where the cache may not be written."""
    here = _here(launcher, image)
    rows = [row for row in _rows() if not row.items() >= here.items()][-MOST:]
    text = json.dumps([*rows, {**here, **asdict(verdict)}], indent=1)
    for folder in (cache_dir(), state_root()):
        temporary = folder / f".{NAME}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text)
            temporary.replace(folder / NAME)
        except OSError:
            continue  # a cache that is only read; without both the launcher is tried again next time
        return


def _rows() -> list[dict[str, Any]]:
    """Of all files; without those that hold no longer."""
    rows: list[dict[str, Any]] = []
    for folder in (state_root(), *shared_caches(), cache_dir()):
        try:
            read = json.loads((folder / NAME).read_text())
            rows += [row for row in read if row["lasting"] or time.time() - row["when"] < DAY]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # nothing kept there, or not by us: the launchers are tried
    return rows


def _here(launcher: str, image: GuestImage) -> dict[str, str]:
    return {"launcher": launcher, "image": image.key, "kernel": os.uname().release, "processor": processor()}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model and flags of the first processor, the flags as a hash."""
    lines = dict(line.split("\t", 1) for line in cpuinfo.read_text().partition("\n\n")[0].splitlines() if "\t" in line)
    model, flags = (lines.get(name, "").lstrip("\t: ") for name in ("model name", "flags"))
    return f"{model} {hashlib.sha256(' '.join(sorted(flags.split())).encode()).hexdigest()[:12]}"
