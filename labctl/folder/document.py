"""A document of a folder, judged by a model: what is not as it should be becomes a problem with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, model_validator

from labctl.errors import Place, Problem
from labctl.yamldoc import Document, parse

STRUCTURE = "structure"
"""Code of a problem: nodes, links or names of a file are not those of lab.json."""
KEY = "[key]"
"""What pydantic puts behind the path of a key that may not be."""
M = TypeVar("M", bound=BaseModel)


class Part(BaseModel):
    """A mapping of another program's file: a key with nothing behind it is as good as none."""

    @model_validator(mode="before")
    @classmethod
    def _written(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def read_document(path: Path, name: str, model: type[M], problems: list[Problem]) -> tuple[Document, M] | None:
    """A YAML file of a folder; None when it is not what the model says (problems)."""
    try:
        text = (path / name).read_text()
    except OSError as error:
        problems.append(Problem("unreadable", f"{name} cannot be read: {error.strerror}", Place(name)))
        return None
    found, trouble = parse(name, text)
    problems.extend(trouble)
    if found is None:
        return None
    try:
        return found, model.model_validate(found.data)
    except ValidationError as error:
        problems.extend(problems_of(error, found))
        return None


def problems_of(error: ValidationError, found: Document) -> list[Problem]:
    """What a model says of a document."""
    result = []
    for row in error.errors():
        path, words = row["loc"], str(row["msg"]).removeprefix("Value error, ")
        dotted = ".".join(str(step) for step in path if step != KEY)
        if row["type"] == "missing":
            result.append(Problem("missing-key", f"{found.file} lacks {dotted}", found.place(path)))
        elif path[-1:] == (KEY,) or row["type"] == "extra_forbidden":
            *above, key = (step for step in path if step != KEY)
            place = found.place((*above, key), key=True)
            result.append(Problem("cannot-do", f"this runtime cannot do {key} of {'.'.join(map(str, above))}", place))
        else:
            code = row["type"] if "-" in row["type"] else "bad-value"  # pydantic's own have none
            result.append(Problem(code, f"{dotted or found.file}: {words}", found.place(path)))
    return result
