"""Printing: the result goes to stdout, the story to stderr, both fitted to a terminal where there is one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from labctl.report.style import Paint, wants_colour
from labctl.report.text import cells, wrap


def say(message: str) -> None:
    """The story: stderr."""
    click.echo(fitted(message, sys.stderr), err=True)


def fitted(text: str, stream: TextIO, indent: str = "  ") -> str:
    """Lines folded at blanks to the width of a terminal; untouched in a pipe."""
    if not stream.isatty():
        return text
    from labctl.report.table import width_of

    width = width_of(stream) or 80
    return "\n".join(row for line in text.split("\n") for row in wrap(line, width, indent, whole=True))


def result(text: str) -> None:
    """The result: stdout."""
    click.echo(text)


def painted(word: str, text: str | None = None) -> str:
    """A verdict or a state, or a text in its colour, where standard output has colours."""
    from labctl.report.table import STYLES

    return Paint(wants_colour(sys.stdout))(STYLES.get(word, ""), word if text is None else text)


def result_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The result as columns: plain in a pipe, coloured and folded to its width on a terminal."""
    from labctl.report.table import table_for

    result(table_for(sys.stdout, header, rows))


def result_json(body: Any) -> None:
    """The result as JSON: stdout."""
    click.echo(json.dumps(body, indent=2, sort_keys=True))


def told(body: Any, header: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool, nothing: str = "") -> None:
    """The result as JSON, or as columns; ``nothing``: what is said where there are no rows."""
    if as_json:
        result_json(body)
    elif rows or not nothing:
        result_table(header, rows)
    else:
        result(nothing)


def age(seconds: float) -> str:
    """``42s``, ``7m``, ``3h``, ``2d``."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // divisor)}{unit}"
    return f"{int(seconds // 86400)}d"


def short(path: Path) -> str:
    """With ``~`` for the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def is_terminal() -> bool:
    """Whether a person looks at stderr."""
    return sys.stderr.isatty()


_EXCERPT = re.compile(r"  ( *\d+ \| )(.*)")
_CARET = re.compile(r"  ( +\| )( *)\^")
_CODE = re.compile(r" \[[a-z0-9-]+\]$")
_PLACE = re.compile(r"^\S+:\d+(?::\d+)?: ")


def error_shown(text: str, *, colour: bool, width: int) -> str:
    """An error as a terminal shows it: coloured, fitted to its width, commands and paths whole.

    ``text`` is what `LabctlError.render` gives; no word of it is lost.
    """
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
