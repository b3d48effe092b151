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
    console.configure(
        "feature interface-vlan", "interface Vlan5", "mtu 9216", "ip address 10.0.0.1/24", "vrf member red"
    )
    assert lines(console)[1:] == ["interface Vlan5", "  mtu 9216", "  vrf member red"]
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
        ("show clock | json-pretty", '{\n    "time": "12:00"\n}'),
        ("show clock | include 12|NTP", "12:00\nTime source is NTP"),
        ('show clock | inc "12|NTP" | exc 12', "Time source is NTP"),
        ("show clock | grep ignore-case ntp", "Time source is NTP"),
        ("show clock | grep invert-match NTP", "12:00"),
        ("show clock | head lines 1", "12:00"),
        ("show clock | last 1", "Time source is NTP"),
        ("show clock | section Time", "Time source is NTP"),
    ],
)
def test_pipes(console: Any, line: str, answer: str) -> None:
    assert console.shell.execute(line) == answer


@pytest.mark.parametrize(
    ("line", "at", "words"),
    [
        ("show clock | include", "", "% Incomplete command at '^' marker."),
        ("show clock | e 12", "e 12", "% Ambiguous command at '^' marker."),
        ("show clock | xml", "xml", "% Invalid command at '^' marker."),
        ("show clock | include [", "[", "% Invalid command at '^' marker."),
    ],
)
def test_a_pipe_that_is_refused(console: Any, line: str, at: str, words: str) -> None:
    caret, said = console.shell.execute(line).split("\n")
    assert ((console.shell.prompt + line)[caret.index("^") :], said) == (at, words)


@pytest.mark.parametrize(
    ("line", "full"),
    [
        ("sh ip bgp sum vrf vrf-001", "ip bgp summary vrf vrf-001"),
        ("sho ip ro", "ip route"),
        ("SHOW VLAN", "vlan"),
    ],
)
def test_abbreviated_verbs(console: Any, line: str, full: str) -> None:
    assert console.shell.execute(line) == full
    console.type("conf t", "int eth1/1")
    assert console.shell.execute(line) == full, "show is there in every mode"


@pytest.mark.parametrize(
    ("line", "refused"),
    [("sh v", "Ambiguous"), ("co", "Ambiguous"), ("copy run", "Incomplete"), ("show ip b x", "Invalid")],
)
def test_refused_verbs(console: Any, line: str, refused: str) -> None:
    assert console.shell.execute(line).endswith(f"% {refused} command at '^' marker.")
    assert console.shell.refused


def test_a_beginning_of_shutdown_and_show_shuts_nothing(console: Any) -> None:
    console.type("conf t", "int eth1/1")
    assert "% Ambiguous" in console.shell.execute("sh")
    assert "shutdown" not in console.running


def test_the_terminal_is_set_without_a_word(console: Any) -> None:
    lines = (
        "terminal length 0",
        "terminal width 511",
        "terminal dont-ask",
        "no terminal dont-ask",
        "terminal no monitor",
    )
    assert console.type(*lines) == [""] * len(lines)
    assert console.shell.execute("show terminal") == "Length: 0 lines, Width: 511 columns"


@pytest.mark.parametrize(
    ("lines", "prompt"),
    [
        (("vlan 5",), "config-vlan"),
        (("route-map m permit 10",), "config-route-map"),
        (("vrf context red",), "config-vrf"),
        (("vrf context red", "address-family ipv4 unicast"), "config-vrf-af-ipv4"),
        (("vrf context red", "address-family ipv6 unicast"), "config-vrf-af-ipv6"),
        (("vpc domain 1",), "config-vpc-domain"),
        (("interface port-channel 5",), "config-if"),
        (("interface nve1",), "config-if-nve"),
        (("interface nve1", "member vni 5"), "config-if-nve-vni"),
        (("router ospf U",), "config-router"),
        (("router bgp 1", "template peer T", "address-family l2vpn evpn"), "config-router-neighbor-af"),
        (("router bgp 1", "vrf red", "address-family ipv4 unicast"), "config-router-vrf-af"),
        (("evpn",), "config-evpn"),
        (("evpn", "vni 5 l2"), "config-evpn-evi"),
    ],
)
def test_prompts_are_named_as_on_nxos(console: Any, lines: tuple[str, ...], prompt: str) -> None:
    console.type("conf t", "nv overlay evpn", *(f"feature {name}" for name in ("bgp", "ospf", "vpc", "nv overlay")))
    assert console.type(*lines) == [""] * len(lines)
    assert console.shell.prompt == f"sw1({prompt})# "


