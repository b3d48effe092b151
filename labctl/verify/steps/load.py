"""From a scenario file to its steps: all problems at once, each with its place and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from labctl.errors import Problem, SpecError, UsageError, did_you_mean
from labctl.folder import Folder
from labctl.verify.inputs import ChecksInput
from labctl.verify.steps.model import (
    EXPECTATIONS,
    FAULTS,
    LABEL,
    NAME,
    SCHEMA,
    SERVICE,
    STEPS,
    Expect,
    Fault,
    Heal,
    ScenarioFile,
    Step,
    Stop,
)
from labctl.verify.steps.validation import LabNames, judge_names, judge_order
from labctl.yamldoc import Document, parse
from labctl.yamldoc import Path as DocumentPath

TOP = ("schema", "name", "title", "objects", "steps")
FORMS = {NAME: "lower-case letters, digits and '-'; 2 to 40 of them", LABEL: "key=value", SERVICE: "namespace/name"}
"""What to write where a pattern was not met."""
OBJECT = ("apiVersion", "kind", "metadata")


def load_scenario(
    path: Path, folder: Folder, checks: ChecksInput, *, shown: str | None = None, taken: Collection[str] = ()
) -> ScenarioFile:
    """Read a scenario for one lab. ``shown``: what the file is called in messages; ``taken``: names of others.

    Raises `SpecError` with every problem: of the file itself, and of names that the lab does not have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}", code="unreadable-scenario") from None
    return loads(shown or str(path), text, folder, checks, taken=taken)


