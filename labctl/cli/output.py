"""Printing: the result goes to stdout, the story to stderr, both fitted to a terminal where there is one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click


def say(message: str) -> None:
    """The story: stderr."""
    click.echo(fitted(message, sys.stderr), err=True)


def fitted(text: str, stream: TextIO, indent: str = "  ") -> str:
    """Lines folded at blanks to the width of a terminal; untouched in a pipe."""
    if not stream.isatty():
        return text
    from labctl.report.table import width_of
    from labctl.report.text import wrap

    width = width_of(stream) or 80
    return "\n".join(row for line in text.split("\n") for row in wrap(line, width, indent, whole=True))


def result(text: str) -> None:
    """The result: stdout."""
    click.echo(text)


def painted(word: str, text: str | None = None) -> str:
    """A verdict or a state, or a text in its colour, where standard output has colours."""
    from labctl.report.style import Paint, wants_colour
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
