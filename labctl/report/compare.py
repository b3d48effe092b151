"""What differs: two verifications laid side by side, and what ``reset`` changed back. Pure.

Worse is what a pipeline must stop for: a check whose verdict fell, a check that passed and is not there any more, a new
one that does not pass. What only one of the two runs was asked for is told, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from labctl.report.evidencefolder import flat
from labctl.report.markdown import code, details, escape
from labctl.report.style import Paint
from labctl.report.text import clean, wrap
from labctl.verify.checks import Wanted

SCHEMA = "labctl.comparison/v1"
RANK = {"PASS": 2, "INCONCLUSIVE": 1, "FAIL": 0}
NOISE_SECONDS = 2.0
NOISE_SHARE = 0.5
"""A scenario took longer or shorter when it differs by more than both; less is a machine's mood."""
WINDOW = re.compile(r", \d+ times in [\d.]+ s\b| \(after [\d.]+ s of [\d.]+ s\)")
"""What `labctl.verify.checks.hold` counts: how often it was asked is no finding."""
MOST = 20
"""Differences of one kind that are told."""
Change = Literal["worse", "better"]
Body = Mapping[str, Any]
"""``labctl.evidence/v1``, or a part of it."""


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

    @property
    def others(self) -> Iterator[tuple[str, Sequence[Difference]]]:
        """What else differs, with its title; what was asked of one run alone is put together."""
        sides = dict.fromkeys((row.a, row.b) for row in self.unasked)
        unasked = [
            Difference(", ".join(row.id for row in self.unasked if (row.a, row.b) == pair), *pair) for pair in sides
        ]
        for title, rows in (
            ("asked of one run, so not compared", unasked),
            ("same verdict, said otherwise", self.sentences),
            ("took another time", self.timings),
            ("ran on something else", self.environment),
            ("files of the artifact folder that differ", self.files),
        ):
            if rows:
                yield title, rows

    def as_dict(self) -> dict[str, Any]:
        """``labctl.comparison/v1``."""
        return {"schema": SCHEMA, "worse": bool(self.worse), **asdict(self)}


def compare(a: Body, b: Body) -> Comparison:
    """Two bodies of ``labctl.evidence/v1``."""
    asked = [_Asked(body) for body in (a, b)]
    before, after = (
        {key: row for key, row in _checks(body).items() if all(one(row["scenario"], key) for one in asked)}
        for body in (a, b)
    )
    same = [(key, before[key], row) for key, row in after.items() if key in before]
    return Comparison(
        _name(a),
        _name(b),
        tuple(sorted(_verdicts(before, after), key=lambda row: row.change != "worse")),
        tuple(_unasked((a, b), asked)),
        tuple(
            Difference(key, clean(was["sentence"]), clean(now["sentence"]))
            for key, was, now in same
            if was["verdict"] == now["verdict"] and _said(was) != _said(now)
        ),
        tuple(_timings(a, b)),
        tuple(_differing(*(_environment(body) for body in (a, b)))),
        tuple(_differing(*(_files(body) for body in (a, b)), missing="not there")),
    )


def _name(body: Body) -> str:
    when = (body.get("environment") or {}).get("time") or "at an unknown time"
    return clean(f"{body['lab']}, {when}: {body['verdict']} ({body['sentence']})")


def _checks(body: Body) -> dict[str, Body]:
    return {
        clean(check["id"]): {**check, "scenario": clean(scenario["id"])}
        for scenario in body["scenarios"]
        for check in scenario["checks"]
    }


class _Asked:
    """What a run was asked for: a scenario that it was is in its evidence, whatever came of it."""

    def __init__(self, body: Body) -> None:
        only = body.get("only")
        self.scenarios = {clean(scenario["id"]) for scenario in body["scenarios"]}
        self._wanted = Wanted(None if only is None else tuple(only))

    def __call__(self, scenario: str, check: str) -> bool:
        return scenario in self.scenarios and self._wanted.check(check)


def _unasked(runs: Sequence[Body], asked: Sequence[_Asked]) -> Iterator[Difference]:
    """Scenarios, and then checks by number, that one of the two was not asked for."""
    words = ("not asked for", "asked for")
    for name in dict.fromkeys(clean(row["id"]) for body in runs for row in body["scenarios"]):
        there = [name in side.scenarios for side in asked]
        if not all(there):
            yield Difference(name, *(words[side] for side in there))
    for number, other in ((0, asked[1]), (1, asked[0])):
        left = [
            key for key, row in _checks(runs[number]).items()
            if row["scenario"] in other.scenarios and not other(row["scenario"], key)
        ]  # fmt: skip
        if left:
            sides = [f"{len(left)} asked for", words[0]]
            yield Difference("checks of the same scenarios", *(sides if number == 0 else sides[::-1]))


def _said(check: Body) -> str:
    return WINDOW.sub("", clean(check["sentence"]))


def _verdicts(before: Mapping[str, Body], after: Mapping[str, Body]) -> Iterator[VerdictChange]:
    for key, row in after.items():
        now, was = row["verdict"], before[key]["verdict"] if key in before else None
        rank = RANK["PASS" if was is None else was]
        if RANK[now] != rank:
            yield VerdictChange(key, "worse" if RANK[now] < rank else "better", was, now, clean(row["sentence"]))
    for key, row in before.items():
        if key not in after and row["verdict"] == "PASS":
            yield VerdictChange(key, "worse", "PASS", None, "is not among the checks any more")


