"""Reading an evidence folder: the report, raw answers, captures, and what all renderers read out of a report.

Nothing of it is trusted: it is whatever somebody hands in, cut short, edited, from another machine. Paths that it names
are followed only inside of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, Place, Problem, SpecError, UsageError
from labctl.report.text import clean
from labctl.verify.verdict import SCHEMA

NAME = "evidence.json"
MOST_PROBLEMS = 20
FACTS = {
    "mode": "mode {}", "runtime": "on {}", "launcher": "{}", "labctl": "labctl {}", "time": "{}",
    "guest_speed": "guest speed {:.2g} of the reference",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """``body`` is ``labctl.evidence/v1`` with every key of its model."""

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
        named = dict.fromkeys(name for check in self.checks for name in (*check["commands"], *check["captures"]))
        return tuple(name for name in named if self.file(name) is None)

    @property
    def lab(self) -> Path | None:
        """The folder with the files that describe the lab."""
        return self.path / "lab" if self.file("lab/lab.json") else None


def read_evidence(path: Path) -> EvidenceFolder:
    """Read and judge ``evidence.json``; what may be left out in it is there in what is read.

    Raises `UsageError` where there is no evidence at all, `InconclusiveError` for a verification that did not come to
    its end, `SpecError` with every problem of a file that is no evidence.
    """
    if not path.is_dir():
        raise _no_evidence(path, "it is a file" if path.exists() else "there is nothing")
    file = path / NAME
    try:
        return EvidenceFolder(path, _judged(json.loads(file.read_text(encoding="utf-8")), str(file)))
    except FileNotFoundError:
        raise _without_report(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem("unreadable", f"cannot be read: {error}", Place(str(file)))]) from None
    except json.JSONDecodeError as error:
        place = Place(str(file), error.lineno, error.colno)
        raise _refused([Problem("json-syntax", f"this is no JSON: {error.msg}", place)]) from None
    except RecursionError:
        raise SpecError([Problem("json-syntax", "this is nested too deeply", Place(str(file)))]) from None


def _judged(body: Any, file: str) -> dict[str, Any]:
    """With every key of the model. Raises `SpecError` with every problem."""
    found = body.get("schema") if isinstance(body, dict) else None
    if found != SCHEMA:
        hint = "it was written by another version of labctl, or is no evidence"
        raise _refused([Problem("wrong-schema", f"this has schema {found!r}, not {SCHEMA!r}", Place(file), hint)])
    from pydantic import ValidationError

    from labctl.report.document import EvidenceDocument

    try:
        return EvidenceDocument.model_validate(body).model_dump(by_alias=True)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors()]
        told[MOST_PROBLEMS:] = [f"and {len(told) - MOST_PROBLEMS} more"] if told[MOST_PROBLEMS:] else []
        raise _refused([Problem("evidence", message, Place(file)) for message in told]) from None


def _refused(problems: list[Problem]) -> SpecError:
    return SpecError(problems, next_command="labctl verify LAB --report DIR")


def _no_evidence(path: Path, why: str) -> UsageError:
    hint = "give the folder that labctl verify --report wrote, or the name of a lab"
    return UsageError(
        f"{path} is no evidence folder: {why}", code="no-evidence", hint=hint, next_command="labctl status --all"
    )


def _without_report(path: Path) -> UsageError | InconclusiveError:
    answers, captures = (len(list((path / kind).glob("*"))) for kind in ("commands", "captures"))
    if not answers and not captures and not (path / "lab").is_dir():
        return _no_evidence(path, f"it has no {NAME}")
    try:
        name = json.loads((path / "lab" / "lab.json").read_text(encoding="utf-8"))["name"].replace("-", "")
        lab = name if name.isalnum() else "LAB"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        lab = "LAB"
    return InconclusiveError(
        f"{path} has no {NAME}: its verification did not come to its end"
        f" ({answers} answers and {captures} captures are there)",
        code="evidence-incomplete",
        next_command=f"labctl verify {lab}",
    )


# --- what a report says, for all who render it ----------------------------------------------------------------------


def facts(environment: Mapping[str, Any], *keys: str) -> list[str]:
    """On what it was proven, in few words: the target, then those of `FACTS` that are asked for and known."""
    told = [f"{key} {value}" for key, value in environment.get("target", {}).items()]
    return list(map(clean, [*told, *(FACTS[key].format(environment[key]) for key in keys if environment.get(key))]))


def flat(value: Any, joint: str = " ", name: str = "") -> Iterator[tuple[str, str]]:
    """``versions calico`` → ``3.20.0``: a tree as lines; what is nothing is left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, joint, f"{name}{joint}{clean(key)}" if name else clean(key))
    elif value is not None and (text := clean(", ".join(map(str, value)) if isinstance(value, list) else value)):
        yield name, text


def own_times(body: Mapping[str, Any]) -> list[list[float]]:
    """Seconds of each check of each scenario of ``labctl.evidence/v1``; together no more than the run took. Pure.

    A check runs from its first question to the answer that decided; one that does not say when, as long as its
    scenario, and so does the one that stands for a scenario without checks. At each moment the checks that run have
    equal parts.
    """
    alone: list[Mapping[str, Any]] = [{}]
    spans = [[_span(scenario, check, body["seconds"]) for check in scenario["checks"] or alone]
             for scenario in body["scenarios"]]  # fmt: skip
    steps: dict[float, int] = {}
    for begin, end in (span for row in spans for span in row):
        steps[begin] = steps.get(begin, 0) + 1
        steps[end] = steps.get(end, 0) - 1
    share, running, shares = 0.0, 0, dict.fromkeys(sorted(steps)[:1], 0.0)
    for moment, following in pairwise(sorted(steps)):
        running += steps[moment]
        share += (following - moment) / running if running else 0.0
        shares[following] = share
    return [[shares[end] - shares[begin] for begin, end in row] for row in spans]


def _span(scenario: Mapping[str, Any], check: Mapping[str, Any], whole: float) -> tuple[float, float]:
    began, own = check.get("started"), check.get("seconds")
    began = scenario["started"] if began is None else began
    ended = scenario["started"] + scenario["seconds"] if own is None else began + own
    return min(began, whole), min(max(began, ended), whole)
