"""Lines read as a switch."""

from __future__ import annotations

from labctl.nxos.tree import ConfigTree, parse
from labctl.standin.switch.dataplane.settings import Address, SwitchModel


def model(text: str) -> SwitchModel:
    return SwitchModel(parse(text))


def test_an_empty_switch() -> None:
    empty = SwitchModel(ConfigTree())
    assert (empty.hostname, empty.vtep(), empty.bgp, empty.vpc, empty.vlans) == ("switch", None, (), None, {})


def test_interface() -> None:
    port = model(
        "interface Ethernet1/7\n  no switchport\n  mtu 9216\n  vrf member red\n  ip address 10.0.0.1/31 tag 12345\n"
        "  ipv6 address 2001:db8::1/64\n  ip ospf network point-to-point\n  ip ospf hello-interval 1\n"
        "  ip router ospf UNDERLAY area 0.0.0.0\n  no shutdown\n"
    ).interface("Ethernet1/7")
    assert port is not None
    assert (port.routed, port.mtu, port.vrf, port.number) == (True, 9216, "red", 7)
    assert port.addresses == (Address("10.0.0.1/31", 12345),)
    assert port.addresses6 == (Address("2001:db8::1/64"),)
    assert (port.ospf, port.ospf_hello, port.ospf_dead, port.ospf_point_to_point) == ("UNDERLAY", 1, 40, True)


def test_an_svi_is_down_until_it_is_told_and_a_port_is_not() -> None:
    found = model("interface Vlan5\n  mtu 9216\ninterface Vlan6\n  no shutdown\ninterface Ethernet1/1\n  shutdown\n")
    assert [interface.up for interface in found.interfaces] == [False, True, False]


def test_vtep_is_the_primary_address_of_the_source() -> None:
    found = model(
        "interface loopback1\n  ip address 10.0.0.100/32 secondary\n  ip address 10.0.0.3/32\n"
        "interface nve1\n  source-interface loopback1\n  member vni 5\n  member vni 9 associate-vrf\n"
    )
    assert found.vtep() == "10.0.0.3"
    assert found.nve_members == {5: False, 9: True}
    assert not found.nve_up


def test_vlans_of_a_list_and_their_segments() -> None:
    assert model("vlan 1,5,7-8\nvlan 5\n  vn-segment 5005\n").vlans == {1: None, 5: 5005, 7: None, 8: None}
    assert model("vlan 5,7\n  name red\n").vlan_names == {5: "red", 7: "red"}


def test_vrf_with_colour_and_statics() -> None:
    (vrf,) = model(
        "vrf context management\nvrf context red\n  vni 90001\n  ip route 12.0.0.0/8 198.18.0.2 tag 12345\n"
        "  address-family ipv4 unicast\n    route-target both auto evpn\n    route-target import 2101:2102 evpn\n"
        "    export map loopback\n  address-family ipv6 unicast\n    route-target import 2101:2102 evpn\n"
    ).vrfs
    assert (vrf.name, vrf.vni, vrf.imports, vrf.export_maps) == ("red", 90001, ("2101:2102",), {"ipv4": "loopback"})
    assert [(route.prefix, route.via, route.tag) for route in vrf.statics] == [("12.0.0.0/8", "198.18.0.2", 12345)]


def test_a_neighbor_has_what_its_template_says_and_its_own_wins() -> None:
    (default, red) = model(
        "router bgp 65001\n  template peer CALICO\n    remote-as 65531\n    ebgp-multihop 10\n    timers 10 30\n"
        "    address-family ipv4 unicast\n      as-override\n"
        "  vrf red\n    neighbor 10.0.0.9\n      inherit peer CALICO\n      timers 1 3\n"
        "    neighbor 10.0.0.8 remote-as 7\n      shutdown\n"
    ).bgp
    assert (default.vrf, default.neighbors, red.vrf) == (None, (), "red")
    first, second = red.neighbors
    assert (first.remote_as, first.multihop, first.timers, first.shutdown) == (65531, 10, (1, 3), False)
    assert first.families["ipv4 unicast"].has("as-override")
    assert (second.remote_as, second.shutdown, second.families) == (7, True, {})


def test_bgp_family() -> None:
    (instance,) = model(
        "router bgp 65001\n  router-id 1.1.1.1\n  address-family ipv4 unicast\n    network 10.0.0.0/8 route-map x\n"
        "    redistribute direct route-map y\n    maximum-paths 64\n    maximum-paths ibgp 2\n"
        "    advertise l2vpn evpn\n"
    ).bgp
    (family,) = instance.families
    assert (family.name, family.redistribute) == ("ipv4 unicast", (("direct", "y"),))
    assert family.networks == ["network 10.0.0.0/8 route-map x"]
    assert (family.paths, family.paths_ibgp, family.advertise_evpn) == (64, 2, True)


def test_lists_and_maps() -> None:
    found = model(
        "ip prefix-list A seq 5 permit 10.0.0.0/8 le 32\nroute-map m permit 10\n  match tag 7\nroute-map m deny 20\n"
    )
    assert found.prefix_lists == ["ip prefix-list A seq 5 permit 10.0.0.0/8 le 32"]
    assert [(clause.line, [line.line for line in clause.children]) for clause in found.route_maps] == [
        ("route-map m permit 10", ["match tag 7"]),
        ("route-map m deny 20", []),
    ]


def test_vpc() -> None:
    found = model(
        "vpc domain 7\n  virtual peer-link destination 10.0.0.2 source 10.0.0.1 dscp 56\n  ip arp synchronize\n"
        "interface port-channel11\n  vpc 11\ninterface port-channel500\n  vpc peer-link\n"
    )
    assert found.vpc is not None
    assert (found.vpc.domain, found.vpc.virtual) == (7, ("10.0.0.2", "10.0.0.1"))
    assert (found.vpc.arp_sync, found.vpc.nd_sync) == (True, False)
    leg, peer_link = found.kind("port-channel")
    assert (leg.vpc, leg.peer_link, peer_link.vpc, peer_link.peer_link) == (11, False, None, True)
