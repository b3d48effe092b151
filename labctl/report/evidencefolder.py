"""Reading an evidence folder: the report, raw answers, captures, and what all renderers read out of a report.

Nothing of it is trusted: it is whatever somebody hands in, cut short, edited, from another machine. A model judges what
is read, ``docs/evidence.schema.json`` is made of it (``python -m labctl.report.evidencefolder``), and keys that it does
not know are kept: a newer labctl of the same schema version may have written them. Paths are followed only inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labctl.errors import InconclusiveError, Place, Problem, SpecError, UsageError
from labctl.modelschema import schema_text
from labctl.report.text import clean
from labctl.verify.verdict import SCHEMA, Verdict

NAME = "evidence.json"
MOST_PROBLEMS = 20
FACTS = {
    "mode": "mode {}", "runtime": "on {}", "launcher": "{}", "labctl": "labctl {}", "time": "{}",
    "guest_speed": "guest speed {:.2g} of the reference",
}  # fmt: skip


SHA256 = "^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Check(_Part):
    """One check: its judgement, what it was judged by, and where the raw answers are."""

    id: str = Field(description="Stable identity, <scenario>.<kind>.<where>.")
    title: str = Field(description="What is checked, as a person reads it.")
    verdict: Verdict = Field(description="INCONCLUSIVE: it could not be judged; neither a pass nor a failure.")
    sentence: str = Field(description="What was found, in one sentence.")
    expected: Any = Field(None, description="Any JSON value; null where there is nothing to say.")
    seen: Any = Field(None, description="Any JSON value, of the same kind as expected where that is possible.")
    attempts: int = Field(1, ge=0, description="How often it was judged; the last judgement counts.")
    commands: list[str] = Field([], description="Raw answers, paths in the evidence folder.")
    captures: list[str] = Field([], description="pcap files, paths in the evidence folder.")
    seconds: float | None = Field(
        None, ge=0, description="From the first question to the answer that decided; null: no time of its own."
    )
    started: float | None = Field(None, ge=0, description="Seconds since verification began; null: not known.")
    cause: str | None = Field(
        None, description="Why it could not be judged, in words that all checks share that could not for this cause."
    )
    node: str | None = Field(None, description="The node that did not answer.")
    telling: str | None = Field(None, description="What one runs the scenario for, in few words, such as packets lost.")


class Load(_Part):
    """What the host's processors had to do while a scenario ran. Shares are from 0 to 1."""

    seconds: float = Field(ge=0, description="How long it was measured.")
    pressure: float | None = Field(None, description="Share of the time in which a program waited for one (PSI).")
    idle: float = Field(description="Share of all processors that nobody used.")
    stolen: float = Field(description="Share of all processors that other machines took.")
    guest_waited: float | None = Field(None, description="Share of the guest's working time that it waited for one.")
    guest_share: float | None = Field(None, description="Of one processor, used by the guest.")
    guest_lost: float | None = Field(None, description="Seconds that the guest waited.")


class Scenario(_Part):
    """One scenario."""

    id: str = Field(description="Its name, as labctl verify --scenario takes it.")
    title: str = Field(description="As a person reads it.")
    verdict: Verdict = Field(description="FAIL when a check failed, else INCONCLUSIVE when one is or none ran.")
    sentence: str = Field(description="Of the first check that decides.")
    started: float = Field(0.0, ge=0, description="Seconds since verification began.")
    seconds: float = Field(ge=0, description="How long it took.")
    load: Load | None = Field(None, description="Of the host meanwhile; null: not measured.")
    checks: list[Check] = Field(description="In the order in which they are told.")


class FileHash(_Part):
    """A file of the artifact folder."""

    sha256: str | None = Field(pattern=SHA256, description="As it was read; null: it was missing.")
    rendered: str | None = Field(pattern=SHA256, description="As it was rendered; null: not known.")


class CatalogueRow(_Part):
    """A figure, table or claim of the white paper, and the checks that reproduce it."""

    id: str = Field(description="Such as figure-15.")
    kind: Literal["figure", "table", "claim"] = Field(description="What it is in the paper.")
    title: str = Field(description="As the paper calls it.")
    place: str = Field("", description="Where in the paper it stands.")
    mode: str | None = Field(None, description="The mode of the lab in which it is shown; null: in any.")
    checks: list[str] = Field([], description="Identities of its checks that ran.")
    verdict: Verdict | None = Field(None, description="null: not run in this verification.")
    note: str | None = Field(None, description="What else there is to say, such as why it cannot be shown.")


class Environment(_Part):
    """What ran. Other keys are facts of the runtime."""

    labctl: str | None = Field(None, description="Version of labctl.")
    python: str | None = Field(None, description="Version of Python.")
    kernel: str | None = Field(None, description="Kernel of the host.")
    host: str | None = Field(None, description="Name of the host.")
    runtime: str | None = Field(None, description="embedded or containerlab.")
    launcher: str | None = Field(None, description="What booted the guest; empty where there is none.")
    guest_speed: float | None = Field(
        None, ge=0, description="Of the guest (without one: of the host) as it booted, as a factor of the reference."
    )
    mode: str | None = Field(None, description="The lab's own mode: routed or ipip.")
    target: dict[str, str] = Field({}, description="What the folder was rendered for.")
    versions: dict[str, str] = Field({}, description="Of what the lab runs.")
    edited: list[str] = Field([], description="Files of the artifact folder that are not as rendered.")
    time: str | None = Field(None, description="End of the verification, UTC, ISO 8601.")


class EvidenceDocument(_Part):
    """One verification of one lab. Keys may be added within a version of the schema."""

    schema_: Literal["labctl.evidence/v1"] = Field(alias="schema")
    lab: str = Field(description="The lab's name.")
    verdict: Verdict = Field(description="FAIL when a scenario failed, else INCONCLUSIVE when one is or none ran.")
    sentence: str = Field(description="How many scenarios have which verdict.")
    seconds: float = Field(ge=0, description="How long the whole verification took.")
    environment: Environment = Field(description="What ran, and when.")
    timings: dict[str, float] = Field({}, description="Scenario to seconds.")
    files: dict[str, FileHash] = Field({}, description="The artifact folder's files, by path.")
    scenarios: list[Scenario] = Field(description="In the order in which they are told.")
    catalogue: list[CatalogueRow] | None = Field(None, description="The white paper's figures, tables and claims.")
    only: list[str] | None = Field(None, description="Patterns of the checks that were asked for; null: all of them.")
    drift: list[str] = Field([], description="What was changed since up, read from the running lab; looked for where"
                             " something did not pass.")  # fmt: skip
    cut: str | None = Field(None, description="Why the verification was cut short; null: it came to its end.")


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


def evidence_schema() -> str:
    """As ``docs/evidence.schema.json`` holds it."""
    return schema_text(EvidenceDocument, SCHEMA)


if __name__ == "__main__":
    print(evidence_schema(), end="")  # noqa: T201 - `make docs` writes it into docs/
