"""A change that is always healed: written to the journal before it is made, undone afterwards whatever happened.

``labctl`` reads open changes of the journal when it comes back to a lab (`open_changes`), so a killed verification is
healed by the next one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def change(journal: Path, name: str, make: Callable[[], None], heal: Callable[[], None]) -> Iterator[None]:
    """Make it, run the body, heal it. Healing runs also when making failed half-way, and after Ctrl-C."""
    write(journal, name, "begun")
    try:
        make()
        yield
    finally:
        heal()
        write(journal, name, "healed")


def write(journal: Path, name: str, state: str) -> None:
    """One line, on disk before the call returns."""
    row = {"time": round(time.time(), 3), "entry": "change", "name": name, "state": state}
    handle = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, (json.dumps(row, sort_keys=True) + "\n").encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def open_changes(journal: Path) -> list[str]:
    """Names of changes that were begun and not healed."""
    found: dict[str, bool] = {}
    if journal.exists():
        for line in journal.read_text(errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if row.get("entry") == "change":
                found[row["name"]] = row["state"] == "begun"
    return [name for name, is_open in found.items() if is_open]
