"""What may stand behind ``|`` of a show command (NX-OS Fundamentals guide, "Filtering show Command Output")."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labctl.standin.switch.choice import Following, Why, Wrong, choose, following
from labctl.standin.switch.grammar import Node, compile_pattern

Do = Callable[[str, Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Filter:
    """One row: a pattern, and what it makes of a text with the words that were typed behind the name."""

    pattern: str
    do: Do
    as_json: bool = False
    key: int = 0

    @property
    def start(self) -> Node:
        return compile_pattern(self.pattern)


@dataclass(frozen=True, slots=True)
class Pipe:
    """A filter with its words."""

    row: Filter
    words: tuple[str, ...]

    def apply(self, text: str) -> str:
        return self.row.do(text, self.words)


@dataclass(frozen=True, slots=True)
class BadPipe:
    """Where in the line the trouble is."""

    position: int
    why: Why


def _searched(words: Sequence[str]) -> re.Pattern[str]:
    text = " ".join(words)
    return re.compile(text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text)


def _include(text: str, words: Sequence[str]) -> str:
    pattern = _searched(words)
    return "\n".join(line for line in text.splitlines() if pattern.search(line))


def _exclude(text: str, words: Sequence[str]) -> str:
    pattern = _searched(words)
    return "\n".join(line for line in text.splitlines() if not pattern.search(line))


def _ignoring_case(text: str, words: Sequence[str]) -> str:
    pattern = re.compile(_searched(words[1:]).pattern, re.IGNORECASE)
    return "\n".join(line for line in text.splitlines() if pattern.search(line))


def _inverted(text: str, words: Sequence[str]) -> str:
    return _exclude(text, words[1:])


def _begin(text: str, words: Sequence[str]) -> str:
    pattern = _searched(words)
    lines = text.splitlines()
    start = next((index for index, line in enumerate(lines) if pattern.search(line)), len(lines))
    return "\n".join(lines[start:])


def section(text: str, words: Sequence[str]) -> str:
    """Lines that match, each with what is indented below it."""
    pattern = _searched(words)
    kept, depth = [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if depth is None or indent <= depth:
            depth = indent if pattern.search(line) else None
        if depth is not None:
            kept.append(line)
    return "\n".join(kept)


def _count(text: str, _words: Sequence[str]) -> str:
    return str(len(text.splitlines()))


def _head(text: str, words: Sequence[str]) -> str:
    return "\n".join(text.splitlines()[: _lines(words)])


def _last(text: str, words: Sequence[str]) -> str:
    return "\n".join(text.splitlines()[-_lines(words) :])


def _lines(words: Sequence[str]) -> int:
    return int(words[-1]) if words else 10


def _pretty(text: str, _words: Sequence[str]) -> str:
    try:
        return json.dumps(json.loads(text), indent=4)
    except ValueError:
        return text


def _same(text: str, _words: Sequence[str]) -> str:
    return text


FILTERS: tuple[Filter, ...] = (
    Filter("json [native]", _same, as_json=True),
    Filter("json-pretty [native]", _pretty, as_json=True),
    Filter("include <line>", _include),
    Filter("exclude <line>", _exclude),
    Filter("begin <line>", _begin),
    Filter("section <line>", section),
    Filter("count", _count),
    Filter("no-more", _same),
    Filter("grep <line>", _include),
    Filter("grep ignore-case <line>", _ignoring_case),
    Filter("grep invert-match <line>", _inverted),
    Filter("egrep <line>", _include),
    Filter("head [lines] [<int>]", _head),
    Filter("last [<int>]", _last),
)
_BAR = re.compile(r"\|")
_LATER_BAR = re.compile(r"(?<=\s)\|(?=\s)")


def cut(line: str) -> list[tuple[int, str]]:
    """The line at its bars: (where a part begins, the part). Behind the first, a bar between blanks ends a pattern;
    ``include up|down`` and what stands in quotes are whole."""
    quoted = re.sub(r"\"[^\"]*\"|'[^']*'", lambda found: "_" * len(found[0]), line)
    first = _BAR.search(quoted)
    if first is None:
        return [(0, line)]
    bars = [first.start(), *(found.start() for found in _LATER_BAR.finditer(quoted, first.end()))]
    starts = [0, *(bar + 1 for bar in bars)]
    return [(start, line[start:end]) for start, end in zip(starts, [*bars, len(line)], strict=True)]


def pipes(parts: Sequence[tuple[int, str]]) -> list[Pipe] | BadPipe:
    """What the parts behind the command mean."""
    found = []
    for start, part in parts:
        spots = [(start + word.start(), word[0]) for word in re.finditer(r"\S+", part)]
        words = [word for _, word in spots]
        meant = choose(FILTERS, words)
        ends = [*(spot for spot, _ in spots), start + len(part.rstrip())]
        if isinstance(meant, Wrong):
            return BadPipe(ends[meant.index], meant.why)
        try:
            _searched(meant.words[1:])
        except re.error:
            return BadPipe(ends[min(1, len(spots))], Why.INVALID)
        found.append(Pipe(meant.row, meant.words[1:]))
    return found


def after(part: str) -> Following:
    """For ``?`` behind a bar."""
    return following(FILTERS, part.split())
