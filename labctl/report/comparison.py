"""A comparison as a person reads it: on a terminal, in a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labctl.report.compare import Comparison, Difference, VerdictChange
from labctl.report.markdown import code, escape
from labctl.report.style import Paint
from labctl.report.text import wrap

MOST_SENTENCES = 20


def render_comparison(found: Comparison, *, colour: bool, width: int) -> str:
    """Plain text; what got worse first."""
    return "\n".join(_text(found, Paint(colour), max(40, width)))


def _text(found: Comparison, paint: Paint, width: int) -> Iterator[str]:
    for letter, name in (("A", found.a), ("B", found.b)):
        yield from wrap(f"{letter}  {name}", width, "   ")
    for rows, title, style in ((found.worse, "worse", "FAIL"), (found.better, "better", "PASS")):
        if rows:
            yield ""
            yield paint(style, f"{title}: {len(rows)}")
        for row in rows:
            yield from wrap(f"  {row.id}: {_step(row)}", width, "    ")
            yield from wrap(f"    {row.sentence}", width, "    ")
    for differences, title in _others(found):
        yield ""
        yield paint("bold", title)
        for other in differences[:MOST_SENTENCES]:
            yield from wrap(f"  {other.id}", width, "    ")
            yield from wrap(f"    A  {other.a or '(nothing)'}", width, "       ")
            yield from wrap(f"    B  {other.b or '(nothing)'}", width, "       ")
        if differences[MOST_SENTENCES:]:
            yield f"  and {len(differences) - MOST_SENTENCES} more (--json has all)"
    yield ""
    yield paint("FAIL" if found.worse else "PASS", conclusion(found))


def comparison_markdown(found: Comparison) -> str:
    """For a pull request."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Comparison) -> Iterator[str]:
    yield f"## {escape(conclusion(found))}"
    yield ""
    yield f"- A: {escape(found.a)}"
    yield f"- B: {escape(found.b)}"
    for rows, title in ((found.worse, "Worse"), (found.better, "Better")):
        if rows:
            yield ""
            yield f"### {title}"
            yield ""
            yield "| check | A | B | |"
            yield "|---|---|---|---|"
        for row in rows:
            yield f"| {code(row.id)} | {row.a or 'not there'} | {row.b or 'not there'} | {escape(row.sentence)} |"
    for differences, title in _others(found):
        yield ""
        yield f"<details><summary>{escape(title)}: {len(differences)}</summary>"
        yield ""
        yield "| | A | B |"
        yield "|---|---|---|"
        for difference in differences[:MOST_SENTENCES]:
            yield f"| {code(difference.id)} | {escape(difference.a)} | {escape(difference.b)} |"
        if differences[MOST_SENTENCES:]:
            yield ""
            yield f"and {len(differences) - MOST_SENTENCES} more"
        yield ""
        yield "</details>"


def conclusion(found: Comparison) -> str:
    """One sentence."""
    if found.worse:
        return f"{len(found.worse)} got worse, {len(found.better)} better"
    if found.better:
        return f"nothing got worse, {len(found.better)} better"
    return "no verdict changed"


def _step(row: VerdictChange) -> str:
    return f"{row.a or 'not there'} → {row.b or 'not there'}"


def _merged(rows: Sequence[Difference]) -> Iterator[Difference]:
    """Those that differ alike as one."""
    for sides in dict.fromkeys((row.a, row.b) for row in rows):
        yield Difference(", ".join(row.id for row in rows if (row.a, row.b) == sides), *sides)


def _others(found: Comparison) -> Iterator[tuple[Sequence[Difference], str]]:
    for rows, title in (
        (list(_merged(found.unasked)), "asked of one run, so not compared"),
        (found.sentences, "same verdict, said otherwise"),
        (found.timings, "took another time"),
        (found.environment, "ran on something else"),
        (found.files, "files of the artifact folder that differ"),
    ):
        if rows:
            yield rows, title
