"""The switch's command language: patterns as text, compiled to matchers that know where a line goes wrong.

A pattern is words: plain ones are typed (a unique beginning is enough), ``<kind>`` takes a value of that kind,
``(a|b)`` one of some words, ``[…]`` may be left out. ``neighbor <ip> [remote-as <asn>]``
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from labctl.nxos.normal import interface_name, vlan_list


@dataclass(frozen=True, slots=True)
class Match:
    """A line that fits: its words in full."""

    words: tuple[str, ...]

    @property
    def line(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How far a line fits: the index of the first word that does not; ``len(words)`` when words are missing."""

    index: int


def _number(low: int, high: int) -> Callable[[str], str | None]:
    return lambda text: str(int(text)) if text.isascii() and text.isdigit() and low <= int(text) <= high else None


def _prefix(version: int, *, host: bool) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        address, slash, length = text.partition("/")
        try:
            parsed = ipaddress.ip_address(address)
            if parsed.version != version or not slash or not length.isdigit():
                return None
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return None
        if host:
            return f"{parsed}/{int(length)}"
        return str(network) if parsed == network.network_address else None

    return check


def _address(*versions: int) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        try:
            parsed = ipaddress.ip_address(text)
        except ValueError:
            return None
        return str(parsed) if parsed.version in versions else None

    return check


def _regex(pattern: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern)
    return lambda text: text if compiled.fullmatch(text) else None


def _vlans(text: str) -> str | None:
    try:
        vlans = vlan_list(text)
    except ValueError:
        return None
    return text if vlans and all(1 <= vlan <= 3967 for vlan in vlans) else None


def _interface(*kinds: str) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        name = interface_name(text)
        return name if name and any(name.startswith(kind) for kind in kinds) else None

    return check


KINDS: dict[str, Callable[[str], str | None]] = {
    "word": _regex(r"[^\s?|]+"),
    "name": _regex(r"[A-Za-z][A-Za-z0-9._-]{0,62}"),
    "vlan": _number(1, 3967),
    "vlans": _vlans,
    "vni": _number(1, 16777215),
    "asn": _number(1, 4294967295),
    "int": _number(0, 4294967295),
    "seq": _number(1, 4294967294),
    "mtu": _number(576, 9216),
    "len4": _number(0, 32),
    "len6": _number(0, 128),
    "timer": _number(0, 3600),
    "hops": _number(2, 255),
    "paths": _number(1, 64),
    "priority": _number(1, 65535),
    "domain": _number(1, 1000),
    "dscp": _number(1, 63),
    "channel": _number(1, 4096),
    "ip4": _address(4),
    "ip6": _address(6),
    "ip": _address(4, 6),
    "if4": _prefix(4, host=True),
    "if6": _prefix(6, host=True),
    "net4": _prefix(4, host=False),
    "net6": _prefix(6, host=False),
    "mac": _regex(r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}"),
    "rt": _regex(r"\d{1,10}:\d{1,10}"),
    "area": _regex(r"\d+|\d+\.\d+\.\d+\.\d+"),
    "interface": _interface("Ethernet", "port-channel", "Vlan", "loopback", "mgmt", "nve"),
    "loopback": _interface("loopback"),
}


@dataclass(frozen=True, slots=True)
class Token:
    """One place of a pattern: typed words, a kind of value, or an optional group."""

    literals: tuple[str, ...] = ()
    kind: str = ""
    optional: tuple[Token, ...] = ()
    rest: bool = False

    def take(self, word: str) -> tuple[str | None, bool]:
        """(the word in full, whether it was typed in full); (None, False) when it does not fit."""
        if self.kind:
            return KINDS[self.kind](word), True
        exact = [literal for literal in self.literals if literal == word.lower()]
        if exact:
            return exact[0], True
        near = [literal for literal in self.literals if literal.startswith(word.lower())]
        return (near[0], False) if len(near) == 1 else (None, False)

    def shown(self) -> str:
        """For help."""
        if self.rest:
            return "LINE"
        return f"<{self.kind}>" if self.kind else "|".join(self.literals)


_LEXER = re.compile(r"\[|\]|\([^)]*\)|<[^>]+>|[^\s\[\]]+")


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> tuple[Token, ...]:
    """Tokens of a pattern."""
    tokens, rest = _tokens(_LEXER.findall(pattern))
    if rest:
        raise ValueError(f"unbalanced pattern {pattern!r}")
    return tokens


def _tokens(parts: list[str]) -> tuple[tuple[Token, ...], list[str]]:
    result: list[Token] = []
    while parts:
        part = parts[0]
        if part == "]":
            return tuple(result), parts
        parts = parts[1:]
        if part == "[":
            inner, parts = _tokens(parts)
            if not parts:
                raise ValueError("unbalanced pattern")
            parts = parts[1:]
            result.append(Token(optional=inner))
        elif part.startswith("("):
            result.append(Token(literals=tuple(part[1:-1].split("|"))))
        elif part == "<line>":
            result.append(Token(kind="word", rest=True))
        elif part.startswith("<"):
            result.append(Token(kind=part[1:-1]))
        else:
            result.append(Token(literals=(part,)))
    return tuple(result), []


def match(tokens: Sequence[Token], words: Sequence[str]) -> Match | Mismatch:
    """Fit a line to a pattern; a mismatch says how far the best reading came."""
    best = 0
    for full, index in _read(tuple(tokens), tuple(words), 0):
        if full is not None:
            return Match(full)
        best = max(best, index)
    return Mismatch(best)


def _read(
    tokens: tuple[Token, ...], words: tuple[str, ...], index: int
) -> Iterator[tuple[tuple[str, ...] | None, int]]:
    """Every reading: (words in full, index) when it fits, (None, index of the trouble) when not."""
    if not tokens:
        yield ((), index) if index == len(words) else (None, index)
        return
    token, after = tokens[0], tokens[1:]
    if token.optional:
        yield from _read((*token.optional, *after), words, index)
        yield from _read(after, words, index)
        return
    if index >= len(words):
        yield None, index
        return
    if token.rest:
        yield words[index:], len(words)
        return
    full, _ = token.take(words[index])
    if full is None:
        yield None, index
        return
    for following, end in _read(after, words, index + 1):
        yield ((full, *following) if following is not None else None), end


def typed_in_full(tokens: Sequence[Token], words: Sequence[str]) -> int:
    """How many leading words were typed in full: decides between two patterns that both fit."""
    count = 0
    for token, word in zip(tokens, words, strict=False):
        full, exactly = token.take(word) if not token.optional else (None, False)
        if full is None or not exactly:
            break
        count += 1
    return count


def abbreviated_at(tokens: Sequence[Token], words: Sequence[str]) -> int | None:
    """Index of the first word that is only the beginning of the pattern's; None when there is none."""
    for index, (token, word) in enumerate(zip(tokens, words, strict=False)):
        if token.optional:
            break
        if not token.take(word)[1]:
            return index
    return None


def following(tokens: tuple[Token, ...], words: tuple[str, ...]) -> Iterator[Token]:
    """What may come after the words (for ``?`` and the completeness of a line)."""
    if not tokens:
        return
    token, after = tokens[0], tokens[1:]
    if token.optional:
        yield from following((*token.optional, *after), words)
        yield from following(after, words)
    elif not words:
        yield token
    elif token.take(words[0])[0] is not None:
        yield from following(after, words[1:])