def test_a_description_may_hold_a_bar(console: Any) -> None:
    console.configure("interface Ethernet1/1", "description left | right")
    assert "  description left | right" in lines(console)


def test_parts_of_the_running_configuration(console: Any) -> None:
    console.configure(
        "feature bgp",
        "feature vpc",
        "router bgp 1",
        "router-id 1.1.1.1",
        "interface port-channel5",
        "mtu 9216",
        "vpc 5",
    )
    bgp, vpc = (console.shell.execute(f"show running-config {part}") for part in ("bgp", "vpc"))
    assert parse(bgp).text() == "feature bgp\nrouter bgp 1\n  router-id 1.1.1.1\n"
    assert parse(vpc).text() == "feature vpc\ninterface port-channel5\n  vpc 5\n"
    assert "\nversion 10.5(4) Bios:version\n" in bgp
    assert console.shell.execute("show run | section router").startswith("router bgp 1\n  router-id")


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
    assert console.shell.execute("description gone").startswith("ERROR:")


def test_help_lists_what_may_follow(console: Any) -> None:
    console.type("configure terminal", "interface Ethernet1/1")
    assert console.shell.help("switchport mode ") == "  access\n  trunk"
    assert console.shell.help("mtu ") == "  <576-9216>"


def test_exit_ends_the_session_only_at_the_top(console: Any) -> None:
    console.type("configure terminal", "exit")
    assert not console.shell.over
    console.type("exit")
    assert console.shell.over


def test_running_config_has_the_order_of_nxos(console: Any) -> None:
    console.configure(
        "feature bgp", "feature interface-vlan", "router bgp 1", "interface loopback0", "interface Ethernet1/10",
        "interface Ethernet1/2",
        "vrf context red", "vlan 5", "interface Vlan5",
    )  # fmt: skip
    assert lines(console) == [
        "feature bgp", "feature interface-vlan", "vlan 1,5", "vrf context red", "interface Vlan5",
        "interface Ethernet1/2", "interface Ethernet1/10", "interface loopback0", "router bgp 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("clear ip bgp vrf red 10.0.0.1", ("ip", "bgp", "vrf", "red", "10.0.0.1")),
        ("clear ip bgp 10.0.0.1 vrf red", ("ip", "bgp", "10.0.0.1", "vrf", "red")),
        ("clear ipv6 bgp vrf red 2001:db8::1", ("ipv6", "bgp", "vrf", "red", "2001:db8::1")),
        ("cle ip bgp vrf red *", ("ip", "bgp", "vrf", "red", "*")),
    ],
)
def test_clear_is_done_by_the_platform_and_changes_no_configuration(
    console: Any, line: str, words: tuple[str, ...]
) -> None:
    before = console.running
    assert console.shell.execute(line) == ""
    assert console.platform.cleared == [words]
    assert (console.running, console.platform.applied) == (before, [])


def test_a_clear_that_the_platform_cannot_do_is_refused_in_its_words(console: Any) -> None:
    console.platform.words = "ERROR: no such neighbor"
    assert console.shell.execute("clear ip bgp vrf red 10.0.0.9") == "ERROR: no such neighbor"
    assert console.shell.refused


@pytest.mark.parametrize("line", ["clear ip bgp vrf red 2001:db8::1", "clear ip bgp", "clear counters"])
def test_a_clear_that_is_not_known(console: Any, line: str) -> None:
    assert "%" in console.shell.execute(line)
    assert console.platform.cleared == []


def test_a_vpc_domain_has_its_lines_in_one_order_whatever_was_typed_last(console: Any) -> None:
    console.configure(
        "feature vpc", "vpc domain 1", "peer-switch",
        "peer-keepalive destination 10.0.0.2 source 10.0.0.1 vrf management",
        "virtual peer-link destination 10.1.0.2 source 10.1.0.1", "delay restore 150", "ip arp synchronize",
    )  # fmt: skip
    before = console.running
    virtual = "virtual peer-link destination 10.1.0.2 source 10.1.0.1"
    console.configure("vpc domain 1", f"no {virtual}")
    assert "virtual" not in console.running
    console.configure("vpc domain 1", virtual)
    assert console.running == before
