"""Room for the prefixes of the scenario ``scale``: ranges that nothing in the lab has anything to do with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from labctl.design.model import Cluster, Design, ExternalPort, Network, Switch

NETWORKS = {4: 5743, 6: 2269}
"""The white paper's VRF had as many networks (Figure 16), most of them not of Calico."""
ROOM: dict[int, tuple[tuple[Network, int], ...]] = {
    4: ((IPv4Network("198.19.0.0/16"), 29), (IPv4Network("100.64.0.0/16"), 29)),
    6: ((IPv6Network("2001:2::/48"), 64), (IPv6Network("3fff::/48"), 64)),
}
"""Ranges to try, and the length of the prefixes cut out of them. First those for benchmarks (RFC 2544, the half that
labctl's links to external hosts do not use; RFC 5180), then shared address space (RFC 6598), documentation (RFC 9637).
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """Static routes of a border leaf towards an external host, one a prefix."""

    border: Switch
    port: ExternalPort
    ranges: tuple[tuple[Network, int], ...]
    """(range, length of the prefixes in it), one a family."""


def scale(design: Design) -> Scale | None:
    """None: no border leaf has an external host, or every range is in somebody's way."""
    found = next(((border, port) for border in design.by_role("border") for port in border.external_ports), None)
    taken = tuple(_taken(design))
    ranges = [next((room for room in ROOM[version] if not _clashes(room[0], taken)), None) for version in ROOM]
    if found is None or None in ranges:
        return None
    return Scale(*found, tuple(room for room in ranges if room is not None))


def _taken(design: Design) -> Iterable[Network]:
    yield design.management
    yield from design.announced
    yield design.vrf.gateway.network
    if design.vrf.gateway6:
        yield design.vrf.gateway6.network
    for switch in design.switches:
        for address in (switch.loopback0, switch.vtep, switch.peering):
            if address is not None:
                yield IPv4Network(address)
        if switch.peering6 is not None:
            yield IPv6Network(switch.peering6)
        for port in switch.external_ports:
            yield from (port.address.network, port.address6.network)
    if design.cluster:
        yield from _of_cluster(design.cluster)


def _of_cluster(cluster: Cluster) -> Iterable[Network]:
    yield from (pool.cidr for pool in cluster.pools)
    yield from cluster.services
    yield from cluster.external_ips


def _clashes(room: Network, taken: Iterable[Network]) -> bool:
    return any(room.version == network.version and room.overlaps(network) for network in taken)
