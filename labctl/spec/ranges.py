"""One table of every range of a lab, labctl's own choices too, and one rule for all: none is in another's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from labctl.design import addressing
from labctl.design.fabric import leaf_pairs, peering_loopbacks
from labctl.design.plan import cluster_pools, cluster_services
from labctl.spec.judging import ADDRESSES, EXTERNAL_IPS, GATEWAY, PEERING, POOLS, Judge, no_host
from labctl.spec.model import Spec
from labctl.yamldoc import Path

Network = IPv4Network | IPv6Network
Kind = Literal["nodes", "pool", "service", "ips", "peering", "links", "prefix", "underlay", "management", "docker"]
Verdict = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Range:
    """A range: what it is of, and where it is written (a path that is not in the document: labctl's choice)."""

    kind: Kind
    what: str
    network: Network
    path: Path


DOCKER = (
    Range("docker", "Docker's own network docker0", IPv4Network("172.17.0.0/16"), ("Docker",)),
    Range(
        "docker", "the network that Docker makes first, as a rule kind's,", IPv4Network("172.18.0.0/16"), ("Docker",)
    ),
)
"""Where nobody configured Docker otherwise; ``doctor`` knows what this host has."""
APART: tuple[set[str], ...] = (
    *({"underlay", kind} for kind in ("nodes", "pool", "service", "ips", "peering", "links", "prefix", "docker")),
    {"links", "docker"}, {"peering", "docker"},
)  # fmt: skip
"""What never meets: the underlay is a routing table of its own, next to the tenant's VRF."""
COVERED: dict[Kind, Verdict] = {"nodes": "error", "peering": "warning"}
"""What is told of an external prefix that is shorter than a range in it. Nothing of pods and services: the longer route
wins, and a 10.0.0.0/8 outside is usual; a leaf's loopback is one route alone, and without it its sessions go there."""


def verdict(one: Range, other: Range) -> Verdict | None:
    """Whether two ranges are in each other's way.

    IPv6 services inside the IPv6 pool are kubeadm's own example and the white paper's.
    """
    if one.kind == other.kind and one.kind not in ("pool", "ips"):
        return None  # addresses that are given twice have a rule of their own; prefixes may lie in one another
    if one.network.version != other.network.version or not one.network.overlaps(other.network):
        return None
    kinds = {one.kind, other.kind}
    if kinds in APART or (kinds == {"pool", "service"} and one.network.version == 6):
        return None
    if "docker" in kinds:
        return "warning"
    prefix, mine = (one, other) if one.kind == "prefix" else (other, one)
    if prefix.kind == "prefix" and prefix.network.prefixlen < mine.network.prefixlen:
        return COVERED.get(mine.kind)
    return "error"


def ranges(it: Judge) -> Iterator[Range]:
    """Every range of the lab; of two that are written, the later one is told of."""
    spec = it.spec
    for index, gateway in enumerate(spec.fabric.vrfs[0].networks[0].gateway):
        yield Range("nodes", "the nodes' network", gateway.network, it.item(GATEWAY, index))
    yield from _of_cluster(spec)
    yield from _peering(it)
    yield from _underlay(it)
    if spec.external:
        for links in (addressing.EXTERNAL_LINKS, addressing.EXTERNAL_LINKS6):
            yield Range("links", "the links to external hosts", links, ("external", "links"))
    if {it.switch_target, it.cluster_target} != {"standin"}:
        yield from DOCKER
    yield Range("management", "the management network", spec.management, ("management",))
    for index, external in enumerate(spec.external):
        for position, network in enumerate(external.announces):
            if network.prefixlen:  # a default route has a rule of its own
                path = ("external", index, "announces", position)
                yield Range("prefix", f"{external.name}'s prefix", network, path)


def _of_cluster(spec: Spec) -> Iterator[Range]:
    for index, pool in enumerate(cluster_pools(spec)):
        yield Range("pool", "pool", pool.cidr, (*POOLS, index, "cidr"))
    for index, network in enumerate(cluster_services(spec)):
        yield Range("service", "service range", network, ("cluster", "services", index))
    for index, network in enumerate(spec.cluster.calico.external_ips if spec.cluster != "none" else ()):
        yield Range("ips", "external IPs", network, (*EXTERNAL_IPS, index))


def _peering(it: Judge) -> Iterator[Range]:
    if not it.sound(("fabric", "leaf_pairs")):
        return
    written = it.spec.fabric.vrfs[0].peering_loopbacks
    for leaf, both in peering_loopbacks(it.spec).items():
        mine: tuple[object, ...] = written.get(leaf, ())
        for address in both:
            if address is not None:
                path = it.item((*PEERING, leaf), mine.index(address)) if address in mine else (*PEERING, leaf, "")
                yield Range("peering", f"loopback1002 of {leaf}", ip_network(address), path)


def _underlay(it: Judge) -> Iterator[Range]:
    plan = (("loopback0", addressing.LOOPBACK0), ("VTEP addresses", addressing.VTEPS), ("links", addressing.LINKS))
    for what, network in plan:
        yield Range("underlay", f"the plan's {what}", network, (*ADDRESSES, "", what))
    if any(pair.peer_link == "physical" for pair in leaf_pairs(it.spec)):
        yield Range("underlay", "the plan's peer-links", addressing.BACKUPS, (*ADDRESSES, "", "backup"))
    for name, given in it.spec.fabric.addresses.items():
        for part in ("loopback0", "vtep", "vip"):
            address = getattr(given, part)
            if address is not None:
                yield Range("underlay", f"{part} of {name}", ip_network(address), (*ADDRESSES, name, part))


def overlaps(it: Judge) -> None:
    """Each range against all others, and against what no host can have."""
    table = [row for row in ranges(it) if it.sound(row.path)]
    found: dict[Path, list[tuple[Verdict, Range, Range]]] = {}
    for index, row in enumerate(table):
        if row.kind in ("pool", "service", "ips") and (special := no_host(row.network)):
            it.say("no-host", f"{row.what} {row.network}: no host can have {special}", row.path)
        for earlier in table[:index]:
            judged = verdict(row, earlier)
            if judged is not None:
                later = not it.planned(row.path) or it.planned(earlier.path)
                mine, other = (row, earlier) if later else (earlier, row)
                found.setdefault(mine.path, []).append((judged, mine, other))
    for path, rows in found.items():
        worst = [row for row in rows if row[0] == "error"] or rows
        _tell(it, path, *worst[0], more=len(worst) - 1)


def _tell(it: Judge, path: Path, judged: Verdict, mine: Range, other: Range, *, more: int) -> None:
    beside = f"{other.what} {_shown(other.network)}" + (f" and {more} more" if more else "")
    said = f"{mine.what} {_shown(mine.network)} {{}} {beside}"
    if judged == "error":
        own = "that is labctl's own choice: take another range here, or write one there"
        it.say("overlap", said.format("overlaps"), path, own if it.planned(other.path) else None)
    elif other.kind == "docker":
        it.warn("docker-network", said.format("overlaps"), path, "labctl doctor knows what Docker has on this host")
    else:
        it.warn("covers", said.format("covers") + ": without the leaf, its sessions go to the external host", path)


def _shown(network: Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
