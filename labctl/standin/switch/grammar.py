"""The switch's command language: patterns as text, and which of them a line means; else which word of it is wrong.

A pattern is words: plain ones are typed (a beginning that no other command has is enough), ``<kind>`` takes a value of
that kind, ``(a|b)`` one of some words, ``[…]`` may be left out. ``neighbor <ip> [remote-as <asn>]``
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Generic, NamedTuple, Protocol, TypeVar

from labctl.nxos.normal import interface_name, vlan_list

Read = Callable[[str], str | None]
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True)
class Kind:
    """``read`` gives a value as NX-OS writes it; None, or ValueError, when it is none of this kind. ``spaced``: ``vlan
    5`` for one."""

    read: Read
    shown: str
    spaced: bool = False


def _number(low: int, high: int) -> Kind:
    def read(text: str) -> str | None:
        return str(int(text)) if text.isascii() and text.isdigit() and low <= int(text) <= high else None

    return Kind(read, f"<{low}-{high}>")


def _prefix(version: int, written: Callable[[str, Interface], str | None]) -> Read:
    """``written``: the value in full, None where it is not meant."""

    def read(text: str) -> str | None:
        interface = ipaddress.ip_interface(text)
        if interface.version != version or not text.rpartition("/")[2].isdigit():
            return None
        return written(text, interface)

    return read


def _hosts(_text: str, value: Interface) -> str | None:
    """Neither the network itself nor its broadcast address (RFC 3021: a /31 has neither), nor of a special kind."""
    network = value.network
    if value.ip.is_multicast or value.ip.is_unspecified or value.ip.is_loopback or value.ip.is_link_local:
        return None
    whole = value.version == 6 or network.prefixlen >= 31
    return str(value) if whole or value.ip not in (network.network_address, network.broadcast_address) else None


def _networks(_text: str, value: Interface) -> str | None:
    return str(value) if value.ip == value.network.network_address else None


def _any(text: str, _value: Interface) -> str:
    return text


def _address(*versions: int) -> Read:
    def read(text: str) -> str | None:
        parsed = ipaddress.ip_address(text)
        return str(parsed) if parsed.version in versions else None

    return read


def _regex(pattern: str) -> Read:
    compiled = re.compile(pattern)
    return lambda text: text if compiled.fullmatch(text) else None


def _vlans(text: str) -> str | None:
    return text if all(1 <= vlan <= 3967 for vlan in vlan_list(text)) else None


NUMBERS = {
    "port-channel": range(1, 4097),
    "Vlan": range(1, 3968),
    "loopback": range(1024),
    "mgmt": range(1),
    "nve": range(1, 2),
}
"""Which numbers there are of a kind of interface."""


def _interface(*kinds: str) -> Kind:
    def read(text: str) -> str | None:
        name = interface_name(text) or ""
        kind = name.rstrip("0123456789/")
        number = name.removeprefix(kind)
        if kind not in kinds:
            return None
        if kind == "Ethernet":
            return kind + number if re.fullmatch(r"[1-9]\d{0,2}/[1-9]\d{0,2}", number) else None
        return f"{kind}{int(number)}" if int(number) in NUMBERS[kind] else None

    return Kind(read, "|".join(kind.lower() for kind in kinds), spaced=True)


KINDS: dict[str, Kind] = {
    "word": Kind(_regex(r"[^\s?|]+"), "WORD"),
    "line": Kind(_regex(r"[^?]*"), "LINE"),
    "name": Kind(_regex(r"[A-Za-z][A-Za-z0-9._-]{0,62}"), "WORD"),
    "vlan": _number(1, 3967),
    "vlans": Kind(_vlans, "<1-3967>"),
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
    "distance": _number(1, 255),
    "domain": _number(1, 1000),
    "dscp": _number(1, 63),
    "channel": _number(1, 4096),
    "lines": _number(0, 511),
    "columns": _number(24, 511),
    "ip4": Kind(_address(4), "A.B.C.D"),
    "ip6": Kind(_address(6), "A:B::C:D"),
    "ip": Kind(_address(4, 6), "A.B.C.D|A:B::C:D"),
    "if4": Kind(_prefix(4, _hosts), "A.B.C.D/LEN"),
    "if6": Kind(_prefix(6, _hosts), "A:B::C:D/LEN"),
    "net4": Kind(_prefix(4, _networks), "A.B.C.D/LEN"),
    "net6": Kind(_prefix(6, _networks), "A:B::C:D/LEN"),
    "any4": Kind(_prefix(4, _any), "A.B.C.D/LEN"),
    "any6": Kind(_prefix(6, _any), "A:B::C:D/LEN"),
    "mac": Kind(_regex(r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}"), "E.E.E"),
    "rt": Kind(_regex(r"\d{1,10}:\d{1,10}"), "ASN2:NN"),
    "area": Kind(_regex(r"\d+|\d+\.\d+\.\d+\.\d+"), "<0-4294967295>|A.B.C.D"),
    "interface": _interface("Ethernet", *NUMBERS),
    "ethernet": _interface("Ethernet"),
    "bundle": _interface("port-channel"),
    "svi": _interface("Vlan"),
    "loopback": _interface("loopback"),
    "nve": _interface("nve"),
    "mgmt": _interface("mgmt"),
}


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
        try:
            return KINDS[self.kind].read(word) if self.kind else None
        except ValueError:
            return None

    def shown(self) -> str:
        """For help."""
        return KINDS[self.kind].shown if self.kind else self.literal


Way = tuple[tuple[Token, ...], ...]
"""A way to write a pattern: the places, each with what may stand there."""
_LEXER = re.compile(r"\[|\]|\([^)]*\)|<[^>]+>|[^\s\[\]]+")


@lru_cache(maxsize=4096)
def ways(pattern: str) -> tuple[Way, ...]:
    """Every way to write a pattern. Raises ValueError for unbalanced brackets."""
    if pattern.count("[") != pattern.count("]"):
        raise ValueError(f"unbalanced pattern {pattern!r}")
    return tuple(_ways(iter(_LEXER.findall(pattern))))


def _ways(parts: Iterator[str]) -> list[Way]:
    """Up to the bracket that closes; what may be left out is there first."""
    found: list[Way] = [()]
    for part in parts:
        if part == "]":
            break
        if part == "[":
            inner = _ways(parts)
            found = [way + more for way in found for more in (*inner, ())]
        else:
            found = [(*way, _place(part)) for way in found]
    return found


def _place(part: str) -> tuple[Token, ...]:
    if part.startswith("<"):
        return (Token(kind=part[1:-1]),)
    return tuple(Token(word) for word in part.strip("()").split("|"))


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


class Following(NamedTuple):
    """What may come after some words; ``end``: the line may end there."""

    tokens: tuple[Token, ...]
    end: bool


_State = tuple[R, Way, tuple[str, ...]]
"""A command, what is yet to be typed of it, and what was, in full."""


def choose(rows: Sequence[R], words: Sequence[str], *, named: bool = False) -> Fit[R] | Wrong:
    """The command that a line means.

    A word typed in full wins over what it only begins (``ip`` never means ``ipv6``); a beginning that several commands
    share is told apart by the words behind it, else it is ambiguous. ``named``: the naming words are enough (``no``).
    """
    layers = _walk(rows, words)
    last = max((index for index, layer in enumerate(layers) if layer), default=0)
    states = layers[last]
    for index, column in enumerate(zip(*(typed for _, _, typed in states), strict=False)):
        if len(set(column)) > 1:
            return Wrong(index, Why.AMBIGUOUS)
    if last < len(words):
        return Wrong(last, Why.INVALID)
    for row, rest, typed in states:
        if not rest or (named and 0 < row.key <= len(typed)):
            return Fit(row, typed)
    return Wrong(last, Why.INCOMPLETE)


def following(rows: Sequence[R], words: Sequence[str]) -> Following:
    """For ``?`` and TAB."""
    states = _walk(rows, words)[len(words)]
    found = dict.fromkeys(token for _, rest, _ in states if rest for token in rest[0])
    return Following(tuple(found), any(not rest for _, rest, _ in states))


def _walk(rows: Sequence[R], words: Sequence[str]) -> list[list[_State[R]]]:
    """For each number of words taken: the commands that are still possible."""
    layers: list[list[_State[R]]] = [[] for _ in range(len(words) + 1)]
    layers[0] = [(row, way, ()) for row in rows for way in ways(row.pattern)]
    for index, word in enumerate(words):
        steps = [(state, token) for state in layers[index] if state[1] for token in state[1][0]]
        exact = any(token.literal == word.lower() for _, token in steps)
        whole = exact or any(token.rest for _, token in steps)
        for (row, rest, typed), token in steps:
            for count, taken in _taken(token, words[index:], exact=exact, whole=whole):
                layers[index + count].append((row, rest[1:], (*typed, *taken)))
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


NO_INTERFACE = "Invalid interface format at '^' marker."
"""NX-OS's words for a port that the box does not have (captured on Nexus 9000)."""


def mark(prompt: str, line: str, index: int, message: str) -> str:
    """The caret under a word of the line that was typed behind the prompt; behind the line when words are missing."""
    places = [found.start() for found in re.finditer(r"\S+", line)]
    place = places[index] if index < len(places) else len(line.rstrip())
    return f"{' ' * (len(prompt) + place)}^\n{message}"
