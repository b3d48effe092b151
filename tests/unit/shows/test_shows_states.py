"""What the show commands say when something is wrong, and the pure parsers alone."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from labctl.bonding import parse_bond
from labctl.guest.api import AgentError
from labctl.nxos.tree import parse
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.grammar import Why, Wrong, choose
from labctl.standin.switch.shows import bundles, form, forwarding, interfaces, routing
from labctl.standin.switch.shows.machine import Look
from labctl.standin.switch.shows.table import TABLE, show
from tests.unit.shows.conftest import RECORDED

CONTEXT = routing.Context(65102, "UNDERLAY", 90001, {"192.168.1.11": 65531}, {})


def ask(switch: Any, command: str) -> dict[str, Any]:
    text = show(switch, tuple(command.split()), as_json=True)
    body: dict[str, Any] = json.loads(text) if text else {}
    return body


@pytest.mark.parametrize(
    ("words", "index"),
    [
        ("nothing", 0),
        ("ip bogus", 1),
        ("ip route bgp", 2),
        ("ip route 10.0.0.1 bogus", 3),
        ("bgp vrf v ipv4 summary", 4),
    ],
)
def test_the_first_word_that_fits_nowhere(words: str, index: int) -> None:
    assert choose(TABLE, words.split()) == Wrong(index, Why.INVALID)


def test_an_abbreviated_command_is_the_same(leaf: Any) -> None:
    assert show(leaf, ("port", "sum"), as_json=False) == show(leaf, ("port-channel", "summary"), as_json=False)


@pytest.mark.parametrize("command", ["ip route vrf nope", "ip bgp summary vrf nope", "ip arp vrf nope"])
def test_a_vrf_that_is_not_there_has_nothing_to_tell(leaf: Any, command: str) -> None:
    assert show(leaf, tuple(command.split()), as_json=False) == ""


def test_broken_json_of_a_daemon_is_no_silence(leaf: Any) -> None:
    leaf.vty["zebra: show evpn es json"] = '[{"esi":'
    with pytest.raises(AgentError, match="show evpn es json"):
        show(leaf, ("vpc",), as_json=False)


def test_words_instead_of_json_are_nothing(leaf: Any) -> None:
    leaf.vty["zebra: show evpn es json"] = "% No such thing"
    assert Look(leaf).segments == {}


def test_without_bgpd_there_is_no_summary(leaf: Any) -> None:
    leaf.daemons.running = frozenset({"zebra"})
    assert show(leaf, ("bgp", "l2vpn", "evpn", "summary"), as_json=False) == ""


# --- vPC and port-channels


def test_a_peer_that_evpn_does_not_list_is_down(leaf: Any) -> None:
    leaf.vty["zebra: show evpn es json"] = json.dumps(
        [{**row, "vteps": []} for row in json.loads(leaf.vty["zebra: show evpn es json"])]
    )
    body = ask(leaf, "vpc brief")
    assert (body["vpc-peer-status"], body["vpc-role"]) == ("peer-link-down", "none-established")
    assert {leg["vpc-consistency"] for leg in body["TABLE_vpc"]["ROW_vpc"]} == {"inconsistent"}
    assert body["TABLE_peerlink"]["ROW_peerlink"]["peer-link-port-state"] == "0"
    assert body["vpc-peer-keepalive-status"] == "peer-alive", "the keepalive goes another way"


KEEPALIVE = "ping -n -q -c 1 -W 1 -I management 172.20.20.14"


def test_a_keepalive_that_is_not_answered_leaves_the_peer_link_up(leaf: Any) -> None:
    leaf.failing.add(KEEPALIVE)
    body = ask(leaf, "vpc brief")
    assert (body["vpc-peer-status"], body["vpc-peer-keepalive-status"]) == ("peer-ok", "peer-not-alive")
    assert "Suspended" in show(leaf, ("vpc", "peer-keepalive"), as_json=False)


def test_without_a_keepalive_nobody_is_alive(leaf: Any) -> None:
    assert leaf.model.vpc.keepalive == ("172.20.20.14", "management")
    leaf.model.vpc.keepalive = None
    assert ask(leaf, "vpc brief")["vpc-peer-keepalive-status"] == "peer-not-alive"


def test_a_virtual_peer_link_that_is_taken_away_is_down(leaf: Any) -> None:
    leaf.model.vpc.virtual = None
    body = ask(leaf, "vpc brief")
    assert (body["vpc-peer-status"], body["vpc-peer-keepalive-status"]) == ("peer-link-down", "peer-alive")


def test_a_leg_that_is_down_is_seen_in_both_tables(recorded: Callable[[str], Any]) -> None:
    switch = recorded("leaf2101-leg-down")
    states = {row["vpc-id"]: row["vpc-port-state"] for row in ask(switch, "vpc")["TABLE_vpc"]["ROW_vpc"]}
    assert states == {"11": "1", "12": "0", "13": "1"}
    channels = {row["group"]: row for row in ask(switch, "port-channel summary")["TABLE_channel"]["ROW_channel"]}
    assert channels["12"]["status"] == "D"
    assert channels["12"]["TABLE_member"]["ROW_member"] == {"port": "Ethernet1/2", "port-status": "D"}
    assert channels["11"]["TABLE_member"]["ROW_member"]["port-status"] == "P"


def test_a_port_without_a_partner_is_suspended(leaf: Any) -> None:
    text = Look(leaf).bonds["po11"].replace("port state: 63", "port state: 69")
    assert bundles.member_flag(parse_bond(text), "eth1") == "s"
    assert bundles.member_flag(parse_bond(text), "eth9") == "D"


@pytest.mark.parametrize(
    ("flags", "role"),
    [([["local", "nonDF"]], "secondary"), ([["local"]], "primary"), ([["local"], ["nonDF"]], "primary")],
)
def test_the_role_is_that_of_the_designated_forwarder(flags: list[list[str]], role: str) -> None:
    assert bundles.designated([{"flags": row, "vteps": [{"vtep": "10.2.0.1"}]} for row in flags]) == role


def test_lacp_shows_what_the_partner_sent(leaf: Any) -> None:
    text = Look(leaf).bonds["po11"]
    changed = text.replace("oper key: 15", "oper key: 32768").replace("system priority: 65535", "system priority: 100")
    (partner,) = bundles.members(changed)
    assert (partner.number("oper key"), partner.number("system priority")) == (32768, 100)
    assert (partner.port, partner.speed) == ("Ethernet1/1", 10000)
    assert " FA\n" in bundles.partner_text(partner)


def test_a_slow_passive_partner(leaf: Any) -> None:
    head, _, tail = Look(leaf).bonds["po11"].rpartition("port state: 63")
    assert " SP\n" in bundles.partner_text(bundles.members(f"{head}port state: 60{tail}")[0])


# --- routes


def row(protocol: str, prefix: str, *hops: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        prefix: [
            {
                "prefix": prefix,
                "protocol": protocol,
                "selected": True,
                "uptime": "00:00:28",
                "nexthops": list(hops),
                **more,
            }
        ]
    }


def test_what_is_not_in_the_fib_is_no_path() -> None:
    live, dead = {"fib": True, "ip": "192.168.1.11"}, {"ip": "192.168.1.13"}
    (route,) = routing.route_rows(row("bgp", "10.244.65.0/26", live, dead, distance=20), CONTEXT)
    assert [path["ipnexthop"] for path in route["paths"]] == ["192.168.1.11"]


def test_an_unselected_route_is_not_shown() -> None:
    assert (
        routing.route_rows(row("bgp", "10.244.65.0/26", {"fib": True, "ip": "192.168.1.11"}, selected=False), CONTEXT)
        == []
    )


def test_external_and_vxlan_paths() -> None:
    (external,) = routing.route_rows(
        row("bgp", "10.244.65.0/26", {"fib": True, "ip": "192.168.1.11"}, distance=20), CONTEXT
    )
    assert routing.routes_text("v", 4, [external], asked=False).endswith(
        "[20/0], 00:00:28, bgp-65102, external, tag 65531"
    )
    hop = {"fib": True, "ip": "10.2.0.1", "onLink": True}
    (overlaid,) = routing.route_rows(row("bgp", "192.168.100.2/32", hop, distance=200), CONTEXT)
    assert "10.2.0.1%default, [200/0]" in routing.routes_text("v", 4, [overlaid], asked=False)
    assert (overlaid["paths"][0]["segmentid"], overlaid["paths"][0]["tunnelid"]) == ("90001", "0xa020001")


def test_link_local_prefixes_are_left_out() -> None:
    assert routing.route_rows(row("connected", "fe80::/64", {"fib": True, "interfaceName": "Vlan1"}), CONTEXT) == []


def test_kernel_names_never_reach_the_reader(leaf: Any) -> None:
    for command in ("ip route", "ip arp", "mac address-table", "vlan brief", "interface brief"):
        text = show(leaf, tuple(command.split()), as_json=True)
        assert not any(f'"{name}' in text for name in ("eth1", "eth4", "po1"))


# --- BGP


def peer(**more: Any) -> dict[str, Any]:
    return {
        "remoteAs": 65531,
        "msgRcvd": 1,
        "msgSent": 2,
        "inq": 0,
        "outq": 0,
        "peerUptime": "never",
        "state": "Active",
        **more,
    }


@pytest.mark.parametrize(
    ("peer_row", "last"),
    [
        (peer(), "Active"),
        (peer(state="Established", pfxRcd=0), "0"),
        (peer(state="Idle (Admin)"), "Shut (Admin)"),
        (peer(peerState="Admin", state="Idle"), "Shut (Admin)"),
    ],
)
def test_the_last_column(peer_row: dict[str, Any], last: str) -> None:
    body = {"routerId": "1.1.1.1", "as": 65102, "peers": {"192.168.1.10": peer_row}}
    (found,) = routing.summary_row(body, {}, "v", "ipv4")["neighbors"]
    assert routing.peer_line(found).split()[8:] == ["never", *last.split()]


def test_memory_counts() -> None:
    text = "98 BGP attributes, using 28 KiB of memory\n3 BGP AS-PATH entries, using 144 bytes of memory\n"
    found = {"attributes": "[98/28672]", "as-paths": "[3/144]", "communities": "[0/0]", "clusters": "[0/0]"}
    assert routing.memory(text) == found


@pytest.mark.parametrize(
    ("statistics", "sizes"),
    [
        ({"ipv4Unicast": [{"instance": "VRF v", "totalAdvertisements": 34, "totalPrefixes": 15}]}, (15, 34)),
        ({"l2VpnEvpn": [{"totalAdvertisements": 3, "totalPrefixes": 2}]}, (2, 3)),
        ({}, (0, 0)),
    ],
)
def test_networks_are_prefixes_and_not_nodes_of_a_tree(statistics: Any, sizes: tuple[int, int]) -> None:
    """FRR counts branches of its tree as well (``ribCount``), and of EVPN the route distinguishers."""
    body = {"routerId": "1.1.1.1", "as": 65102, "ribCount": 29}
    item = routing.summary_row(body, statistics, "v", "ipv4")
    assert (item["totalnetworks"], item["totalpaths"]) == tuple(map(str, sizes))


def test_paths_of_both_shapes_are_counted() -> None:
    path = {"peerId": "10.2.1.5", "routeType": 2}
    assert routing.route_types({"rd": {"rd": "x", "[2]": {"paths": [path, [path]]}}}) == {("10.2.1.5", 2): 2}


# --- the rest


def test_ages() -> None:
    assert [form.frr_age(t) for t in ("00:00:28", "01d02h03m", "02w3d04h", "never")] == [
        "00:00:28",
        "1d02h",
        "2w3d",
        "never",
    ]
    assert (form.clock(93784), form.clock(3600), form.duration("00:03:18")) == ("1d02h", "01:00:00", "PT3M18S")


def test_the_oldest_route_through_a_vtep_is_its_age() -> None:
    hop = [{"onLink": True, "ip": "10.2.0.1"}]
    tables = [{"a": [{"uptime": "01d02h03m", "nexthops": hop}], "b": [{"uptime": "23:00:00", "nexthops": hop}]}]
    assert forwarding.oldest(tables) == {"10.2.0.1": "01d02h03m"}


def test_a_vtep_that_evpn_forgot_is_no_peer() -> None:
    assert forwarding.peer_rows({"30001": {"remoteVteps": []}, "90001": {"numRemoteVteps": "n/a"}}, {}, {}) == []


def test_an_unanswered_neighbour_is_incomplete() -> None:
    (found,) = forwarding.adjacency_rows([{"dst": "10.4.0.0", "dev": "eth4", "state": ["FAILED"]}], set())
    assert (found["mac"], found["intf-out"], found["time-stamp"]) == ("INCOMPLETE", "Ethernet1/4", "-")


def test_vlan_ranges_of_the_bridge(leaf: Any) -> None:
    leaf.kernel["bridge -j vlan show"] = '[{"ifname": "po11", "vlans": [{"vlan": 10, "vlanEnd": 12}]}]'
    leaf.model = SwitchModel(parse("vlan 11,13\n"))
    assert [vlan for vlan, _ in Look(leaf).vlans["po11"]] == [10, 11, 12]
    rows = {row["vlanshowbr-vlanid"]: row for row in ask(leaf, "vlan")["TABLE_vlanbriefxbrief"]["ROW_vlanbriefxbrief"]}
    assert rows["11"]["vlanshowplist-ifidx"] == "Po11,Eth1/1"
    assert rows["13"]["vlanshowplist-ifidx"] == ""


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (None, ("down", "No such device in the kernel")),
        ({"flags": ["BROADCAST"]}, ("down", "Administratively down")),
        ({"flags": ["UP"], "operstate": "LOWERLAYERDOWN"}, ("down", "Link not connected")),
        ({"flags": ["UP"], "operstate": "UP"}, ("up", "none")),
    ],
)
def test_link_states(link: dict[str, Any] | None, expected: tuple[str, str]) -> None:
    assert interfaces.state(link) == expected


def test_tags_are_those_of_the_configuration() -> None:
    model = SwitchModel(
        parse(
            "interface Vlan5\n  vrf member red\n  ip address 10.0.0.1/24 tag 7\n"
            "vrf context red\n  ip route 12.0.0.0/8 10.0.0.2 tag 9\n"
        )
    )
    tags = routing.tags(model, "red")
    assert tags == {("10.0.0.0/24", "Vlan5"): 7, ("10.0.0.1/32", "Vlan5"): 7, ("12.0.0.0/8", "10.0.0.2"): 9}
    assert routing.tags(model, None) == {}
    context = dataclasses.replace(CONTEXT, tags=tags)
    (static,) = routing.route_rows(row("kernel", "12.0.0.0/8", {"fib": True, "ip": "10.0.0.2"}), context)
    assert routing.routes_text("red", 4, [static], asked=False).endswith("static, tag 9")
    (other,) = routing.route_rows(row("connected", "10.0.0.0/24", {"fib": True, "interfaceName": "eth1"}), context)
    assert routing.routes_text("red", 4, [other], asked=False).endswith("direct")


def test_every_vrf_has_its_table(leaf: Any) -> None:
    leaf.vty["zebra: show ip route vrf management json"] = "{}"
    leaf.vty["bgpd: show bgp vrf management ipv4 unicast summary json"] = "{}"
    found = ask(leaf, "ip route vrf all")["TABLE_vrf"]["ROW_vrf"]
    assert [vrf["vrf-name-out"] for vrf in found] == ["default", "management", "vrf-001"]
    leaf.kernel["ip -j -4 -s neigh show vrf management"] = "[]"
    text = show(leaf, ("ip", "arp", "vrf", "all"), as_json=False)
    assert "IP ARP Table for all contexts\nTotal number of entries: 5\n" in text


def test_an_interface_in_a_vrf_that_no_line_made_is_shown(leaf: Any) -> None:
    leaf.model = SwitchModel(parse("interface Vlan3001\n  vrf member other\n"))
    rows = ask(leaf, "ip interface brief vrf all")["TABLE_intf"]["ROW_intf"]
    assert ("other", "Vlan3001") in {(row["vrf-name-out"], row["intf-name"]) for row in rows}


@pytest.mark.parametrize("words", ["ip route vrf vrf-001 192.168.1.11", "ip route 192.168.1.11 vrf vrf-001"])
def test_the_prefix_stands_on_either_side_of_the_vrf(leaf: Any, words: str) -> None:
    assert "192.168.1.0/24, ubest/mbest: 1/0, attached" in show(leaf, tuple(words.split()), as_json=False)


def test_one_row_is_an_object_and_several_are_a_list(leaf: Any) -> None:
    macs = ask(leaf, "mac address-table vlan 2001")["TABLE_mac_address"]["ROW_mac_address"]
    assert {entry["disp_vlan"] for entry in macs} == {"2001"}
    assert isinstance(ask(leaf, "ip bgp summary")["TABLE_vrf"]["ROW_vrf"], dict)
    assert ask(leaf, "mac address-table vlan 7") == {}


def test_the_clock_is_the_machines(leaf: Any) -> None:
    leaf.kernel["date -u +%H:%M:%S.%3N UTC %a %b %d %Y"] = "12:34:56.789 UTC Tue Nov 25 2025\n"
    assert show(leaf, ("clock",), as_json=False) == "12:34:56.789 UTC Tue Nov 25 2025"
    assert ask(leaf, "clock") == {"simple_time": "12:34:56.789 UTC Tue Nov 25 2025"}


def ospf_neighbor(**more: Any) -> dict[str, Any]:
    """As ospfd 10 writes one (ospfd/ospf_vty.c, ``show_ip_ospf_neighbour_brief``)."""
    return {
        "nbrState": "Full/-",
        "nbrPriority": 1,
        "upTimeInMsec": 93784000,
        "ifaceAddress": "10.4.0.0",
        "ifaceName": "eth4:10.4.0.1",
        **more,
    }


def test_ospf_neighbors(leaf: Any) -> None:
    leaf.daemons.running |= {"ospfd"}
    later = ospf_neighbor(nbrState="ExStart/DROther", ifaceName="Vlan3600:10.4.255.0", ifaceAddress="10.4.255.1")
    body = {"neighbors": {"10.2.1.5": [ospf_neighbor()], "10.2.1.2": [later]}}
    leaf.vty["ospfd: show ip ospf neighbor json"] = json.dumps(body)
    assert show(leaf, ("ip", "ospf", "neighbors"), as_json=False) == (
        " OSPF Process ID UNDERLAY VRF default\n"
        " Total number of neighbors: 2\n"
        " Neighbor ID     Pri State            Up Time  Address         Interface\n"
        " 10.2.1.2          1 EXSTART/DROTHER  1d02h    10.4.255.1      Vlan3600\n"
        " 10.2.1.5          1 FULL/ -          1d02h    10.4.0.0        Eth1/4"
    )
    context = ask(leaf, "ip ospf nei")["TABLE_ctx"]["ROW_ctx"]
    assert (context["ptag"], context["nbrcount"]) == ("UNDERLAY", "2")
    assert context["TABLE_nbr"]["ROW_nbr"][1]["state"] == "FULL"


def test_without_ospf_there_are_no_neighbors(leaf: Any) -> None:
    leaf.model = SwitchModel(parse("hostname sw1\n"))
    assert show(leaf, ("ip", "ospf", "neighbors"), as_json=True) == ""


# --- a pair without a leg: a fabric alone


@pytest.fixture
def bare_leaf(leaf: Any) -> Any:
    """The same leaf without vPCs: no segment, so EVPN says nothing of the peer."""
    text = (RECORDED / "leaf2101.cfg").read_text()
    leaf.model = SwitchModel(parse(re.sub(r"(?m)^  vpc \d+\n", "", text)))
    leaf.vty["zebra: show evpn es json"] = "[]"
    return leaf


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ('{"10.2.1.2/32": [{"protocol": "ospf", "selected": true}]}', "peer-ok"),
        ('{"10.2.1.2/32": [{"protocol": "ospf"}]}', "peer-link-down"),
        ("{}", "peer-link-down"),
        ("", "peer-link-down"),
    ],
)
def test_without_a_leg_the_peer_is_there_when_the_underlay_has_the_way(bare_leaf: Any, route: str, status: str) -> None:
    bare_leaf.vty["zebra: show ip route 10.2.1.2/32 json"] = route
    body = ask(bare_leaf, "vpc brief")
    assert (body["vpc-peer-status"], body["num-of-vpcs"], body["vpc-role"]) == (status, "0", "none-established")
    assert body["TABLE_peerlink"]["ROW_peerlink"]["peer-link-port-state"] == ("1" if status == "peer-ok" else "0")
