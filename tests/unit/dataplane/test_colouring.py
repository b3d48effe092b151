"""Export maps as FRR gets them, and prefix-lists that are as short as they can be."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from labctl.nxos.tree import parse
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.settings import SwitchModel
from tests.rendered import rendered

STATIC = "vrf context red\n  ip route 12.1.0.0/16 198.18.0.2 tag 12345\n"
COLOURED = rendered("coloured-pairs-standin")["nxos/leaf2103.cfg"]


def bgpd(text: str) -> str:
    return frr.texts(SwitchModel(parse(text))).get("bgpd", "")


def clauses(text: str) -> list[list[str]]:
    """The clauses of the map towards the fabric, each as its lines."""
    head = f"route-map {frr.EXPORT_MAP} "
    parts = [f"{head}{part}".split("\nexit", 1)[0] for part in bgpd(text).split(f"\n{head}")[1:]]
    return [[line.strip() for line in part.splitlines()] for part in parts]


def test_the_colour_replaces_the_automatic_target_in_both_families() -> None:
    ipv4, rest4, none4, ipv6, rest6, none6, others = clauses(COLOURED)
    assert ipv4[1:] == [
        "match evpn route-type prefix",
        "match evpn vni 90001",
        "match ip address prefix-list dup_ip_avoidance",
        "set extended-comm-list labctl-auto-vrf-001 delete",
        "set extcommunity rt 2103:2104",
    ]
    assert ipv6[3:] == [
        "match ipv6 address prefix-list dup_ip6_avoidance",
        "set extended-comm-list labctl-auto-vrf-001 delete",
        "set extcommunity rt 2103:2104",
    ]
    for clause, family in ((rest4, "ip"), (rest6, "ipv6")):
        assert clause[0].split()[2] == "permit"
        assert clause[3:] == [f"match {family} address prefix-list labctl-any"]
    assert {clause[0].split()[2] for clause in (none4, none6)} == {"deny"}
    assert others == [f"route-map {frr.EXPORT_MAP} permit 70"]
    text = bgpd(COLOURED)
    assert "bgp extcommunity-list standard labctl-auto-vrf-001 seq 5 permit rt 65102:90001\n" in text
    assert text.count(f"route-map {frr.EXPORT_MAP} out") == 2, "towards each spine"
    assert "  route-target import 2103:2104\n" in text


def test_leafs_with_the_same_loopback_have_distinguishers_of_their_own() -> None:
    """A route reflector passes on one of two routes with the same distinguisher."""
    texts = {name: bgpd(rendered("coloured-pairs-standin")[f"nxos/{name}.cfg"]) for name in ("leaf2101", "leaf2103")}
    assert "  rd 10.2.1.1:60001\n" in texts["leaf2101"]
    assert "  rd 10.2.1.3:60001\n" in texts["leaf2103"]
    assert all(" bgp router-id 192.168.100.1\n" in text for text in texts.values())


def test_an_additive_colour_leaves_the_automatic_one() -> None:
    text = COLOURED.replace("set extcommunity rt 2103:2104", "set extcommunity rt 2103:2104 additive")
    assert clauses(text)[0][-2:] == ["match ip address prefix-list dup_ip_avoidance", "set extcommunity rt 2103:2104"]


def test_no_export_map_no_map_towards_the_fabric() -> None:
    for name, switch in (("whitepaper-standin-fabric", "leaf2101"), ("coloured-pairs-standin", "spine1")):
        assert frr.EXPORT_MAP not in bgpd(rendered(name)[f"nxos/{switch}.cfg"])


def test_what_is_dropped_from_the_configuration_goes_from_frr() -> None:
    kept = [line for line in COLOURED.splitlines() if "export map" not in line and "import 2103" not in line]
    undone = [
        group for group in frr.difference(bgpd(COLOURED), bgpd("\n".join(kept) + "\n")) if group[-1].startswith("no ")
    ]
    assert ["no route-map labctl-export permit 10"] in undone
    assert any(group[-1] == "no route-target import 2103:2104" for group in undone)
    assert sum(group[-1].endswith("route-map labctl-export out") for group in undone) == 2


@given(st.sets(st.tuples(st.integers(0, 63), st.integers(26, 32)), max_size=40))
def test_a_short_list_permits_exactly_the_same(wanted: set[tuple[int, int]]) -> None:
    prefixes = {str(IPv4Network((0x0A000000 + number * (1 << (32 - length)), length))) for number, length in wanted}
    permitted: set[str] = set()
    for entry in frr.condensed(prefixes):
        base, *bounds = entry.split()
        network = ip_network(base)
        if not bounds:
            permitted.add(base)
            continue
        low, high = int(bounds[1]), int(bounds[3])
        assert network.prefixlen < low <= high, "NX-OS and FRR want length < ge <= le"
        permitted |= {str(net) for length in range(low, high + 1) for net in network.subnets(new_prefix=length)}
    assert permitted == prefixes


def test_thousands_of_neighbours_are_a_few_lines() -> None:
    routes = list(ip_network("198.19.0.0/16").subnets(new_prefix=29))[:5743]
    assert len(frr.condensed(map(str, routes))) == 9


def test_a_changed_filter_takes_effect() -> None:
    """FRR takes a delay of 0 for: never by itself."""
    assert bgpd(COLOURED).splitlines()[1] == "bgp route-map delay-timer 1"


def test_static_routes_come_when_their_filter_is_there() -> None:
    models = [SwitchModel(parse(text)) for text in ("vrf context red\n", STATIC)]
    before, after = (linux.desired(model, "02:00:00:00:00:01") for model in models)
    routes = [op.text for op in linux.new_routes(before, after)]
    assert routes == ["route replace 12.1.0.0/16 via 198.18.0.2 vrf red proto static"]
    assert not any("12.1.0.0" in op.text for op in linux.difference(before, after))
    assert [op.text for op in linux.difference(after, before)] == [
        "route del 12.1.0.0/16 via 198.18.0.2 vrf red proto static"
    ]
