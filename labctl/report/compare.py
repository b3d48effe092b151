"""Two verifications laid side by side: what got worse first, then what else changed. Pure.

Worse is what a pipeline must stop for: a check whose verdict fell, a check that passed and is not there any more, a new
one that does not pass. What only one of the two runs was asked for is told, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from labctl.report.text import clean
from labctl.verify.checks import Wanted

SCHEMA = "labctl.comparison/v1"
RANK = {"PASS": 2, "INCONCLUSIVE": 1, "FAIL": 0}
NOISE_SECONDS = 2.0
NOISE_SHARE = 0.5
"""A scenario took longer or shorter when it differs by more than both; less is a machine's mood."""
WINDOW = re.compile(r", \d+ times in [\d.]+ s\b| \(after [\d.]+ s of [\d.]+ s\)")
"""What `labctl.verify.checks.hold` counts."""
Change = Literal["worse", "better"]


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A check; None stands for one that is not there."""

    id: str
    change: Change
    a: str | None
    b: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Anything else that differs."""

    id: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run ``a`` (before) and run ``b`` (after)."""

    a: str
    b: str
    verdicts: tuple[VerdictChange, ...]
    unasked: tuple[Difference, ...]
    sentences: tuple[Difference, ...]
    timings: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    files: tuple[Difference, ...]

    @property
    def worse(self) -> tuple[VerdictChange, ...]:
        return tuple(row for row in self.verdicts if row.change == "worse")

    @property
    def better(self) -> tuple[VerdictChange, ...]:
        return tuple(row for row in self.verdicts if row.change == "better")

    def as_dict(self) -> dict[str, Any]:
        """``labctl.comparison/v1``."""
        return {"schema": SCHEMA, "worse": bool(self.worse), **asdict(self)}


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> Comparison:
    """Two bodies of ``labctl.evidence/v1``."""
    both = _Asked(a), _Asked(b)
    before, after = (
        {key: row for key, row in _checks(body).items() if all(asked(row["scenario"], key) for asked in both)}
        for body in (a, b)
    )
    return Comparison(
        _name(a),
        _name(b),
        tuple(_verdicts(before, after)),
        tuple(_unasked(a, b)),
        tuple(
            Difference(key, clean(before[key]["sentence"]), clean(row["sentence"]))
            for key, row in after.items()
            if key in before and before[key]["verdict"] == row["verdict"] and _said(before[key]) != _said(row)
        ),
        tuple(_timings(a, b)),
        tuple(_environment(a, b)),
        tuple(_files(a, b)),
    )


def _name(body: Mapping[str, Any]) -> str:
    when = (body.get("environment") or {}).get("time") or "at an unknown time"
    return clean(f"{body['lab']}, {when}: {body['verdict']} ({body['sentence']})")


def _checks(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        clean(check["id"]): {**check, "scenario": clean(scenario["id"])}
        for scenario in body["scenarios"]
        for check in scenario["checks"]
    }


class _Asked:
    """What a run was asked for: a scenario that it was is in its evidence, whatever came of it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        only = body.get("only")
        self.scenarios = {clean(scenario["id"]) for scenario in body["scenarios"]}
        self._wanted = Wanted(None if only is None else tuple(only))

    def __call__(self, scenario: str, check: str) -> bool:
        return scenario in self.scenarios and self._wanted.check(check)


def _unasked(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """Scenarios, and then checks by number, that one of the two was not asked for."""
    runs, words = (a, b), ("asked for", "not asked for")
    asked = [_Asked(body) for body in runs]
    for name in dict.fromkeys(clean(row["id"]) for body in runs for row in body["scenarios"]):
        there = [name in side.scenarios for side in asked]
        if not all(there):
            yield Difference(name, *(words[not side] for side in there))
    for number, other in ((0, asked[1]), (1, asked[0])):
        rows = _checks(runs[number])
        left = [key for key, row in rows.items() if row["scenario"] in other.scenarios
                and not other(row["scenario"], key)]  # fmt: skip
        if left:
            sides = [f"{len(left)} asked for", words[1]]
            yield Difference("checks of the same scenarios", *(sides if number == 0 else sides[::-1]))


def _said(check: Mapping[str, Any]) -> str:
    """Without what a window counts: how often it was asked is no finding."""
    return WINDOW.sub("", clean(check["sentence"]))


def _verdicts(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[VerdictChange]:
    """Worse ones first; within them in the order of the run that has them."""
    found: list[VerdictChange] = []
    for key, row in after.items():
        now, was = row["verdict"], before[key]["verdict"] if key in before else None
        rank = RANK["PASS"] if was is None else RANK[was]
        if RANK[now] != rank:
            change: Change = "worse" if RANK[now] < rank else "better"
            found.append(VerdictChange(key, change, was, now, clean(row["sentence"])))
    found += [
        VerdictChange(key, "worse", "PASS", None, "is not among the checks any more")
        for key, row in before.items()
        if key not in after and row["verdict"] == "PASS"
    ]
    return iter(sorted(found, key=lambda row: row.change != "worse"))


def _timings(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """Of scenarios that ran in both."""
    before = {clean(row["id"]): float(row["seconds"]) for row in a["scenarios"]}
    for row in b["scenarios"]:
        key, now = clean(row["id"]), float(row["seconds"])
        was = before.get(key)
        if was is not None and abs(now - was) > max(NOISE_SECONDS, NOISE_SHARE * min(now, was)):
            yield Difference(key, f"{was:.1f} s", f"{now:.1f} s")


def _environment(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """Versions and all else but what every run has of its own."""
    one, other = dict(_flat("", a.get("environment") or {})), dict(_flat("", b.get("environment") or {}))
    for key in dict.fromkeys((*one, *other)):
        if key not in ("time", "guest_speed") and one.get(key) != other.get(key):
            yield Difference(key, one.get(key, ""), other.get(key, ""))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix} {clean(key)}".strip(), inner)
    else:
        words = ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else value
        yield prefix, clean(words)


def _files(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """Files of the artifact folder whose content is another."""
    one, other = a.get("files") or {}, b.get("files") or {}
    for path in dict.fromkeys((*one, *other)):
        hashes = [((side.get(path) or {}).get("sha256") or "not there")[:12] for side in (one, other)]
        if hashes[0] != hashes[1]:
            yield Difference(clean(path), *hashes)
