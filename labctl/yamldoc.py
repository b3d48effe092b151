"""A YAML text with the place of every key and value; refuses what safe YAML still lets through.

Duplicate keys, aliases without end and documents of unreasonable size are problems with a place; ``no``, ``on`` and
``yes`` stay the strings that they look like (YAML 1.2), since a switch may well be called ``no``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from labctl.errors import Place, Problem

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 40

_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]+")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The data, and where each path of it stands."""

    file: str
    lines: tuple[str, ...]
    data: Any
    keys: dict[Path, tuple[int, int]]
    values: dict[Path, tuple[int, int]]

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a value (or key); of the nearest thing above it when it is not written."""
        for length in range(len(path), -1, -1):
            found = (self.keys if key else self.values).get(path[:length]) or self.keys.get(path[:length])
            if found:
                line, column = found
                return Place(self.file, line, column, self.lines[line - 1] if line <= len(self.lines) else "")
        return Place(self.file, 1, 1, self.lines[0] if self.lines else "")


class _Builder:
    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = tuple(text.splitlines())
        self.keys: dict[Path, tuple[int, int]] = {}
        self.values: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def place(self, mark: Any) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.file, mark.line + 1, mark.column + 1, text)

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            self.problems.append(
                Problem("too-large", "the document is too large or too deep", self.place(node.start_mark))
            )
            raise _TooLargeError
        self.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem("bad-key", "a key must be plain text", self.place(key_node.start_mark)))
                continue
            key = str(key_node.value)
            if key in result:
                first = self.keys[(*path, key)][0]
                self.problems.append(
                    Problem(
                        "duplicate-key",
                        f"{key} is there twice; the first is in line {first}",
                        self.place(key_node.start_mark),
                    )
                )
                continue
            self.keys[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.build(value_node, (*path, key))
        return result

    @staticmethod
    def _scalar(node: yaml.Node) -> Any:
        text = str(node.value)
        if getattr(node, "style", None) in {"'", '"', "|", ">"}:
            return text
        if text in {"", "~", "null", "Null", "NULL"}:
            return None
        if _BOOLEAN.fullmatch(text):
            return text.lower() == "true"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text


class _TooLargeError(Exception):
    pass


def parse(file: str, text: str) -> tuple[Document | None, list[Problem]]:  # noqa: PLR0911 - one way out a reason
    """The document and its problems; None when it is no YAML at all."""
    if len(text.encode()) > MAX_BYTES:
        return None, [Problem("too-large", f"the file is larger than {MAX_BYTES >> 10} KiB", Place(file))]
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines = text.splitlines()
        place = (
            Place(file, mark.line + 1, mark.column + 1, lines[mark.line] if mark.line < len(lines) else "")
            if mark
            else Place(file)
        )
        return None, [Problem("yaml-syntax", f"this is no YAML: {_reason(error)}", place, _syntax_hint(error, place))]
    except yaml.YAMLError as error:
        return None, [Problem("yaml-syntax", f"this is no YAML: {error}", Place(file))]
    builder = _Builder(file, text)
    if root is None:
        return None, [
            Problem("empty", "the file is empty", Place(file), hint="labctl init writes a spec to start from")
        ]
    if not isinstance(root, yaml.MappingNode):
        return None, [
            Problem("no-mapping", "a spec is a mapping: it begins with name:", builder.place(root.start_mark))
        ]
    try:
        data = builder.build(root, ())
    except (_TooLargeError, RecursionError):
        return None, builder.problems or [Problem("too-large", "the document is too deep", Place(file))]
    return Document(file, builder.lines, data, builder.keys, builder.values), builder.problems


def _reason(error: yaml.MarkedYAMLError) -> str:
    """The parser's words; some of its sentences begin in the context."""
    problem = error.problem or error.context or "it cannot be read"
    return f"{error.context}, {problem}" if error.context and problem.startswith("but ") else problem


def _syntax_hint(error: yaml.MarkedYAMLError, place: Place) -> str | None:
    text = place.text or ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        return "indent with blanks: YAML takes no tab there"
    begun = error.context_mark
    if (error.problem or "").startswith("but found another document"):
        return "one file holds one lab"
    if begun is not None and error.context and begun.line + 1 < place.line:
        return f"{error.context} that begins in line {begun.line + 1}"
    return None
