"""The loop that brings one part of a lab back, and how its differences are told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from labctl.errors import LabctlError
from labctl.parallel import raise_all, tried

D = TypeVar("D")
Kind = Literal["scenario", "switch", "node", "cluster"]
Do = Literal["add", "remove", "change"]
ROUNDS = 4
"""What is typed may wipe other lines (``vrf member``), a feature must be on before its lines are known, and a bond that
is made again has no addresses yet."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is brought back: ``add`` what was taken away, ``remove`` what was added, ``change`` a value."""

    do: Do
    what: str
    lines: int = 1
    """How many lines of a configuration it is."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back on one node (in the cluster: ``name`` is the lab's API). No entries: nothing."""

    kind: Kind
    name: str
    entries: tuple[Entry, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A row of ``labctl.reset/v1``."""
        return {"part": self.kind, "name": self.name, "rows": [asdict(entry) for entry in self.entries]}


def counted(entries: Iterable[Entry], noun: str) -> str:
    """``2 lines added, 1 removed, 3 changed``."""
    counts = Counter[str]()
    for entry in entries:
        counts[entry.do] += entry.lines
    verbs = {"add": "added", "remove": "removed", "change": "changed"}
    parts = [f"{counts[do]} {verb}" for do, verb in verbs.items() if do in counts]
    if not parts:
        return "nothing"
    number, _, word = parts[0].partition(" ")
    return ", ".join([f"{number} {noun}{'' if number == '1' else 's'} {word}", *parts[1:]])


class Part(ABC, Generic[D]):
    """One node, or the cluster, beside its snapshot."""

    kind: Kind
    name: str

    @abstractmethod
    def differences(self) -> list[D]:
        """Read it and compare. Raises `InconclusiveError` when it does not answer."""

    @abstractmethod
    def apply(self, left: Sequence[D]) -> None:
        """Do what takes these differences away, as far as it goes: the next look tells what is left."""

    @abstractmethod
    def entries(self, found: Sequence[D]) -> list[Entry]:
        """Differences as a person reads them."""

    @abstractmethod
    def error(self, left: Sequence[D]) -> LabctlError:
        """What stays different, with the words of who refused it."""

    def again(self, rounds: int, before: Sequence[D], left: Sequence[D]) -> bool:
        """Whether another round is worth it: what answers at once has its last one when nothing came of it."""
        return rounds < ROUNDS and left != before

    def settle(self) -> None:
        """Once what was different is as it was."""

    def close(self) -> None:
        """Let go of it."""


def look(part: Part[D]) -> Restored:
    """What is different, and nothing is done."""
    with closing(part):
        return Restored(part.kind, part.name, tuple(part.entries(part.differences())))


def restore(part: Part[D], stopped: Callable[[], bool] = lambda: False) -> Restored:
    """Read, compare, apply, read back, until nothing is different. Raises the part's `error` with what stays."""
    with closing(part):
        first = left = part.differences()
        rounds, on = 0, bool(left)
        while left and on and not stopped():
            part.apply(left)
            before, left, rounds = left, part.differences(), rounds + 1
            on = part.again(rounds, before, left)
        if left:
            raise part.error(left)
        if first:
            part.settle()
        return Restored(part.kind, part.name, tuple(part.entries(first)))


def each(parts: Sequence[Part[D]], work: Callable[[Part[D]], Restored]) -> list[Restored]:
    """`look` or `restore` of several at once: every one to its end, then one error for all that went wrong."""
    named = {part.name: part for part in parts}
    good, wrong = tried(named, lambda name: work(named[name]))
    if len(wrong) == 1:
        raise next(iter(wrong.values()))
    raise_all(wrong)
    return list(good.values())
