"""An error as a terminal shows it: coloured, fitted to its width, commands and paths whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labctl.report.style import Paint
from labctl.report.text import cells, wrap

_EXCERPT = re.compile(r"  ( *\d+ \| )(.*)")
_CARET = re.compile(r"  ( +\| )( *)\^")
_CODE = re.compile(r" \[[a-z0-9-]+\]$")
_PLACE = re.compile(r"^\S+:\d+(?::\d+)?: ")


def shown(text: str, *, colour: bool, width: int) -> str:
    """``text`` is what `LabctlError.render` gives; no word of it is lost."""
    paint, out = Paint(colour), list[str]()
    lines = iter(text.splitlines())
    for number, line in enumerate(lines):
        excerpt = _EXCERPT.fullmatch(line)
        if excerpt:
            out += _excerpt(excerpt, next(lines, ""), paint, width)
        elif line.startswith("  next: "):
            out.append(f"  {paint('bold', 'next:')} {paint('busy', line.removeprefix('  next: '))}")  # to be copied
        elif line.startswith("  hint: "):
            rows = wrap(line.removeprefix("  hint: "), max(width - 8, 20), whole=True)
            out += [f"  {paint('bold', 'hint:')} {rows[0]}", *(f"        {row}" for row in rows[1:])]
        else:
            out += _sentence(line, paint, width, first=number == 0)
    return "\n".join(out)


def _sentence(line: str, paint: Paint, width: int, *, first: bool) -> Iterator[str]:
    word = "error: " if first else ""
    for number, row in enumerate(wrap(word + line, width, "  ", whole=True)):
        head = word if number == 0 else ""
        rest = row[len(head) :]
        if code := _CODE.search(rest):
            rest = rest[: code.start()] + paint("dim", code.group())
        if number == 0 and (place := _PLACE.match(rest)):
            rest = paint("bold", place.group()) + rest[place.end() :]
        yield (paint("FAIL", "error:") + " " if head else "") + rest


def _excerpt(found: re.Match[str], caret: str, paint: Paint, width: int) -> Iterator[str]:
    """The line that is wrong; of one that is too long the part around the caret."""
    head, text = found.groups()
    mark = _CARET.fullmatch(caret)
    column, room = (len(mark[2]) if mark else 0), max(20, width - 2 - len(head))
    begin = max(0, min(column - room // 2, cells(text) - room)) if cells(text) > room else 0
    part = text[begin : begin + room]
    part = part[: room - 1] + "…" if begin + room < len(text) else part
    yield f"  {paint('dim', head)}{'…' + part[1:] if begin else part}"
    if mark:
        yield f"  {paint('dim', mark[1])}{' ' * (column - begin)}{paint('FAIL', '^')}"
    elif caret:
        yield caret
