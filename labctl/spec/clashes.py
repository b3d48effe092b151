"""What is written against what the plan decides: addresses given twice, too little room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from labctl.design import addressing
from labctl.design.fabric import border_names, leaf_pairs
from labctl.design.model import Target
from labctl.design.plan import design, node_specs
from labctl.spec.judging import ADDRESSES, GATEWAY, PEERING, Judge
from labctl.spec.model import Images, Traffic
from labctl.yamldoc import Path

if TYPE_CHECKING:
    from labctl.design.model import Design

PORTS = 64
"""Usable Ethernet ports of a 9000v, and of the stand-in, which is one in its place (Cisco's guide to the 9000v)."""


def room(it: Judge) -> None:
    """Nodes without an address of their own get .10, .11, …: the network must be that large."""
    for gateway in it.spec.fabric.vrfs[0].networks[0].gateway:
        for index, node in enumerate(node_specs(it.spec)):
            host = addressing.node_host(index)
            host = host if gateway.version == 4 else int(str(host), 16)
            planned = not any(address.version == gateway.version for address in node.address)
            if planned and host >= gateway.network.num_addresses - 1:
                why = f"{gateway.network} has no room for {node.name}, which would be host {host} of it"
                it.say("no-room", why, GATEWAY, "a shorter prefix, or addresses for the nodes")
                break


def underlay(it: Judge) -> None:
    """Addresses of switches with two owners, or none."""
    lab = _plan(it)
    _useless(it, lab)
    it.taken_once(_underlay(it, lab))


def tenant(it: Judge) -> None:
    """Addresses in the VRF with two owners."""
    it.taken_once(_tenant(it, _plan(it)))


def _plan(it: Judge) -> Design:
    """The plan of what has addresses; what has no place in the fabric, and is told of elsewhere, takes none."""
    spec, pairs, borders = it.spec, len(leaf_pairs(it.spec)), border_names(it.spec)
    parts: dict[str, object] = {"images": Images(), "traffic": Traffic(), "workloads": ()}
    parts["external"] = tuple(external for external in spec.external if external.attach in borders)
    if spec.cluster != "none" and not isinstance(spec.cluster.nodes, int):
        placed = (
            node if (node.pair or 1) <= pairs else node.model_copy(update={"pair": None}) for node in node_specs(spec)
        )
        parts["cluster"] = spec.cluster.model_copy(update={"nodes": tuple(placed)})
    return design(spec.model_copy(update=parts), Target())


def _useless(it: Judge, lab: Design) -> None:
    """Addresses that no interface has."""
    for name, given in it.spec.fabric.addresses.items():
        switch = next((switch for switch in lab.switches if switch.name == name), None)
        if switch is None:
            continue
        for part, roles in (("vtep", ("leaf", "border")), ("vip", ("leaf",))):
            if getattr(given, part) is not None and switch.role not in roles:
                it.say("no-such-address", f"a {switch.role} has no {part}", (*ADDRESSES, name, part), key=True)
        if given.vip is not None and switch.vpc is not None and given.vip != switch.vpc.vip:
            why = f"{switch.vpc.peer} says {switch.vpc.vip}: the leafs of a pair share one vip"
            it.say("two-vips", why, (*ADDRESSES, name, "vip"))


def _underlay(it: Judge, lab: Design) -> Iterator[tuple[str, str, Path]]:
    for switch in lab.switches:
        base = (*ADDRESSES, switch.name)
        yield str(switch.loopback0), f"loopback0 of {switch.name}", (*base, "loopback0")
        if switch.vtep is not None:
            yield str(switch.vtep), f"the VTEP address of {switch.name}", (*base, "vtep")
        for uplink in switch.uplinks:
            yield str(uplink.address.ip), f"{uplink.interface} of {switch.name}", (*base, uplink.interface)
        if switch.vpc is not None and switch.vpc.backup is not None:
            yield str(switch.vpc.backup.ip), f"Vlan{switch.vpc.backup_vlan} of {switch.name}", (*base, "backup")
        if switch.vpc is not None and switch.vpc.role_priority == 100:  # once a pair
            pair = (switch.name, switch.vpc.peer)
            written = next((name for name in pair if not it.planned((*ADDRESSES, name, "vip"))), switch.name)
            yield str(switch.vpc.vip), f"the vip of {' and '.join(pair)}", (*ADDRESSES, written, "vip")


def _tenant(it: Judge, lab: Design) -> Iterator[tuple[str, str, Path]]:
    for gateway in (lab.vrf.gateway, lab.vrf.gateway6):
        if gateway is not None:
            yield str(gateway.ip), "the gateway", GATEWAY
    for index, node in enumerate(lab.cluster.nodes if lab.cluster else ()):
        path: Path = ("cluster", "nodes", index, "address")
        for position, end in enumerate((node.address, node.address6)):
            if end is not None:
                yield str(end.ip), f"the address of {node.name}", it.item(path, position)
    yield from _peering_addresses(it, lab)
    hosts = [external.name for external in it.spec.external]
    for external in lab.externals:
        index, port = hosts.index(external.name), external.port
        for end6 in (port.address, port.host_address, port.address6, port.host_address6):
            yield str(end6.ip), f"the link to {external.name}", ("external", index, "name", "link")


def _peering_addresses(it: Judge, lab: Design) -> Iterator[tuple[str, str, Path]]:
    seen: set[IPv4Address | IPv6Address] = set()
    for switch in lab.by_role("leaf"):
        for address in (switch.peering, switch.peering6):
            given = address in it.spec.fabric.vrfs[0].peering_loopbacks.get(switch.name, ())
            if address is not None and not (given and address in seen):  # written on several pairs: they are coloured
                yield str(address), f"loopback1002 of {switch.name}", (*PEERING, switch.name)
            if address is not None and given:
                seen.add(address)


def ports(it: Judge) -> None:
    """Switches with more wires than ports."""
    lab = _plan(it)
    wired = Counter(end[0] for link in lab.links for end in (link.a, link.b))
    full = [switch for switch in lab.switches if wired[switch.name] > PORTS]
    if full:
        uses = (("nodes", len(full[0].node_ports), ("cluster", "nodes")),
                ("external hosts", len(full[0].external_ports), ("external",)),
                ("switches", len(full[0].uplinks), ("fabric",)))  # fmt: skip
        what, number, path = max(uses, key=lambda row: row[1])
        why = f"{full[0].name} would have {wired[full[0].name]} ports, {number} of them to {what}; a 9000v has {PORTS}"
        it.say("too-many-ports", why, path, "spread them over more switches")
