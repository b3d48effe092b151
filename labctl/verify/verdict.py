"""Verdicts and results: what a check says, and how checks make a scenario, scenarios a report.

``docs/evidence.schema.json`` describes what `Report.as_dict` gives. Keys may be added to it; a key that goes away or
means something else makes another `SCHEMA`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
SCHEMA = "labctl.evidence/v1"
MEASURED = re.compile(r" \(.*|\b[\d.]+ s\b")
"""Of a cause: what is not the same for each node (seconds, and what stands in parentheses)."""
NAMED = 6
"""Nodes that are named in one sentence."""
SOMETIMES = ("started", "cause", "node", "telling")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of observations: pure, nothing is looked up. ``expected`` and ``seen`` are JSON values.

    ``cause``: why many checks could not be judged, in words that do not name this one; ``node``: who did not answer.
    """

    verdict: Verdict
    sentence: str
    expected: Any = None
    seen: Any = None
    cause: str | None = None
    node: str | None = None

    def of(self, identity: str, title: str, **more: Any) -> CheckResult:
        """As the result of a check; ``more``: what else `CheckResult` has."""
        return CheckResult(identity, title, **{key.name: getattr(self, key.name) for key in fields(self)}, **more)


def fails(sentence: str, expected: Any = None, seen: Any = None) -> Judgement:
    """Something else was seen than what must be."""
    return Judgement("FAIL", sentence, expected, seen)


def passes(sentence: str, expected: Any = None, seen: Any = None) -> Judgement:
    """It is as it must be."""
    return Judgement("PASS", sentence, expected, seen)


def judged(what: str, wrong: Sequence[str], right: str, expected: Any, seen: Any) -> Judgement:
    """FAIL with all that is wrong with something; PASS with what is right where nothing is."""
    return Judgement("FAIL" if wrong else "PASS", f"{what}: {'; '.join(wrong) or right}", expected, seen)


def ruled(head: str, rules: Iterable[tuple[object, str]], right: str, expected: Any, seen: Any) -> Judgement:
    """FAIL with the first of the rules that is broken (whether it is, and how to say that); else PASS."""
    wrong = next((sentence for broken, sentence in rules if broken), None)
    return Judgement("PASS" if wrong is None else "FAIL", head + (right if wrong is None else wrong), expected, seen)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A judgement with its identity and its evidence (paths inside the evidence folder)."""

    id: str
    title: str
    verdict: Verdict
    sentence: str
    expected: Any = None
    seen: Any = None
    attempts: int = 1
    commands: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()
    seconds: float | None = None
    """From the first question to the answer that decided; None where a check has no time of its own."""
    started: float | None = None
    """Seconds since verification began."""
    cause: str | None = None
    node: str | None = None
    telling: str | None = None
    """What one runs the scenario for, in few words: it stands in the scenario's sentence when all passed."""

    @property
    def gist(self) -> dict[str, Any]:
        """What `troubles` reads."""
        return {key: getattr(self, key) for key in ("id", "verdict", "sentence", "cause", "node")}

    def as_dict(self) -> dict[str, Any]:
        """As ``evidence.json`` holds it: without the keys that say nothing of this one."""
        body = {key: value for key, value in asdict(self).items() if value is not None or key not in SOMETIMES}
        return body | {key: round(body[key], 3) for key in ("seconds", "started") if body.get(key) is not None}


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """A scenario: FAIL when a check failed, else INCONCLUSIVE when one is or none ran, else PASS."""

    id: str
    title: str
    seconds: float
    checks: tuple[CheckResult, ...]
    started: float = 0.0
    """Seconds since verification began."""
    load: Mapping[str, float | None] | None = None
    """What the host's processors had to do meanwhile (`labctl.host.Load`); None: not measured."""

    @property
    def verdict(self) -> Verdict:
        return combine(check.verdict for check in self.checks)

    @property
    def sentence(self) -> str:
        """Of the cause that decides; of a scenario that passed, how many checks did, and what one runs it for."""
        if not self.checks:
            return "no check ran"
        if self.verdict == "PASS":
            told = "; ".join(dict.fromkeys(check.telling for check in self.checks if check.telling))
            count = f"{len(self.checks)} check{'s' * (len(self.checks) != 1)} passed"
            return f"{count}: {told}" if told else count
        return in_brief(troubles(check.gist for check in self.checks if check.verdict == self.verdict))

    def as_dict(self) -> dict[str, Any]:
        """As ``evidence.json`` holds it."""
        return {
            "id": self.id, "title": self.title, "verdict": self.verdict, "sentence": self.sentence,
            "started": round(self.started, 3), "seconds": round(self.seconds, 3),
            "load": None if self.load is None else dict(self.load),
            "checks": [check.as_dict() for check in self.checks],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileHash:
    """SHA-256 of a file as it was read (None: missing) and as it was rendered (None: not known)."""

    sha256: str | None
    rendered: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """All scenarios of one verification."""

    lab: str
    scenarios: tuple[ScenarioResult, ...]
    seconds: float
    environment: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, FileHash] = field(default_factory=dict)
    """The artifact folder's files, by path."""
    catalogue: tuple[Mapping[str, Any], ...] = ()
    """Rows of the white paper's catalogue (`labctl.paper.catalogue.as_evidence`)."""
    only: tuple[str, ...] | None = None
    """Patterns of the checks that were asked for; None: all of the scenarios'."""
    drift: tuple[str, ...] = ()
    """What was changed in the lab since ``up``, read from the running lab."""
    cut: str = ""
    """Why it was cut short; empty when it was not."""

    @property
    def verdict(self) -> Verdict:
        return combine(scenario.verdict for scenario in self.scenarios)

    @property
    def sentence(self) -> str:
        counts = Counter(scenario.verdict for scenario in self.scenarios)
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict])
        told = told or "nothing ran"
        return f"{told}; cut short: {self.cut}" if self.cut else told

    def as_dict(self) -> dict[str, Any]:
        """As ``evidence.json`` holds it."""
        return {
            "schema": SCHEMA, "lab": self.lab, "verdict": self.verdict, "sentence": self.sentence,
            "seconds": round(self.seconds, 3), "environment": dict(self.environment), "timings": dict(self.timings),
            "files": {path: asdict(hashes) for path, hashes in self.files.items()},
            "scenarios": [scenario.as_dict() for scenario in self.scenarios],
            "catalogue": [dict(row) for row in self.catalogue],
            "only": None if self.only is None else list(self.only), "drift": list(self.drift), "cut": self.cut or None,
        }  # fmt: skip


