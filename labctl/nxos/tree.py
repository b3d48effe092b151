"""An NX-OS configuration as a tree: parsed by indentation, compared without regard to what NX-OS hides or reorders.

The renderer does not use this module, so that what it renders is judged by somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from labctl.nxos.defaults import contradicted, may_be_hidden
from labctl.nxos.normal import canonical_line, head, spread


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
    top: list[_Row] = []
    stack: list[tuple[int, list[_Row]]] = [(-1, top)]
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("!", "version ")):
            continue
        indent = len(raw) - len(raw.lstrip())
        while stack[-1][0] >= indent:
            stack.pop()
        row = _Row(" ".join(line.split()), number)
        stack[-1][1].append(row)
        stack.append((indent, row.children))
    return ConfigTree(_freeze(top))


@dataclass(slots=True)
class _Row:
    """A section that is being read: its children are still coming."""

    line: str
    number: int
    children: list[_Row] = field(default_factory=list)


def _freeze(rows: Iterable[_Row]) -> tuple[Section, ...]:
    return tuple(Section(row.line, _freeze(row.children), row.number) for row in rows)


@dataclass(frozen=True, slots=True)
class Difference:
    """A line that one side has and the other lacks, under the lines of ``path``; ``number`` in the intended file."""

    kind: Literal["missing", "extra"]
    path: tuple[str, ...]
    line: str
    number: int


def compare(intended: ConfigTree, running: ConfigTree) -> list[Difference]:
    """What the running configuration lacks of the intended one, and what it has beyond it.

    Only sections that the intended configuration speaks of are looked into for extras: a switch has lines of its own.
    """
    return list(_compare((), normalise(intended.sections, ()), normalise(running.sections, ())))


def normalise(sections: Iterable[Section], path: tuple[str, ...]) -> tuple[Section, ...]:
    """One canonical line per setting: lists merged or spread, names written out, sections of one name joined."""
    merged: dict[str, Section] = {}
    for section in sections:
        line, below = head(canonical_line(section.line))
        children = section.children if below is None else (Section(below, (), section.number), *section.children)
        for fact in spread(line, path):
            known = merged.get(fact)
            if known is None:
                merged[fact] = Section(fact, children, section.number)
            else:
                merged[fact] = Section(fact, (*known.children, *children), known.number)
    return tuple(Section(s.line, normalise(s.children, (*path, s.line)), s.number) for s in merged.values())


def _compare(
    path: tuple[str, ...], intended: tuple[Section, ...], running: tuple[Section, ...]
) -> Iterator[Difference]:
    there = {section.line: section for section in running}
    for section in intended:
        found = there.get(section.line)
        if found is None:
            if not may_be_hidden(section.line, path) or contradicted(section.line, there):
                yield Difference("missing", path, section.line, section.number)
        else:
            yield from _compare((*path, section.line), section.children, found.children)
    if path:
        wanted = {section.line for section in intended}
        for section in running:
            if section.line not in wanted and not may_be_hidden(section.line, path):
                yield Difference("extra", path, section.line, 0)
