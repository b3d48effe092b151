"""An NX-OS configuration as a tree: parsed by indentation, compared without regard to what NX-OS hides or reorders.

The renderer does not use this module, so that what it renders is judged by somebody else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from labctl.nxos.normal import canonical_line, contradicted, head, may_be_hidden, spread, stays


@dataclass(frozen=True, slots=True)
class Section:
    """A line and what stands below it; ``number`` is its line in the file it came from (0: none)."""

    line: str
    children: tuple[Section, ...] = ()
    number: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.line.split())

    def find(self, *prefix: str) -> Section | None:
        """The first child whose words begin with ``prefix``."""
        return next(iter(self.all(*prefix)), None)

    def all(self, *prefix: str) -> list[Section]:
        """Every child whose words begin with ``prefix``."""
        return [child for child in self.children if child.words[: len(prefix)] == prefix]

    def rest(self, *prefix: str) -> tuple[str, ...] | None:
        """What follows ``prefix`` in the first child that begins with it: the value of a setting."""
        found = self.find(*prefix)
        return found.words[len(prefix) :] if found else None

    def has(self, line: str) -> bool:
        """Whether exactly that line stands below."""
        return any(child.line == line for child in self.children)


@dataclass(frozen=True, slots=True)
class ConfigTree:
    """A whole configuration."""

    sections: tuple[Section, ...] = ()

    @property
    def root(self) -> Section:
        """All sections under one nameless line."""
        return Section("", self.sections)

    def find(self, *prefix: str) -> Section | None:
        return self.root.find(*prefix)

    def all(self, *prefix: str) -> list[Section]:
        return self.root.all(*prefix)

    def has(self, line: str) -> bool:
        return self.root.has(line)

    def text(self) -> str:
        """As NX-OS prints it: two blanks a level."""
        return "".join(f"{'  ' * depth}{section.line}\n" for depth, section in walk(self.sections))


def walk(sections: Iterable[Section], depth: int = 0) -> Iterator[tuple[int, Section]]:
    """Every section with its depth, in order."""
    for section in sections:
        yield depth, section
        yield from walk(section.children, depth + 1)


def parse(text: str) -> ConfigTree:
    """Parse by indentation. Comments (``!``), blank lines and the ``version`` line of a running-config are left out."""
    rows: deque[tuple[int, str, int]] = deque()
    for number, raw in enumerate(text.splitlines(), 1):
        line = " ".join(raw.split())
        if line and not line.startswith(("!", "version ")):
            rows.append((len(raw) - len(raw.lstrip()), line, number))
    return ConfigTree(_deeper(rows, -1))


def _deeper(rows: deque[tuple[int, str, int]], indent: int) -> tuple[Section, ...]:
    """Takes the rows (indentation, line, its number) up to the first that is not indented more."""
    found = []
    while rows and rows[0][0] > indent:
        depth, line, number = rows.popleft()
        found.append(Section(line, _deeper(rows, depth), number))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Difference:
    """A line (with what stands below it) that one side has and the other lacks, under the lines of ``path``."""

    kind: Literal["missing", "extra"]
    path: tuple[str, ...]
    section: Section

    @property
    def line(self) -> str:
        return self.section.line

    @property
    def number(self) -> int:
        """Where a missing line stands in the intended file; 0: nowhere."""
        return self.section.number if self.kind == "missing" else 0

    @property
    def lines(self) -> int:
        """How many lines it is, with those below."""
        return sum(1 for _ in walk((self.section,)))


def compare(intended: ConfigTree, running: ConfigTree) -> list[Difference]:
    """What the running configuration lacks of an intended file, and what it has beyond it, however it was written.

    Only sections that the intended configuration speaks of are looked into for extras: a switch has lines of its own.
    """
    return list(_compare((), normalise(intended.sections, ()), normalise(running.sections, ()), whole=False))


def changed(first: ConfigTree, now: ConfigTree) -> list[Difference]:
    """What is different between two running configurations of one switch, each line as the switch spells it."""
    sides = (joined(tree.sections, (), _as_shown) for tree in (first, now))
    return list(_compare((), *sides, whole=True))


def normalise(sections: Iterable[Section], path: tuple[str, ...]) -> tuple[Section, ...]:
    """One canonical line per setting: lists merged or spread, names written out, sections of one name joined."""
    return joined(sections, path, lambda line, above: _facts(canonical_line(line), above))


Spelling = Callable[[str, tuple[str, ...]], tuple[Iterable[str], str | None]]
"""(line, path) → the lines that it stands for, and a line below each of them (None: there is none)."""


def _facts(line: str, path: tuple[str, ...]) -> tuple[Iterable[str], str | None]:
    opening, below = head(line)
    return spread(opening, path), below


def _as_shown(line: str, path: tuple[str, ...]) -> tuple[Iterable[str], str | None]:
    """A list of VLANs is a way to write them; the list of a trunk is one setting with one value."""
    opening, below = head(line)
    return (spread(opening, path) if opening.startswith("vlan ") else (opening,)), below


def joined(sections: Iterable[Section], path: tuple[str, ...], spelling: Spelling) -> tuple[Section, ...]:
    """Sections of one name joined, every line as ``spelling`` has it."""
    merged: dict[str, Section] = {}
    for section in sections:
        facts, below = spelling(section.line, path)
        children = section.children if below is None else (Section(below, (), section.number), *section.children)
        for fact in facts:
            known = merged.get(fact)
            if known is None:
                merged[fact] = Section(fact, children, section.number)
            elif children:
                merged[fact] = Section(fact, (*known.children, *children), known.number)
    return tuple(Section(s.line, joined(s.children, (*path, s.line), spelling), s.number) for s in merged.values())


def _compare(
    path: tuple[str, ...], intended: tuple[Section, ...], running: tuple[Section, ...], *, whole: bool
) -> Iterator[Difference]:
    """``whole``: what the running side has beyond the other counts at the top, too."""
    there = {section.line: section for section in running}
    for section in intended:
        found = there.get(section.line)
        if found is not None:
            yield from _compare((*path, section.line), section.children, found.children, whole=whole)
        elif not may_be_hidden(section.line, path) or contradicted(section.line, there):
            yield Difference("missing", path, section)
    if not path and not whole:
        return
    wanted = {section.line for section in intended}
    for section in running:
        if section.line in wanted or may_be_hidden(section.line, path):
            continue
        if whole and stays(section.line):
            yield from _compare((*path, section.line), (), section.children, whole=whole)
        else:
            yield Difference("extra", path, section)
