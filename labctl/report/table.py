"""Columns, as kubectl prints them: plain in a pipe; on a terminal coloured, and folded at blanks to its width.

BGP sessions of a node are in the layout of calicoctl.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

from labctl.report.style import Paint, wants_colour
from labctl.report.text import cells, wrap

if TYPE_CHECKING:
    from labctl.verify.topics.bird import BirdSession

GAP = "   "
LAST = 24
"""Columns that the last one keeps at least; a longer word of it, a path mostly, stands out."""
MARKED = {
    "PASS": ("PASS", "ok", "running", "whole", "yes"),
    "FAIL": ("FAIL", "error", "dead", "broken", "missing"),
    "INCONCLUSIVE": ("INCONCLUSIVE", "warning", "starting", "stopped", "unknown"),
}
"""Style → cells that have it."""
STYLES = {word: style for style, words in MARKED.items() for word in words}


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal behind a stream; None where there is none: nothing is folded then."""
    return shutil.get_terminal_size((100, 24)).columns if stream.isatty() else None


def table_for(stream: TextIO, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as that stream wants it."""
    return table(header, rows, width=width_of(stream), paint=Paint(wants_colour(stream)))


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None, paint: Paint | None = None
) -> str:
    """Left-aligned columns, three blanks apart, no trailing blanks; the widest are folded, but no word is cut."""
    paint = paint or Paint(colour=False)
    widths = [max(cells(line[column]) for line in (header, *rows)) for column in range(len(header))]
    if width is not None:
        least = [max(map(_longest, column)) for column in zip(header, *rows, strict=True)]
        _narrow(widths, [*least[:-1], min(least[-1], LAST)], width)
    lines = _line(header, widths, ["bold"] * len(header), paint)
    for row in rows:
        lines += _line(row, widths, [STYLES.get(cell, "") for cell in row], paint)
    return "\n".join(lines)


def _line(cells_of: Sequence[str], widths: Sequence[int], styles: Sequence[str], paint: Paint) -> list[str]:
    """A row, on as many lines as its longest cell takes."""
    folded = [wrap(cell, size, whole=True) for cell, size in zip(cells_of, widths, strict=True)]
    lines = []
    for parts in zip_longest(*folded, fillvalue=""):
        last = max(at for at, part in enumerate(parts) if part or at == 0)
        padded = [
            paint(style, part) + " " * (size - cells(part) if at < last else 0)
            for at, (part, size, style) in enumerate(zip(parts, widths, styles, strict=True))
        ]
        lines.append(GAP.join(padded[: last + 1]).rstrip())
    return lines


def _longest(cell: str) -> int:
    return max(map(cells, cell.split()), default=0)


def _narrow(widths: list[int], least: Sequence[int], width: int) -> None:
    """Take from the widest column that can give, until the line fits or no column can."""
    while (excess := sum(widths) + len(GAP) * (len(widths) - 1) - width) > 0:
        giving = [column for column, size in enumerate(widths) if size > max(least[column], 1)]
        if not giving:
            return
        widest = max(giving, key=lambda column: widths[column])
        others = max((widths[column] for column in giving if column != widest), default=0)
        floor = max(least[widest], 1, min(others, widths[widest] - 1))
        widths[widest] = max(floor, widths[widest] - excess)


CALICO = ("PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO")


def node_status(sessions: Sequence[BirdSession]) -> str:
    """As ``calicoctl node status`` has it (white paper: Figure 10): both families, each a table or words for none."""
    return "\n\n".join(_family(version, [row for row in sessions if row.version == version]) for version in (4, 6))


def _family(version: int, sessions: Sequence[BirdSession]) -> str:
    if not sessions:
        return f"No IPv{version} peers found."
    rows = [(row.address, row.type, row.state, row.since, row.info) for row in sessions]
    widths = [max(map(len, column)) for column in zip(CALICO, *rows, strict=True)]
    rule = f"+{'+'.join('-' * (width + 2) for width in widths)}+"
    # calicoctl puts what is left over to the right of a heading
    head = [f"{' ' * ((width - len(name)) // 2)}{name}" for name, width in zip(CALICO, widths, strict=True)]
    lines = [
        "".join(f"| {cell:{width}} " for cell, width in zip(row, widths, strict=True)) + "|" for row in (head, *rows)
    ]
    return "\n".join((f"IPv{version} BGP status", rule, lines[0], rule, *lines[1:], rule))
