"""Changes that are always healed: written to the journal before they are made, undone afterwards whatever happened.

A journal entry carries the kind of its healer and the data that undo it, so that any later labctl heals what a killed
one left (`heal_left_over`): ``labctl verify``, ``labctl up`` and ``labctl repair`` all do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, LabctlError
from labctl.journal import Journal
from labctl.verify.hands import Hands
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

ENTRY = "change"
PATIENCE = 30.0
"""Seconds for which a box may be silent while a change is undone."""


@dataclass(frozen=True, slots=True)
class Change:
    """``healer`` names what undoes it (`labctl.verify.healing.HEALERS`), out of ``data`` alone (JSON)."""

    name: str
    healer: str
    data: Mapping[str, Any] = field(default_factory=dict)


Healer = Callable[[Hands, Mapping[str, Any]], None]
Healers = Mapping[str, Healer]


class NotHealed(InconclusiveError):
    """A change could not be undone; it stays in the journal."""

    code = "not-healed"


class Changes:
    """The open changes of one run, healed in the reverse order of their making."""

    def __init__(self, journal: Path, hands: Hands, healers: Healers) -> None:
        self._journal = journal
        self._hands = hands
        self._healers = healers
        self._open: dict[str, Change] = {}

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the changes that are not healed, in the order of their making."""
        return tuple(self._open)

    def make(self, change: Change, action: Callable[[], None]) -> None:
        """Record it, then do it. What fails half-way is open, too."""
        write(self._journal, change, "begun")
        self._open[change.name] = change
        action()

    def heal(self, name: str) -> None:
        """Undo one. Raises `NotHealed`; the change then stays open in the journal."""
        change = self._open[name]
        _heal(self._journal, change, self._hands, self._healers)
        del self._open[name]

    def heal_all(self) -> None:
        """Undo all, the newest first, each also when another one could not be. Raises `NotHealed` with all reasons."""
        reasons = []
        for name in reversed(self.open):
            try:
                self.heal(name)
            except NotHealed as error:
                reasons.append(error.message)
        if reasons:
            raise NotHealed("; ".join(reasons))


@contextmanager
def change(journal: Path, what: Change, make: Callable[[], None], hands: Hands, healers: Healers) -> Iterator[None]:
    """Make it, run the body, heal it. Healing runs also when making failed half-way, and after Ctrl-C."""
    changes = Changes(journal, hands, healers)
    try:
        changes.make(what, make)
        yield
    finally:
        changes.heal_all()


def write(journal: Path, what: Change, state: str) -> None:
    """One line, on disk before the call returns."""
    Journal(journal).write(ENTRY, what.name, state, healer=what.healer, data=dict(what.data))


def open_changes(journal: Path) -> list[Change]:
    """Changes that were begun and not healed, in the order of their making."""
    found: dict[str, Change | None] = {}
    for entry in Journal(journal).entries():
        if entry.kind == ENTRY and entry.name:
            found.pop(entry.name, None)
            begun = Change(entry.name, str(entry.data.get("healer", "")), entry.data.get("data") or {})
            found[entry.name] = begun if entry.state == "begun" else None
    return [change for change in found.values() if change is not None]


def heal_left_over(journal: Path, hands: Hands, healers: Healers, told: Callable[[str], None]) -> list[str]:
    """Undo what a labctl that was killed left, the newest first; names of what was healed.

    Raises `NotHealed` with all reasons, when all have been tried.
    """
    healed, reasons = [], []
    for left in reversed(open_changes(journal)):
        try:
            _heal(journal, left, hands, healers)
        except NotHealed as error:
            reasons.append(error.message)
            continue
        healed.append(left.name)
        told(left.name)
    if reasons:
        raise NotHealed("; ".join(reasons), next_command="labctl down")
    return healed


def _heal(journal: Path, what: Change, hands: Hands, healers: Healers) -> None:
    healer = healers.get(what.healer)
    if healer is None:
        raise NotHealed(f"{what.name}: this labctl does not know how to heal {what.healer or 'it'}")

    def once() -> bool | NotYet:
        try:
            healer(hands, what.data)
        except InconclusiveError as error:
            return NotYet(str(error))  # a box that is silent now may answer in a moment
        return True

    try:
        wait_for(once, Deadline(PATIENCE), every=0.5)
    except DeadlinePassed as passed:
        raise NotHealed(f"{what.name}: {passed.reason}") from passed
    except (LabctlError, OSError, LookupError) as error:
        raise NotHealed(f"{what.name}: {error or type(error).__name__}") from error
    write(journal, what, "healed")
