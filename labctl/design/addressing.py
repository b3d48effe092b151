"""The address plan: the white paper's numbers where it has some, the same scheme for labs of other sizes.

And room for the prefixes of the scenario ``scale``: ranges that nothing in the lab has anything to do with.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network

from labctl.design.design import Design, Network

LOOPBACK0 = IPv4Network("10.2.1.0/24")
VTEPS = IPv4Network("10.2.0.0/24")
LINKS = IPv4Network("10.4.0.0/17")
BACKUPS = IPv4Network("10.4.255.0/24")
EXTERNAL_LINKS = IPv4Network("198.18.0.0/16")
EXTERNAL_LINKS6 = IPv6Network("2001:db8:ff00::/48")
PEERING = IPv4Network("192.168.100.0/24")
PEERING6 = IPv6Network("2001:193:168:1::/64")

SPINE_BASE, BORDER_BASE, VIP_BASE = 201, 181, 100
FIRST_NODE = 10
FIRST_SWITCH_HOST = 11


def leaf_loopback0(index: int) -> IPv4Address:
    """10.2.1.1 for the first leaf."""
    return LOOPBACK0[1 + index]


def spine_loopback0(index: int) -> IPv4Address:
    return LOOPBACK0[SPINE_BASE + index]


def border_loopback0(index: int) -> IPv4Address:
    return LOOPBACK0[BORDER_BASE + index]


def vtep(index: int) -> IPv4Address:
    """loopback1 of the n-th leaf (borders count on)."""
    return VTEPS[1 + index]


def vip(pair: int) -> IPv4Address:
    """The address that a pair shares: 10.2.0.100 for the first."""
    return VTEPS[VIP_BASE + pair]


def link(index: int) -> tuple[IPv4Interface, IPv4Interface]:
    """Both ends of the n-th underlay link, a /31 (RFC 3021)."""
    first = LINKS[2 * index]
    return IPv4Interface((first, 31)), IPv4Interface((first + 1, 31))


def backup(pair: int) -> tuple[IPv4Interface, IPv4Interface]:
    """Both ends of a pair's underlay path over its physical peer-link."""
    first = BACKUPS[2 * pair]
    return IPv4Interface((first, 31)), IPv4Interface((first + 1, 31))


def external(index: int) -> tuple[IPv4Interface, IPv4Interface, IPv6Interface, IPv6Interface]:
    """Border and host end of the n-th external link, both families."""
    first = EXTERNAL_LINKS[4 * index]
    first6 = EXTERNAL_LINKS6[index << 64]
    return (
        IPv4Interface((first + 1, 30)),
        IPv4Interface((first + 2, 30)),
        IPv6Interface((first6 + 1, 64)),
        IPv6Interface((first6 + 2, 64)),
    )


def peering(index: int) -> tuple[IPv4Address, IPv6Address]:
    """loopback1002 of the n-th leaf: 192.168.100.1 and 2001:193:168:1::4 for the first, as in the paper."""
    return PEERING[1 + index], PEERING6[4 + index]


def node_host(index: int) -> int:
    """Host number of the n-th node in the nodes' network: .10, .11, .12, …"""
    return FIRST_NODE + index


NETWORKS = {4: 5743, 6: 2269}
"""The white paper's VRF had as many networks (Figure 16), most of them not of Calico."""
ROOM: dict[int, tuple[tuple[Network, int], ...]] = {
    4: ((IPv4Network("198.19.0.0/16"), 29), (IPv4Network("100.64.0.0/16"), 29)),
    6: ((IPv6Network("2001:2::/48"), 64), (IPv6Network("3fff::/48"), 64)),
}
"""Ranges to try, and the length of the prefixes cut out of them. First those for benchmarks (RFC 2544, the half that
labctl's links to external hosts do not use; RFC 5180), then shared address space (RFC 6598), documentation (RFC 9637).
"""


def scale_ranges(design: Design) -> list[tuple[Network, int]]:
    """(range, length of the prefixes in it) of each family; none where every range of one is in somebody's way."""
    taken = tuple(_taken(design))
    free = [next((room for room in rooms if not _clashes(room[0], taken)), None) for rooms in ROOM.values()]
    return [] if None in free else [room for room in free if room]


def _taken(design: Design) -> Iterable[Network]:
    yield design.management
    yield from design.announced
    yield from (gateway.network for gateway in design.vrf.gateways)
    for switch in design.switches:
        addresses = (switch.loopback0, switch.vtep, switch.peering, switch.peering6)
        yield from (ip_network(address) for address in addresses if address is not None)
        for port in switch.external_ports:
            yield from (port.address.network, port.address6.network)
    if design.cluster:
        yield from design.cluster.ranges


def _clashes(room: Network, taken: Iterable[Network]) -> bool:
    return any(room.version == network.version and room.overlaps(network) for network in taken)
