"""What ``reset`` changed back, as a list for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labctl.report.style import Paint
from labctl.report.text import clean

SIGNS = {"add": "+", "remove": "-", "change": "~"}
STYLES = {"add": "PASS", "remove": "FAIL", "change": "INCONCLUSIVE"}
WORDS = {"add": "added", "remove": "removed", "change": "changed back"}


def render_turned(body: Mapping[str, Any], *, colour: bool) -> str:
    """The list of ``labctl.reset/v1``: a line a box, a line a thing below it, what it comes to at the end."""
    paint = Paint(colour)
    lab, dry = clean(body["lab"]), bool(body["dry_run"])
    if not body["changes"]:
        return f"lab {lab}: nothing to do, all is as up left it ({body['seconds']:.1f} s)"
    lines = []
    for change in body["changes"]:
        counts = _counts(change["rows"], "line" if change["part"] == "switch" else "", dry=dry)
        lines.append(f"{clean(change['part'])} {paint('bold', clean(change['name']))}: {counts}")
        lines += [f"  {paint(STYLES[row['do']], SIGNS[row['do']])} {clean(row['what'])}" for row in change["rows"]]
    boxes = len(body["changes"])
    verb = "would be changed back" if dry else "changed back"
    where = f"{boxes} place{'s' if boxes != 1 else ''}"
    return "\n".join([*lines, f"lab {lab}: {verb} in {where} ({body['seconds']:.1f} s)"])


def _counts(rows: Sequence[Mapping[str, Any]], noun: str, *, dry: bool) -> str:
    """``2 lines added, 1 removed``."""
    parts: list[str] = []
    for do, word in WORDS.items():
        number = sum(row["lines"] for row in rows if row["do"] == do)
        if number:
            named = f" {noun}{'s' if number != 1 else ''}" if noun and not parts else ""
            parts.append(f"{number}{named} {'to be ' * dry}{word}")
    return ", ".join(parts)
