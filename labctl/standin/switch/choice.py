"""Which command a line means, among those that may be typed; else which word is wrong, and how NX-OS marks it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from labctl.standin.switch.grammar import KINDS, Token, Way, ways


class Why(Enum):
    """What is wrong with a word, in NX-OS's words."""

    INVALID = "% Invalid command at '^' marker."
    INCOMPLETE = "% Incomplete command at '^' marker."
    AMBIGUOUS = "% Ambiguous command at '^' marker."


class Choosable(Protocol):
    """A command of a table. ``key``: how many of its words name the setting (0: all)."""

    @property
    def pattern(self) -> str: ...

    @property
    def key(self) -> int: ...


R = TypeVar("R", bound=Choosable)


@dataclass(frozen=True, slots=True)
class Fit(Generic[R]):
    """A line that fits a command: its words in full."""

    row: R
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Wrong:
    """The index of the first word that is wrong; the number of words when some are missing."""

    index: int
    why: Why


@dataclass(frozen=True, slots=True)
class Following:
    """What may come after some words; ``end``: the line may end there."""

    tokens: tuple[Token, ...]
    end: bool


@dataclass(frozen=True, slots=True)
class _State(Generic[R]):
    """A command, what is yet to be typed of it, and what was, in full."""

    row: R
    rest: Way
    words: tuple[str, ...] = ()


def choose(rows: Sequence[R], words: Sequence[str], *, named: bool = False) -> Fit[R] | Wrong:
    """The command that a line means.

    A word typed in full wins over what it only begins (``ip`` never means ``ipv6``); a beginning that several commands
    share is told apart by the words behind it, else it is ambiguous. ``named``: the naming words are enough (``no``).
    """
    layers = _walk(rows, words)
    last = max(index for index, layer in enumerate(layers) if layer) if any(layers) else 0
    states = layers[last]
    split = _split([state.words for state in states])
    if split is not None:
        return Wrong(split, Why.AMBIGUOUS)
    if last < len(words):
        return Wrong(last, Why.INVALID)
    for state in states:
        if not state.rest or (named and 0 < state.row.key <= len(state.words)):
            return Fit(state.row, state.words)
    return Wrong(last, Why.INCOMPLETE)


def following(rows: Sequence[R], words: Sequence[str]) -> Following:
    """For ``?`` and TAB."""
    states = _walk(rows, words)[len(words)]
    found = dict.fromkeys(token for state in states if state.rest for token in state.rest[0])
    return Following(tuple(found), any(not state.rest for state in states))


def _walk(rows: Sequence[R], words: Sequence[str]) -> list[list[_State[R]]]:
    """For each number of words taken: the commands that are still possible."""
    layers: list[list[_State[R]]] = [[] for _ in range(len(words) + 1)]
    layers[0] = [_State(row, way) for row in rows for way in ways(row.pattern)]
    for index, word in enumerate(words):
        steps = [(state, token) for state in layers[index] if state.rest for token in state.rest[0]]
        exact = any(token.literal == word.lower() for _, token in steps)
        whole = exact or any(token.rest for _, token in steps)
        for state, token in steps:
            for count, taken in _taken(token, words[index:], exact=exact, whole=whole):
                layers[index + count].append(_State(state.row, state.rest[1:], (*state.words, *taken)))
    return layers


def _taken(token: Token, words: Sequence[str], *, exact: bool, whole: bool) -> Iterator[tuple[int, tuple[str, ...]]]:
    """What a place may make of the next words: (how many it takes, what they are in full).

    ``exact``: a place beside this one has the next word in full; ``whole``: a beginning is not enough here.
    """
    typed = words[0].lower()
    if token.literal:
        if token.literal == typed or (token.literal.startswith(typed) and not whole):
            yield 1, (token.literal,)
    elif exact:
        return
    elif token.rest:
        yield len(words), tuple(words)
    else:
        for count in (1, 2) if KINDS[token.kind].spaced else (1,):
            value = token.value(" ".join(words[:count]))
            if value is not None and count <= len(words):
                yield count, (value,)


def _split(readings: Sequence[tuple[str, ...]]) -> int | None:
    """Index of the first word in which the readings differ."""
    for index, column in enumerate(zip(*readings, strict=False)):
        if len(set(column)) > 1:
            return index
    return None


NO_INTERFACE = "Invalid interface format at '^' marker."
"""NX-OS's words for a port that the box does not have (captured on Nexus 9000)."""


def caret(prompt: str, position: int, words: Why | str) -> str:
    """``position``: in the line that was typed behind the prompt."""
    return f"{' ' * (len(prompt) + position)}^\n{words.value if isinstance(words, Why) else words}"


def mark(prompt: str, line: str, wrong: Wrong, words: str | None = None) -> str:
    """The caret under the wrong word; behind the line when words are missing."""
    text = line.rstrip()
    starts = [found.start() for found in re.finditer(r"\S+", text)]
    position = starts[wrong.index] if wrong.index < len(starts) else len(text)
    return caret(prompt, position, words or wrong.why)
