"""The switch's command language: patterns as text, compiled to graphs that are walked word by word.

A pattern is words: plain ones are typed (a beginning that no other command has is enough), ``<kind>`` takes a value of
that kind, ``(a|b)`` one of some words, ``[…]`` may be left out. ``neighbor <ip> [remote-as <asn>]``
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from labctl.standin.switch.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Token:
    """One place of a pattern: a typed word or a kind of value; ``line`` takes all that follows."""

    literal: str = ""
    kind: str = ""

    @property
    def rest(self) -> bool:
        return self.kind == "line"

    def value(self, word: str) -> str | None:
        """The value in NX-OS's spelling; None when it is none, or when a word is to be typed here."""
        return KINDS[self.kind].read(word) if self.kind else None

    def shown(self) -> str:
        """For help."""
        return KINDS[self.kind].shown if self.kind else self.literal


@dataclass(frozen=True, slots=True)
class Node:
    """Between two words: what may come next, and whether the line may end here."""

    edges: tuple[tuple[Token, Node], ...] = ()
    final: bool = False


_LEXER = re.compile(r"\[|\]|\([^)]*\)|<[^>]+>|[^\s\[\]]+")
_END = Node(final=True)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Node:
    """The start of a pattern's graph. Raises ValueError for unbalanced brackets."""
    parts = _LEXER.findall(pattern)
    items, rest = _items(parts)
    if rest:
        raise ValueError(f"unbalanced pattern {pattern!r}")
    return _graph(items, _END)


@dataclass(frozen=True, slots=True)
class _Item:
    """Alternatives for one word, or a group that may be left out."""

    tokens: tuple[Token, ...] = ()
    optional: tuple[_Item, ...] = ()


def _items(parts: list[str]) -> tuple[tuple[_Item, ...], list[str]]:
    result: list[_Item] = []
    while parts:
        part, parts = parts[0], parts[1:]
        if part == "]":
            return tuple(result), [part, *parts]
        if part == "[":
            inner, parts = _items(parts)
            if not parts:
                raise ValueError("unbalanced pattern")
            parts = parts[1:]
            result.append(_Item(optional=inner))
        elif part.startswith("("):
            result.append(_Item(tuple(Token(word) for word in part[1:-1].split("|"))))
        elif part.startswith("<"):
            result.append(_Item((Token(kind=part[1:-1]),)))
        else:
            result.append(_Item((Token(part),)))
    return tuple(result), []


def _graph(items: tuple[_Item, ...], end: Node) -> Node:
    node = end
    for item in reversed(items):
        if item.optional:
            node = Node(_graph(item.optional, node).edges + node.edges, node.final)
        else:
            node = Node(tuple((token, node) for token in item.tokens))
    return node


def tokens(node: Node) -> Iterator[Token]:
    """Every token of a graph (some more than once)."""
    for token, after in node.edges:
        yield token
        yield from tokens(after)
