"""Switches, ports and links from the spec."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address

from labctl.design import addressing
from labctl.design.design import ExternalPort, Link, Node, NodePort, Switch, Uplink, VpcPair
from labctl.peers import FABRIC_PEERING_SINCE, numbers
from labctl.spec.keys import External as ExternalSpec
from labctl.spec.keys import PeerLink, Spec, SwitchAddresses


@dataclass(frozen=True, slots=True)
class Pair:
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


class Ports:
    """LabClient out Ethernet1/1, 1/2, … of each switch: low numbers without gaps (CLAB_INTFS counts links)."""

    def __init__(self) -> None:
        self._next: dict[str, int] = defaultdict(int)

    def take(self, switch: str) -> str:
        self._next[switch] += 1
        return f"Ethernet1/{self._next[switch]}"


def wired(
    spec: Spec, nodes: tuple[Node, ...], management: Mapping[str, IPv4Interface]
) -> tuple[tuple[Switch, ...], tuple[Link, ...]]:
    """Every port and address of the fabric, decided: the switches, and all links (to nodes, to external hosts,
    peer-links, then uplinks)."""
    ports, links = Ports(), list[Link]()
    pairs, spines, borders = leaf_pairs(spec), spine_names(spec), border_names(spec)
    leafs = [leaf for pair in pairs for leaf in pair.leafs]
    node_ports = _node_ports(nodes, ports, links)
    external_ports = _external_ports(spec.external, ports, links)
    peer_members = _peer_links(pairs, ports, links)
    uplinks = _uplinks(spines, (*leafs, *borders), ports, links)
    given = spec.fabric.addresses
    loopback0 = _loopbacks0(spines, leafs, borders, given)
    vteps = {
        name: (given.get(name) or SwitchAddresses()).vtep or addressing.vtep(index)
        for index, name in enumerate((*leafs, *borders))
    }
    peering = peering_loopbacks(spec)
    colours = _colours(pairs, peering)
    switches = [Switch(name, "spine", management[name], loopback0[name], None, tuple(uplinks[name])) for name in spines]
    for index, pair in enumerate(pairs):
        for position, leaf in enumerate(pair.leafs):
            peer = pair.leafs[1 - position]
            backup = addressing.backup(index)[position] if pair.peer_link == "physical" else None
            vip = next((given[name].vip for name in pair.leafs if name in given and given[name].vip), None)
            vpc = VpcPair(
                domain=index + 1,
                peer=peer,
                peer_link=pair.peer_link,
                role_priority=100 + 100 * position,
                vip=vip or addressing.vip(index),
                peer_loopback0=loopback0[peer],
                members=peer_members.get(leaf, ()),
                backup=backup,
                keepalive=management[leaf].ip,
                keepalive_peer=management[peer].ip,
            )
            address, address6 = peering[leaf]
            switches.append(
                Switch(
                    leaf, "leaf", management[leaf], loopback0[leaf], vteps[leaf], tuple(uplinks[leaf]), vpc,
                    tuple(node_ports[leaf]), (), address, address6, colours.get(leaf),
                )
            )  # fmt: skip
    switches.extend(
        Switch(
            name, "border", management[name], loopback0[name], vteps[name], tuple(uplinks[name]),
            external_ports=tuple(external_ports[name]),
        )
        for name in borders
    )  # fmt: skip
    return tuple(switches), tuple(links)


def _node_ports(nodes: tuple[Node, ...], ports: Ports, links: list[Link]) -> dict[str, list[NodePort]]:
    result: dict[str, list[NodePort]] = defaultdict(list)
    for node in nodes:
        for position, leaf in enumerate(node.leafs):
            port, interface = ports.take(leaf), f"eth{position + 1}"
            result[leaf].append(NodePort(port, node.name, interface, node.channel))
            links.append(Link((leaf, port), (node.container, interface)))
    return result


def _external_ports(
    externals: tuple[ExternalSpec, ...], ports: Ports, links: list[Link]
) -> dict[str, list[ExternalPort]]:
    result: dict[str, list[ExternalPort]] = defaultdict(list)
    for index, external in enumerate(externals):
        port = ports.take(external.attach)
        ours, theirs, ours6, theirs6 = addressing.external(index)
        result[external.attach].append(
            ExternalPort(port, external.name, ours, ours6, theirs, theirs6, tuple(external.announces))
        )
        links.append(Link((external.attach, port), (external.name, "eth1")))
    return result


def _peer_links(pairs: tuple[Pair, ...], ports: Ports, links: list[Link]) -> dict[str, tuple[str, ...]]:
    members: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        if pair.peer_link == "physical":
            for _ in range(2):
                ends = [(leaf, ports.take(leaf)) for leaf in pair.leafs]
                links.append(Link(ends[0], ends[1]))
                for leaf, port in ends:
                    members[leaf].append(port)
    return {leaf: tuple(found) for leaf, found in members.items()}


def _uplinks(
    spines: tuple[str, ...], below: tuple[str, ...], ports: Ports, links: list[Link]
) -> dict[str, list[Uplink]]:
    result: dict[str, list[Uplink]] = defaultdict(list)
    number = 0
    for leaf in below:
        for spine in spines:
            spine_port, leaf_port = ports.take(spine), ports.take(leaf)
            spine_address, leaf_address = addressing.link(number)
            number += 1
            result[spine].append(Uplink(spine_port, leaf, leaf_port, spine_address))
            result[leaf].append(Uplink(leaf_port, spine, spine_port, leaf_address))
            links.append(Link((spine, spine_port), (leaf, leaf_port)))
    return result


def _loopbacks0(
    spines: tuple[str, ...], leafs: list[str], borders: tuple[str, ...], given: Mapping[str, SwitchAddresses]
) -> dict[str, IPv4Address]:
    plan = {name: addressing.spine_loopback0(index) for index, name in enumerate(spines)}
    plan |= {name: addressing.leaf_loopback0(index) for index, name in enumerate(leafs)}
    plan |= {name: addressing.border_loopback0(index) for index, name in enumerate(borders)}
    return plan | {name: chosen.loopback0 for name, chosen in given.items() if chosen.loopback0}


def peering_loopbacks(spec: Spec) -> dict[str, tuple[IPv4Address, IPv6Address | None]]:
    """loopback1002 of each leaf: the spec's, else the plan's."""
    given = spec.fabric.vrfs[0].peering_loopbacks
    result: dict[str, tuple[IPv4Address, IPv6Address | None]] = {}
    for index, leaf in enumerate(leaf for pair in leaf_pairs(spec) for leaf in pair.leafs):
        address, address6 = addressing.peering(index)
        chosen4 = next((a for a in given.get(leaf, ()) if isinstance(a, IPv4Address)), address)
        chosen6 = next((a for a in given.get(leaf, ()) if isinstance(a, IPv6Address)), address6)
        result[leaf] = (chosen4, chosen6)
    return result


def _colours(pairs: tuple[Pair, ...], peering: Mapping[str, tuple[IPv4Address, IPv6Address | None]]) -> dict[str, str]:
    """A route target per pair, when any loopback stands on more than one leaf (white paper: RT colouring)."""
    addresses = [address for both in peering.values() for address in both if address is not None]
    if len(set(addresses)) == len(addresses):
        return {}
    digits = [tuple("".join(c for c in leaf if c.isdigit()) for leaf in pair.leafs) for pair in pairs]
    colours: dict[str, str] = {}
    for index, (pair, mine) in enumerate(zip(pairs, digits, strict=True)):
        usable = all(number and 0 < int(number) < 65536 for number in mine) and digits.count(mine) == 1
        colour = f"{mine[0]}:{mine[1]}" if usable else f"65001:{index + 1}"
        colours |= dict.fromkeys(pair.leafs, colour)
    return colours
