"""Changes that are always healed: written to the journal before they are made, undone afterwards whatever happened.

A journal entry carries the kind of its healer and the data that undo it, so that any later labctl heals what a killed
one left (`heal_left_over`): ``labctl verify``, ``labctl up``, ``labctl reset`` and ``labctl repair`` all do. A healer
works from these data alone, and twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, LabctlError
from labctl.journal import Journal
from labctl.kube.api import ApiError
from labctl.kube.apply import Applier
from labctl.pace import paced
from labctl.restore.client import LabClient
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

ENTRY = "change"
PATIENCE = 30.0
"""Seconds for which a node may be silent while a change is undone."""
GONE_LIMIT = 60.0
"""Seconds for objects to go: pods end within their grace period."""


@dataclass(frozen=True, slots=True)
class Change:
    """``healer`` names what undoes it in `HEALERS`, out of ``data`` alone (JSON)."""

    name: str
    healer: str
    data: Mapping[str, Any] = field(default_factory=dict)


Healer = Callable[[LabClient, Mapping[str, Any]], None]
Healers = Mapping[str, Healer]


class NotHealed(InconclusiveError):
    """A change could not be undone; it stays in the journal."""

    code = "not-healed"


class Changes:
    """The changes of one run, healed in the reverse order of their making."""

    def __init__(self, journal: Path, client: LabClient, healers: Healers) -> None:
        self._journal = journal
        self._client = client
        self._healers = healers
        self._made: list[str] = []

    def make(self, change: Change, action: Callable[[], object]) -> None:
        """Record it, then do it. What fails half-way is open, too."""
        write(self._journal, change, "begun")
        self._made.append(change.name)
        action()

    def heal(self, name: str) -> None:
        """Undo one. Raises `NotHealed`; the change then stays open in the journal."""
        heal_left_over(self._journal, self._client, self._healers, only=(name,))

    def heal_all(self) -> None:
        """Undo what is open of them, each also when another one could not be. Raises `NotHealed` with all reasons."""
        heal_left_over(self._journal, self._client, self._healers, only=self._made)


@contextmanager
def change(
    journal: Path, what: Change, make: Callable[[], None], client: LabClient, healers: Healers
) -> Iterator[None]:
    """Make it, run the body, heal it. Healing runs also when making failed half-way, and after Ctrl-C."""
    changes = Changes(journal, client, healers)
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


def heal_left_over(
    journal: Path,
    client: LabClient,
    healers: Healers,
    told: Callable[[str], None] = lambda _name: None,
    only: Collection[str] | None = None,
) -> list[str]:
    """Undo what is open (also what a labctl that was killed left), the newest first; names of what was healed.

    ``only``: of these names. Raises `NotHealed` with all reasons, when all have been tried.
    """
    healed, reasons = [], []
    for what in reversed(open_changes(journal)):
        if only is None or what.name in only:
            try:
                _heal(what, client, healers)
            except NotHealed as error:
                reasons.append(error.message)
                continue
            write(journal, what, "healed")
            told(what.name)
            healed.append(what.name)
    if reasons:
        raise NotHealed("; ".join(reasons), next_command="labctl down")
    return healed


def _heal(what: Change, client: LabClient, healers: Healers) -> None:
    healer = healers.get(what.healer)
    if healer is None:
        raise NotHealed(f"{what.name}: this labctl does not know how to heal {what.healer or 'it'}")

    def once() -> bool | NotYet:
        try:
            healer(client, what.data)
        except InconclusiveError as error:
            return NotYet(str(error))  # a node that is silent now may answer in a moment
        return True

    try:
        wait_for(once, Deadline(PATIENCE), every=0.5)
    except DeadlinePassed as passed:
        raise NotHealed(f"{what.name}: {passed.reason}") from passed
    except (LabctlError, OSError, LookupError) as error:
        raise NotHealed(f"{what.name}: {error or type(error).__name__}") from error


def node_commands(client: LabClient, data: Mapping[str, Any]) -> None:
    """``{node, commands}``: argument lists."""
    for argv in data["commands"]:
        client.run(data["node"], argv)


def kube_patch(client: LabClient, data: Mapping[str, Any]) -> None:
    """``{path, patch}``: a merge patch; an object that is not there any more needs none."""
    try:
        client.cluster.patch(data["path"], data["patch"])
    except ApiError as error:
        if error.status != 404:
            raise


def kube_delete(client: LabClient, data: Mapping[str, Any]) -> None:
    """``{objects}``: each with apiVersion, kind, namespace and name; back when they and what they own are gone."""
    api = client.cluster
    applier = Applier(api)
    paths = []
    for row in data["objects"]:
        resource = applier.resource(row["apiVersion"], row["kind"])
        paths.append(resource.path(row.get("namespace") or "default", row["name"]))
    for path in reversed(paths):
        if api.find(path) is not None:
            # in the foreground: the object goes after what it owns
            api.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"})

    def gone() -> bool | NotYet:
        left = [path for path in paths if api.find(path) is not None]
        return NotYet(f"{', '.join(left)} is still there") if left else True

    wait_for(gone, Deadline(paced(GONE_LIMIT)), every=0.2)


HEALERS: dict[str, Healer] = {
    "switch-lines": lambda client, data: client.configure(data["switch"], data["lines"]),
    "node-commands": node_commands,
    "kube-patch": kube_patch,
    "kube-delete": kube_delete,
    "by-itself": lambda _client, _data: None,  # a session that was cleared, a pod that was deleted
}
"""By the kind that a journal entry names; a check with a way back of its own adds it."""
