"""A YAML text with the place of every key and value; refuses what safe YAML still lets through.

Duplicate keys, aliases without end and documents of unreasonable size are problems with a place; ``no``, ``on`` and
``yes`` stay the strings that they look like (YAML 1.2), since a switch may well be called ``no``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_ODD = {
    **dict.fromkeys((0xA0, 0x2007, 0x202F), "a no-break space"),
    **dict.fromkeys((0x2018, 0x2019, 0x201C, 0x201D, 0x201E), "a curly quote"),
}
"""What word processors and web pages put where YAML means a blank or a quote."""
VARIABLES = "a spec is read as it is, without variables: envsubst writes them out before"
_PLAIN = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq",
                                                         "timestamp", "merge", "value"))  # fmt: skip
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The data, and where each path of it stands. ``sound``: it is all there, as YAML 1.2 has it."""

    file: str
    lines: tuple[str, ...]
    data: Any
    keys: dict[Path, tuple[int, int]]
    values: dict[Path, tuple[int, int]]
    sound: bool = True

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
        self._open: set[int] = set()
        self._seen: set[int] = set()

    def place(self, mark: Any) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.file, mark.line + 1, mark.column + 1, text)

    def _say(self, code: str, message: str, node: yaml.Node, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, self.place(node.start_mark), hint))

    def build(self, node: yaml.Node, path: Path, at: tuple[int, int] | None = None) -> Any:
        """The data of a node. ``at``: where an alias for it stands; the node's own marks are the anchor's."""
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            self._say("too-large", "the document is too large or too deep", node)
            raise _TooLargeError
        if id(node) in self._open:
            self._say("endless", "an alias (*) in this part means the part itself", node)
            raise _TooLargeError
        self.values[path] = at or (node.start_mark.line + 1, node.start_mark.column + 1)
        self._seen.add(id(node))
        if not node.tag.startswith(_PLAIN):
            tag = node.tag.removeprefix("tag:yaml.org,2002:")
            self._say("tag", f"the tag {tag} means nothing here", node)
        if not isinstance(node, yaml.CollectionNode):
            self._odd(node)
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path, at)
            return [self.build(child, (*path, index), at) for index, child in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path, at: tuple[int, int] | None) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._say("bad-key", "a key must be plain text", key_node)
                continue
            self._odd(key_node)
            key = str(key_node.value)
            if key == "<<":
                hint = "write the keys out; an alias (*name) for a whole value is fine"
                self._say("merge-key", "<< merges nothing here (YAML 1.2)", key_node, hint)
                continue
            if key in result:
                first = self.keys[(*path, key)][0]
                self._say("duplicate-key", f"{key} is there twice, first in line {first}", key_node)
                continue
            mark = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            self.keys[(*path, key)] = at or mark
            alias = at or (mark if id(value_node) in self._seen else None)
            result[key] = self.build(value_node, (*path, key), alias)
        return result

    def _odd(self, node: Any) -> None:
        """A space that is none to YAML, and a quote that quotes nothing: both become part of the text."""
        if node.style:
            return
        for index, character in enumerate(node.value):
            what = _ODD.get(ord(character), "")
            if what.endswith("space") or (what and index == 0):
                line, column = node.start_mark.line, node.start_mark.column
                place = Place(
                    self.file, line + 1, max(column, self.lines[line].find(character, column)) + 1, self.lines[line]
                )
                hint = "write a plain blank" if what.endswith("space") else "write plain quotes, \" or '"
                message = f"{what} (U+{ord(character):04X}) is part of the text here"
                self.problems.append(Problem(ODD, message, place, hint))
                return

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


ODD = "odd-character"


class _TooLargeError(Exception):
    pass


def parse(file: str, text: str) -> tuple[Document | None, list[Problem]]:
    """The document and its problems; None when it is no YAML at all."""
    if len(text.encode()) > MAX_BYTES:
        return None, [Problem("too-large", f"the file is larger than {MAX_BYTES >> 10} KiB", Place(file))]
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return None, [syntax_problem(file, text, error)]
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
    odd = [problem for problem in builder.problems if problem.code == ODD]
    document = Document(file, builder.lines, data, builder.keys, builder.values)
    return (None, odd) if odd else (document, builder.problems)  # what else there is to say comes of the odd ones


def documents(file: str, text: str) -> Iterator[Document]:
    """Each document of a file that other tools read, too. Raises `yaml.YAMLError`."""
    for root in yaml.compose_all(text, Loader=yaml.CSafeLoader):
        builder, data = _Builder(file, text), None
        try:
            data = builder.build(root, ())
        except (_TooLargeError, RecursionError):
            builder.problems.append(Problem("too-large", "the document is too large or too deep"))
        if data is not None:
            yield Document(file, builder.lines, data, builder.keys, builder.values, not builder.problems)


def syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """What the parser found, where, and what to write instead."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return _control_character(file, text)
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    place = Place(file)
    if mark:
        place = Place(file, mark.line + 1, mark.column + 1, lines[mark.line] if mark.line < len(lines) else "")
    return Problem("yaml-syntax", f"this is no YAML: {_reason(error)}", place, _syntax_hint(error, place))


def _control_character(file: str, text: str) -> Problem:
    """libyaml takes printable characters alone, and does not say where the others are."""
    found = re.search("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]", text)
    if found is None:
        return Problem("yaml-syntax", "this is no YAML", Place(file))
    line = text.count("\n", 0, found.start()) + 1
    start = text.rfind("\n", 0, found.start()) + 1
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[start:].split("\n", 1)[0])
    place = Place(file, line, found.start() - start + 1, shown)
    return Problem("yaml-syntax", f"this is no YAML: control character 0x{ord(found[0]):02x}", place)


def _reason(error: yaml.MarkedYAMLError) -> str:
    """The parser's words; some of its sentences begin in the context."""
    problem = error.problem or error.context or "it cannot be read"
    return f"{error.context}, {problem}" if error.context and problem.startswith("but ") else problem


def _syntax_hint(error: yaml.MarkedYAMLError, place: Place) -> str | None:
    text = place.text or ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        return "indent with blanks: YAML takes no tab there"
    if "${" in text:
        return VARIABLES
    begun = error.context_mark
    if (error.problem or "").startswith("but found another document"):
        return "one file holds one lab"
    if begun is not None and error.context and begun.line + 1 < place.line:
        return f"{error.context} that begins in line {begun.line + 1}"
    return None
