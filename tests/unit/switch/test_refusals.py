"""What the switch refuses, and where its caret stands."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.nxos.platform import refusal

INVALID = "% Invalid command at '^' marker."
INCOMPLETE = "% Incomplete command at '^' marker."
AMBIGUOUS = "% Ambiguous command at '^' marker."


def place(console: Any, line: str) -> tuple[str, str]:
    """(the part of the typed line from the caret on, the switch's words)."""
    prompt = console.shell.prompt
    caret, words = console.shell.execute(line).split("\n")
    assert caret.strip() == "^"
    return (prompt + line)[caret.index("^") :], words


@pytest.mark.parametrize(
    ("line", "at", "words"),
    [
        ("foo", "foo", INVALID),
        ("show", "", INCOMPLETE),
        ("show nonsense", "nonsense", INVALID),
        ("show clock | nope", "nope", INVALID),
        ("configure nonsense", "nonsense", INVALID),
        ("copy running-config", "", INCOMPLETE),
    ],
)
def test_caret_of_an_exec_line(console: Any, line: str, at: str, words: str) -> None:
    assert place(console, line) == (at, words)


@pytest.mark.parametrize(
    ("line", "at", "words"),
    [
        ("interfce Ethernet1/1", "interfce Ethernet1/1", INVALID),
        ("interface Etehrnet1/1", "Etehrnet1/1", INVALID),
        ("interface", "", INCOMPLETE),
        ("vlan 4000", "4000", INVALID),
        ("vlan 10,abc", "10,abc", INVALID),
        ("vlan 1-99999999999", "1-99999999999", INVALID),
        ("hostname 1leaf", "1leaf", INVALID),
        ("feature bpg", "bpg", INVALID),
        ("ip prefix-list A seq 5 permit 10.0.0.1/8", "10.0.0.1/8", INVALID),
        ("ip prefix-list A seq 5 permit 2001:db8::/32", "2001:db8::/32", INVALID),
        ("ip prefix-list A seq 5 permit 10.0.0.0/8 le 33", "33", INVALID),
        ("ip prefix-list A seq 5", "", INCOMPLETE),
        ("ip route 10.0.0.0/8 10.0.0.1 tag", "", INCOMPLETE),
        ("no interfce Ethernet1/1", "interfce Ethernet1/1", INVALID),
    ],
)
def test_caret_of_a_configuration_line(console: Any, line: str, at: str, words: str) -> None:
    console.type("configure terminal")
    assert place(console, line) == (at, words)


@pytest.mark.parametrize(
    ("line", "at", "words"),
    [
        ("mtu 99999", "99999", INVALID),
        ("no mtu 99999", "99999", INVALID),
        ("switchport mode trnk", "trnk", INVALID),
        ("  ip address 10.0.0.256/24", "10.0.0.256/24", INVALID),
        ("ip address 10.0.0.1", "10.0.0.1", INVALID),
        ("ip address 10.0.0.1/255.255.255.0", "10.0.0.1/255.255.255.0", INVALID),
        ("ip address 2001:db8::1/64", "2001:db8::1/64", INVALID),
        ("channel-group 5 mode", "", INCOMPLETE),
        ("s", "s", AMBIGUOUS),
        # lines of the mode around: the caret is where they go wrong there
        ("vlan 5000", "5000", INVALID),
        ("ip prefix-list A seq 5 permit 10.0.0.1/8", "10.0.0.1/8", INVALID),
    ],
)
def test_caret_inside_an_interface(console: Any, line: str, at: str, words: str) -> None:
    console.type("configure terminal", "feature lacp", "interface Ethernet1/1")
    assert place(console, line) == (at, words)


@pytest.mark.parametrize(
    ("feature", "lines"),
    [
        ("bgp", ("router bgp 65001",)),
        ("ospf", ("router ospf UNDERLAY",)),
        ("vpc", ("vpc domain 1",)),
        ("interface-vlan", ("interface Vlan5",)),
        ("nv overlay", ("interface nve1",)),
        ("vn-segment-vlan-based", ("vrf context red", "vni 90001")),
        ("nv overlay", ("evpn",)),
        ("lacp", ("interface Ethernet1/1", "channel-group 5 mode active")),
        ("ospf", ("interface Ethernet1/1", "ip router ospf UNDERLAY area 0.0.0.0")),
        ("fabric forwarding", ("fabric forwarding anycast-gateway-mac 2020.0000.00aa",)),
        ("vn-segment-vlan-based", ("vlan 5", "vn-segment 5000")),
    ],
)
def test_a_line_needs_its_feature(console: Any, feature: str, lines: tuple[str, ...]) -> None:
    *before, line = lines
    console.type("configure terminal", *before)
    assert refusal(console.shell.execute(line)) == INVALID
    assert line not in console.running
    console.type(f"feature {feature}", *before)
    assert console.shell.execute(line) == ""
    assert line in console.running


def test_a_prefix_that_is_in_the_list_already_is_refused_in_any_mode(console: Any) -> None:
    console.configure("ip prefix-list A seq 5 permit 10.0.0.0/8")
    console.type("configure terminal")
    for _ in range(2):  # the second time from inside an interface
        answer = console.shell.execute("ip prefix-list A seq 10 permit 10.0.0.0/8")
        assert answer == "% Duplicate prefix-list entry: permit 10.0.0.0/8"
        assert refusal(answer)
        console.type("interface Ethernet1/1")


def test_a_refused_line_changes_nothing(console: Any) -> None:
    console.configure("interface Ethernet1/1", "mtu 9216")
    before = console.running
    console.type("configure terminal", "interface Ethernet1/1", "mtu 99999", "nonsense", "no nonsense")
    assert console.running == before


@pytest.mark.parametrize(
    "text",
    [
        "      ^\n% Invalid command at '^' marker.",
        "% Incomplete command at '^' marker.",
        "% Ambiguous command at '^' marker.",
        "% Duplicate prefix-list entry: permit 10.0.0.0/8",
        "ERROR: the section was removed by another session",
        "Error: VLAN is reserved",
        "% VRF not found",
        "Syntax error while parsing 'foo'",
    ],
)
def test_a_client_knows_every_refusal(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize("text", ["", "% total 5", "description Error rate", "Copy complete."])
def test_a_client_takes_no_answer_for_a_refusal(text: str) -> None:
    assert refusal(text) is None
