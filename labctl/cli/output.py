"""Printing: the result goes to stdout, the story to stderr, both fitted to a terminal where there is one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from labctl.cli.options import given
from labctl.report.style import Paint, wants_colour
from labctl.report.text import wrap

FILE = click.Path(path_type=Path, dir_okay=False)
"""An argument or option that names a file."""


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


def answer(body: Any, *lines: str) -> None:
    """The result: with ``--json`` the body, else the lines; nothing where events say it all."""
    if given("events"):
        return
    for line in [json_text(body)] if given("as_json") else lines:
        result(line)


def json_text(body: Any) -> str:
    """As all of labctl's JSON is laid out."""
    return json.dumps(body, indent=2, sort_keys=True)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: plain in a pipe, coloured and folded to its width on a terminal."""
    from labctl.report.table import table_for

    return table_for(sys.stdout, header, rows)


def painted(word: str, text: str | None = None) -> str:
    """A verdict or a state, or a text in its colour, where standard output has colours."""
    from labctl.report.table import STYLES

    return Paint(wants_colour(sys.stdout))(STYLES.get(word, ""), word if text is None else text)


def is_terminal() -> bool:
    """Whether a person looks at stderr."""
    return sys.stderr.isatty()


_EXCERPT = re.compile(r"^(  +\d+ \| )(.*)\n( +\| )( *)\^$", re.MULTILINE)
_WHOLE = re.compile(r"  next: |  +\d* *\| ")
"""Lines of an error that are not folded: a command is copied as it is, and a caret stands under its column."""
_STYLES = (
    ("bold", re.compile(r"^\S+:\d+(?::\d+)?: |^  (?:next|hint):", re.MULTILINE)),
    ("busy", re.compile(r"(?<=^  next: ).+", re.MULTILINE)),
    ("dim", re.compile(r" \[[a-z0-9-]+\]$|^  +\d* *\| ", re.MULTILINE)),
    ("FAIL", re.compile(r"\^$", re.MULTILINE)),
)


def error_shown(text: str, *, colour: bool, width: int) -> str:
    """What `LabctlError.render` gives, as a terminal shows it: coloured, fitted to its width, and no word is lost."""
    rows = list[str]()
    for line in _EXCERPT.sub(lambda found: _around_caret(found, width), f"error: {text}").splitlines():
        indent = " " * 8 if line.startswith("  hint: ") else "  "
        rows += [line] if _WHOLE.match(line) else wrap(line, width, indent, whole=True)
    paint, shown = Paint(colour), "\n".join(rows).removeprefix("error: ")
    for style, pattern in _STYLES:
        shown = pattern.sub(lambda found, style=style: paint(style, found[0]), shown)  # type: ignore[misc]
    return f"{paint('FAIL', 'error:')} {shown}"


def _around_caret(found: re.Match[str], width: int) -> str:
    """The line that is wrong; of one that is too long the part around the caret."""
    head, text, below, before = found.groups()
    room = max(20, width - len(head))
    begin = max(0, min(len(before) - room // 2, len(text) - room))
    part = text[begin : begin + room]
    part = "…" + part[1:] if begin else part
    part = part[:-1] + "…" if begin + room < len(text) else part
    return f"{head}{part}\n{below}{before[begin:]}^"
