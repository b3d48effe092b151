"""What may stand behind ``|`` of a show command (NX-OS Fundamentals guide, "Filtering show Command Output")."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labctl.standin.switch.choice import Following, Why, Wrong, choose, following

Do = Callable[[str, Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Filter:
    """One row: a pattern, and what it makes of a text with the words that were typed behind the name."""

    pattern: str
    do: Do
    as_json: bool = False
    key: int = 0


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


def _kept(*, matching: bool = True, words_before: int = 0, flags: re.RegexFlag = re.NOFLAG) -> Do:
    """Lines that match, or that do not; ``words_before``: words of the filter before the pattern."""

    def do(text: str, words: Sequence[str]) -> str:
        pattern = re.compile(_searched(words[words_before:]).pattern, flags)
        return "\n".join(line for line in text.splitlines() if bool(pattern.search(line)) is matching)

    return do


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


def _lines(words: Sequence[str]) -> int:
    return int(words[-1]) if words else 10


def _pretty(text: str, _words: Sequence[str]) -> str:
    try:
        return json.dumps(json.loads(text), indent=4)
    except ValueError:
        return text


FILTERS: tuple[Filter, ...] = (
    Filter("json [native]", lambda text, _words: text, as_json=True),
    Filter("json-pretty [native]", _pretty, as_json=True),
    Filter("include <line>", _kept()),
    Filter("exclude <line>", _kept(matching=False)),
    Filter("begin <line>", _begin),
    Filter("section <line>", section),
    Filter("count", lambda text, _words: str(len(text.splitlines()))),
    Filter("no-more", lambda text, _words: text),
    Filter("grep <line>", _kept()),
    Filter("grep ignore-case <line>", _kept(words_before=1, flags=re.IGNORECASE)),
    Filter("grep invert-match <line>", _kept(words_before=1, matching=False)),
    Filter("egrep <line>", _kept()),
    Filter("head [lines] [<int>]", lambda text, words: "\n".join(text.splitlines()[: _lines(words)])),
    Filter("last [<int>]", lambda text, words: "\n".join(text.splitlines()[-_lines(words) :])),
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
