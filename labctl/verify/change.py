"""A change that is always healed: written to the journal before it is made, undone afterwards whatever happened.

``labctl`` reads open changes of the journal when it comes back to a lab (`open_changes`), so a killed verification is
healed by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.journal import Journal

ENTRY = "change"


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
    Journal(journal).write(ENTRY, name, state)


def open_changes(journal: Path) -> list[str]:
    """Names of changes that were begun and not healed."""
    found = {
        entry.name: entry.state == "begun" for entry in Journal(journal).entries() if entry.kind == ENTRY and entry.name
    }
    return [name for name, is_open in found.items() if is_open]
