"""From a file to a `Spec`: all problems at once, each with ``file:line:col``, the line, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from labctl import yamldoc as document
from labctl.errors import Problem, SpecError, did_you_mean
from labctl.spec import manifests
from labctl.spec.clashes import clashes
from labctl.spec.model import Spec
from labctl.spec.semantics import judge
from labctl.spec.textfile import STDIN, label, read_text
from labctl.spec.wording import WHOLE, words


def load(path: Path, *, target: tuple[str, str] | None = None, name: str | None = None) -> Spec:
    """Read a spec. ``name``: another name for the lab. Raises `SpecError` with every problem."""
    if path != STDIN and not path.exists():
        raise SpecError([Problem("no-such-file", f"there is no file {path}")], next_command="labctl init")
    text, trouble = read_text(path)
    if trouble is not None:
        raise SpecError([trouble])
    return loads(label(path), text, target=target, name=name)


def loads(file: str, text: str, *, target: tuple[str, str] | None = None, name: str | None = None) -> Spec:
    """The same from a text; manifests of workloads are looked for beside ``file``."""
    found, problems = document.parse(file, text)
    if found is None:
        raise SpecError(problems)
    data = {**found.data, "name": name} if name else found.data
    unsound: set[document.Path] = set()
    spec: Spec | None = None
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        malformed, unsound = _from_pydantic(error, found)
        problems += malformed
        spec = _without(data, unsound)
    if spec is not None:
        problems += judge(spec, found, target, unsound)
        texts, troubles = manifests.read(spec, found, Path(file).parent)
        problems += troubles
        problems += clashes(spec, found) if not problems else []
    if problems:
        raise SpecError(sorted(problems, key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0)))
    assert spec is not None  # noqa: S101 - no problems means that it was validated
    return spec.with_manifests(texts)


def _without(data: dict[str, Any], unsound: set[document.Path]) -> Spec | None:
    """The spec with labctl's defaults for its malformed parts, so that all others can be judged at once."""
    kept = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for top, *below in unsound:
        inner = kept.get(str(top))
        if below and isinstance(inner, dict):
            inner.pop(below[0], None)
        elif not below:
            kept.pop(str(top), None)
    kept.setdefault("name", "lab")
    try:
        return Spec.model_validate(kept)
    except ValidationError:
        return None


def _from_pydantic(error: ValidationError, found: document.Document) -> tuple[list[Problem], set[document.Path]]:
    """The problems, and which parts of the document (``cluster``/``nodes``) they leave without a meaning."""
    problems: dict[tuple[Any, ...], Problem] = {}
    unsound: set[document.Path] = set()
    # of a list that could have been a number, what is wrong with the list is told first
    said = sorted(error.errors(include_url=False), key=lambda r: r["type"] in WHOLE and isinstance(r["input"], list))
    rows = [(row, _written(row["loc"], found, missing=row["type"] == "missing")) for row in said]
    paths = {path for _, path in rows}
    for row, path in rows:
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        if deeper and row["type"] != "missing" and row["loc"][-1] != "[key]":
            continue  # the reason lies deeper: this row only says that the whole is wrong then
        also = {other["type"] for other, its_path in rows if its_path == path}
        problem = _problem(row, path, found, also)
        # a union reports one error per member: the first (the likeliest) is enough for a person
        key = (problem.place.line, problem.place.column) if problem.place else path
        if key not in problems:
            problems[key] = problem
        unsound |= _parts(row, path)
    return list(problems.values()), unsound


def _parts(row: Any, path: document.Path) -> set[document.Path]:
    """The part that a finding is about, and for a misspelt key the one that was meant."""
    part = path[:2] if all(isinstance(step, str) for step in path[:2]) else path[:1]
    if row["type"] != "extra_forbidden":
        return {part}
    near = difflib.get_close_matches(str(path[-1]), _fields_at(path[:-1]), n=1, cutoff=0.6)
    return {part, (*path[:-1], *near)[:2]} if near else {part}


def _written(location: tuple[str | int, ...], found: document.Document, *, missing: bool) -> document.Path:
    """The part of pydantic's location that is in the document (it also names union members, and what is missing)."""
    path: document.Path = ()
    data: Any = found.data
    for step in location:
        in_mapping = isinstance(data, dict) and isinstance(step, str) and step in data
        in_sequence = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if in_mapping or in_sequence:
            path, data = (*path, step), data[step]
        elif missing and isinstance(data, dict) and isinstance(step, str) and step == location[-1]:
            path = (*path, step)
    return path


def _problem(row: Any, path: document.Path, found: document.Document, also: set[str]) -> Problem:
    kind, name = row["type"], str(row["loc"][-1])
    if kind == "extra_forbidden":
        known = _fields_at(path[:-1])
        hint = did_you_mean(name, known, f"known here: {', '.join(known)}" if known else None)
        return Problem("unknown-key", f"unknown key {name}", found.place(path, key=True), hint)
    if kind == "missing":
        if isinstance(row["loc"][-1], int):
            place = found.place(path)
            return Problem("missing-item", f"{path[-1]} needs {row['loc'][-1] + 1} or more", place)
        return Problem("missing-key", f"{name} is missing", found.place(path))
    message, hint = words(row, path, also)
    return Problem("bad-value", message, found.place(path, key=name == "[key]"), hint)


def _fields_at(path: document.Path) -> list[str]:
    """Keys that the model knows at a path."""
    models: list[type[BaseModel]] = [Spec]
    for step in path:
        if isinstance(step, int):
            continue
        following: list[type[BaseModel]] = []
        for model in models:
            fields = _written_fields(model)
            if step in fields:
                following += list(_models_in(fields[step].annotation))
        models = following or models
    return sorted({name for model in models for name in _written_fields(model)})


def _written_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the keys that a person writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
