"""From one configuration to the next: only what changed is undone and done."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from labctl.guest.api import Op
from labctl.guest.client import Agent
from labctl.nxos.tree import parse
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.horizon import SplitHorizon
from labctl.standin.switch.dataplane.linux import KIND_ORDER
from labctl.standin.switch.dataplane.names import kernel_name, nxos_name
from labctl.standin.switch.dataplane.settings import SwitchModel
from tests.rendered import rendered

LEAF = rendered("whitepaper-standin-fabric")["nxos/leaf2101.cfg"]
PORTS = [f"{part}\n" for part in LEAF.split("\nrouter bgp")[0].split("\ninterface ")[1:]]


def objects(text: str) -> list[linux.KernelObject]:
    return linux.desired(SwitchModel(parse(text)), "02:00:00:00:00:01")


def changes(before: str, after: str) -> list[str]:
    return [op.text for op in linux.difference(objects(before), objects(after))]


def test_nothing_changed() -> None:
    assert changes(LEAF, LEAF) == []


def test_everything_from_nothing_one_kind_after_the_other() -> None:
    kinds = [KIND_ORDER.index(op.kind) for op in linux.difference([], objects(LEAF))]
    assert kinds == sorted(kinds)


def test_everything_goes_in_the_opposite_order() -> None:
    whole = objects(LEAF)
    assert linux.difference(whole, []) == [op for item in reversed(whole) for op in item.remove]


def test_a_gateway_that_is_made_anew_hears_the_peer_again() -> None:
    """A matchall filter cannot be replaced, and its action leads to the interface that is gone."""
    after = LEAF.replace("  ip address 192.168.1.1/24 tag 12345\n", "")
    done = changes(LEAF, after)
    for number, protocol in ((1, "arp"), (2, "ipv6")):
        gone = done.index(f"filter del dev pl0 ingress prio {number}")
        made = next(place for place, text in enumerate(done) if f"dev pl0 ingress protocol {protocol} prio" in text)
        assert gone < done.index("link del Vlan3001") < made


def test_a_changed_mtu_remakes_one_interface() -> None:
    text = "interface loopback5\n  ip address 10.0.0.1/32\ninterface loopback6\n  ip address 10.0.0.2/32\n"
    assert changes(text, text.replace("10.0.0.2", "10.0.0.3")) == [
        "link del loopback6",
        "link add loopback6 type dummy",
        "link set loopback6 addrgenmode none up",
        "addr add 10.0.0.3/32 dev loopback6",
    ]


def test_a_shut_node_port_takes_the_leg_down() -> None:
    after = LEAF.replace("channel-group 11 mode active\n  no shutdown", "channel-group 11 mode active\n  shutdown")
    assert after != LEAF
    assert changes(LEAF, after) == ["link set eth1 down"], "the bundle and its ethernet segment stay"
    assert changes(after, LEAF) == ["link set eth1 up"]


def test_a_port_that_is_shut_from_the_start_is_down_in_its_bundle() -> None:
    after = LEAF.replace("channel-group 11 mode active\n  no shutdown", "channel-group 11 mode active\n  shutdown")
    done = changes("", after)
    assert done.index("link set eth1 down", done.index("link set po11 up")) > done.index("link set po11 up")
    assert "link set eth1 up" not in done


def test_what_rests_on_a_leg_is_made_again_with_it() -> None:
    after = LEAF.replace("vpc 11\n", "vpc 11\n  mtu 1500\n", 1)
    done = changes(LEAF, LEAF.replace("channel-group 11 mode active\n  no shutdown", "channel-group 11 mode active"))
    assert done == []
    done = changes(LEAF, after.replace("  mtu 9216\n  no lacp suspend-individual\n  vpc 11", "  vpc 11", 1))
    gone, made = done.index("link del po11"), next(i for i, op in enumerate(done) if op.startswith("link add po11"))
    assert done.index("link set dev po11 nobackup_port") < gone < made
    assert done.index("link set dev po11 backup_port vxlan30001") > made
    assert done.index("qdisc replace dev po11 clsact") > made
    assert not any(op.startswith(("link del po12", "link del pl0", "link del Vlan")) for op in done)


def test_redirects_are_on_until_the_configuration_says_otherwise() -> None:
    port = "interface Ethernet1/1\n  no switchport\n"
    assert "net/ipv4/conf/eth1/send_redirects=1" in changes("", port)
    assert changes(port, f"{port}  no ip redirects\n") == ["net/ipv4/conf/eth1/send_redirects=0"]
    assert "net/ipv4/conf/all/send_redirects=0" in [op.text for op in objects("")[0].make]
    svi = "vlan 5\ninterface Vlan5\n  no shutdown\n  no ipv6 redirects\n"
    assert any("dev Vlan5 egress" in op and op.endswith("type 137 action drop") for op in changes("", svi))
    assert changes(svi, svi.replace("no ipv6 r", "ipv6 r")) == [
        "filter del dev Vlan5 egress prio 7",
        "net/ipv4/conf/Vlan5/send_redirects=1",
    ]


def test_anycast_gateways_have_the_fabrics_mac() -> None:
    vlan = next(item for item in objects(LEAF) if item.name == "interface Vlan3001")
    assert any("address 20:20:00:00:00:aa" in op.text for op in vlan.make)
    plain = next(item for item in objects(LEAF) if item.name == "interface Vlan2001")
    assert any("address 02:00:00:00:00:01" in op.text for op in plain.make)


def test_both_leafs_of_a_pair_have_one_lacp_system() -> None:
    other = LEAF.replace("hostname leaf2101", "hostname leaf2102")
    for text in (LEAF, other):
        leg = next(item for item in objects(text) if item.name == "interface port-channel11")
        assert "ad_actor_system 00:23:04:ee:be:01" in leg.make[0].text


def test_vxlan_waits_for_the_nve_interface() -> None:
    closed = LEAF.replace("interface nve1\n  no shutdown\n", "interface nve1\n  shutdown\n")
    assert closed != LEAF
    assert [item.name for item in objects(LEAF) if item.name.startswith("vni")] == ["vni 90001", "vni 30001"]
    assert [item.name for item in objects(closed) if item.name.startswith("vni")] == []


def test_frr_lines_with_the_modes_above_them() -> None:
    family = " address-family ipv4 unicast\n  maximum-paths 2\n exit-address-family\n"
    text = f"router bgp 1\n neighbor 1.1.1.1 remote-as 2\n{family}exit\n"
    assert frr.lines_of(text) == [
        ((), "router bgp 1"),
        (("router bgp 1",), "neighbor 1.1.1.1 remote-as 2"),
        (("router bgp 1",), "address-family ipv4 unicast"),
        (("router bgp 1", "address-family ipv4 unicast"), "maximum-paths 2"),
    ]


def test_frr_difference_first_takes_then_gives() -> None:
    before = "router bgp 1\n bgp router-id 1.1.1.1\nexit\nrouter ospf\n x\nexit\n"
    after = "router bgp 1\n no bgp default ipv4-unicast\nexit\n"
    assert frr.difference(before, after) == [
        ["router bgp 1", "no bgp router-id 1.1.1.1"],
        ["no router ospf"],
        ["router bgp 1", "no bgp default ipv4-unicast"],
    ]
    assert frr.difference(after, "router bgp 1\nexit\n") == [["router bgp 1", "bgp default ipv4-unicast"]]


@given(st.lists(st.sampled_from(PORTS), unique=True))
def test_any_selection_of_interfaces_leads_back_to_nothing(parts: list[str]) -> None:
    text = "vlan 1,2001,3001\n" + "".join(f"interface {part}" for part in parts)
    names = [item.name for item in objects(text)]
    assert len(set(names)) == len(names)
    assert changes(text, text) == []


def test_names_of_interfaces_in_linux() -> None:
    for nxos, kernel in (
        ("Ethernet1/7", "eth7"),
        ("port-channel11", "po11"),
        ("Vlan5", "Vlan5"),
        ("loopback0", "loopback0"),
    ):
        assert kernel_name(nxos) == kernel
        assert nxos_name(kernel) == nxos


def test_a_trunk_carries_all_vlans_unless_it_names_some() -> None:
    vlans = "vlan 1,5,6\n"
    trunk = "interface Ethernet1/1\n  switchport mode trunk\n"

    def carried(text: str) -> list[str]:
        (port,) = (item for item in objects(vlans + trunk + text) if item.name == "interface Ethernet1/1")
        return [op.text.removeprefix("vlan add dev eth1 vid ") for op in port.make if op.kind == "bridge"]

    assert carried("") == ["1 pvid untagged", "5", "6"]
    assert carried("  switchport trunk allowed vlan 6-9\n") == ["1 pvid untagged", "6"]
    assert carried("  switchport trunk allowed vlan none\n  switchport trunk native vlan 5\n") == ["5 pvid untagged"]


def test_a_leg_that_was_made_anew_gets_its_split_horizon_again() -> None:
    class Box:
        """Remembers what it was told."""

        def __init__(self) -> None:
            self.told: list[str] = []

        def batch(self, _namespace: str | None, ops: list[Op]) -> list[Any]:
            self.told += [op.text for op in ops]
            return []

    box = Box()
    segments = '[{"accessPort": "po11", "vteps": [{"vtep": "10.2.0.1"}]}]'
    horizon = SplitHorizon(cast("Agent", box), None, lambda: segments, box.told.append)
    closes = linux.horizon("po11", closed=True)[0].text
    for fresh, times in ((frozenset(), 1), (frozenset(), 1), (frozenset({"po11"}), 2)):
        horizon.configure(frozenset({"po11"}), [], fresh)
        horizon.look()
        assert box.told.count(closes) == times
    horizon.stop()
