"""Reading lab.json, and telling which files of a folder are not as they were rendered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labctl.errors import Place, Problem, SpecError
from labctl.folder.document import problems_of
from labctl.labjson import FILE, SCHEMA, Lab
from labctl.yamldoc import parse

OLDER = ("labctl.lab/v1",)
"""Schemas of labctl's earlier releases."""
RENDER_ANEW = "labctl generate SPEC -o DIR, or labctl up SPEC"


def read_lab(path: Path) -> Lab:
    """Read lab.json. Raises `SpecError` with every problem of it."""
    try:
        text = (path / FILE).read_text()
        data = json.loads(text)
    except FileNotFoundError:
        raise SpecError(
            [
                Problem(
                    "no-folder",
                    f"{path} is no artifact folder: it has no lab.json",
                    hint="labctl generate SPEC -o DIR makes one",
                )
            ]
        ) from None
    except json.JSONDecodeError as error:
        place = Place(FILE, error.lineno, error.colno)
        raise SpecError([Problem("json-syntax", f"this is no JSON: {error.msg}", place)]) from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise SpecError([_other_schema(schema)], next_command=RENDER_ANEW)
    try:
        return Lab.model_validate(data)
    except ValidationError as error:
        document, problems = parse(FILE, text)  # JSON is YAML, of which the places of keys are known
        raise SpecError(problems_of(error, document) if document else problems, next_command=RENDER_ANEW) from None


def _other_schema(schema: object) -> Problem:
    if schema in OLDER:
        return Problem(
            "older-folder",
            f"lab.json has schema {schema!r}, of an older labctl: this one reads {SCHEMA}",
            Place(FILE),
            "render the folder anew; a lab that runs of it is taken down by labctl down LAB",
        )
    return Problem("wrong-schema", f"lab.json has schema {schema!r}, not {SCHEMA}", Place(FILE))


def edited_files(path: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Files whose hash is not the rendered one."""
    edited = []
    for name, expected in files.items():
        try:
            found = hashlib.sha256((path / name).read_bytes()).hexdigest()
        except OSError:
            found = ""
        if found != expected:
            edited.append(name)
    return tuple(edited)


def edited_in(path: Path) -> tuple[str, ...]:
    """The same of a folder that is rendered anew: of any schema, and whatever is wrong with it."""
    try:
        files: Any = json.loads((path / FILE).read_text())["files"]
        return edited_files(path, files)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()
