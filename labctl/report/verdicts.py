"""The end table: what was proven, what was not and why, from ``evidence.json`` alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.report.evidencefolder import facts
from labctl.report.style import Paint
from labctl.report.text import cells, clean, fit, pad, wrap
from labctl.verify.verdict import Trouble, troubles

NARROWEST = 40
SENTENCE = 32
"""Columns that a sentence must have left beside the others; else the title goes, then it stands on its own line."""
LONGEST_ID = 24
IN_FULL = 5
"""Failed checks of one scenario that are told with expected and seen; of the others the sentence."""
JSON_LINES = 4
LABEL = 10
Row = Mapping[str, Any]


def render_verdicts(body: Row, *, colour: bool, width: int, evidence: str | Path | None = None) -> str:
    """A person's view of ``labctl.evidence/v1``. ``evidence`` is the folder to name."""
    return "\n".join(_View(body, Paint(colour), max(NARROWEST, width)).lines(evidence))


@dataclass(frozen=True, slots=True)
class _View:
    body: Row
    paint: Paint
    width: int

    def lines(self, evidence: str | Path | None) -> Iterator[str]:
        scenarios: Sequence[Row] = self.body["scenarios"]
        rule = self.paint("dim", "─" * self.width)
        yield from (self._heading(), rule)
        yield from self._drift()
        yield from self._table(scenarios) if scenarios else (" no scenario ran",)
        found = troubles(check for scenario in scenarios for check in scenario["checks"])
        shared = [trouble for trouble in found if len(trouble.checks) > 1]
        for trouble in shared:
            yield from ("", *self._shared(trouble))
        told = {id(check) for trouble in shared for check in trouble.checks}
        for scenario in scenarios:
            yield from self._trouble(scenario, told)
        yield rule
        yield from self._end(evidence)

    def _heading(self) -> str:
        """The lab, and on what it was proven."""
        lab, told = fit(clean(self.body["lab"]), self.width // 2), ""
        for fact in facts(self.body["environment"], "mode", "runtime", "labctl", "time"):
            longer = f"{told} · {fact}" if told else fact
            told = longer if cells(longer) <= self.width - cells(lab) - 3 else told
        return f" {self.paint('bold', lab)}  {self.paint('dim', told)}".rstrip()

    def _drift(self) -> Iterator[str]:
        """What somebody changed: a cause that is known is told before what comes of it."""
        changes = [] if self.body["verdict"] == "PASS" else self.body["drift"]
        for change in changes:
            for line in wrap(f" changed since up: {clean(change)}", self.width, "   "):
                yield self.paint("FAIL", line)
        yield from [""] if changes else ()

    def _under(self, text: str) -> list[str]:
        return wrap(f"   {text}", self.width, "   ")

    def _marked(self, verdict: str, text: str, style: str = "") -> Iterator[str]:
        """`` FAIL  text``, wrapped under the text."""
        hang = " " * (cells(verdict) + 3)
        first, *rest = wrap(f"{hang}{text}", self.width, hang)
        yield f" {self.paint(verdict, verdict)}  {self.paint(style, first[len(hang) :])}"
        yield from rest

    def _shared(self, trouble: Trouble) -> Iterator[str]:
        """One cause of many checks: once, with the scenarios that they are of."""
        counts = Counter(clean(check["id"]).partition(".")[0] for check in trouble.checks)
        yield from self._marked(trouble.verdict, clean(trouble.sentence))
        yield from self._under(", ".join(f"{count} of {name}" for name, count in counts.items()))
        # who is silent has said nothing; of others there are last words
        spoken = [check for check in trouble.checks if not check.get("node")]
        for check in spoken[:IN_FULL]:
            yield fit(f"   {_in_short(check)}", self.width)
        if spoken[IN_FULL:]:
            yield f"   and {len(spoken) - IN_FULL} more"

    def _table(self, scenarios: Sequence[Row]) -> Iterator[str]:
        """A row for each scenario: verdict, name, title where it fits, seconds, the deciding sentence."""
        rows = [
            (row["verdict"], *(clean(row[key]) for key in ("id", "title", "sentence")), f"{row['seconds']:.1f} s")
            for row in scenarios
        ]
        wide, name_wide, title_wide, longest, seconds_wide = (
            max(map(cells, column)) for column in zip(*rows, strict=True)
        )
        name_wide = min(LONGEST_ID, name_wide)
        used = 1 + wide + 2 + name_wide + 2 + seconds_wide + 2
        needed = min(SENTENCE, longest)
        with_title = self.width - used - title_wide - 2 >= needed
        used += title_wide + 2 if with_title else 0
        for verdict, name, title, sentence, took in rows:
            cell = f"{pad(title, title_wide)}  " if with_title else ""
            head = (
                f" {self.paint(verdict, pad(verdict, wide))}  {self.paint('bold', pad(name, name_wide))}  {cell}"
                f"{self.paint('dim', took.rjust(seconds_wide))}"
            )
            if self.width - used >= needed:
                first, *rest = wrap(sentence, self.width - used)
                yield from (f"{head}  {first}".rstrip(), *(" " * used + line for line in rest))
            else:
                yield from (head, *self._under(sentence))

    def _trouble(self, scenario: Row, told: Container[int]) -> Iterator[str]:
        """The checks of a scenario that did not pass and are not among many, failed ones first."""
        checks: Sequence[Row] = scenario["checks"]
        bad = [check for found in troubles(row for row in checks if id(row) not in told) for check in found.checks]
        if not bad:
            return
        count = f"{len(bad)} of {len(checks)} check{'s' * (len(checks) != 1)} did not pass"
        yield from ("", *wrap(f" {clean(scenario['title'])}: {count}", self.width, "   "))
        for check in bad[:IN_FULL]:
            yield from ("", *self._in_full(check))
        yield from [""] if bad[IN_FULL:] else ()
        for check in bad[IN_FULL:]:
            verdict = check["verdict"]
            yield f" {self.paint(verdict, verdict)}  {fit(_in_short(check), self.width - cells(verdict) - 3)}"

    def _in_full(self, check: Row) -> Iterator[str]:
        yield from self._marked(check["verdict"], clean(check["id"]), "bold")
        yield from self._under(clean(check["sentence"]))
        expected, seen = check["expected"], check["seen"]
        if max(len(_json(expected)), len(_json(seen))) > (self.width - 3 - LABEL) * JSON_LINES:
            expected, seen = differing(expected, seen)
        said = "" if expected is None and seen is None else "nothing" if seen is None else _json(seen)
        files = [clean(name) for name in (*check["commands"], *check["captures"])]
        yield from self._labelled("check", clean(check["title"]))
        yield from self._labelled("expected", "" if expected is None else _json(expected))
        yield from self._labelled("seen", said, check["verdict"])
        yield from self._labelled("files", "  ".join(files))

    def _labelled(self, label: str, text: str, style: str = "") -> Iterator[str]:
        room = self.width - 3 - LABEL
        lines = wrap(text, room) if text else []
        if len(lines) > JSON_LINES:
            lines = [*lines[: JSON_LINES - 1], fit(f"{lines[JSON_LINES - 1]} …", room)]
        for number, line in enumerate(lines):
            yield f"   {self.paint('dim', (label if number == 0 else '').ljust(LABEL))}{self.paint(style, line)}"

    def _end(self, evidence: str | Path | None) -> Iterator[str]:
        """The overall verdict, and where the evidence is: never cut, so that it can be copied."""
        verdict = self.body["verdict"]
        hang = " " * (cells(verdict) + 3)
        path = f"evidence: {clean(evidence)}" if evidence is not None else ""
        message = f"{clean(self.body['lab'])}: {clean(self.body['sentence'])} in {self.body['seconds']:.1f} s"
        first, *rest = wrap(f"{hang}{message}", self.width, hang)
        beside = path and not rest and cells(first) + 2 + cells(path) <= self.width
        end = f"{self.paint(f'badge {verdict}', f' {verdict} ')} {first[len(hang) :]}"
        yield from (f"{end}  {path}" if beside else end, *rest)
        yield from [f" {path}"] if path and not beside else ()


def _in_short(check: Row) -> str:
    return f"{clean(check['id'])}: {clean(check['sentence'])}"


def differing(expected: Any, seen: Any) -> tuple[Any, Any]:
    """Of two objects what differs, when something does and something does not; else both as they are."""
    if not isinstance(expected, Mapping) or not isinstance(seen, Mapping):
        return expected, seen
    same = {key for key in expected if key in seen and expected[key] == seen[key]}
    if not same or same == expected.keys() | seen.keys():
        return expected, seen
    left, right = ({key: value for key, value in side.items() if key not in same} for side in (expected, seen))
    return left, right


def _json(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False, default=str))
