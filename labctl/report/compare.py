"""Two verifications laid side by side: what got worse first, then what else changed. Pure.

Worse is what a pipeline must stop for: a check whose verdict fell, a check that passed and is not there any more, a new
one that does not pass. A scenario that passed and was not run again is told once, with the number of its checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Literal

from labctl.report.text import clean

SCHEMA = "labctl.comparison/v1"
RANK = {"PASS": 2, "INCONCLUSIVE": 1, "FAIL": 0}
NOISE_SECONDS = 2.0
NOISE_SHARE = 0.5
"""A scenario took longer or shorter when it differs by more than both; less is a machine's mood."""
Change = Literal["worse", "better"]


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A check, or a whole scenario that did not run; None stands for one that is not there."""

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
    before, after = _checks(a), _checks(b)
    return Comparison(
        _name(a),
        _name(b),
        tuple(_verdicts(before, after, _ran(b))),
        tuple(
            Difference(key, clean(before[key]["sentence"]), clean(row["sentence"]))
            for key, row in after.items()
            if key in before
            and before[key]["verdict"] == row["verdict"]
            and clean(before[key]["sentence"]) != clean(row["sentence"])
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


def _ran(body: Mapping[str, Any]) -> set[str]:
    return {clean(scenario["id"]) for scenario in body["scenarios"]}


def _verdicts(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]], ran: set[str]
) -> Iterator[VerdictChange]:
    """Worse ones first; within them in the order of the run that has them."""
    found: list[VerdictChange] = []
    for key, row in after.items():
        now, was = row["verdict"], before[key]["verdict"] if key in before else None
        rank = RANK["PASS"] if was is None else RANK[was]
        if RANK[now] != rank:
            change: Change = "worse" if RANK[now] < rank else "better"
            found.append(VerdictChange(key, change, was, now, clean(row["sentence"])))
    gone = [key for key, row in before.items() if key not in after and row["verdict"] == "PASS"]
    for scenario, keys in groupby(gone, key=lambda key: before[key]["scenario"]):
        lost = list(keys)
        if scenario in ran:
            found += [VerdictChange(key, "worse", "PASS", None, "is not among the checks any more") for key in lost]
        else:
            words = f"the scenario did not run ({len(lost)} check{'s' * (len(lost) != 1)} had passed)"
            found.append(VerdictChange(scenario, "worse", "PASS", None, words))
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
