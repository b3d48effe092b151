"""Verdicts and results: what a check says, and how checks make a scenario, scenarios a report.

``docs/evidence.schema.json`` describes what `Report.as_dict` gives. Keys may be added to it; a key that goes away or
means something else makes another `SCHEMA`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
SCHEMA = "labctl.evidence/v1"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of observations: pure, nothing is looked up. ``expected`` and ``seen`` are JSON values."""

    verdict: Verdict
    sentence: str
    expected: Any = None
    seen: Any = None


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
    """What the host's processors had to do meanwhile (`labctl.hostload.Load`); None: not measured."""

    @property
    def verdict(self) -> Verdict:
        return combine(check.verdict for check in self.checks)

    @property
    def sentence(self) -> str:
        """Of the first check that decides; of a scenario that passed, how many did."""
        verdict = self.verdict
        if verdict == "PASS":
            return (
                "; ".join(check.sentence for check in self.checks)
                if len(self.checks) <= 2
                else f"{len(self.checks)} checks passed"
            )
        deciding = [check for check in self.checks if check.verdict == verdict]
        if not deciding:
            return "no check ran"
        more = f" (and {len(deciding) - 1} more)" if len(deciding) > 1 else ""
        return deciding[0].sentence + more


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
    """Rows of the white paper's catalogue (`labctl.paper.catalogue.results`)."""

    @property
    def verdict(self) -> Verdict:
        return combine(scenario.verdict for scenario in self.scenarios)

    @property
    def sentence(self) -> str:
        counts = [
            f"{sum(s.verdict == verdict for s in self.scenarios)} {verdict}"
            for verdict in ("PASS", "FAIL", "INCONCLUSIVE")
        ]
        return ", ".join(text for text in counts if not text.startswith("0 ")) or "nothing ran"

    def as_dict(self) -> dict[str, Any]:
        """As ``evidence.json`` holds it."""
        return {
            "schema": SCHEMA,
            "lab": self.lab,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "seconds": round(self.seconds, 3),
            "environment": dict(self.environment),
            "timings": dict(self.timings),
            "files": {path: asdict(hashes) for path, hashes in self.files.items()},
            "scenarios": [_scenario(scenario) for scenario in self.scenarios],
            "catalogue": [dict(row) for row in self.catalogue],
        }


def _scenario(scenario: ScenarioResult) -> dict[str, Any]:
    return {
        "id": scenario.id,
        "title": scenario.title,
        "verdict": scenario.verdict,
        "sentence": scenario.sentence,
        "started": round(scenario.started, 3),
        "seconds": round(scenario.seconds, 3),
        "load": None if scenario.load is None else dict(scenario.load),
        "checks": [_check(check) for check in scenario.checks],
    }


def _check(check: CheckResult) -> dict[str, Any]:
    return asdict(check) | {"seconds": None if check.seconds is None else round(check.seconds, 3)}


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One failure fails all; without any verdict nothing was proven."""
    found: Sequence[Verdict] = list(verdicts)
    if "FAIL" in found:
        return "FAIL"
    return "INCONCLUSIVE" if not found or "INCONCLUSIVE" in found else "PASS"
