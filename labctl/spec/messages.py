"""What a validator's findings are called in front of a person: a sentence, where, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from labctl.errors import Problem, did_you_mean
from labctl.spec.keys import Spec
from labctl.yamldoc import VARIABLES, Document, Path

Words = tuple[str, str | None]
"""(sentence, hint)"""
Fault = tuple[str, Path]
"""pydantic's kind of a finding, and where it is in the document."""


def findings(error: ValidationError, found: Document) -> tuple[list[Problem], list[Fault]]:
    """What pydantic found, as problems and as places."""
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


def words(row: Mapping[str, Any], path: Path, also: AbstractSet[str] = frozenset()) -> Words:
    """The words for one finding of pydantic at ``path`` of the document; ``also``: all kinds of finding there."""
    kind, given, context = row["type"], row.get("input"), row.get("ctx", {})
    if isinstance(given, str) and "${" in given:
        return f"{given!r} stands here as it is", VARIABLES
    name = next((step for step in reversed(path) if isinstance(step, str)), "the spec")
    if kind == "literal_error":
        return _literal(given, name, path, context["expected"], also)
    if given is None:
        return f"{name} says nothing", "leave it out for labctl's default, or write a value"
    if kind == "model_type" and path and isinstance(path[-1], int):
        name = f"an item of {name}"
    if kind in _SENTENCES:
        sentence = _SENTENCES[kind].format(name=name, **context)
        return f"{sentence}{_or_list(kind, also)}{_not(given)}", _form(kind, name, given)
    return _count(kind, name, context) or (f"{_shown(given)}{_message(row)}", context.get("hint"))


def _dotted(path: Path) -> str:
    return ".".join(step for step in path if isinstance(step, str))


def _shown(given: object) -> str:
    kinds: dict[type, str] = {list: "a list ", dict: "a mapping "}
    return f"{given!r} " if isinstance(given, str | int | float) else kinds.get(type(given), "")


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _literal(given: object, name: str, path: Path, expected: str, also: AbstractSet[str]) -> Words:
    """No word of those that there are."""
    why = f"there is no {given!r} among the {name}" if isinstance(path[-1], int) else f"{name} cannot be {given!r}"
    more = ", or a manifest beside the spec, as in web.yaml" if "string_pattern_mismatch" in also else ""
    return why, _options(str(given), expected, more)


TWO_BYTES = "two bytes: the fabric's route targets are made of it"
MEANT = {
    "cluster.workers": "nodes, which counts the control plane too", "cluster.podSubnet": "calico: {pools: [{cidr: …}]}",
    "cluster.serviceSubnet": "services", "cluster.version": "kubernetes, or calico: {version: …}",
    "cluster.cni": "calico", "cluster.bgp_as": "asn", "fabric.bgp_as": "asn", "fabric.version": "nxos",
    "fabric.leafs": "leaf_pairs", "fabric.leaves": "leaf_pairs",
}  # fmt: skip
"""What kind, netlab or containerlab call it → what it is called here."""
WHOLE = ("int_parsing", "int_type", "int_from_float")
"""Kinds of finding that say: no whole number."""
_SENTENCES: dict[str, str] = {
    **dict.fromkeys(WHOLE, "{name} must be a whole number"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "{name} must be a mapping"),
    **dict.fromkeys(("tuple_type", "list_type"), "{name} must be a list"),
    "less_than_equal": "{name} must be at most {le}",
    "greater_than_equal": "{name} must be at least {ge}",
    "string_type": "{name} must be text",
}


def _or_list(kind: str, also: AbstractSet[str]) -> str:
    return " or a list" if kind in WHOLE and "tuple_type" in also else ""


def _not(given: object) -> str:
    if isinstance(given, bool):
        return f", not {str(given).lower()}"
    if isinstance(given, str | int | float):
        return f", not {given!r}"
    if isinstance(given, list | dict):
        return f", not a {'list' if isinstance(given, list) else 'mapping'}"
    return ""


def _count(kind: str, name: str, context: Mapping[str, Any]) -> Words | None:
    if kind not in {"too_short", "too_long"}:
        return None
    has = context["actual_length"]
    if kind == "too_short":
        return f"{name} is empty" if not has else f"{name} needs {context['min_length']} or more, and has {has}", None
    hint = f"labctl renders one of the {name} so far" if context["max_length"] == 1 else None
    return f"{name} takes {context['max_length']} at most, and has {has}", hint


