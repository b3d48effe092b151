"""Turning a running configuration back: what is typed, on the stand-in's own command line, and what a refusal says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import Problem, RejectedError
from labctl.nxos.platform import refusal
from labctl.nxos.push import COPY
from labctl.nxos.session import Refused
from labctl.nxos.tree import Difference, Section, changed, parse
from labctl.restore.part import restore
from labctl.restore.switch import SwitchPart, commands, negated, told
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.shell import Device, Shell
from tests.rendered import rendered, rendered_folder
from tests.unit.switch.conftest import RememberingPlatform

FOLDER = rendered_folder("whitepaper-standin-fabric")
LEAF = rendered("whitepaper-standin-fabric")["nxos/leaf2101.cfg"]


class Switch:
    """A session on a stand-in without a machine below it. ``refuses``: line → words, whatever it means."""

    name = "leaf2101"

    def __init__(self, text: str = LEAF) -> None:
        self.shell = Shell(Device(RunningConfig("leaf2101"), RememberingPlatform()))
        self.refuses: dict[str, str] = {}
        self.typed: list[str] = []
        assert self.type(*[line.strip() for line in text.splitlines()]) == []

    def type(self, *lines: str) -> list[Refused]:
        return self.configure([*enumerate(lines)], timeout=1.0)

    def configure(self, lines: Sequence[tuple[int, str]], *, timeout: float) -> list[Refused]:
        self.shell.execute("configure terminal")
        answers = [(number, line, self.refuses.get(line) or self.shell.execute(line)) for number, line in lines]
        self.shell.execute("end")
        self.typed = [line for _, line in lines]
        return [Refused(number, line, words) for number, line, words in answers if refusal(words)]

    def ask(self, line: str, *, timeout: float) -> str:
        return self.shell.execute(line)

    def show(self, command: str, *, timeout: float) -> str:
        return self.shell.execute(command)

    def close(self) -> None: ...


def running(switch: Switch) -> str:
    return switch.show("show running-config", timeout=1.0)


def rows(text: str) -> list[str]:
    """Without times, in any order."""
    return sorted(line for line in text.splitlines() if not line.startswith("!"))


def part(switch: Switch, first: str) -> SwitchPart:
    """The switch beside its snapshot; its folder is the golden one."""
    return SwitchPart(switch.name, first, lambda _name: switch, FOLDER, 1.0)  # type: ignore[arg-type,return-value]


def back(switch: Switch, first: str) -> list[Difference]:
    """Bring it back, and see that it is; what was different."""
    found = part(switch, first).differences()
    restore(part(switch, first))
    assert rows(running(switch)) == rows(first)
    assert part(switch, first).differences() == []
    return found


def problem(switch: Switch, first: str) -> Problem:
    """The one thing that is wrong when it has been tried."""
    with pytest.raises(RejectedError) as caught:
        restore(part(switch, first))
    (found,) = caught.value.problems
    return found


DAMAGE: dict[str, tuple[str, ...]] = {
    "port shut": ("interface Ethernet1/1", "shutdown"),
    "port's bundle gone": ("interface Ethernet1/2", "no channel-group 12", "description mine"),
    "neighbor gone": ("router bgp 65102", "vrf vrf-001", "no neighbor 192.168.1.11"),
    "neighbor shut": ("router bgp 65102", "vrf vrf-001", "neighbor 192.168.1.10", "shutdown"),
    "neighbor of another AS": ("router bgp 65102", "vrf vrf-001", "neighbor 10.9.9.9", "remote-as 65000"),
    "VLANs added": ("vlan 5,10-12", "vlan 77", "name mine"),
    "VLAN gone": ("no vlan 3001",),
    "VLAN with another segment": ("vlan 3001", "vn-segment 30009"),
    "trunk wider": ("interface port-channel11", "switchport trunk allowed vlan add 5-7"),
    "trunk open": ("interface port-channel12", "switchport trunk allowed vlan all"),
    "trunk no trunk": ("interface port-channel13", "switchport mode access"),
    "other VRF": ("interface loopback1002", "vrf member mine"),
    "gateway gone": ("interface Vlan3001", "no ip address 192.168.1.1/24"),
    "gateway elsewhere": ("interface Vlan3001", "ip address 192.168.7.1/24"),
    "routed port switched": ("interface Ethernet1/4", "switchport"),
    "underlay gone": ("no router ospf UNDERLAY",),
    "feature gone": ("no feature bgp",),
    "VXLAN gone": ("no interface nve1",),
    "prefix list": ("no ip prefix-list PL-K8S-IN seq 5", "ip prefix-list PL-K8S-IN seq 5 permit 10.0.0.0/8 le 32"),
    "route map": ("no route-map calico-ip-in permit 10", "route-map mine deny 5", "match tag 1"),
    "colours": ("vrf context vrf-001", "address-family ipv4 unicast", "no route-target both auto evpn"),
    "a VRF more": ("vrf context mine", "rd auto", "address-family ipv4 unicast", "route-target both auto"),
    "a loopback more": ("interface loopback99", "ip address 9.9.9.9/32"),
    "static route": ("ip route 9.0.0.0/8 192.168.1.10",),
    "name": ("hostname mine",),
    "vPC": ("interface port-channel11", "no vpc 11"),
    "MTU": ("interface Ethernet1/5", "mtu 1500"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_a_person_typed_is_turned_back(what: str) -> None:
    switch = Switch()
    first = running(switch)
    assert switch.type(*DAMAGE[what]) == []
    assert running(switch) != first
    found = back(switch, first)
    assert found
    assert sum(row.lines for row in found) < 80, "only what is different is typed"


@settings(max_examples=12)
@given(st.lists(st.sampled_from(sorted(DAMAGE)), min_size=2, max_size=8, unique=True))
def test_all_at_once(damages: list[str]) -> None:
    switch = Switch()
    first = running(switch)
    for damage in damages:
        switch.type(*DAMAGE[damage])  # a line may be refused when another one took its feature away
    back(switch, first)


def test_nothing_is_typed_where_nothing_is_different() -> None:
    switch = Switch()
    switch.typed = []
    assert back(switch, running(switch)) == []
    assert switch.typed == []


def test_a_value_is_replaced_and_a_list_is_shortened() -> None:
    first = parse("interface port-channel11\n  mtu 9216\n  switchport trunk allowed vlan 3001\nvlan 1,3001\n")
    now = parse("interface port-channel11\n  mtu 1500\n  switchport trunk allowed vlan 5,3001\nvlan 1,5,3001\n")
    assert [row.line for row in commands(changed(first, now))] == [
        "no vlan 5",
        "interface port-channel11",
        "mtu 9216",
        "switchport trunk allowed vlan 3001",
    ]


def test_a_line_that_fits_two_modes_is_typed_from_the_top() -> None:
    first = parse(
        "router bgp 1\n  vrf a\n    address-family ipv4 unicast\n      maximum-paths 4\n"
        "    neighbor 10.0.0.1\n      address-family ipv4 unicast\n        as-override\n    neighbor 10.0.0.2\n"
    )
    now = parse("router bgp 1\n  vrf a\n    address-family ipv4 unicast\n    neighbor 10.0.0.2\n")
    top = ["router bgp 1", "vrf a"]
    assert [row.line for row in commands(changed(first, now))] == [
        *top, "address-family ipv4 unicast", "maximum-paths 4",
        *top, "neighbor 10.0.0.1", "address-family ipv4 unicast", "as-override",
    ]  # fmt: skip


def test_what_a_switch_always_has_is_emptied_not_removed() -> None:
    first = parse("interface Ethernet1/9\nvlan 1\n")
    now = parse("interface Ethernet1/9\n  description mine\ninterface Ethernet1/10\n  mtu 9216\nvlan 1\n  name mine\n")
    assert {row.line for row in commands(changed(first, now))} >= {"no description", "no mtu", "no name"}
    assert not any(row.line.startswith("no interface") for row in commands(changed(first, now)))


@pytest.mark.parametrize(
    ("line", "taken_away_by"),
    [
        ("no shutdown", "shutdown"),
        ("channel-group 11 mode active", "no channel-group"),
        ("username eve password 5 $5$x role network-admin", "no username eve"),
        ("ip ospf message-digest-key 1 md5 3 abc", "no ip ospf message-digest-key 1"),
        ("neighbor 10.0.0.1", "no neighbor 10.0.0.1"),
    ],
)
def test_how_a_line_is_taken_away(line: str, taken_away_by: str) -> None:
    assert negated(line) == taken_away_by


def test_a_refused_line_has_its_place_in_the_folder_and_the_switchs_words() -> None:
    switch = Switch()
    first = running(switch)
    switch.type("router bgp 65102", "vrf vrf-001", "no neighbor 192.168.1.11")
    switch.refuses = {"description node01": "ERROR: not today"}
    found = problem(switch, first)
    lines = LEAF.splitlines()
    number = lines.index("      description node01", lines.index("    neighbor 192.168.1.11")) + 1
    assert str(found.place) == f"nxos/leaf2101.cfg:{number}"
    assert found.code == "line-refused"
    assert found.message == (
        "leaf2101: router bgp 65102 / vrf vrf-001 / neighbor 192.168.1.11 / description node01 was not brought back "
        "(description node01: ERROR: not today)"
    )


def test_a_line_that_stays_in_silence_is_a_problem_too() -> None:
    switch = Switch()
    first = running(switch)
    switch.type("vlan 77")
    switch.refuses = {"no vlan 77": " "}  # taken, and nothing done
    found = problem(switch, first)
    assert (found.code, found.message) == ("line-not-turned-back", "leaf2101: vlan 77 was not taken away")


def test_what_is_turned_back_is_saved_and_saving_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    switch = Switch()
    first = running(switch)
    switch.type("vlan 77")
    said = {COPY: "Configuration update aborted: no space"}
    monkeypatch.setattr(switch, "ask", lambda line, timeout: said[line])
    found = problem(switch, first)
    assert found.code == "not-saved"


def test_secrets_are_not_told() -> None:
    row = Difference("missing", ("router bgp 1", "neighbor 10.0.0.1"), Section("password 3 a1b2c3d4"))
    assert told(row) == "router bgp 1 / neighbor 10.0.0.1 / password 3 <redacted>"
