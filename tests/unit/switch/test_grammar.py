"""Patterns: what fits, how it is written out, how far a line comes that does not fit."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from labctl.standin.switch.commands import MODES, PROMPTS
from labctl.standin.switch.grammar import KINDS, Token, Why, Wrong, choose, following, ways
from labctl.standin.switch.shell import FILTERS, VERBS
from labctl.standin.switch.shows.table import TABLE


@dataclass(frozen=True)
class Plain:
    """A row with nothing but its pattern."""

    pattern: str
    key: int = 0


def meant(patterns: str | tuple[str, ...], line: str) -> str | int:
    """The line in full, or the index of the word that does not fit."""
    rows = [Plain(pattern) for pattern in ((patterns,) if isinstance(patterns, str) else patterns)]
    found = choose(rows, line.split())
    return found.index if isinstance(found, Wrong) else found.line


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
        ("interface <interface> up", "interface port-channel 7 up", "interface port-channel7 up"),
        ("interface <loopback>", "interface Ethernet1/1", 1),
    ],
)
def test_fit(pattern: str, line: str, result: str | int) -> None:
    assert meant(pattern, line) == result


@pytest.mark.parametrize(
    ("patterns", "line", "result"),
    [
        (("ip route", "ipv6 route"), "ip route", "ip route"),
        (("show version", "shutdown"), "sh ver", "show version"),
        (("show version", "shutdown"), "sh", Wrong(0, Why.AMBIGUOUS)),
        (("show vlan", "show vpc"), "show v", Wrong(1, Why.AMBIGUOUS)),
        (("show vlan", "show vpc"), "show v brief", Wrong(1, Why.AMBIGUOUS)),
        (("show vlan", "show vpc"), "show", Wrong(1, Why.INCOMPLETE)),
        (("show vlan", "show vpc"), "show x", Wrong(1, Why.INVALID)),
        (
            ("ip address <if4>", "ip address <if4> secondary"),
            "ip add 10.0.0.1/24 sec",
            "ip address 10.0.0.1/24 secondary",
        ),
        (("grep <line>", "grep ignore-case <line>"), "grep i", "grep i"),
        (("grep <line>", "grep ignore-case <line>"), "gr ignore-case x", "grep ignore-case x"),
        (("member <vni>", "member <vni> associate-vrf"), "member 5", "member 5"),
    ],
)
def test_one_of_several(patterns: tuple[str, ...], line: str, result: str | Wrong) -> None:
    found = choose([Plain(pattern) for pattern in patterns], line.split())
    assert (found if isinstance(found, Wrong) else found.line) == result


def test_naming_words_are_enough_to_remove() -> None:
    rows = [Plain("ip address <if4>", 2)]
    assert choose(rows, ["ip", "address"]) == Wrong(2, Why.INCOMPLETE)
    assert not isinstance(choose(rows, ["ip", "address"], named=True), Wrong)
    assert choose(rows, ["ip"], named=True) == Wrong(1, Why.INCOMPLETE)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("vlan", ["1", "3967"], ["0", "3968", "x", "-1", "²"]),
        ("vlans", ["1", "1,5-7"], ["", "5-", "4000", "1,,2", "a"]),
        ("vni", ["1", "16777215"], ["0", "16777216"]),
        ("mtu", ["576", "9216"], ["575", "9217"]),
        ("if4", ["10.0.0.1/31", "10.0.0.0/31", "10.0.0.1/32"], ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/255.0.0.0"]),
        ("if4", ["10.0.0.254/24"], ["10.0.0.0/24", "10.0.0.255/24", "224.0.0.1/24", "127.0.0.1/8", "2001:db8::1/64"]),
        ("if6", ["2001:db8::1/64"], ["2001:db8::1", "10.0.0.1/24", "2001:db8::1/129", "ff02::1/64", "::/0"]),
        ("net4", ["10.0.0.0/8", "0.0.0.0/0"], ["10.0.0.1/8"]),
        ("net6", ["2001:db8::/32"], ["2001:db8::1/32", "10.0.0.0/8"]),
        ("ip", ["10.0.0.1", "::1"], ["10.0.0.256", "10.0.0.0/8"]),
        ("mac", ["2020.0000.00aa"], ["20:20:00:00:00:aa", "2020.0000.00AA"]),
        ("rt", ["2101:2102"], ["2101", "a:b"]),
        (
            "interface",
            ["Ethernet1/1", "e1/1", "po11", "lo0", "nve1", "mgmt0", "vlan 5"],
            ["Ethernet1", "eth", "serial0"],
        ),
        ("interface", ["Vlan3967", "port-channel4096"], ["Vlan3968", "port-channel0", "loopback1024", "nve2", "mgmt1"]),
    ],
)
def test_kinds_of_values(kind: str, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if Token(kind=kind).value(value) is None] == []
    assert [value for value in bad if Token(kind=kind).value(value) is not None] == []


def test_following_words_for_help() -> None:
    rows = [Plain("a [b] (c|d) [<ip4>]")]
    assert {token.shown() for token in following(rows, ["a"]).tokens} == {"b", "c", "d"}
    found = following(rows, ["a", "c"])
    assert ([token.shown() for token in found.tokens], found.end) == (["A.B.C.D"], True)
    assert following(rows, ["x"]).tokens == ()


def test_a_mismatch_says_how_far_the_best_reading_came() -> None:
    assert meant("a [b c] d", "a b x") == 2


def test_every_mode_has_a_prompt_and_every_mode_is_entered_by_a_line() -> None:
    entered = {command.enters for commands in MODES.values() for command in commands if command.enters}
    assert set(MODES) == set(PROMPTS)
    assert entered == set(MODES) - {"config"}


def test_every_pattern_uses_known_kinds() -> None:
    rows = [*(row for commands in MODES.values() for row in commands), *FILTERS, *VERBS, *TABLE]
    places = [place for row in rows for way in ways(row.pattern) for place in way]
    assert {token.kind for place in places for token in place if token.kind} <= set(KINDS)
