"""What the page's template gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labctl.report.facing import Row
from labctl.report.packets import CaptureShown
from labctl.report.page.picture import Picture

FEW = 10
"""Checks of a scenario that passed; more of them are folded."""


@dataclass(frozen=True, slots=True)
class OutputView:
    """One raw answer."""

    path: str
    anchor: str
    target: str
    command: str
    when: str
    text: str
    cut: int
    there: bool


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check."""

    id: str
    anchor: str
    title: str
    verdict: str
    sentence: str
    seconds: float
    """Its own part of the run's time."""
    waited: float | None
    attempts: int
    rows: Sequence[Row]
    outputs: Sequence[OutputView]
    captures: Sequence[CaptureShown]

    @property
    def stacked(self) -> bool:
        """Whether what was expected and seen is drawn as packets."""
        return any(shown.layers for shown in self.captures)

    @property
    def inside(self) -> str:
        """What is folded."""
        parts = ((self.rows, "expected beside seen"), (self.captures, "packets"), (self.outputs, "commands"))
        return ", ".join(words for there, words in parts if there) or "identity"


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """One scenario; ``at`` and ``long`` are percents of the whole time."""

    id: str
    anchor: str
    title: str
    verdict: str
    sentence: str
    seconds: float
    at: float
    long: float
    counts: Mapping[str, int]
    checks: Sequence[CheckView]

    @property
    def unfolded(self) -> bool:
        """Whether its checks are there to be seen at once: few ones, and where something did not pass."""
        return self.verdict != "PASS" or len(self.checks) <= FEW


@dataclass(frozen=True, slots=True)
class TroubleView:
    """Checks that did not pass for one cause."""

    verdict: str
    sentence: str
    checks: Sequence[CheckView]


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of the artifact folder and what became of it since it was rendered."""

    path: str
    sha256: str
    state: str


@dataclass(frozen=True, slots=True)
class CatalogueView:
    """A row of the paper's catalogue; ``verdict`` is empty when it was not run, ``checks``: identity and anchor."""

    id: str
    title: str
    place: str
    mode: str
    verdict: str
    note: str
    checks: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class InputView:
    """An image or manifest that is neither rendered nor labctl's."""

    name: str
    version: str
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PageView:
    """The page."""

    schema: str
    lab: str
    verdict: str
    sentence: str
    seconds: float
    scenario_counts: Mapping[str, int]
    counts: Mapping[str, int]
    facts: Sequence[str]
    drift: Sequence[str]
    troubles: Sequence[TroubleView]
    picture: Picture
    scenarios: Sequence[ScenarioView]
    outputs: Sequence[OutputView]
    captures: Sequence[tuple[str, int | None, int]]
    environment: Sequence[tuple[str, str]]
    inputs: Sequence[InputView]
    files: Sequence[FileView]
    catalogue: Sequence[CatalogueView]
    missing: Sequence[str]

    @property
    def beside(self) -> Sequence[tuple[CheckView, CaptureShown]]:
        """Of each capture that the paper prints the first one here that is as expected."""
        found: dict[str, tuple[CheckView, CaptureShown]] = {}
        for check in (check for scenario in self.scenarios for check in scenario.checks):
            for shown in check.captures:
                if shown.printed and not shown.wrong:
                    found.setdefault(shown.printed.title, (check, shown))
        return list(found.values())

    @property
    def catalogue_counts(self) -> Mapping[str, int]:
        """Rows of the paper by verdict."""
        return {verdict: sum(row.verdict == verdict for row in self.catalogue) for verdict in self.counts}

    @property
    def not_run(self) -> int:
        """Rows of the paper that have none."""
        return sum(not row.verdict for row in self.catalogue)

    @property
    def changed(self) -> Sequence[FileView]:
        """Files that are not as rendered."""
        return [row for row in self.files if row.state in ("edited", "missing")]
