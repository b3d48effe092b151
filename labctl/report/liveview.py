"""A look at a lab as text: as one plain table, or fitted to a terminal's window."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.report.livetable import CLOCK, Look, Row, Section
from labctl.report.style import Marks, Paint
from labctl.report.text import cells, clean, fit, wrap

GAP = 2
"""Blanks between two columns."""
MARKED = 3
"""Columns that the marks take."""


def plain(lab: str, look: Look, paint: Paint, marks: Marks) -> str:
    """All of it, as wide as it is."""
    return "\n".join([*_head(lab, look, paint, marks, None), *_body(look.sections, paint, marks, None)])


def fitted(lab: str, look: Look, paint: Paint, marks: Marks, columns: int, lines: int) -> list[str]:
    """So many lines at most: where there is no room, rows that are good and as before are left out and counted."""
    head = _head(lab, look, paint, marks, columns)
    sections = list(look.sections)
    body = _body(sections, paint, marks, columns)
    # from below: the links say what LACP, vPC and sessions say more shortly
    for number in reversed(range(len(sections))):
        while (excess := len(head) + len(body) - lines) > 0:
            shorter = _shorter(sections[number], excess)
            if shorter == sections[number]:
                break
            sections[number] = shorter
            body = _body(sections, paint, marks, columns)
    shown = [*head, *body]
    if len(shown) <= lines:
        return shown
    cut = len(shown) - lines + 1
    return [*shown[: lines - 1], fit(f"{marks.dots} {cut} more lines: a larger window shows them", columns, marks.dots)]


def _shorter(section: Section, excess: int) -> Section:
    """Without so many of its last rows that are good and as before."""
    plain = [row for row in section.rows if row.good and not row.mark]
    gone = {row.key for row in plain[-excess:]}
    rows = tuple(row for row in section.rows if row.key not in gone)
    return Section(section.title, section.header, rows, section.hidden + len(section.rows) - len(rows))


def _head(lab: str, look: Look, paint: Paint, marks: Marks, columns: int | None) -> list[str]:
    wrong, silent = look.wrong, len(look.unanswered)
    words = [paint("PASS", "all well")] if not wrong and not silent else []
    words += [paint("FAIL", f"{wrong} wrong")] if wrong else []
    words += [paint("INCONCLUSIVE", f"{silent} without an answer")] if silent else []
    words += [paint("busy", f"{look.changed} changed")] if look.changed else []
    line = f"{paint('bold', clean(lab))}  {look.read_at}  {', '.join(words)}"
    rows = [f"{marks.unsure} {clean(box)}: no answer: {clean(why)}" for box, why in look.unanswered.items()]
    if columns is not None:
        rows = [fit(row, columns, marks.dots) for row in rows]
        line = line if cells(line) <= columns else f"{paint('bold', fit(clean(lab), 20))}  {', '.join(words)}"
    return [line, *(paint("INCONCLUSIVE", row) for row in rows)]


def _body(sections: Sequence[Section], paint: Paint, marks: Marks, columns: int | None) -> list[str]:
    lines: list[str] = []
    for section in sections:
        more = paint("dim", f"  {section.hidden} more, well and as before") if section.hidden else ""
        lines.append(paint("bold", section.title) + more)
        if section.rows:
            lines += _section(section, paint, marks, columns)
    return lines


def _section(section: Section, paint: Paint, marks: Marks, columns: int | None) -> list[str]:
    count, gap = _shape(section, columns)
    widths = _widths(section, count)
    found = [paint("dim", line) for line in _line("   ", section.header[:count], widths, gap, columns)]
    for row in section.rows:
        lines = _line(_mark(row, marks), row.cells[:count], widths, gap, columns)
        found += [paint(_style(row), line) for line in lines]
    return found


def _shape(section: Section, columns: int | None) -> tuple[int, int]:
    """(columns of the table, blanks between them): in a narrow window closer together, then without the clock."""
    whole = len(section.header)
    if columns is not None:
        for count, gap in ((whole, GAP), (whole, 1), (whole - (section.header[-1] == CLOCK), 1)):
            widths = _widths(section, count)
            if MARKED + sum(widths) + gap * (count - 1) <= columns:
                return count, gap
    return whole, GAP


def _widths(section: Section, count: int) -> list[int]:
    rows = [section.header, *(row.cells for row in section.rows)]
    return [max(cells(row[number]) for row in rows) for number in range(count)]


def _line(mark: str, texts: Sequence[str], widths: Sequence[int], gap: int, columns: int | None) -> list[str]:
    """One line; where the window is too narrow, what does not fit goes to lines below."""
    padded = [f"{text}{' ' * (width - cells(text))}" for text, width in zip(texts, widths, strict=True)]
    line = f"{mark}{(' ' * gap).join(padded)}".rstrip()
    if columns is None or cells(line) <= columns:
        return [line]
    return wrap(f"{mark}{(' ' * gap).join(texts)}", columns, " " * 2 * MARKED)


def _mark(row: Row, marks: Marks) -> str:
    """Two columns: whether it is well, whether it has changed."""
    well = marks.unsure if row.mark == "silent" else " " if row.mark == "gone" else " " if row.good else marks.failed
    changed = {"changed": "*", "gone": "-"}.get(row.mark, " ")
    return f"{well}{changed} "


def _style(row: Row) -> str:
    if row.mark == "silent":
        return "INCONCLUSIVE"
    if row.mark == "gone":
        return "dim"
    if not row.good:
        return "FAIL"
    return "busy" if row.mark == "changed" else ""