def _timings(a: Body, b: Body) -> Iterator[Difference]:
    """Of scenarios that ran in both."""
    before = {clean(row["id"]): float(row["seconds"]) for row in a["scenarios"]}
    for row in b["scenarios"]:
        key, now = clean(row["id"]), float(row["seconds"])
        was = before.get(key)
        if was is not None and abs(now - was) > max(NOISE_SECONDS, NOISE_SHARE * min(now, was)):
            yield Difference(key, f"{was:.1f} s", f"{now:.1f} s")


def _environment(body: Body) -> dict[str, str]:
    """Versions and all else but what every run has of its own."""
    own = ("time", "guest_speed")
    return {key: text for key, text in flat(body.get("environment") or {}) if key not in own}


def _files(body: Body) -> dict[str, str]:
    """Files of the artifact folder, with the beginning of their hashes."""
    return {
        clean(path): ((row or {}).get("sha256") or "not there")[:12] for path, row in (body.get("files") or {}).items()
    }


def _differing(one: Mapping[str, str], other: Mapping[str, str], *, missing: str = "") -> Iterator[Difference]:
    for key in dict.fromkeys((*one, *other)):
        sides = one.get(key, missing), other.get(key, missing)
        if sides[0] != sides[1]:
            yield Difference(key, *sides)


# --- as text --------------------------------------------------------------------------------------------------------


def conclusion(found: Comparison) -> str:
    """One sentence."""
    if found.worse:
        return f"{len(found.worse)} got worse, {len(found.better)} better"
    return f"nothing got worse, {len(found.better)} better" if found.better else "no verdict changed"


def render_comparison(found: Comparison, *, colour: bool, width: int) -> str:
    """Plain text; what got worse first."""
    return "\n".join(_text(found, Paint(colour), max(40, width)))


def _text(found: Comparison, paint: Paint, width: int) -> Iterator[str]:
    for letter, name in (("A", found.a), ("B", found.b)):
        yield from wrap(f"{letter}  {name}", width, "   ")
    for rows, title, style in ((found.worse, "worse", "FAIL"), (found.better, "better", "PASS")):
        if rows:
            yield from ("", paint(style, f"{title}: {len(rows)}"))
        for row in rows:
            yield from wrap(f"  {row.id}: {row.a or 'not there'} → {row.b or 'not there'}", width, "    ")
            yield from wrap(f"    {row.sentence}", width, "    ")
    for title, differences in found.others:
        yield from ("", paint("bold", title))
        for other in differences[:MOST]:
            yield from wrap(f"  {other.id}", width, "    ")
            yield from wrap(f"    A  {other.a or '(nothing)'}", width, "       ")
            yield from wrap(f"    B  {other.b or '(nothing)'}", width, "       ")
        if differences[MOST:]:
            yield f"  and {len(differences) - MOST} more (--json has all)"
    yield from ("", paint("FAIL" if found.worse else "PASS", conclusion(found)))


def comparison_markdown(found: Comparison) -> str:
    """For a pull request."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Comparison) -> Iterator[str]:
    yield from (f"## {escape(conclusion(found))}", "", f"- A: {escape(found.a)}", f"- B: {escape(found.b)}")
    for rows, title in ((found.worse, "Worse"), (found.better, "Better")):
        if rows:
            yield from ("", f"### {title}", "", "| check | A | B | |", "|---|---|---|---|")
        for row in rows:
            yield f"| {code(row.id)} | {row.a or 'not there'} | {row.b or 'not there'} | {escape(row.sentence)} |"
    for title, differences in found.others:
        lines = ["| | A | B |", "|---|---|---|"]
        lines += [f"| {code(row.id)} | {escape(row.a)} | {escape(row.b)} |" for row in differences[:MOST]]
        lines += ["", f"and {len(differences) - MOST} more"] if differences[MOST:] else []
        yield from ("", *details(f"{escape(title)}: {len(differences)}", lines))


# --- what ``reset`` changed back ------------------------------------------------------------------------------------

DONE = {
    "add": ("+", "PASS", "added"),
    "remove": ("-", "FAIL", "removed"),
    "change": ("~", "INCONCLUSIVE", "changed back"),
}
"""Sign, style and word."""


def render_restored(body: Mapping[str, Any], *, colour: bool) -> str:
    """The list of ``labctl.reset/v1``: a line a node, a line a thing below it, what it comes to at the end."""
    paint = Paint(colour)
    end = f"({body['seconds']:.1f} s)"
    if not body["changes"]:
        return f"lab {clean(body['lab'])}: nothing to do, all is as up left it {end}"
    lines = []
    for change in body["changes"]:
        counts = _counts(change["rows"], "line" if change["part"] == "switch" else "", dry=bool(body["dry_run"]))
        lines.append(f"{clean(change['part'])} {paint('bold', clean(change['name']))}: {counts}")
        lines += [f"  {paint(DONE[row['do']][1], DONE[row['do']][0])} {clean(row['what'])}" for row in change["rows"]]
    nodes = len(body["changes"])
    verb = "would be changed back" if body["dry_run"] else "changed back"
    return "\n".join([*lines, f"lab {clean(body['lab'])}: {verb} in {nodes} place{'s' * (nodes != 1)} {end}"])


def _counts(rows: Iterable[Mapping[str, Any]], noun: str, *, dry: bool) -> str:
    """``2 lines added, 1 removed``."""
    parts: list[str] = []
    for do, (_, _, word) in DONE.items():
        number = sum(row["lines"] for row in rows if row["do"] == do)
        if number:
            named = f" {noun}{'s' * (number != 1)}" if noun and not parts else ""
            parts.append(f"{number}{named} {'to be ' * dry}{word}")
    return ", ".join(parts)
