"""The switch's command language: patterns as text, compiled to graphs that are walked word by word.

A pattern is words: plain ones are typed (a beginning that no other command has is enough), ``<kind>`` takes a value of
that kind, ``(a|b)`` one of some words, ``[…]`` may be left out. ``neighbor <ip> [remote-as <asn>]``
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from labctl.nxos.normal import vlan_list

Read = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """``read`` gives a value as NX-OS writes it, None when it is none of this kind; ``spaced``: ``vlan 5`` for one."""

    read: Read
    shown: str
    spaced: bool = False


def _number(low: int, high: int) -> Kind:
    def read(text: str) -> str | None:
        return str(int(text)) if text.isascii() and text.isdigit() and low <= int(text) <= high else None

    return Kind(read, f"<{low}-{high}>")


def _prefix(version: int, *, host: bool) -> Read:
    def read(text: str) -> str | None:
        address, slash, length = text.partition("/")
        try:
            parsed = ipaddress.ip_address(address)
            if parsed.version != version or not slash or not length.isdigit():
                return None
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return None
        if host:
            return f"{parsed}/{int(length)}" if _may_be_a_hosts(parsed, network) else None
        return str(network) if parsed == network.network_address else None

    return read


def _may_be_a_hosts(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    """Neither the network itself nor its broadcast address (RFC 3021: a /31 has neither), nor of a special kind."""
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local:
        return False
    if address.version == 6 or network.prefixlen >= 31:
        return True
    return address not in (network.network_address, network.broadcast_address)


def _any_prefix(version: int) -> Read:
    def read(text: str) -> str | None:
        try:
            interface = ipaddress.ip_interface(text)
        except ValueError:
            return None
        return text if interface.version == version and text.rpartition("/")[2].isdigit() else None

    return read


def _address(*versions: int) -> Read:
    def read(text: str) -> str | None:
        try:
            parsed = ipaddress.ip_address(text)
        except ValueError:
            return None
        return str(parsed) if parsed.version in versions else None

    return read


def _regex(pattern: str) -> Read:
    compiled = re.compile(pattern)
    return lambda text: text if compiled.fullmatch(text) else None


def _vlans(text: str) -> str | None:
    try:
        vlans = vlan_list(text)
    except ValueError:
        return None
    return text if vlans and all(1 <= vlan <= 3967 for vlan in vlans) else None


INTERFACES: dict[str, tuple[str, str, range]] = {
    "ethernet": ("Ethernet", r"[1-9]\d{0,2}/[1-9]\d{0,2}", range(0)),
    "port-channel": ("port-channel", r"\d{1,4}", range(1, 4097)),
    "vlan": ("Vlan", r"\d{1,4}", range(1, 3968)),
    "loopback": ("loopback", r"\d{1,4}", range(1024)),
    "mgmt": ("mgmt", r"\d", range(1)),
    "nve": ("nve", r"\d", range(1, 2)),
}
"""Typed name → (name in full, how its number looks, which numbers there are)."""


def _interface(*kinds: str) -> Kind:
    def read(text: str) -> str | None:
        found = re.fullmatch(r"([a-z-]+)\s*(\d[\d/]*)", text.lower())
        near = [name for name in INTERFACES if found and name.startswith(found[1])]
        if not found or len(near) != 1 or near[0] not in kinds:
            return None
        name, pattern, numbers = INTERFACES[near[0]]
        if not re.fullmatch(pattern, found[2]) or (numbers and int(found[2]) not in numbers):
            return None
        return name + (found[2] if "/" in found[2] else str(int(found[2])))

    return Kind(read, "|".join(kinds), spaced=True)


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
    "if4": Kind(_prefix(4, host=True), "A.B.C.D/LEN"),
    "if6": Kind(_prefix(6, host=True), "A:B::C:D/LEN"),
    "net4": Kind(_prefix(4, host=False), "A.B.C.D/LEN"),
    "net6": Kind(_prefix(6, host=False), "A:B::C:D/LEN"),
    "any4": Kind(_any_prefix(4), "A.B.C.D/LEN"),
    "any6": Kind(_any_prefix(6), "A:B::C:D/LEN"),
    "mac": Kind(_regex(r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}"), "E.E.E"),
    "rt": Kind(_regex(r"\d{1,10}:\d{1,10}"), "ASN2:NN"),
    "area": Kind(_regex(r"\d+|\d+\.\d+\.\d+\.\d+"), "<0-4294967295>|A.B.C.D"),
    "interface": _interface(*INTERFACES),
    "ethernet": _interface("ethernet"),
    "bundle": _interface("port-channel"),
    "svi": _interface("vlan"),
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
