"""Whatever is typed, the session answers: a line is taken or refused, never the end of the session."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.standin.switch.commands import MODES
from labctl.standin.switch.grammar import ways

WORDS = sorted(
    {
        token.literal
        for commands in MODES.values()
        for command in commands
        for way in ways(command.pattern)
        for place in way
        for token in place
        if token.literal
    }
)
VALUES = (
    "1", "3001", "1-5", "²", "10.0.0.1", "10.0.0.0/24", "10.0.0.1/255.255.255.0", "10.0.0.1/33", "2001:db8::1/64",
    "fe80::1%eth0", "Ethernet1/1", "lo0", "vlan", "65000", "4294967296", "|", "|x", "no", "[", "?", "!", "-1", "''",
)  # fmt: skip
LINES = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(VALUES), st.text(max_size=6)), max_size=7).map(
    " ".join
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, min_size=1, max_size=8))
def test_any_line_is_answered(new_console: type[Any], lines: list[str]) -> None:
    console = new_console()
    console.type("configure terminal", "feature bgp", "feature ospf", "nv overlay evpn", *lines)
    assert console.shell.execute("show running-config").startswith("\n!Command")


@pytest.mark.parametrize(
    "line",
    [
        "|",
        "| include x",
        "show running-config|nonsense",
        "show running-config | show",
        "show running-config | include [",
        "show running-config | section (",
        "vlan ²",
        "vlan 1-99999999999",
    ],
)
def test_lines_that_are_no_lines_are_refused(new_console: type[Any], line: str) -> None:
    console = new_console()
    console.type("configure terminal")
    assert "%" in console.shell.execute(line)


def test_a_netmask_behind_a_slash_is_refused(new_console: type[Any]) -> None:
    console = new_console()
    console.type("configure terminal", "interface Ethernet1/1")
    assert "% Invalid" in console.shell.execute("ip address 10.0.0.1/255.255.255.0")


@pytest.mark.parametrize("pattern", ["[a", "a ] b", "[a [b]"])
def test_a_pattern_with_an_open_bracket_is_a_mistake_of_ours(pattern: str) -> None:
    with pytest.raises(ValueError, match=re.escape("unbalanced pattern")):
        ways(pattern)


def test_a_setting_below_a_list_of_vlans(new_console: type[Any]) -> None:
    console = new_console()
    console.configure("vlan 5,7", "name red", "vlan 6", "name blue")
    assert console.running.endswith("vlan 1,5-7\nvlan 5,7\n  name red\nvlan 6\n  name blue\n")
