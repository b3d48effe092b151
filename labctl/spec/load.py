"""From a file to a `Spec`: all problems at once, each with ``file:line:col``, the line, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from labctl import yamldoc as document
from labctl.errors import Problem, SpecError, did_you_mean
from labctl.spec import manifests
from labctl.spec.model import Spec
from labctl.spec.objects import judge_objects
from labctl.spec.semantics import judge
from labctl.spec.textfile import STDIN, label, read_text
from labctl.spec.wording import MEANT, WHOLE, words


def load(
    path: Path, *, target: tuple[str, str] | None = None, name: str | None = None, containerlab: str | None = None
) -> Spec:
    """Read a spec. ``name``: another name for the lab; ``containerlab``: the version that will read its folder.

    Raises `SpecError` with every problem; `Spec.warnings` has what is probably not meant.
    """
    if path != STDIN and not path.exists():
        raise SpecError([Problem("no-such-file", f"there is no file {path}")], next_command="labctl init")
    text, trouble = read_text(path)
    if trouble is not None:
        raise SpecError([trouble])
    return loads(label(path), text, target=target, name=name, containerlab=containerlab)


def loads(
    file: str,
    text: str,
    *,
    target: tuple[str, str] | None = None,
    name: str | None = None,
    containerlab: str | None = None,
) -> Spec:
    """The same from a text; manifests of workloads are looked for beside ``file``."""
    found, problems = document.parse(file, text)
    if found is None:
        raise SpecError(problems)
    data = {**found.data, "name": name} if name else found.data
    malformed: set[document.Path] = set()
    unsound: set[document.Path] = set()
    spec: Spec | None = None
    try:
        spec = Spec.model_validate(data)
        specs: tuple[Spec, ...] = (spec,)
    except ValidationError as error:
        said, faults = _from_pydantic(error, found)
        problems += said
        specs, malformed, unsound = _mended(data, faults)
    if specs:
        judged = [judge(one, found, target, malformed, unsound, containerlab) for one in specs]
        problems += [problem for problem in judged[0] if problem in judged[-1]]
        texts, objects, troubles = manifests.read(specs[0], found, Path(file).parent)
        problems += troubles
        if not malformed and not unsound:
            problems += judge_objects(specs[0], found, target, objects, complete=not troubles)
    problems.sort(key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0))
    wrong = [problem for problem in problems if problem.severity == "error"]
    warnings = [problem for problem in problems if problem.severity == "warning"]
    if wrong:
        raise SpecError(wrong, warnings=warnings)
    assert spec is not None  # noqa: S101 - nothing wrong means that it was validated
    return spec.as_read(texts, warnings)


Fault = tuple[str, document.Path]
"""pydantic's kind of a finding, and where it is in the document."""
INSTEAD: dict[str, tuple[object, object]] = {
    "name": ("instead-a", "instead-b"), "vlan": (3966, 3965), "vni": (16777213, 16777212), "pair": (1, None),
    "address": (None, "203.0.113.1"), "role": (None, None), "peer_link": (None, None), "block_size": (None, None),
    "cidr": ("100.80.0.0/16", "fd00:80::/48"), "pod": ("instead-a", "instead-b"), "namespace": (None, "instead-b"),
    **dict.fromkeys(("loopback0", "vtep", "vip"), (None, "100.82.0.1")),
}  # fmt: skip
"""Two values for a malformed one deep in a list (None: left out). What is wrong with both is wrong whatever it was
meant to be; where one is malformed of which there is no row, the rules that read its part wait for the next run."""


def _mended(
    data: dict[str, Any], faults: list[Fault]
) -> tuple[tuple[Spec, ...], set[document.Path], set[document.Path]]:
    """Specs that stand for what is meant, so that all else can be judged at once; the parts that have labctl's
    defaults in them, and the single values that were set in."""
    made: list[Spec] = []
    for which in (0, 1):
        parts, values = set[document.Path](), set[document.Path]()
        copy = deepcopy(data)
        for kind, path in faults:
            _mend(copy, kind, path, which, parts, values)
        spec = _without(copy, parts)
        if spec is None:  # what it was renamed to, or set in, is malformed again
            parts = {part for kind, path in faults for part in _parts(kind, path)}
            spec = _without(data, parts)
            return ((spec,) if spec else ()), parts, set()
        made.append(spec)
    return tuple(made), parts, values


