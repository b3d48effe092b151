"""Switches, ports and links from the spec."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from itertools import product
from typing import Any, NamedTuple

from labctl.design import addressing
from labctl.design.design import ExternalPort, Link, Node, NodePort, Switch, SwitchRole, Uplink, VpcPair
from labctl.peers import FABRIC_PEERING_SINCE, numbers
from labctl.spec.keys import External as ExternalSpec
from labctl.spec.keys import PeerLink, Spec


class Pair(NamedTuple):
    """A leaf pair, with the peer-link that it gets."""

    leafs: tuple[str, str]
    peer_link: PeerLink


def leaf_pairs(spec: Spec) -> tuple[Pair, ...]:
    """The pairs; numbered ones are called leaf101/leaf102, leaf103/leaf104, …

    A 9000v has been seen to do vPC fabric peering from 10.4 on; without a word in the spec older ones get a physical
    peer-link (reference: Cisco's vPC fabric peering chapters, which never name the 9000v).
    """
    wanted, usual = spec.fabric.leaf_pairs, spec.fabric.peer_link
    if usual is None:
        usual = "fabric" if numbers(spec.fabric.nxos)[:2] >= FABRIC_PEERING_SINCE else "physical"
    if not isinstance(wanted, int):
        return tuple(Pair(pair.leafs, pair.peer_link or usual) for pair in wanted)
    return tuple(Pair((f"leaf{101 + 2 * pair}", f"leaf{102 + 2 * pair}"), usual) for pair in range(wanted))


def spine_names(spec: Spec) -> tuple[str, ...]:
    wanted = spec.fabric.spines
    return tuple(f"spine{index + 1}" for index in range(wanted)) if isinstance(wanted, int) else wanted


def border_names(spec: Spec) -> tuple[str, ...]:
    wanted = spec.fabric.borders
    return tuple(f"border{index + 1}" for index in range(wanted)) if isinstance(wanted, int) else wanted


class _Wires:
    """Hands out Ethernet1/1, 1/2, … of each switch: low numbers without gaps (CLAB_INTFS counts links)."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self._taken = Counter[str]()

    def port(self, switch: str) -> str:
        self._taken[switch] += 1
        return f"Ethernet1/{self._taken[switch]}"


def wired(
    spec: Spec, nodes: tuple[Node, ...], management: Mapping[str, IPv4Interface]
) -> tuple[tuple[Switch, ...], tuple[Link, ...]]:
    """Every port and address of the fabric, decided: the switches, and all links (to nodes, to external hosts,
    peer-links, then uplinks)."""
    links = _Wires()
    pairs, spines, borders = leaf_pairs(spec), spine_names(spec), border_names(spec)
    leafs = [leaf for pair in pairs for leaf in pair.leafs]
    node_ports, external_ports = _node_ports(nodes, links), _external_ports(spec.external, links)
    members = _peer_links(pairs, links)
    uplinks = _uplinks(spines, (*leafs, *borders), links)
    peering = peering_loopbacks(spec)
    colours = _colours(pairs, peering)
    given = spec.fabric.addresses
    loopback0 = _loopback0(spec, {"spine": spines, "leaf": leafs, "border": borders})
    vteps = _vteps(spec, (*leafs, *borders))

    def switch(name: str, role: SwitchRole, **more: Any) -> Switch:
        vtep = None if role == "spine" else vteps[name]
        return Switch(name, role, management[name], loopback0[name], vtep, tuple(uplinks[name]), **more)

    switches = [switch(name, "spine") for name in spines]
    for index, pair in enumerate(pairs):
        vip = next((given[name].vip for name in pair.leafs if name in given and given[name].vip), None)
        backups = addressing.ends(addressing.BACKUPS, index)
        for position, leaf in enumerate(pair.leafs):
            peer = pair.leafs[1 - position]
            vpc = VpcPair(
                domain=index + 1,
                peer=peer,
                peer_link=pair.peer_link,
                role_priority=100 + 100 * position,
                vip=vip or addressing.VTEPS[addressing.FIRST_VIP + index],
                peer_loopback0=loopback0[peer],
                members=tuple(members[leaf]),
                backup=backups[position] if pair.peer_link == "physical" else None,
                keepalive=management[leaf].ip,
                keepalive_peer=management[peer].ip,
            )
            address, address6 = peering[leaf]
            mine = {"vpc": vpc, "node_ports": tuple(node_ports[leaf]), "colour": colours.get(leaf)}
            switches.append(switch(leaf, "leaf", peering=address, peering6=address6, **mine))
    switches += [switch(name, "border", external_ports=tuple(external_ports[name])) for name in borders]
    return tuple(switches), tuple(links.links)


def _node_ports(nodes: tuple[Node, ...], links: _Wires) -> dict[str, list[NodePort]]:
    result: dict[str, list[NodePort]] = defaultdict(list)
    for node in nodes:
        for position, leaf in enumerate(node.leafs):
            port, interface = links.port(leaf), f"eth{position + 1}"
            result[leaf].append(NodePort(port, node.name, interface, node.channel))
            links.links.append(Link((leaf, port), (node.container, interface)))
    return result


def _external_ports(externals: tuple[ExternalSpec, ...], links: _Wires) -> dict[str, list[ExternalPort]]:
    result: dict[str, list[ExternalPort]] = defaultdict(list)
    for index, external in enumerate(externals):
        border, port = external.attach, links.port(external.attach)
        ours, theirs, ours6, theirs6 = addressing.external(index)
        result[border].append(ExternalPort(port, external.name, ours, ours6, theirs, theirs6, external.announces))
        links.links.append(Link((border, port), (external.name, "eth1")))
    return result


def _peer_links(pairs: tuple[Pair, ...], links: _Wires) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        for _ in range(2 if pair.peer_link == "physical" else 0):
            one, other = ((leaf, links.port(leaf)) for leaf in pair.leafs)
            links.links.append(Link(one, other))
            members[one[0]].append(one[1])
            members[other[0]].append(other[1])
    return members


def _uplinks(spines: tuple[str, ...], below: tuple[str, ...], links: _Wires) -> dict[str, list[Uplink]]:
    result: dict[str, list[Uplink]] = defaultdict(list)
    for number, (leaf, spine) in enumerate(product(below, spines)):
        spine_port, leaf_port = links.port(spine), links.port(leaf)
        spine_address, leaf_address = addressing.ends(addressing.LINKS, number)
        result[spine].append(Uplink(spine_port, leaf, leaf_port, spine_address))
        result[leaf].append(Uplink(leaf_port, spine, spine_port, leaf_address))
        links.links.append(Link((spine, spine_port), (leaf, leaf_port)))
    return result


def _loopback0(spec: Spec, switches: Mapping[SwitchRole, Sequence[str]]) -> dict[str, IPv4Address]:
    """Of each switch: the spec's, else the plan's."""
    planned = {
        name: addressing.LOOPBACK0[addressing.FIRST_HOST[role] + index]
        for role, names in switches.items()
        for index, name in enumerate(names)
    }
    return planned | {name: chosen.loopback0 for name, chosen in spec.fabric.addresses.items() if chosen.loopback0}


def _vteps(spec: Spec, switches: Sequence[str]) -> dict[str, IPv4Address]:
    """Of each leaf and border leaf: the spec's, else the plan's."""
    planned = {name: addressing.VTEPS[1 + index] for index, name in enumerate(switches)}
    return planned | {name: chosen.vtep for name, chosen in spec.fabric.addresses.items() if chosen.vtep}


def peering_loopbacks(spec: Spec) -> dict[str, tuple[IPv4Address, IPv6Address]]:
    """loopback1002 of each leaf: the spec's, else the plan's."""
    given = spec.fabric.vrfs[0].peering_loopbacks
    result: dict[str, tuple[IPv4Address, IPv6Address]] = {}
    for index, leaf in enumerate(leaf for pair in leaf_pairs(spec) for leaf in pair.leafs):
        chosen = given.get(leaf, ())
        address = next((a for a in chosen if isinstance(a, IPv4Address)), addressing.PEERING + index)
        result[leaf] = address, next((a for a in chosen if isinstance(a, IPv6Address)), addressing.PEERING6 + index)
    return result


def _colours(pairs: tuple[Pair, ...], peering: Mapping[str, tuple[IPv4Address, IPv6Address]]) -> dict[str, str]:
    """A route target per pair, when any loopback stands on more than one leaf (white paper: RT colouring)."""
    addresses = [address for both in peering.values() for address in both]
    if len(set(addresses)) == len(addresses):
        return {}
    digits = [tuple("".join(c for c in leaf if c.isdigit()) for leaf in pair.leafs) for pair in pairs]
    colours: dict[str, str] = {}
    for index, (pair, mine) in enumerate(zip(pairs, digits, strict=True)):
        usable = all(number and 0 < int(number) < 65536 for number in mine) and digits.count(mine) == 1
        colour = f"{mine[0]}:{mine[1]}" if usable else f"65001:{index + 1}"
        colours |= dict.fromkeys(pair.leafs, colour)
    return colours
