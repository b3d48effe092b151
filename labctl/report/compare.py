"""What differs: two verifications laid side by side, and what ``reset`` changed back. Pure.

Worse is what a pipeline must stop for: a check whose verdict fell, a check that passed and is not there any more, a new
one that does not pass. What only one of the two runs was asked for is told, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
TITLES = {
    "unasked": "asked of one run, so not compared", "sentences": "same verdict, said otherwise",
    "timings": "took another time", "environment": "ran on something else",
    "files": "files of the artifact folder that differ",
}  # fmt: skip
Body = Mapping[str, Any]
"""``labctl.evidence/v1``, or a part of it."""


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A check; None stands for one that is not there."""

    id: str
    change: Literal["worse", "better"]
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
    """Run ``a`` (before) and run ``b`` (after). ``others``: what differs beside verdicts, by the keys of `TITLES`."""

    a: str
    b: str
    verdicts: tuple[VerdictChange, ...]
    others: Mapping[str, tuple[Difference, ...]]

    @property
    def worse(self) -> tuple[VerdictChange, ...]:
        return tuple(row for row in self.verdicts if row.change == "worse")

    @property
    def better(self) -> tuple[VerdictChange, ...]:
        return tuple(row for row in self.verdicts if row.change == "better")

    @property
    def titled(self) -> Iterator[tuple[str, tuple[Difference, ...]]]:
        """What else differs, with its title."""
        return ((TITLES[key], rows) for key, rows in self.others.items() if rows)

    def as_dict(self) -> dict[str, Any]:
        """``labctl.comparison/v1``."""
        body = asdict(self)
        others = body.pop("others")
        return {"schema": SCHEMA, "worse": bool(self.worse), **body, **others}


def compare(a: Body, b: Body) -> Comparison:
    """Two bodies of ``labctl.evidence/v1``."""
    runs = (a, b)
    unasked = list(_differing(*map(_asked, runs), missing="not asked for"))
    (before, of_a), (after, of_b) = _judged(a, b), _judged(b, a)
    if of_a:
        unasked.append(Difference("checks of the same scenarios", f"{of_a} asked for", "not asked for"))
    if of_b:
        unasked.append(Difference("checks of the same scenarios", "not asked for", f"{of_b} asked for"))
    others = {
        "unasked": unasked,
        "sentences": _sentences(before, after),
        "timings": _timings(a, b),
        "environment": _differing(*map(_environment, runs)),
        "files": _differing(*map(_files, runs), missing="not there"),
    }
    verdicts = sorted(_verdicts(before, after), key=lambda row: row.change != "worse")
    return Comparison(_name(a), _name(b), tuple(verdicts), {key: tuple(rows) for key, rows in others.items()})


def _name(body: Body) -> str:
    when = body["environment"].get("time") or "at an unknown time"
    return clean(f"{body['lab']}, {when}: {body['verdict']} ({body['sentence']})")


def _asked(body: Body) -> dict[str, str]:
    """A scenario that was asked for is in a run's evidence, whatever came of it."""
    return {clean(row["id"]): "asked for" for row in body["scenarios"]}


def _judged(run: Body, other: Body) -> tuple[dict[str, Body], int]:
    """Checks of a run that the other was asked for too; of the same scenarios, how many the other was not asked for."""
    wanted, asked = Wanted(None if other["only"] is None else tuple(other["only"])), _asked(other)
    checks = {clean(check["id"]): check for scenario in run["scenarios"]
              if clean(scenario["id"]) in asked for check in scenario["checks"]}  # fmt: skip
    judged = {key: check for key, check in checks.items() if wanted.check(key)}
    return judged, len(checks) - len(judged)


def _said(check: Body) -> str:
    return WINDOW.sub("", clean(check["sentence"]))


def _sentences(before: Mapping[str, Body], after: Mapping[str, Body]) -> Iterator[Difference]:
    for key, now in after.items():
        was = before.get(key)
        if was is not None and was["verdict"] == now["verdict"] and _said(was) != _said(now):
            yield Difference(key, clean(was["sentence"]), clean(now["sentence"]))


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
    before, after = ({clean(row["id"]): row["seconds"] for row in body["scenarios"]} for body in (a, b))
    for key, now in after.items():
        was = before.get(key, now)
        if abs(now - was) > max(NOISE_SECONDS, NOISE_SHARE * min(now, was)):
            yield Difference(key, f"{was:.1f} s", f"{now:.1f} s")


def _environment(body: Body) -> dict[str, str]:
    """Versions and all else but what every run has of its own."""
    return {key: text for key, text in flat(body["environment"]) if key not in ("time", "guest_speed")}


def _files(body: Body) -> dict[str, str]:
    """Files of the artifact folder, with the beginning of their hashes."""
    return {clean(path): (row["sha256"] or "not there")[:12] for path, row in body["files"].items()}


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
    for title, differences in found.titled:
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
    lines = [f"## {escape(conclusion(found))}", "", f"- A: {escape(found.a)}", f"- B: {escape(found.b)}"]
    for rows, title in ((found.worse, "Worse"), (found.better, "Better")):
        lines += ["", f"### {title}", "", "| check | A | B | |", "|---|---|---|---|"] if rows else []
        for row in rows:
            sides = f"{row.a or 'not there'} | {row.b or 'not there'}"
            lines.append(f"| {code(row.id)} | {sides} | {escape(row.sentence)} |")
    for title, differences in found.titled:
        table = ["| | A | B |", "|---|---|---|"]
        table += [f"| {code(row.id)} | {escape(row.a)} | {escape(row.b)} |" for row in differences[:MOST]]
        table += ["", f"and {len(differences) - MOST} more"] if differences[MOST:] else []
        lines += ["", *details(f"{escape(title)}: {len(differences)}", table)]
    return "\n".join(lines) + "\n"


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