def _mend(
    data: Any, kind: str, path: document.Path, which: int, parts: set[document.Path], values: set[document.Path]
) -> None:
    while path and isinstance(path[-1], int):
        path = path[:-1]
    holder: Any = data
    for step in path[:-1]:
        holder = holder[int(step)] if isinstance(holder, list) else holder.get(step, {})
    meant = _meant(path) if kind == "extra_forbidden" else None
    if meant and path[-1] in holder and meant not in holder:
        holder[meant] = holder.pop(path[-1])
        values.add((*path[:-1], meant))
    elif len(path) > 2 and path[-1] in INSTEAD and isinstance(holder, dict):
        holder.pop(path[-1], None)
        value = INSTEAD[str(path[-1])][which]
        holder |= {path[-1]: value} if value is not None else {}
        values.add(path)
    else:
        parts |= {part for part in _parts(kind, path) if part == path or part[-1] not in holder or len(path) > 2}


def _without(data: dict[str, Any], unsound: set[document.Path]) -> Spec | None:
    """The spec with labctl's defaults for its malformed parts."""
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


def _from_pydantic(error: ValidationError, found: document.Document) -> tuple[list[Problem], list[Fault]]:
    """The problems, and where they are."""
    problems: dict[tuple[Any, ...], Problem] = {}
    faults: list[Fault] = []
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
            faults.append((row["type"], path))
    return list(problems.values()), faults


def _meant(path: document.Path) -> str | None:
    """The key that a misspelt one is a near miss of."""
    near = difflib.get_close_matches(str(path[-1]), _fields_at(path[:-1]), n=1, cutoff=0.6)
    return near[0] if near else None


def _parts(kind: str, path: document.Path) -> set[document.Path]:
    """The part that a finding is about; an unknown key means the one that it is a near miss of, or any beside it."""
    if kind == "extra_forbidden" and len(path) < 3:
        meant = _meant(path)
        return {path, *((*path[:-1], key) for key in ([meant] if meant else _fields_at(path[:-1])))}
    return {path[:2] if all(isinstance(step, str) for step in path[:2]) else path[:1]}


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
        known, homes = _fields_at(path[:-1]), [*_homes(name)]
        hint = f"known here: {', '.join(known)}" if known else None
        if len(homes) == 1 or "" in homes:
            hint = "it belongs on the first level, beside name" if "" in homes else f"it belongs under {homes[0]}"
        hint = did_you_mean(name, known, hint)
        meant = MEANT.get(".".join(step for step in path if isinstance(step, str)))
        hint = f"did you mean {meant}?" if meant else hint
        return Problem("unknown-key", f"unknown key {name}", found.place(path, key=True), hint)
    if kind == "missing":
        if isinstance(row["loc"][-1], int):
            place = found.place(path)
            return Problem("missing-item", f"{path[-1]} needs {row['loc'][-1] + 1} or more", place)
        return Problem("missing-key", f"{name} is missing", found.place(path))
    message, hint = words(row, path, also)
    if kind == "model_type" and path and isinstance(path[-1], int) and isinstance(row["input"], str | list):
        item = row["input"] if isinstance(row["input"], str) else f"[{', '.join(map(str, row['input']))}]"
        hint = f"- {{{next(iter(_written_fields(_models_at(path)[0])))}: {item}}}"
    return Problem("bad-value", message, found.place(path, key=name == "[key]"), hint)


def _homes(key: str, model: type[BaseModel] = Spec, above: str = "") -> Iterable[str]:
    """Where a key is known: ``fabric.vrfs``."""
    for name, field in _written_fields(model).items():
        if name == key:
            yield above
        for inner in _models_in(field.annotation):
            yield from _homes(key, inner, f"{above}.{name}".removeprefix("."))


def _fields_at(path: document.Path) -> list[str]:
    """Keys that the model knows at a path."""
    return sorted({name for model in _models_at(path) for name in _written_fields(model)})


def _models_at(path: document.Path) -> list[type[BaseModel]]:
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
    return models


def _written_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the keys that a person writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