def _form(kind: str, name: str, given: object) -> str | None:
    """What to write instead, where one form fits."""
    number = _is_number(given)
    rows = (
        (kind in {"model_type", "model_attributes_type"} and name == "cluster", "cluster: none, for a lab without one"),
        (kind in {"tuple_type", "list_type"} and isinstance(given, str | int | float), f"{name}: [{given}]"),
        (kind in WHOLE and not isinstance(given, bool), _number(name, given)),
        (kind == "less_than_equal" and name == "mtu", "with VXLAN's 50 bytes it must fit into the fabric's 9216"),
        (kind == "less_than_equal" and name == "asn" and number and float(str(given)) < 1 << 32, TWO_BYTES),
        (kind == "string_type" and number, f'{name}: "{given}"'),
    )
    return next((hint for fits, hint in rows if fits), None)


def _number(name: str, given: object) -> str | None:
    """The number that an odd spelling means, or could mean."""
    if isinstance(given, float):
        return f"{name}: {int(given)}" if given.is_integer() else None
    text = str(given).replace("_", "").removeprefix("+")
    if not re.fullmatch("0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|[0-9]+", text):
        return None
    if re.fullmatch("0[0-7]+", text):
        return f"{name}: {int(text)}, or {name}: {int(text, 8)}, which is what YAML 1.1 takes it for"
    return f"{name}: {int(text) if text.isdigit() else int(text, 0)}"


def _message(row: Mapping[str, Any]) -> str:
    text = str(row["msg"]).removeprefix("Value error, ")
    return f"{text[0].lower()}{text[1:]}"


def _options(given: str, expected: str, more: str) -> str:
    options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(",")]
    return did_you_mean(given, options) or f"one of {', '.join(options)}{more}"


def _written(location: tuple[str | int, ...], found: Document, *, missing: bool) -> Path:
    """The part of pydantic's location that is in the document (it also names union members, and what is missing)."""
    path: Path = ()
    data: Any = found.data
    for step in location:
        in_mapping = isinstance(data, dict) and isinstance(step, str) and step in data
        in_sequence = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if in_mapping or in_sequence:
            path, data = (*path, step), data[step]
        elif missing and isinstance(data, dict) and isinstance(step, str) and step == location[-1]:
            path = (*path, step)
    return path


def _problem(row: Any, path: Path, found: Document, also: set[str]) -> Problem:
    kind, name = row["type"], str(row["loc"][-1])
    if kind == "extra_forbidden":
        return Problem("unknown-key", f"unknown key {name}", found.place(path, key=True), _instead_of_key(name, path))
    if kind == "missing" and isinstance(row["loc"][-1], int):
        return Problem("missing-item", f"{path[-1]} needs {row['loc'][-1] + 1} or more", found.place(path))
    if kind == "missing":
        return Problem("missing-key", f"{name} is missing", found.place(path))
    message, hint = words(row, path, also)
    if kind == "model_type" and path and isinstance(path[-1], int) and isinstance(row["input"], str | list):
        item = row["input"] if isinstance(row["input"], str) else f"[{', '.join(map(str, row['input']))}]"
        hint = f"- {{{next(iter(_written_fields(_models_at(path)[0])))}: {item}}}"
    return Problem("bad-value", message, found.place(path, key=name == "[key]"), hint)


def _instead_of_key(name: str, path: Path) -> str | None:
    """What to write instead of a key that nobody knows: what is meant, a near miss, its home, or what there is."""
    meant = MEANT.get(_dotted(path))
    if meant:
        return f"did you mean {meant}?"
    known, homes = fields_at(path[:-1]), [*_homes(name)]
    hint = f"known here: {', '.join(known)}" if known else None
    if len(homes) == 1 or "" in homes:
        hint = "it belongs on the first level, beside name" if "" in homes else f"it belongs under {homes[0]}"
    return did_you_mean(name, known, hint)


def _homes(key: str, model: type[BaseModel] = Spec, above: str = "") -> Iterable[str]:
    """Where a key is known: ``fabric.vrfs``."""
    for name, field in _written_fields(model).items():
        if name == key:
            yield above
        for inner in _models_in(field.annotation):
            yield from _homes(key, inner, f"{above}.{name}".removeprefix("."))


def fields_at(path: Path) -> list[str]:
    """Keys that the model knows at a path."""
    return sorted({name for model in _models_at(path) for name in _written_fields(model)})


def _models_at(path: Iterable[str | int]) -> list[type[BaseModel]]:
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
