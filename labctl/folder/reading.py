"""Looking into a folder's YAML documents: what is not as it should be becomes a problem with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labctl.errors import Place, Problem
from labctl.yamldoc import Document, parse
from labctl.yamldoc import Path as DocumentPath

STRUCTURE = "structure"
"""Code of a problem: nodes, links or names of a file are not those of lab.json."""


def document(path: Path, name: str, problems: list[Problem]) -> Document | None:
    """A folder's YAML document; None when it cannot be read (a problem)."""
    try:
        text = (path / name).read_text()
    except OSError as error:
        problems.append(Problem("unreadable", f"{name} cannot be read: {error.strerror}", Place(name)))
        return None
    found, trouble = parse(name, text)
    problems.extend(trouble)
    return found


def mapping(found: Document, path: DocumentPath, problems: list[Problem]) -> Mapping[str, Any]:
    """The mapping at a path of the document; empty when nothing is written, or something else is (a problem)."""
    value = _at(found, path)
    if value is not None and not isinstance(value, dict):
        problems.append(Problem("wrong-type", f"{_dotted(path)} must be a mapping", found.place(path)))
    return value if isinstance(value, dict) else {}


def sequence(found: Document, path: DocumentPath, problems: list[Problem]) -> Sequence[Any]:
    """The list at a path of the document; empty as `mapping` is."""
    value = _at(found, path)
    if value is not None and not isinstance(value, list):
        problems.append(Problem("wrong-type", f"{_dotted(path)} must be a list", found.place(path)))
    return value if isinstance(value, list) else []


def _at(found: Document, path: DocumentPath) -> Any:
    value = found.data
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            return None
    return value


def _dotted(path: DocumentPath) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def unknown_keys(found: Document, path: DocumentPath, known: frozenset[str], what: str) -> Iterator[Problem]:
    """A problem for each key of a mapping that is not among the known ones."""
    for key in _at(found, path) or ():
        if key not in known:
            place = found.place((*path, key), key=True)
            yield Problem("cannot-do", f"this runtime cannot do {key} of {what}", place)
