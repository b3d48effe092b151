"""Patterns: what fits, how it is written out, how far a line comes that does not fit."""

from __future__ import annotations

import pytest

from labctl.standin.switch.commands import MODES, PROMPTS
from labctl.standin.switch.grammar import KINDS, Match, Mismatch, compile_pattern, following, match


def fit(pattern: str, line: str) -> str | int:
    """The line in full, or the index of the word that does not fit."""
    result = match(compile_pattern(pattern), line.split())
    return result.line if isinstance(result, Match) else result.index


@pytest.mark.parametrize(
    ("pattern", "line", "result"),
    [
        ("ip route <net4> <ip4>", "ip route 10.0.0.0/8 10.1.1.1", "ip route 10.0.0.0/8 10.1.1.1"),
        ("ip route <net4> <ip4>", "ip ro 10.0.0.0/8 10.1.1.1", "ip route 10.0.0.0/8 10.1.1.1"),
        ("ip route <net4> <ip4>", "ip route 10.0.0.1/8 10.1.1.1", 2),
        ("ip route <net4> <ip4>", "ip route", 2),
        ("ip route <net4> <ip4>", "ip route 10.0.0.0/8 10.1.1.1 more", 4),
        ("a [b] c", "a b c", "a b c"),
        ("a [b] c", "a c", "a c"),
        ("a [b [c]]", "a b c", "a b c"),
        ("a [b [c]]", "a c", 1),
        ("mode (access|trunk)", "mode t", "mode trunk"),
        ("mode (trunk|trust)", "mode tru", 1),
        ("mode (trunk|trust)", "mode trunk", "mode trunk"),
        ("description <line>", "description any | words [at] all", "description any | words [at] all"),
        ("description <line>", "description", 1),
        ("interface <interface>", "interface eth1/7", "interface Ethernet1/7"),
        ("interface <loopback>", "interface Ethernet1/1", 1),
    ],
)
def test_fit(pattern: str, line: str, result: str | int) -> None:
    assert fit(pattern, line) == result


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("vlan", ["1", "3967"], ["0", "3968", "x", "-1", "²"]),
        ("vlans", ["1", "1,5-7"], ["", "5-", "4000", "1,,2", "a"]),
        ("vni", ["1", "16777215"], ["0", "16777216"]),
        ("mtu", ["576", "9216"], ["575", "9217"]),
        ("if4", ["10.0.0.1/31"], ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/255.0.0.0", "2001:db8::1/64"]),
        ("if6", ["2001:db8::1/64"], ["2001:db8::1", "10.0.0.1/24", "2001:db8::1/129"]),
        ("net4", ["10.0.0.0/8", "0.0.0.0/0"], ["10.0.0.1/8"]),
        ("net6", ["2001:db8::/32"], ["2001:db8::1/32", "10.0.0.0/8"]),
        ("ip", ["10.0.0.1", "::1"], ["10.0.0.256", "10.0.0.0/8"]),
        ("mac", ["2020.0000.00aa"], ["20:20:00:00:00:aa", "2020.0000.00AA"]),
        ("rt", ["2101:2102"], ["2101", "a:b"]),
        ("interface", ["Ethernet1/1", "po11", "lo0", "nve1", "mgmt0", "vlan 5"], ["Ethernet1", "eth", "serial0"]),
    ],
)
def test_kinds_of_values(kind: str, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if KINDS[kind](value) is None] == []
    assert [value for value in bad if KINDS[kind](value) is not None] == []


def test_following_words_for_help() -> None:
    tokens = compile_pattern("a [b] (c|d) <ip4>")
    assert {token.shown() for token in following(tokens, ("a",))} == {"b", "c|d"}
    assert [token.shown() for token in following(tokens, ("a", "c"))] == ["<ip4>"]
    assert list(following(tokens, ("x",))) == []


def test_a_mismatch_says_how_far_the_best_reading_came() -> None:
    assert match(compile_pattern("a [b c] d"), ["a", "b", "x"]) == Mismatch(2)


def test_every_mode_has_a_prompt_and_every_mode_is_entered_by_a_line() -> None:
    entered = {command.enters for commands in MODES.values() for command in commands if command.enters}
    assert set(MODES) == set(PROMPTS)
    assert entered == set(MODES) - {"config"}


def test_every_pattern_uses_known_kinds() -> None:
    kinds = {
        token.kind for commands in MODES.values() for command in commands for token in command.tokens if token.kind
    }
    assert kinds <= set(KINDS)
