"""Configuration trees: parsed by indentation, compared without regard to what NX-OS hides or reorders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.nxos.normal import canonical_line, interface_name, short_name, vlan_list
from labctl.nxos.tree import ConfigTree, Section, compare, parse

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789./:-", min_size=1, max_size=8)
LINE = st.lists(WORD, min_size=1, max_size=4).map(" ".join).filter(lambda line: not line.startswith("version "))
SECTIONS = st.recursive(
    st.lists(st.builds(Section, LINE), max_size=4),
    lambda below: st.lists(st.builds(Section, LINE, below.map(tuple)), max_size=4),
    max_leaves=15,
)
TREES = st.builds(ConfigTree, SECTIONS.map(tuple))
VPC = "vpc domain 1\n"
KEEPALIVE = "peer-keepalive destination 10.0.0.2 source 10.0.0.1"
VIRTUAL = "virtual peer-link destination 1.1.1.2 source 1.1.1.1"
PEER = "neighbor 1.1.1.1"
FAMILY = "address-family ipv4 unicast\n  "


def lines(tree: ConfigTree) -> str:
    """Without line numbers, which a parsed tree has and a built one has not."""
    return tree.text()


@given(TREES)
def test_what_is_written_is_parsed_again(tree: ConfigTree) -> None:
    assert lines(parse(tree.text())) == tree.text()


@given(TREES)
def test_a_tree_has_no_difference_to_itself(tree: ConfigTree) -> None:
    assert compare(tree, tree) == []
    assert compare(tree, parse(tree.text())) == []


@given(TREES)
def test_everything_is_missing_from_an_empty_switch(tree: ConfigTree) -> None:
    differences = compare(tree, ConfigTree())
    assert all(difference.kind == "missing" and difference.path == () for difference in differences)
    assert bool(differences) == bool(tree.sections)


@given(TREES, LINE)
def test_a_line_more_on_the_switch_is_extra_only_below_what_is_spoken_of(tree: ConfigTree, line: str) -> None:
    intended = ConfigTree((*tree.sections, Section("interface Ethernet9/9", (Section("mtu 9216"),))))
    running = ConfigTree(
        (*tree.sections, Section("interface Ethernet9/9", (Section("mtu 9216"), Section("zz " + line))))
    )
    (difference,) = compare(intended, running)
    assert (difference.kind, difference.path) == ("extra", ("interface Ethernet9/9",))
    assert compare(tree, running) == []


def test_numbers_are_those_of_the_file() -> None:
    tree = parse("! made by hand\n\ninterface Eth1/1\n  mtu 9216\n")
    section = tree.find("interface")
    assert section is not None
    assert (section.number, section.children[0].number) == (3, 4)
    (difference,) = compare(tree, parse("interface Ethernet1/1\n"))
    assert (difference.line, difference.number) == ("mtu 9216", 4)


def test_header_of_a_running_config_is_left_out() -> None:
    assert parse("\n!Command: show running-config\nversion 10.5(4) Bios:version\nhostname x\n").text() == "hostname x\n"


def test_indentation_of_any_width_and_back() -> None:
    assert parse("a\n    b\n     c\n    d\ne\n").text() == "a\n  b\n    c\n  d\ne\n"


@pytest.mark.parametrize(
    ("intended", "running"),
    [
        ("vlan 1,2001,3001\n", "vlan 1\nvlan 2001\nvlan 3001\n"),
        ("vlan 10-12\n", "vlan 10,11,12\n"),
        ("interface Eth1/1\n  mtu 9216\n", "interface Ethernet1/1\n  mtu 9216\n"),
        ("interface po11\n  mtu 9216\n", "interface port-channel11\n  mtu 9216\n"),
        (
            "vrf context v\n  address-family ipv4 unicast\n    route-target both 1:2\n",
            "vrf context v\n  address-family ipv4 unicast\n    route-target import 1:2\n    route-target export 1:2\n",
        ),
        ("interface Vlan5\n  no shutdown\n  mtu 9216\n", "interface Vlan5\n  mtu 9216\n"),
        ("interface port-channel5\n  switchport\n", "interface port-channel5\n"),
        ("router bgp 1\n  log-neighbor-changes\n  router-id 1.1.1.1\n", "router bgp 1\n  router-id 1.1.1.1\n"),
        ("ipv6 route 0::/0 2001:db8::1\n", "ipv6 route ::/0 2001:db8::1\n"),
        (
            "router bgp 1\n  neighbor 1.1.1.1\n    password a\n",
            "router bgp 1\n  neighbor 1.1.1.1\n    password 3 f94a\n",
        ),
        ("vlan 5\n  name x\nvlan 5\n  vn-segment 1\n", "vlan 5\n  vn-segment 1\n  name x\n"),
        ("int eth1/1\n  no shut\n  desc to a\n", "interface Ethernet1/1\n  description to a\n  no shutdown\n"),
        ("interface Ethernet1/1\n  no switchport\n  mtu 1500\n", "interface Ethernet1/1\n"),
        ("interface po5\n  lacp suspend-individual\n", "interface port-channel5\n"),
        (
            "interface Ethernet1/1\n  switchport access vlan 1\n  switchport mode access\n",
            "interface Ethernet1/1\n",
        ),
        (
            "interface Ethernet1/1\n  channel-group 11 force mode active\n",
            "interface Ethernet1/1\n  channel-group 11 mode active\n",
        ),
        (
            "interface port-channel5\n  switchport trunk allowed vlan 2,5-7\n",
            "interface port-channel5\n  switchport trunk allowed vlan 2,5\n  switchport trunk allowed vlan add 6-7\n",
        ),
        (
            "interface loopback0\n  ip router ospf UNDERLAY area 0\n",
            "interface loopback0\n  ip router ospf UNDERLAY area 0.0.0.0\n",
        ),
        ("interface nve1\n  source-interface lo1\n", "interface nve1\n  source-interface loopback1\n"),
        ("interface Vlan5\n  ipv6 address 2001:DB8:0::1/64\n", "interface Vlan5\n  ipv6 address 2001:db8::1/64\n"),
        (f"{VPC}  {KEEPALIVE} vrf management\n", f"{VPC}  {KEEPALIVE}\n"),
        (f"{VPC}  {KEEPALIVE}\n", f"{VPC}  {KEEPALIVE} udp-port 3200 interval 1000 timeout 5\n"),
        (f"{VPC}  virtual peer-link destination 1.1.1.2 source 1.1.1.1 dscp 56\n", f"{VPC}  {VIRTUAL}\n"),
        (f"{VPC}  auto-recovery\n", f"{VPC}  auto-recovery reload-delay 240\n"),
        (f"{VPC}  role priority 32667\n  delay restore 30\n", VPC),
        (f"router bgp 1\n  {PEER} remote-as 2\n", f"router bgp 1\n  {PEER}\n    remote-as 2\n"),
        (f"{FAMILY}send-community both\n", f"{FAMILY}send-community\n{FAMILY}send-community extended\n"),
        (f"{FAMILY}maximum-prefix 1000 warning-only\n", f"{FAMILY}maximum-prefix 1000 75 warning-only\n"),
        (f"{PEER}\n  update-source lo1002\n", f"{PEER}\n  update-source loopback1002\n"),
        (f"{PEER}\n  no shutdown\n", f"{PEER}\n"),
        (
            "fabric forwarding anycast-gateway-mac 2020.0000.00AA\n",
            "fabric forwarding anycast-gateway-mac 2020.0000.00aa\n",
        ),
        (
            "evpn\n  vni 30001 l2\n    rd auto\n    route-target both auto\n",
            "evpn\n  vni 30001 l2\n",
        ),
        ("vrf context v\n  vni 9\n  rd auto\n", "vrf context v\n  vni 9\n"),
    ],
)
def test_two_ways_to_say_one_thing(intended: str, running: str) -> None:
    assert compare(parse(intended), parse(running)) == []


@pytest.mark.parametrize(
    ("intended", "running", "missing"),
    [
        ("vlan 1,5\n", "vlan 1\n", "vlan 5"),
        ("interface Ethernet1/1\n  shutdown\n", "interface Ethernet1/1\n", "shutdown"),
        ("interface Ethernet1/1\n  no switchport\n", "interface Ethernet1/1\n  switchport\n", "no switchport"),
        ("interface Ethernet1/1\n  mtu 9216\n", "interface Ethernet1/1\n  mtu 9000\n", "mtu 9216"),
        ("feature bgp\n", "", "feature bgp"),
        ("interface Ethernet1/1\n  no shutdown\n", "interface Ethernet1/1\n  shutdown\n", "no shutdown"),
        ("interface Ethernet1/1\n  switchport\n", "interface Ethernet1/1\n  no switchport\n", "switchport"),
        ("interface Ethernet1/1\n  mtu 1500\n", "interface Ethernet1/1\n  mtu 9216\n", "mtu 1500"),
        ("vrf context v\n  rd auto\n", "vrf context v\n  rd 1:2\n", "rd auto"),
        (
            "interface port-channel5\n  switchport trunk allowed vlan 2,5-7\n",
            "interface port-channel5\n  switchport trunk allowed vlan 2,5-6\n",
            "switchport trunk allowed vlan 7",
        ),
        (
            "router bgp 1\n  neighbor 1.1.1.1 remote-as 2\n",
            "router bgp 1\n  neighbor 1.1.1.1\n    remote-as 3\n",
            "remote-as 2",
        ),
        ("interface Vlan5\n  description A\n", "interface Vlan5\n  description a\n", "description A"),
        (
            "router bgp 1\n  neighbor 1.1.1.1\n    password a\n",
            "router bgp 1\n  neighbor 1.1.1.1\n",
            "password <secret>",
        ),
    ],
)
def test_what_is_missing_is_told(intended: str, running: str, missing: str) -> None:
    found = [difference for difference in compare(parse(intended), parse(running)) if difference.kind == "missing"]
    assert [difference.line for difference in found] == [missing]


def test_what_a_member_port_inherits_from_its_bundle_is_not_missing_from_the_file() -> None:
    intended = "interface Ethernet1/1\n  channel-group 11 mode active\n"
    found = compare(parse(intended), parse(f"{intended}  switchport mode trunk\n  mtu 9216\n"))
    assert {(difference.kind, difference.line) for difference in found} == {
        ("extra", "switchport mode trunk"), ("extra", "mtu 9216"),
    }  # fmt: skip


def test_asking_a_section() -> None:
    section = parse("interface Ethernet1/1\n  ip address 10.0.0.1/31\n  ip address 10.0.0.9/32 secondary\n").sections[0]
    assert section.rest("ip", "address") == ("10.0.0.1/31",)
    assert len(section.all("ip", "address")) == 2
    assert section.rest("mtu") is None
    assert section.has("ip address 10.0.0.1/31")
    assert not section.has("ip address")


@pytest.mark.parametrize(
    ("typed", "full", "short"),
    [
        ("eth1/1", "Ethernet1/1", "Eth1/1"),
        ("Ethernet 1/7", "Ethernet1/7", "Eth1/7"),
        ("po11", "port-channel11", "Po11"),
        ("vlan3001", "Vlan3001", "Vlan3001"),
        ("lo1002", "loopback1002", "Lo1002"),
        ("nve1", "nve1", "nve1"),
        ("mgmt0", "mgmt0", "mgmt0"),
    ],
)
def test_interface_names(typed: str, full: str, short: str) -> None:
    assert interface_name(typed) == full
    assert short_name(full) == short


@pytest.mark.parametrize("text", ["serial0", "eth", "Ethernet1", "", "po"])
def test_no_interface_names(text: str) -> None:
    assert interface_name(text) is None


@given(st.lists(st.integers(1, 4094), min_size=1))
def test_vlan_lists(vlans: list[int]) -> None:
    assert vlan_list(",".join(str(vlan) for vlan in vlans)) == vlans


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1-", "-1", "1-99999999999", "²"])
def test_no_vlan_lists(text: str) -> None:
    with pytest.raises(ValueError, match="no list of VLANs"):
        vlan_list(text)


def test_a_vlan_line_that_is_no_list_is_compared_as_it_is() -> None:
    assert compare(parse("vlan filtering\n"), parse("vlan filtering\n")) == []


def test_secrets_do_not_get_into_differences() -> None:
    assert canonical_line("username admin password 5 $1$abc role network-admin") == "username <secret>"