def verdict_of(row: Mapping[str, Any]) -> Verdict:
    """Of a check, a scenario, a whole run or an event's data; what cannot be read is no pass."""
    return next((known for known in get_args(Verdict) if known == row.get("verdict")), "INCONCLUSIVE")


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One failure fails all; without any verdict nothing was proven."""
    found: Sequence[Verdict] = list(verdicts)
    if "FAIL" in found:
        return "FAIL"
    return "INCONCLUSIVE" if not found or "INCONCLUSIVE" in found else "PASS"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Checks with one verdict and one cause, in their order. Of one check the sentence is its own."""

    verdict: Verdict
    sentence: str
    checks: tuple[Mapping[str, Any], ...]


def troubles(checks: Iterable[Mapping[str, Any]]) -> list[Trouble]:
    """Of rows as ``labctl.evidence/v1`` has them; failed ones first. What did not pass is in exactly one of them."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for check in checks:
        cause, verdict = MEASURED.sub("", str(check.get("cause") or "")), verdict_of(check)
        own = [str(check.get(key)) for key in ("sentence", "expected", "seen")]
        if verdict != "PASS":
            groups.setdefault((verdict, cause) if cause else (verdict, "", *own), []).append(check)
    found = [Trouble(verdict_of(rows[0]), _sentence(rows), tuple(rows)) for rows in groups.values()]
    return sorted(found, key=lambda trouble: trouble.verdict != "FAIL")


def in_brief(found: Sequence[Trouble]) -> str:
    """The first one, and how many checks there are beside it."""
    more = sum(len(trouble.checks) for trouble in found[1:])
    return found[0].sentence + (f" (and {more} more)" if more else "")


def _sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    cause, own = rows[0].get("cause"), str(rows[0].get("sentence", ""))
    if len(rows) == 1 or not cause:
        return own if len(rows) == 1 else f"{own} ({len(rows)} checks)"
    nodes = list(dict.fromkeys(str(row["node"]) for row in rows if row.get("node")))
    shown = [*nodes[:NAMED], *([f"{len(nodes) - NAMED} more"] if len(nodes) > NAMED else [])]
    listed = " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))  # leaf101, leaf102 and leaf103
    who = f"{listed} did not answer ({cause})" if nodes else cause
    return f"{who}: {len(rows)} checks not judged"


def differing(what: str, expected: Mapping[str, Any], seen: Mapping[str, Any]) -> Judgement:
    """PASS when every expected field is seen; else FAIL with each that differs."""
    wrong = [f"{key} is {_word(seen.get(key))}, expected {_word(value)}" for key, value in expected.items()
             if seen.get(key) != value]  # fmt: skip
    told = ", ".join(f"{key} {_word(value)}" for key, value in expected.items())
    return judged(what, wrong, told, dict(expected), dict(seen))


def _word(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value)