def loads(file: str, text: str, folder: Folder, checks: ChecksInput, *, taken: Collection[str] = ()) -> ScenarioFile:
    """The same from a text."""
    document, problems = parse(file, text)
    if document is None:
        raise SpecError(problems)
    reader = _Reader(document)
    found = reader.read()
    problems += reader.problems
    if document.data.get("name") in taken:
        why = f"{document.data['name']} is a scenario of the lab already"
        problems.append(Problem("name-taken", why, document.place(("name",)), "checks are told apart by it"))
    steps = [(step, ("steps", index, key)) for index, key, step in reader.steps]
    problems += judge_order(document, steps)
    problems += judge_names(document, steps, LabNames(folder, checks))
    if problems or found is None:
        raise SpecError(sorted(problems, key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0)))
    return found


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []
        self.steps: list[tuple[int, str, Step]] = []

    def read(self) -> ScenarioFile | None:
        data = self._document.data
        self._keys((), data, TOP, "a scenario")
        if data.get("schema") != SCHEMA:
            self._say("wrong-schema", f"the schema is {data.get('schema')!r}", ("schema",), f"schema: {SCHEMA}")
        name, title = data.get("name"), data.get("title")
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            self._say(
                "bad-name", f"{name!r} is no name of a scenario" if name else "it has no name", ("name",), FORMS[NAME]
            )
        if title is not None and not isinstance(title, str):
            self._say("wrong-type", "title must be text", ("title",))
        rows = data.get("steps")
        if not isinstance(rows, list) or not rows:
            self._say("no-steps", "steps must be a list with one step or more", ("steps",))
            rows = []
        for index, row in enumerate(rows):
            self._step(index, row)
        objects = self._objects(data.get("objects"))
        steps = tuple(step for _, _, step in self.steps)
        if self.problems:
            return None
        return ScenarioFile(str(name), str(title or name), steps, objects)

    def _objects(self, rows: Any) -> tuple[Mapping[str, Any], ...]:
        if rows is None:
            return ()
        if not isinstance(rows, list):
            self._say("wrong-type", "objects must be a list", ("objects",))
            return ()
        for index, row in enumerate(rows):
            if not isinstance(row, dict) or not set(OBJECT) <= set(row) or not (row.get("metadata") or {}).get("name"):
                self._say("no-object", "an object has apiVersion, kind, and metadata with a name", ("objects", index))
        return tuple(row for row in rows if isinstance(row, dict))

    def _step(self, index: int, row: Any) -> None:
        path: DocumentPath = ("steps", index)
        if not isinstance(row, dict) or len(row) != 1:
            what = f"has {', '.join(row)}" if isinstance(row, dict) and row else "is no mapping"
            hint = f"one of {', '.join(STEPS)}; each in a list item of its own"
            self._say("bad-step", f"a step is one thing, and this {what}", path, hint)
            return
        key, value = next(iter(row.items()))
        path = (*path, key)
        if key not in STEPS:
            near = did_you_mean(key, STEPS, f"one of {', '.join(STEPS)}")
            self._say("unknown-key", f"there is no step {key}", path, near, key=True)
            return
        if key in {"heal", "stop"}:
            self._word(index, key, value, path)
            return
        model = STEPS[key]
        assert model is not None  # noqa: S101 - of the table
        if not isinstance(value, dict):
            self._say("wrong-type", f"{key} must be a mapping", path)
            return
        kinds = {"fault": FAULTS, "expect": EXPECTATIONS}.get(key)
        if kinds and not self._one_of(key, value, kinds, path):
            return
        try:
            step = model.model_validate(value)
        except ValidationError as error:
            self._invalid(error, model, path)
            return
        assert isinstance(step, Step)  # noqa: S101 - of the table
        self.steps.append((index, key, step))

    def _word(self, index: int, key: str, value: Any, path: DocumentPath) -> None:
        if key == "heal" and (value is None or value == "all"):
            self.steps.append((index, key, Heal(None)))
        elif isinstance(value, str):
            self.steps.append((index, key, Heal(value) if key == "heal" else Stop(value)))
        else:
            what = "the name of a fault, or all" if key == "heal" else "the name of a traffic or a capture"
            self._say("wrong-type", f"{key} takes {what}", path)

    def _one_of(self, key: str, value: Mapping[str, Any], kinds: tuple[str, ...], path: DocumentPath) -> bool:
        model = Fault if key == "fault" else Expect
        given = [kind for kind in value if kind in kinds]
        unknown = [name for name in value if name not in model.model_fields]
        for name in unknown:
            hint = did_you_mean(name, model.model_fields, f"one of {', '.join(kinds)}")
            self._say("unknown-key", f"there is no {key} {name}", (*path, name), hint, key=True)
        if len(given) > 1:
            why = f"a step has one {key}, and this has {' and '.join(given)}"
            self._say("two-at-once", why, (*path, given[1]), "a step for each", key=True)
        elif not given and not unknown:
            self._say("nothing-said", f"{key} says nothing", path, f"one of {', '.join(kinds)}")
        return len(given) == 1 and not unknown

    def _keys(self, path: DocumentPath, data: Mapping[str, Any], known: Iterable[str], what: str) -> None:
        for key in data:
            if key not in known:
                hint = did_you_mean(key, known, f"{what} has {', '.join(known)}")
                self._say("unknown-key", f"{what} has no {key}", (*path, key), hint, key=True)

    def _invalid(self, error: ValidationError, model: type[BaseModel], path: DocumentPath) -> None:
        seen = set()
        for row in error.errors():
            where = path
            for part in row["loc"]:  # pydantic names the forms that it tried, too: those are not in the document
                where = (*where, part) if (*where, part) in self._document.values else where
            if where in seen:
                continue  # one of several forms that a value may have: the first says enough
            seen.add(where)
            self.problems.append(self._worded(row, model, where, str(where[-1])))

    def _worded(self, row: Any, model: type[BaseModel], where: DocumentPath, name: str) -> Problem:
        kind, context = row["type"], row.get("ctx", {})
        last = str(row["loc"][-1]) if row["loc"] else name
        hint: str | None = None
        if kind == "extra_forbidden":
            known = _fields(model, row["loc"])
            hint = did_you_mean(last, known, f"it has {', '.join(known)}")
            return Problem("unknown-key", f"there is no {last} here", self._document.place(where, key=True), hint)
        if kind == "missing":
            return Problem("missing-key", f"{last} is missing", self._document.place(where))
        message = f"{name} cannot be {row['input']!r}"
        if kind == "literal_error":
            options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(",")]
            hint = did_you_mean(str(row["input"]), options, f"one of {', '.join(options)}")
        elif kind == "string_pattern_mismatch":
            hint = FORMS.get(context["pattern"])
        else:
            text = str(row["msg"]).removeprefix("Value error, ")
            message = f"{name}: {text[0].lower()}{text[1:]}"
        return Problem("bad-value", message, self._document.place(where), hint)

    def _say(self, code: str, message: str, path: DocumentPath, hint: str | None = None, *, key: bool = False) -> None:
        self.problems.append(Problem(code, message, self._document.place(path, key=key), hint))


def _fields(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Keys that the mapping at a location has: of the model itself, or of the one that a field holds."""
    current: type[BaseModel] = model
    for part in loc[:-1]:
        info = current.model_fields.get(str(part)) or next(
            (field for field in current.model_fields.values() if field.alias == part), None
        )
        below = _model_in(info.annotation) if info else None
        if below is None:
            break
        current = below
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
