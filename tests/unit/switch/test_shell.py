"""A session: modes, replacing and removing, what the running configuration then says."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.nxos.tree import parse


def lines(console: Any) -> list[str]:
    return [line for line in console.running.splitlines() if not line.startswith("hostname")]


def test_prompts_follow_the_modes(console: Any) -> None:
    seen = [console.shell.prompt]
    console.type("configure terminal", "feature bgp")
    for line in (
        "router bgp 65001",
        "vrf red",
        "neighbor 10.0.0.1 remote-as 2",
        "address-family ipv4 unicast",
        "exit",
        "end",
    ):
        assert console.shell.execute(line) == ""
        seen.append(console.shell.prompt)
    assert seen == [
        "sw1# ",
        "sw1(config-router)# ",
        "sw1(config-router-vrf)# ",
        "sw1(config-router-vrf-neighbor)# ",
        "sw1(config-router-vrf-neighbor-af)# ",
        "sw1(config-router-vrf-neighbor)# ",
        "sw1# ",
    ]


def test_hostname_changes_the_prompt_at_once(console: Any) -> None:
    console.type("configure terminal", "hostname leaf9")
    assert console.shell.prompt == "leaf9(config)# "


def test_a_line_of_the_mode_around_leaves_the_inner_one(console: Any) -> None:
    console.configure("interface Ethernet1/1", "mtu 9216", "interface loopback0", "ip address 10.0.0.1/32")
    assert lines(console) == ["interface Ethernet1/1", "  mtu 9216", "interface loopback0", "  ip address 10.0.0.1/32"]


def test_a_later_value_replaces_the_earlier(console: Any) -> None:
    console.configure("interface Ethernet1/1", "mtu 9000", "mtu 9216", "shutdown", "no shutdown")
    assert lines(console) == ["interface Ethernet1/1", "  mtu 9216", "  no shutdown"]


@pytest.mark.parametrize("removal", ["no mtu 9216", "no mtu"])
def test_no_removes_with_and_without_the_value(console: Any, removal: str) -> None:
    console.configure("interface Ethernet1/1", "mtu 9216", removal)
    assert lines(console) == ["interface Ethernet1/1"]


def test_secondary_addresses_are_kept_beside_the_first(console: Any) -> None:
    console.configure(
        "interface loopback1", "ip address 10.0.0.1/32", "ip address 10.0.0.9/32 secondary", "ip address 10.0.0.2/32"
    )
    assert lines(console)[1:] == ["  ip address 10.0.0.2/32", "  ip address 10.0.0.9/32 secondary"]


def test_vrf_member_wipes_the_addresses(console: Any) -> None:
    console.configure("interface Vlan5", "mtu 9216", "ip address 10.0.0.1/24", "vrf member red")
    assert lines(console) == ["interface Vlan5", "  mtu 9216", "  vrf member red"]
    console.configure("interface Vlan5", "ip address 10.0.0.1/24", "vrf member red")  # the same: nothing is wiped
    assert "  ip address 10.0.0.1/24" in lines(console)


def test_vlans_are_listed_once_and_those_with_settings_follow(console: Any) -> None:
    console.configure("feature vn-segment-vlan-based", "vlan 10-12,5", "vlan 11", "name blue", "vn-segment 5011")
    assert lines(console)[1:] == ["vlan 1,5,10-12", "vlan 11", "  name blue", "  vn-segment 5011"]


def test_a_vlan_is_removed_from_every_list(console: Any) -> None:
    console.configure("vlan 5,10-12", "vlan 11", "name blue", "no vlan 11")
    assert lines(console) == ["vlan 1,5,10,12"]
    console.configure("no vlan 5,10-12")
    assert lines(console) == []


def test_a_channel_group_makes_its_port_channel(console: Any) -> None:
    console.configure("feature lacp", "interface Ethernet1/1", "channel-group 7 mode active")
    assert "interface port-channel7" in lines(console)


def test_no_feature_takes_its_configuration_along(console: Any) -> None:
    console.configure("feature bgp", "feature ospf", "router bgp 65001", "router-id 1.1.1.1", "no feature bgp")
    assert lines(console) == ["feature ospf"]


def test_abbreviations_are_written_out(console: Any) -> None:
    console.configure("int eth1/1", "desc to spine", "no shut", "switchp mode tr")
    assert lines(console) == [
        "interface Ethernet1/1", "  description to spine", "  no shutdown", "  switchport mode trunk",
    ]  # fmt: skip


def test_ip_is_never_short_for_ipv6(console: Any) -> None:
    console.type("configure terminal", "interface Ethernet1/1")
    assert "% Invalid" in console.shell.execute("ip address 2001:db8::1/64")
    assert console.shell.execute("ipv6 address 2001:db8::1/64") == ""


def test_the_platform_gets_one_change_a_burst(console: Any) -> None:
    console.configure("interface Ethernet1/1", "mtu 9216", "interface Ethernet1/2", "mtu 9216")
    assert len(console.platform.applied) == 1
    assert console.platform.applied[0].text() == console.running
    console.type("show running-config")
    assert len(console.platform.applied) == 1, "nothing changed since"


def test_a_show_sees_what_was_typed_before_it(console: Any) -> None:
    console.type("configure terminal", "interface Ethernet1/1", "mtu 9216", "show clock")
    assert console.platform.applied[-1].find("interface", "Ethernet1/1")


def test_what_the_platform_could_not_do_is_in_the_log(console: Any) -> None:
    console.platform.trouble = ["ip: no such device"]
    console.configure("interface Ethernet1/1", "mtu 9216")
    assert console.shell.execute("show labctl log").endswith("ip: no such device")


def test_lines_without_effect_say_why(console: Any) -> None:
    console.configure("interface Ethernet1/1", "spanning-tree port type edge")
    answer = console.shell.execute("show labctl ignored")
    assert answer.startswith("interface Ethernet1/1 / spanning-tree port type edge  the bridge runs no spanning tree")
    console.configure("interface Ethernet1/1", "no spanning-tree port type edge")
    assert console.shell.execute("show labctl ignored") == "no line is without effect"


def test_copy_saves_what_runs(console: Any) -> None:
    assert console.shell.execute("show startup-config") == "No startup configuration"
    console.configure("interface Ethernet1/1", "mtu 9216")
    assert console.shell.execute("copy running-config startup-config").endswith("Copy complete.")
    console.configure("interface Ethernet1/1", "mtu 1500")
    assert "mtu 9216" in console.shell.execute("show startup-config")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("show clock", "12:00\nTime source is NTP"),
        ("show clock | json", '{"time": "12:00"}'),
        ("show clock | json native", '{"time": "12:00"}'),
        ("show clock | include NTP", "Time source is NTP"),
        ("show clock | exclude NTP", "12:00"),
        ("show clock | begin Time", "Time source is NTP"),
        ("show clock | count", "2"),
        ("show clock | include 1 | count", "1"),
        ("show clock|no-more", "12:00\nTime source is NTP"),
    ],
)
def test_pipes(console: Any, line: str, answer: str) -> None:
    assert console.shell.execute(line) == answer


def test_sections_of_the_running_configuration(console: Any) -> None:
    console.configure("interface Ethernet1/1", "mtu 9216", "interface Ethernet1/2", "shutdown")
    wanted = "interface Ethernet1/2\n  shutdown\n"
    for line in ("show running-config interface eth1/2", "show running-config | section Ethernet1/2"):
        assert parse(console.shell.execute(line)).text() == wanted


def test_another_session_removed_the_section(console: Any) -> None:
    from labctl.standin.switch.shell import Shell

    console.type("configure terminal", "interface loopback5")
    other = Shell(console.device)
    for line in ("configure terminal", "no interface loopback5", "end"):
        assert other.execute(line) == ""
    assert console.shell.execute("mtu 9216").startswith("ERROR:")


def test_help_lists_what_may_follow(console: Any) -> None:
    console.type("configure terminal", "interface Ethernet1/1")
    assert console.shell.help("switchport mode ") == "  access|trunk"
    assert "  <mtu>" in console.shell.help("mtu ")


def test_exit_ends_the_session_only_at_the_top(console: Any) -> None:
    console.type("configure terminal", "exit")
    assert not console.shell.over
    console.type("exit")
    assert console.shell.over


def test_running_config_has_the_order_of_nxos(console: Any) -> None:
    console.configure(
        "feature bgp", "router bgp 1", "interface loopback0", "interface Ethernet1/10", "interface Ethernet1/2",
        "vrf context red", "vlan 5", "interface Vlan5",
    )  # fmt: skip
    assert lines(console) == [
        "feature bgp", "vlan 1,5", "vrf context red", "interface Vlan5", "interface Ethernet1/2",
        "interface Ethernet1/10", "interface loopback0", "router bgp 1",
    ]  # fmt: skip
