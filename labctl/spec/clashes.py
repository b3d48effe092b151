"""What is written against what the plan decides: addresses given twice, ranges in each other's way, too little room.

Looked at when nothing else is wrong, since only then there is a plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from labctl.errors import Problem
from labctl.spec.judging import ADDRESSES, EXTERNAL_IPS, GATEWAY, PEERING, POOLS
from labctl.spec.model import Spec
from labctl.yamldoc import Document, Path

if TYPE_CHECKING:
    from labctl.design.model import Design


@dataclass(frozen=True, slots=True)
class Use:
    """An address in use: whose, and where it is written (a path that is not in the document: by the plan)."""

    address: IPv4Address | IPv6Address
    owner: str
    path: Path


def clashes(spec: Spec, found: Document) -> list[Problem]:
    """Every clash between the spec and its plan."""
    problems = list(_room(spec, found))
    if problems:
        return problems
    from labctl.design.model import Target
    from labctl.design.plan import design

    lab = design(spec, Target())
    problems += _useless(lab, spec, found)
    problems += _twice(list(_underlay(lab, found)), found)
    problems += _twice(list(_tenant(lab, spec)), found)
    problems += _ranges(lab, found)
    return problems


def _room(spec: Spec, found: Document) -> Iterator[Problem]:
    """Nodes without an address of their own get .10, .11, …: the network must be that large."""
    from labctl.design import addressing
    from labctl.design.plan import node_specs

    for gateway in spec.fabric.vrfs[0].networks[0].gateway:
        for index, node in enumerate(node_specs(spec)):
            host = addressing.node_host(index)
            host = host if gateway.version == 4 else int(str(host), 16)
            planned = not any(address.version == gateway.version for address in node.address)
            if planned and host >= gateway.network.num_addresses - 1:
                yield Problem(
                    "no-room",
                    f"{gateway.network} has no room for {node.name}, which would be host {host} of it",
                    found.place(GATEWAY),
                    "a shorter prefix, or addresses for the nodes",
                )
                break


def _useless(lab: Design, spec: Spec, found: Document) -> Iterator[Problem]:
    """Addresses that no interface has."""
    for name, given in spec.fabric.addresses.items():
        role = lab.switch(name).role
        for part, roles in (("vtep", ("leaf", "border")), ("vip", ("leaf",))):
            if getattr(given, part) is not None and role not in roles:
                place = found.place((*ADDRESSES, name, part), key=True)
                yield Problem("no-such-address", f"a {role} has no {part}", place)
        vpc = lab.switch(name).vpc
        if given.vip is not None and vpc is not None and given.vip != vpc.vip:
            message = f"{vpc.peer} says {vpc.vip}: the leafs of a pair share one vip"
            yield Problem("two-vips", message, found.place((*ADDRESSES, name, "vip")))


def _underlay(lab: Design, found: Document) -> Iterator[Use]:
    for switch in lab.switches:
        base = (*ADDRESSES, switch.name)
        yield Use(switch.loopback0, f"loopback0 of {switch.name}", (*base, "loopback0"))
        if switch.vtep is not None:
            yield Use(switch.vtep, f"the VTEP address of {switch.name}", (*base, "vtep"))
        for uplink in switch.uplinks:
            yield Use(uplink.address.ip, f"{uplink.interface} of {switch.name}", (*base, uplink.interface))
        if switch.vpc is not None and switch.vpc.backup is not None:
            yield Use(switch.vpc.backup.ip, f"Vlan{switch.vpc.backup_vlan} of {switch.name}", (*base, "backup"))
        if switch.vpc is not None and switch.vpc.role_priority == 100:  # once a pair
            pair = (switch.name, switch.vpc.peer)
            written = next((name for name in pair if (*ADDRESSES, name, "vip") in found.values), switch.name)
            yield Use(switch.vpc.vip, f"the vip of {' and '.join(pair)}", (*ADDRESSES, written, "vip"))


def _tenant(lab: Design, spec: Spec) -> Iterator[Use]:
    for gateway in (lab.vrf.gateway, lab.vrf.gateway6):
        if gateway is not None:
            yield Use(gateway.ip, "the gateway", GATEWAY)
    for index, node in enumerate(lab.cluster.nodes if lab.cluster else ()):
        path: Path = ("cluster", "nodes", index, "address")
        yield Use(node.address.ip, f"the address of {node.name}", path)
        if node.address6 is not None:
            yield Use(node.address6.ip, f"the address of {node.name}", path)
    seen: set[IPv4Address | IPv6Address] = set()
    for switch in lab.by_role("leaf"):
        for address in (switch.peering, switch.peering6):
            given = address in spec.fabric.vrfs[0].peering_loopbacks.get(switch.name, ())
            if address is not None and not (given and address in seen):  # written on several pairs: they are coloured
                yield Use(address, f"loopback1002 of {switch.name}", (*PEERING, switch.name))
            if address is not None and given:
                seen.add(address)
    for index, external in enumerate(lab.externals):
        port, path = external.port, ("external", index, "name")
        for end in (port.address, port.host_address, port.address6, port.host_address6):
            yield Use(end.ip, f"the link to {external.name}", path)


def _twice(uses: list[Use], found: Document) -> Iterator[Problem]:
    seen: dict[IPv4Address | IPv6Address, Use] = {}
    for use in uses:
        first = seen.setdefault(use.address, use)
        if first is use:
            continue
        # the place of what a person wrote; of the later one when both are theirs, or neither is
        mine, other = (first, use) if use.path not in found.values and first.path in found.values else (use, first)
        hint = (
            None if other.path in found.values else f"that one is planned: take another, or write one for {other.owner}"
        )
        yield Problem("duplicate-address", f"{use.address} is {other.owner} already", found.place(mine.path), hint)


def _ranges(lab: Design, found: Document) -> Iterator[Problem]:
    """Ranges of the spec against those that every lab has: a node sees them all from one routing table."""
    from labctl.design.addressing import EXTERNAL_LINKS, EXTERNAL_LINKS6

    fixed: list[tuple[str, IPv4Network | IPv6Network]] = [("the management network", lab.management)]
    if lab.externals:
        fixed += [("the links to external hosts", EXTERNAL_LINKS), ("the links to external hosts", EXTERNAL_LINKS6)]
    leafs = lab.by_role("leaf")
    for what, network, path in _written_ranges(lab):
        clash = next((f"{name} {known}" for name, known in fixed if _meet(network, known)), None)
        if clash is None:
            ends = ((leaf.name, address) for leaf in leafs for address in (leaf.peering, leaf.peering6))
            clash = next((f"loopback1002 of {name}, {a}" for name, a in ends if a is not None and a in network), None)
        if clash is not None:
            yield Problem("overlap", f"{what} {network} overlaps {clash}", found.place(path))


def _written_ranges(lab: Design) -> Iterator[tuple[str, IPv4Network | IPv6Network, Path]]:
    for gateway in (lab.vrf.gateway, lab.vrf.gateway6):
        if gateway is not None:
            yield "the nodes' network", gateway.network, GATEWAY
    if lab.cluster is None:
        return
    for index, pool in enumerate(lab.cluster.pools):
        yield "pool", pool.cidr, (*POOLS, index, "cidr")
    for index, network in enumerate(lab.cluster.services):
        yield "service range", network, ("cluster", "services", index)
    for index, network in enumerate(lab.cluster.external_ips):
        yield "external IPs", network, (*EXTERNAL_IPS, index)


def _meet(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    return one.version == other.version and one.overlaps(other)
