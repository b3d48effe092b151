"""Reading an evidence folder: the report, raw answers, captures. Nothing of it is trusted.

A folder is whatever somebody hands in: cut short, edited, from another machine. Paths that it names are followed only
inside of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, Place, Problem, SpecError, UsageError
from labctl.verify.verdict import SCHEMA

NAME = "evidence.json"
MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """``body`` is ``labctl.evidence/v1``, judged by its model."""

    path: Path
    body: Mapping[str, Any]

    def file(self, name: str) -> Path | None:
        """A file that the evidence names; None when it is not there or would be outside of the folder."""
        root = self.path.resolve()
        try:
            found = (root / name).resolve()
            return found if found.is_relative_to(root) and found.is_file() else None
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None

    def read(self, name: str) -> bytes | None:
        """Its bytes; None when there are none to be had."""
        found = self.file(name)
        try:
            return found.read_bytes() if found else None
        except OSError:
            return None

    @property
    def checks(self) -> Iterator[Mapping[str, Any]]:
        """Of all scenarios."""
        for scenario in self.body["scenarios"]:
            yield from scenario["checks"]

    @property
    def missing(self) -> tuple[str, ...]:
        """Files that checks name and that are not there, each once."""
        named = [
            str(name) for check in self.checks for key in ("commands", "captures") for name in check.get(key) or ()
        ]
        return tuple(name for name in dict.fromkeys(named) if self.file(name) is None)

    @property
    def lab(self) -> Path | None:
        """The folder with the files that describe the lab."""
        return self.path / "lab" if self.file("lab/lab.json") else None


def read_evidence(path: Path) -> EvidenceFolder:
    """Read and judge ``evidence.json``.

    Raises `UsageError` where there is no evidence at all, `InconclusiveError` for a verification that did not come to
    its end, `SpecError` with every problem of a file that is no evidence.
    """
    if not path.is_dir():
        raise UsageError(
            f"{path} is no evidence folder: {'it is a file' if path.exists() else 'there is nothing'}",
            code="no-evidence",
            hint="give the folder that labctl verify --report wrote, or the name of a lab",
            next_command="labctl status --all",
        )
    file = path / NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _without_report(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem("unreadable", f"cannot be read: {error}", Place(str(file)))]) from None
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(
            [Problem("json-syntax", f"this is no JSON: {error.msg}", Place(str(file), error.lineno, error.colno))],
            next_command="labctl verify LAB --report DIR",
        ) from None
    except RecursionError:
        raise SpecError([Problem("json-syntax", "this is nested too deeply", Place(str(file)))]) from None
    _judge(body, file)
    return EvidenceFolder(path, body)


def _without_report(path: Path) -> UsageError | InconclusiveError:
    counts = {kind: len(list((path / kind).glob("*"))) for kind in ("commands", "captures")}
    if not any(counts.values()) and not (path / "lab").is_dir():
        return UsageError(
            f"{path} is no evidence folder: it has no {NAME}",
            code="no-evidence",
            hint="give the folder that labctl verify --report wrote, or the name of a lab",
            next_command="labctl status --all",
        )
    return InconclusiveError(
        f"{path} has no {NAME}: its verification did not come to its end"
        f" ({counts['commands']} answers and {counts['captures']} captures are there)",
        code="evidence-incomplete",
        next_command=f"labctl verify {_lab_name(path)}",
    )


def _lab_name(path: Path) -> str:
    try:
        name = json.loads((path / "lab" / "lab.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return "LAB"
    return name if isinstance(name, str) and name.replace("-", "").isalnum() else "LAB"


def _judge(body: Any, file: Path) -> None:
    """Raises `SpecError` with every problem."""
    found = body.get("schema") if isinstance(body, dict) else None
    if found != SCHEMA:
        raise SpecError(
            [
                Problem(
                    "wrong-schema", f"this has schema {found!r}, not {SCHEMA!r}", Place(str(file)),
                    "it was written by another version of labctl, or is no evidence",
                )
            ],
            next_command="labctl verify LAB --report DIR",
        )  # fmt: skip
    from pydantic import ValidationError

    from labctl.report.document import EvidenceDocument

    try:
        EvidenceDocument.model_validate(body)
    except ValidationError as error:
        problems = [
            Problem("evidence", f"{'.'.join(map(str, row['loc']))}: {row['msg']}", Place(str(file)))
            for row in error.errors()
        ]
        more = len(problems) - MOST_PROBLEMS
        if more > 0:
            problems = [*problems[:MOST_PROBLEMS], Problem("evidence", f"and {more} more", Place(str(file)))]
        raise SpecError(problems, next_command="labctl verify LAB --report DIR") from None
