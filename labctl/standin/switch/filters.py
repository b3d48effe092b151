"""What may stand behind ``|`` of a show command."""

from __future__ import annotations

import re
from collections.abc import Callable


def _include(text: str, pattern: str) -> str:
    return "\n".join(line for line in text.splitlines() if re.search(pattern, line))


def _exclude(text: str, pattern: str) -> str:
    return "\n".join(line for line in text.splitlines() if not re.search(pattern, line))


def _begin(text: str, pattern: str) -> str:
    lines = text.splitlines()
    start = next((index for index, line in enumerate(lines) if re.search(pattern, line)), len(lines))
    return "\n".join(lines[start:])


def _section(text: str, pattern: str) -> str:
    """Lines that match at the left margin, with what is indented below them."""
    kept, inside = [], False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = re.search(pattern, line) is not None
        if inside:
            kept.append(line)
    return "\n".join(kept)


def _count(text: str, _pattern: str) -> str:
    return str(len(text.splitlines()))


FILTERS: dict[str, Callable[[str, str], str]] = {
    "include": _include,
    "inc": _include,
    "grep": _include,
    "exclude": _exclude,
    "begin": _begin,
    "section": _section,
    "sec": _section,
    "count": _count,
    "no-more": lambda text, _pattern: text,
}
