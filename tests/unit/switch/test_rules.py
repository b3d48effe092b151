"""Lines that are well formed and refused all the same."""

from __future__ import annotations

from typing import Any

import pytest

FEATURES = ("feature lacp", "feature vpc", "feature interface-vlan", "feature bgp", "feature vn-segment-vlan-based")
PREFIX = "ip prefix-list A seq 5 permit 10.0.0.0/8"
BUNDLED = ("interface Ethernet1/1", "channel-group 5 mode active")
LOOPBACK = ("interface loopback1", "ip address 10.0.0.1/32")


def answer(console: Any, before: tuple[str, ...], line: str) -> str:
    console.configure(*FEATURES, *before)
    console.type("configure terminal", *before[-1:])
    running = console.running
    text: str = console.shell.execute(line)
    assert console.shell.refused
    assert console.running == running
    return text


@pytest.mark.parametrize(
    ("before", "line", "words"),
    [
        (
            ("ip prefix-list A seq 5 permit 10.0.0.0/8",),
            "ip prefix-list A seq 5 permit 11.0.0.0/8",
            "% Duplicate sequence",
        ),
        (
            ("ip prefix-list A seq 5 permit 10.0.0.0/8",),
            "ip prefix-list A seq 6 permit 10.0.0.0/8",
            "% Duplicate prefix",
        ),
        (("router bgp 65001",), "router bgp 65002", "bgp instance is already running; Tag is 65001"),
        (("vlan 5", "vn-segment 5005", "vlan 6"), "vn-segment 5005", "ERROR: VNI 5005 is already mapped to vlan 5"),
        (
            (*LOOPBACK, "interface Vlan5"),
            "ip address 10.0.0.9/24",
            "ERROR: 10.0.0.9/24 overlaps with address configured on loopback1",
        ),
        (
            ("interface loopback1", "ipv6 address 2001:db8::1/128", "interface Vlan5"),
            "ipv6 address 2001:db8::9/64",
            "ERROR: 2001:db8::9/64 overlaps with address configured on loopback1",
        ),
        (
            (
                "interface port-channel5",
                "mtu 9216",
                "interface Ethernet1/1",
                "channel-group 5 mode active",
                "interface Ethernet1/1",
            ),
            "mtu 1500",
            "ERROR: Ethernet1/1: port is a member of port-channel5",
        ),
        (
            (*BUNDLED, "interface Ethernet1/2"),
            "channel-group 5 mode on",
            "command failed: port not compatible",
        ),
        (
            (*BUNDLED, "interface Ethernet1/1"),
            "channel-group 6 mode active",
            "command failed: port is already a member of port-channel5",
        ),
        (
            ("interface port-channel1", "vpc 7", "interface port-channel2"),
            "vpc 7",
            "ERROR: vpc 7 is already configured on port-channel1",
        ),
    ],
)
def test_refused(console: Any, before: tuple[str, ...], line: str, words: str) -> None:
    assert answer(console, before, line).startswith(words)


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ((PREFIX,), "ip prefix-list A seq 5 permit 10.0.0.0/8"),
        (("router bgp 65001",), "router bgp 65001"),
        (("interface loopback1", "ip address 10.0.0.1/32"), "ip address 10.0.0.1/32 secondary"),
        (
            ("interface loopback1", "ip address 10.0.0.1/24", "interface Vlan5", "vrf member red"),
            "ip address 10.0.0.1/24",
        ),
        (
            (
                "interface port-channel5",
                "mtu 9216",
                "interface Ethernet1/1",
                "channel-group 5 mode active",
                "interface Ethernet1/1",
            ),
            "mtu 9216",
        ),
        (
            (*BUNDLED, "interface Ethernet1/2"),
            "channel-group 5 force mode active",
        ),
    ],
)
def test_taken(console: Any, before: tuple[str, ...], line: str) -> None:
    opener = next(row for row in reversed(before) if row.startswith(("interface", "router", "ip prefix")))
    console.configure(*FEATURES, *before)
    console.type("configure terminal", opener)
    assert console.shell.execute(line) == ""


@pytest.mark.parametrize(
    ("interface", "line"),
    [
        ("loopback0", "switchport"),
        ("loopback0", "mtu 1500"),
        ("Vlan5", "channel-group 5 mode active"),
        ("Ethernet1/1", "vpc 5"),
        ("Ethernet1/1", "fabric forwarding mode anycast-gateway"),
        ("Ethernet1/1", "member vni 5"),
        ("mgmt0", "switchport"),
    ],
)
def test_each_kind_of_interface_has_lines_of_its_own(console: Any, interface: str, line: str) -> None:
    console.type("configure terminal", *FEATURES, "feature fabric forwarding", f"interface {interface}")
    assert "% Invalid command" in console.shell.execute(line)


def test_a_port_that_the_node_does_not_have(console: Any) -> None:
    console.device.config.ports = frozenset({"Ethernet1/1"})
    console.type("configure terminal")
    assert console.shell.execute("interface e1/1") == ""
    caret, words = console.shell.execute("interface Ethernet1/9").split("\n")
    assert (caret.index("^"), words) == (
        len(f"{console.shell.prompt}interface "),
        "Invalid interface format at '^' marker.",
    )


def test_no_feature_takes_its_lines_along_wherever_they_stand(console: Any) -> None:
    console.configure(
        *FEATURES, "interface Ethernet1/1", "channel-group 5 mode active", "interface Vlan5", "vlan 5", "vn-segment 5"
    )
    console.configure("no feature lacp", "no feature interface-vlan", "no feature vn-segment-vlan-based")
    rest = [line.strip() for line in console.running.splitlines()]
    assert not {"channel-group 5 mode active", "interface Vlan5", "vn-segment 5"} & set(rest)
    assert "interface Ethernet1/1" in rest


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        (("5-7",), "5-7"),
        (("5-7", "add 9"), "5-7,9"),
        (("5-7", "remove 6"), "5,7"),
        (("5", "remove 5"), "none"),
        (("none", "add 8"), "8"),
        (("remove 2-3967",), "1"),
        (("5", "all"), "1-3967"),
    ],
)
def test_a_trunks_vlans_are_added_and_removed(console: Any, lines: tuple[str, ...], result: str) -> None:
    console.configure("interface Ethernet1/1", *(f"switchport trunk allowed vlan {line}" for line in lines))
    assert console.running.splitlines()[-1] == f"  switchport trunk allowed vlan {result}"
