"""Golden files: what a test run read of them, and what ``--update-golden`` changed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

LINES = 10
"""What an update tells at most: who wants more asks git."""


@dataclass
class Goldens:
    """The golden files below ``root`` in one test run. ``update``: write what came instead of comparing."""

    root: Path
    update: bool = False
    read: set[str] = field(default_factory=set)
    changed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Lines added and removed of each file that was written over."""
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)

    def __call__(self, name: str, text: str) -> None:
        """The text is what the file ``name`` holds, or becomes it in an update."""
        self.read.add(name)
        path = self.root / name
        if self.update:
            self._write(name, text)
        assert path.is_file(), f"no golden file {name}: run with --update-golden and look at what was written"
        assert text == path.read_text(encoding="utf-8"), f"{name} differs: look, then --update-golden"

    def none(self, name: str) -> None:
        """There is no such file, or no more after an update: another one holds it, or nothing needs it."""
        path = self.root / name
        if self.update and path.is_file():
            path.unlink()
            self.removed.add(name)
        assert not path.exists(), f"nothing needs the golden file {name}: --update-golden removes it"

    def names(self, folder: str = "") -> set[str]:
        """All files that there are."""
        return {str(path.relative_to(self.root)) for path in (self.root / folder).rglob("*") if path.is_file()}

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.added.add(name)
        elif path.read_text(encoding="utf-8") != text:
            self.changed[name] = lines_between(path.read_text(encoding="utf-8"), text)
        else:
            return
        path.write_text(text, encoding="utf-8")

    def told(self) -> list[str]:
        """A line for each folder that an update touched, `LINES` at most: fewer, larger folders if need be."""
        touched = self.changed.keys() | self.added | self.removed
        rows: list[str] = []
        for depth in (9, 2, 1):
            groups: dict[str, list[str]] = defaultdict(list)
            for name in sorted(touched):
                groups["/".join(name.split("/")[:-1][:depth])].append(name)
            rows = [f"{folder}: {self._what(names)}" for folder, names in groups.items()]
            if len(rows) <= LINES:
                return rows
        return [*rows[: LINES - 1], f"and {len(rows) - LINES + 1} more folders"]

    def _what(self, names: list[str]) -> str:
        parts = []
        changes = [self.changed[name] for name in names if name in self.changed]
        if changes:
            plus, minus = (max(column) for column in zip(*changes, strict=True))
            each = "each" if len(set(changes)) == 1 else "at most"
            parts.append(f"{len(changes)} changed (+{plus} -{minus} {each})")
        for word, which in (("added", self.added), ("removed", self.removed)):
            count = sum(name in which for name in names)
            parts += [f"{count} {word}"] if count else []
        return ", ".join(parts)


def lines_between(before: str, after: str) -> tuple[int, int]:
    """How many lines came, how many went."""
    matcher = SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return sum(j2 - j1 for _, _, _, j1, j2 in codes), sum(i2 - i1 for _, i1, i2, _, _ in codes)
