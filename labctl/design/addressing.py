"""The address plan: the white paper's numbers where it has some, the same scheme for labs of other sizes.

And room for the prefixes of the scenario ``scale``: ranges that nothing in the lab has anything to do with.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_network

from labctl.design.design import Design, Network

LOOPBACK0 = IPv4Network("10.2.1.0/24")
VTEPS = IPv4Network("10.2.0.0/24")
LINKS = IPv4Network("10.4.0.0/17")
BACKUPS = IPv4Network("10.4.255.0/24")
EXTERNAL_LINKS = IPv4Network("198.18.0.0/16")
EXTERNAL_LINKS6 = IPv6Network("2001:db8:ff00::/48")
PEERING, PEERING6 = IPv4Network("192.168.100.0/24")[1], IPv6Network("2001:193:168:1::/64")[4]
"""loopback1002 of the first leaf, as in the paper."""

FIRST_HOST = {"spine": 201, "leaf": 1, "border": 181}
"""Of loopback0: 10.2.1.1 is that of the first leaf."""
FIRST_VIP = 100
FIRST_NODE = 10
"""Host number of the first node in the nodes' network: .10, .11, .12, …"""
FIRST_SWITCH_HOST = 11
NODE_MASK = {4: 24, 6: 64}
"""kubeadm's ``node-cidr-mask-size-ipv4`` and ``-ipv6``: it cuts a range for each node off the pod range (Calico uses
none of them)."""
NODE_BITS = 16
"""Its allocator gives at most 2^16 of them, and it checks that they fit."""


def ends(network: IPv4Network, index: int) -> tuple[IPv4Interface, IPv4Interface]:
    """Both ends of the n-th link of a range, a /31 (RFC 3021)."""
    first = network[2 * index]
    return IPv4Interface((first, 31)), IPv4Interface((first + 1, 31))


def external(index: int) -> tuple[IPv4Interface, IPv4Interface, IPv6Interface, IPv6Interface]:
    """Border and host end of the n-th external link, both families."""
    first, first6 = EXTERNAL_LINKS[4 * index], EXTERNAL_LINKS6[index << 64]
    ours, theirs = (IPv4Interface((first + host, 30)) for host in (1, 2))
    ours6, theirs6 = (IPv6Interface((first6 + host, 64)) for host in (1, 2))
    return ours, theirs, ours6, theirs6


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
