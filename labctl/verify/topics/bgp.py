"""``bgp``: every session in both families, prefixes by Calico's rules, service routes with the right next hops."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from ipaddress import ip_address
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Literal

from labctl.kube.api import Resource
from labctl.kube.resources import BLOCK_AFFINITIES, ENDPOINT_SLICES, NODES, SERVICES
from labctl.nxos.tables import as_number, best_hops, neighbors, route_paths, rows
from labctl.verify import expectation
from labctl.verify.checks import Check
from labctl.verify.expectation import ADVERTISED, Cluster
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command
from labctl.verify.values import BlockOf, ClusterIpOf, EndpointsOf, Model, NodesOf
from labctl.verify.verdict import CheckResult, Judgement, fails, passes, ruled

Family = Literal["ipv4", "ipv6"]


class EvpnInput(Model):
    switch: str
    neighbors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeSession:
    """A leaf's session with an address of a node of its pair."""

    switch: str
    vrf: str
    neighbor: str
    asn: int
    node: str

    @property
    def family(self) -> Family:
        return "ipv6" if ":" in self.neighbor else "ipv4"

    def show(self, what: str) -> Command:
        """The question to its leaf, for its family and VRF."""
        return Command("nxos", self.switch, f"show {IP[self.family]} bgp {what} vrf {self.vrf}")

    @property
    def summary(self) -> Command:
        """All sessions of its leaf, family and VRF."""
        return self.show("summary")


class RouteInput(Model):
    """A route; ``preference`` and ``tag`` (the neighbor's AS) as ``show ip route`` prints them, where asked.

    ``behind``: nodes of other leafs → the VTEPs by which they are reached, when none of the leaf's own has an endpoint.
    """

    switch: str
    vrf: str
    prefix: ClusterIpOf | BlockOf | str
    next_hops: EndpointsOf | NodesOf | tuple[str, ...]
    segment: int | None = None
    preference: int | None = None
    tag: int | None = None
    behind: Mapping[str, tuple[str, ...]] = {}


class PairInput(Model):
    """Leafs (of a vPC pair) with their VTEPs, and the nodes at them: each leaf has a session with each address."""

    leafs: Mapping[str, str]
    nodes: Mapping[str, tuple[str, ...]]


class HeardInput(Model):
    """What a leaf hears of the nodes of its pair: as many prefixes as Calico's rules let each advertise, each node's
    own blocks (``blocks``), ranges of Services from all of them, and Services from those that have an endpoint.

    ``preference``: as ``show ip route`` prints it; the tag is the nodes' AS.
    """

    preference: int
    blocks: bool
    ranges: tuple[str, ...]
    services: tuple[str, ...]


class NodesInput(Model):
    """The nodes as the leafs' BGP neighbors. ``heard`` None: the mesh is on, so each node passes the others' prefixes
    on, and what one leaf hears of one node says nothing."""

    vrf: str
    asn: int
    pairs: tuple[PairInput, ...]
    heard: HeardInput | None = None

    def sessions(self) -> Iterator[NodeSession]:
        """Leaf by leaf."""
        for pair in self.pairs:
            for leaf in pair.leafs:
                for node, addresses in pair.nodes.items():
                    for address in addresses:
                        yield NodeSession(leaf, self.vrf, address, self.asn, node)

    def routes(self) -> Iterator[RouteInput]:
        """What each leaf hears, and of a Service whose endpoints are at other leafs, how they are reached."""
        if self.heard is None:
            return
        vteps: dict[str, tuple[str, ...]] = {}
        for pair in self.pairs:
            vteps |= {node: (*vteps.get(node, ()), *pair.leafs.values()) for node in pair.nodes}
        for leaf in dict.fromkeys(leaf for pair in self.pairs for leaf in pair.leafs):
            own = {node: hops for pair in self.pairs if leaf in pair.leafs for node, hops in pair.nodes.items()}
            behind = {node: hops for node, hops in vteps.items() if node not in own}
            yield from self._heard_at(leaf, self.heard, own, behind)

    def _heard_at(
        self, leaf: str, heard: HeardInput, own: Mapping[str, tuple[str, ...]], behind: Mapping[str, tuple[str, ...]]
    ) -> Iterator[RouteInput]:
        """``own``: the leaf's nodes → their addresses; ``behind``: as in `RouteInput`."""
        hops = {node: hop for node, addresses in own.items() for hop in addresses if ":" not in hop}
        of_leaf = partial(RouteInput, switch=leaf, vrf=self.vrf)
        of_node = partial(of_leaf, preference=heard.preference, tag=self.asn)
        make = of_leaf if behind else of_node  # of endpoints at another pair the route comes over the fabric
        for name in heard.services:
            service, there = ClusterIpOf(cluster_ip_of=name), EndpointsOf(endpoints_of=name)
            yield make(prefix=service, next_hops=there, behind=behind)
        for node, hop in hops.items() if heard.blocks else ():
            yield of_node(prefix=BlockOf(block_of=node), next_hops=(hop,))
        for network in heard.ranges if hops else ():
            yield of_node(prefix=network, next_hops=tuple(hops.values()))


class CopyInput(Model):
    """An address that other leafs have, too: their copy must never be reached. ``others``: VTEP → whose it is."""

    switch: str
    vrf: str
    prefix: str
    others: Mapping[str, str]


class BgpInput(Model):
    """Of one mode. ``nodes`` None: a fabric without a cluster."""

    evpn: tuple[EvpnInput, ...] = ()
    nodes: NodesInput | None = None
    routes: tuple[RouteInput, ...] = ()
    copies: tuple[CopyInput, ...] = ()

    @cached_property
    def sessions(self) -> tuple[NodeSession, ...]:
        """With nodes."""
        return tuple(self.nodes.sessions()) if self.nodes else ()

    @cached_property
    def all_routes(self) -> tuple[RouteInput, ...]:
        """Those that are said one by one, too."""
        return (*(self.nodes.routes() if self.nodes else ()), *self.routes)


VERSION = {"ipv4": 4, "ipv6": 6}
IP = {"ipv4": "ip", "ipv6": "ipv6"}
WINDOW = 3.0
"""Seconds over which another pair's copy of a loopback must not be reached."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab), lab.deadline("converged"))
    copies = [_copy(row) for row in lab.section(BgpInput).copies]
    return found + (lab.hold(copies, WINDOW, found) if copies else [])


def checks(lab: LabUnderTest) -> Iterator[Check]:
    """What must be there."""
    inputs = lab.section(BgpInput)
    for switch, neighbor in ((row.switch, neighbor) for row in inputs.evpn for neighbor in row.neighbors):
        judge = partial(judge_session, switch, neighbor, None)
        yield Check(f"bgp.evpn.{switch}.{neighbor}", f"EVPN of {switch} with {neighbor}", (evpn(switch),), judge)
    for row in inputs.sessions:
        judge = partial(judge_session, row.switch, row.neighbor, row.asn)
        title = f"{row.switch} with {row.node} ({row.neighbor})"
        yield Check(f"bgp.session.{row.switch}.{row.neighbor}", title, (row.summary,), judge)
        if inputs.nodes and inputs.nodes.heard:
            yield lab.cluster_check(
                f"bgp.prefixes.{row.switch}.{row.neighbor}", f"prefixes of {row.node} at {row.switch}, {row.family}",
                ADVERTISED, partial(_prefixes, row, lab.kube_name(row.node)), row.summary,
            )  # fmt: skip
    counts = Counter((row.switch, row.vrf, row.family, row.summary) for row in inputs.sessions)
    for (switch, vrf, family, summary), count in counts.items():
        judge = partial(judge_peers, switch, vrf, family, count)
        yield Check(f"bgp.peers.{switch}.{family}", f"{count} peers of {switch} in {family}", (summary,), judge)
    for route in inputs.all_routes:
        yield _route(lab, route)


def evpn(switch: str) -> Command:
    """The sessions of a switch in the fabric."""
    return Command("nxos", switch, "show bgp l2vpn evpn summary")


def _route(lab: LabUnderTest, row: RouteInput) -> Check:
    what = str(row.prefix)
    if isinstance(row.prefix, ClusterIpOf):
        what = row.prefix.cluster_ip_of
    elif isinstance(row.prefix, BlockOf):
        what = f"block-of-{row.prefix.block_of}"
    identity, title = f"bgp.route.{row.switch}.{what}", f"route to {what} at {row.switch}"
    table = route_table(row.switch, row.vrf, what)
    if row.segment is not None and isinstance(row.prefix, str) and isinstance(row.next_hops, tuple):
        # what the hop over VXLAN is called in JSON differs by release: its segment and tunnel are read as they print
        text = table.text.replace("route", f"route {row.prefix.partition('/')[0]}")
        judge = partial(judge_tunnelled, row.switch, row.prefix, list(row.next_hops), row.segment)
        return Check(identity, title, (Command("nxos-text", row.switch, text),), judge)
    # the prefix of a Service is known when it is applied: the whole table is read, the judge picks
    return route_check(lab, row, identity, title, table)


def _copy(row: CopyInput) -> Check:
    identity, title = f"bgp.only-copy.{row.switch}.{row.prefix}", f"{row.switch} reaches no other pair's {row.prefix}"
    return Check(identity, title, (route_table(row.switch, row.vrf, row.prefix),), partial(judge_copy, row))


def route_table(switch: str, vrf: str, what: str) -> Command:
    """The routing table of a prefix's family; Services have IPv4 ones."""
    return Command("nxos", switch, f"show {'ipv6' if ':' in what else 'ip'} route vrf {vrf}")


LOOKED_UP: Mapping[type, tuple[Resource, ...]] = {
    EndpointsOf: (NODES, SERVICES, ENDPOINT_SLICES), NodesOf: (NODES,), BlockOf: (BLOCK_AFFINITIES,),
    ClusterIpOf: (SERVICES,),
}  # fmt: skip
"""Kinds of API object by which a rule is resolved; what is said in addresses needs none."""


def route_check(lab: LabUnderTest, row: RouteInput, identity: str, title: str, table: Command) -> Check:
    """A route by its input, in a routing table; what is known by an API object's name is looked up in each round."""
    kinds = dict.fromkeys(kind for part in (row.next_hops, row.prefix) for kind in LOOKED_UP.get(type(part), ()))
    return lab.cluster_check(identity, title, tuple(kinds), partial(judge_route, lab.kube_name, row), table)


def judge_route(name: Callable[[str], str], row: RouteInput, cluster: Cluster, body: Any) -> Judgement:
    """A route by its input and the API objects. ``name``: Kubernetes' of a node of the lab. Pure."""
    prefixes = [str(row.prefix)]
    if isinstance(row.prefix, BlockOf):
        node = name(row.prefix.block_of)
        prefixes = expectation.block_of(cluster, node, 4)
        if not prefixes:
            return fails(f"{node} has no address block", f"a block of {node}", [])
    if isinstance(row.prefix, ClusterIpOf):
        service = expectation.service_of(cluster, row.prefix.cluster_ip_of)
        if service is None:
            return fails(f"there is no Service {row.prefix.cluster_ip_of}", row.prefix.cluster_ip_of, None)
        prefixes = [f"{service['spec']['clusterIP']}/32"]
    hops, some_of = _wanted_hops(name, row, cluster, 6 if ":" in prefixes[0] else 4)
    if some_of:
        return judge_some_of(row.switch, prefixes[0], some_of, body)
    marks = {mark: value for mark in MARKS if (value := getattr(row, mark)) is not None}
    judged = [judge_hops(row.switch, prefix, hops, row.segment, body, marks) for prefix in prefixes]
    return next((judgement for judgement in judged if judgement.verdict != "PASS"), judged[0])


def _wanted_hops(
    name: Callable[[str], str], row: RouteInput, cluster: Cluster, version: int
) -> tuple[list[str], list[str]]:
    """(next hops, VTEPs of which some are next hops instead); ``version``: the prefix's, Services have IPv4 ones."""
    if isinstance(row.next_hops, EndpointsOf):
        behind = {name(node): vteps for node, vteps in row.behind.items()}
        return expectation.service_hops(cluster, row.next_hops.endpoints_of, 4, behind)
    if isinstance(row.next_hops, NodesOf):
        found = [expectation.node_address(cluster, name(node), version) for node in row.next_hops.nodes]
        return [address for address in found if address], []
    return list(row.next_hops), []


def judge_session(switch: str, neighbor: str, asn: int | None, body: Any) -> Judgement:
    """A neighbor is Established, with the right AS."""
    expected = {"state": "Established", **({"asn": asn} if asn is not None else {})}
    row = neighbors(body).get(neighbor)
    if row is None:
        known = ", ".join(neighbors(body)) or "none"
        return fails(f"{switch}: neighbor {neighbor} is not configured (there are: {known})", expected, None)
    seen = {"state": row.get("state"), "asn": as_number(str(row.get("neighboras") or 0))}
    rules = (
        (asn is not None and seen["asn"] != asn,
         f"configured with AS {seen['asn']}, not {asn}, and is {seen['state']}"),
        (seen["state"] != "Established", f"{seen['state']}, not Established"),
    )  # fmt: skip
    return ruled(f"{switch}: neighbor {neighbor} is ", rules, "Established", expected, seen)


def _prefixes(session: NodeSession, node: str, cluster: Cluster, body: Any) -> Judgement:
    return judge_prefixes(session, expectation.advertised(cluster, node, VERSION[session.family]), body)


def judge_prefixes(session: NodeSession, expected: Sequence[str], body: Any) -> Judgement:
    """PfxRcd is the number that Calico's rules give."""
    switch, neighbor = session.switch, session.neighbor
    row = neighbors(body).get(neighbor)
    wanted = {"count": len(expected), "prefixes": list(expected)}
    if row is None or row.get("state") != "Established":
        state = row.get("state") if row else "not configured"
        return fails(f"{switch}: no prefixes of {session.node}: neighbor {neighbor} is {state}", wanted, None)
    count = int(row.get("prefixreceived") or 0)
    if count != len(expected):
        told = f"{switch}: {count} prefixes received from {session.node} ({neighbor}), expected {len(expected)}"
        return fails(f"{told}: {', '.join(expected)}", wanted, count)
    return passes(f"{switch}: {count} prefixes from {session.node} ({neighbor})", wanted, count)


def judge_some_of(switch: str, prefix: str, some_of: Sequence[str], body: Any) -> Judgement:
    """A route has next hops, all of them among these: how many there are, ``maximum-paths`` decides."""
    expected = {"prefix": prefix, "next_hops_among": list(some_of)}
    hops = best_hops(route_paths(body, prefix) or ())
    seen = {"prefix": prefix, "next_hops": hops}
    wrong = ", ".join(hop for hop in hops if hop not in some_of)
    rules = (
        (not hops, f"no route to {prefix}"),
        (wrong, f"{prefix} has next hops {wrong}, not among {', '.join(some_of)}"),
    )
    return ruled(f"{switch}: ", rules, f"{prefix} via {', '.join(hops)}", expected, seen)


def judge_copy(check: CopyInput, body: Any) -> Judgement:
    """A route to an address that several pairs have leads to none of the other pairs; having no route is fine."""
    expected = {"prefix": check.prefix, "not_by": dict(check.others)}
    paths = route_paths(body, check.prefix)
    hops = best_hops(paths or ())
    seen = {"prefix": check.prefix, "next_hops": hops}
    wrong = [f"{check.others[hop]} ({hop})" for hop in hops if hop in check.others]
    if wrong:
        why = "which has the same address in another pair (is its colour missing?)"
        told = f"{check.switch}: {check.prefix} is duplicated: it is reached at {' and '.join(wrong)}"
        return fails(f"{told}, {why}", expected, seen)
    where = f"reached via {', '.join(hops)} alone" if any(hops) else "its own" if paths is not None else "not known"
    return passes(f"{check.switch}: {check.prefix} is {where}, no copy of another pair", expected, seen)


def judge_hops(
    switch: str,
    prefix: str,
    next_hops: Sequence[str],
    segment: int | None,
    body: Any,
    marks: Mapping[str, int] = MappingProxyType({}),
) -> Judgement:
    """A route has exactly these next hops, and comes over VXLAN where a segment is asked for.

    ``marks``: preference and tag that every path is to have.
    """
    wanted = sorted(next_hops)
    expected = {"prefix": prefix, "next_hops": wanted, **({"segment": segment} if segment else {}), **marks}
    paths = route_paths(body, prefix)
    if paths is None:
        return fails(f"{switch}: no route to {prefix}", expected, None)
    hops, segments, found = best_hops(paths), _segments(paths), _marks(paths, marks)
    shown = {"segment": segments[:1], **found}
    seen: dict[str, Any] = {"prefix": prefix, "next_hops": hops}
    seen |= {name: values[0] if len(values) == 1 else values for name, values in shown.items() if values}
    over = segment is not None and bool(segments)
    rules = [
        (hops != wanted, f"has next hops {', '.join(hops) or 'none'}, expected {', '.join(wanted) or 'none'}"),
        (over and segments != [segment], f"is in segment {segments}, expected {segment}"),
        *((found[name] != [mark], f"has {name} {seen.get(name)}, expected {mark}") for name, mark in marks.items()),
    ]
    told = f" over VXLAN segment {segment}" if over else ""
    return ruled(f"{switch}: {prefix} ", rules, f"via {', '.join(hops)}{told}", expected, seen)


MARKS = {"preference": "pref", "tag": "tag"}
"""Of a path, in NX-OS's JSON."""


def _segments(paths: Sequence[Mapping[str, Any]]) -> list[int]:
    return sorted({int(row["segmentid"]) for row in paths if row.get("segmentid")})


def _marks(paths: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, list[int]]:
    """Of the best paths, each value once; 0 is none."""
    best = [row for row in paths if row.get("ubest") == "true"]
    return {name: sorted({int(row.get(MARKS[name]) or 0) for row in best}) for name in names}


PRINTED = {
    "next_hops": re.compile(r"^\s*\*via (?:::ffff:)?([0-9A-Fa-f.:]+)"),
    "segments": re.compile(r"segid: (\d+)"),
    "tunnels": re.compile(r"tunnelid: (0x[0-9a-f]+)"),
    "encapsulation": re.compile(r"encap: (\S+)"),
}
"""What ``show ip route`` prints of a path over VXLAN. The hop of an IPv6 route is an IPv4 address in IPv6's form
(``::ffff:10.2.0.1%default:IPv4``)."""


def tunnel_id(address: str) -> str:
    """NX-OS's tunnel id of a VTEP: its IPv4 address in hex without leading zero (10.2.0.1 is 0xa020001)."""
    return f"0x{int(ip_address(address)):x}"


def judge_tunnelled(switch: str, prefix: str, next_hops: Sequence[str], segment: int, text: str) -> Judgement:
    """``show ip route PREFIX`` as it prints: these next hops, over VXLAN, in the segment, each by its own tunnel."""
    expected: dict[str, Any] = {
        "prefix": prefix, "next_hops": sorted(next_hops), "segment": segment, "encapsulation": "VXLAN",
        "tunnels": sorted(tunnel_id(hop) for hop in next_hops),
    }  # fmt: skip
    lines = _printed(prefix, text)
    if lines is None:
        return fails(f"{switch}: no route to {prefix}", expected, None)
    seen: dict[str, Any] = {"prefix": prefix}
    for key, pattern in PRINTED.items():
        seen[key] = sorted({match[1] for line in lines for match in [pattern.search(line)] if match})
    seen["segments"] = [int(number) for number in seen["segments"]]
    told, tunnels = ", ".join(seen["next_hops"]), ", ".join(seen["tunnels"])
    rules = (
        (seen["next_hops"] != expected["next_hops"],
         f"has next hops {told or 'none'}, expected {', '.join(expected['next_hops'])}"),
        (seen["encapsulation"] != ["VXLAN"], f"via {told} is not over VXLAN"),
        (seen["segments"] != [segment], f"is in segment {seen['segments']}, expected {segment}"),
        (seen["tunnels"] != expected["tunnels"],
         f"goes by tunnel {tunnels}, expected {', '.join(expected['tunnels'])}"),
    )  # fmt: skip
    right = f"via {told} over VXLAN segment {segment}, tunnel {tunnels}"
    return ruled(f"{switch}: {prefix} ", rules, right, expected, seen)


def _printed(prefix: str, text: str) -> list[str] | None:
    """The lines of a route's paths; None without the route."""
    lines = iter(text.splitlines())
    if not any(line.startswith(f"{prefix},") for line in lines):
        return None
    return list(takewhile(lambda line: not line.strip() or line.lstrip().startswith("*"), lines))


def judge_peers(switch: str, vrf: str, family: Family, count: int, body: Any) -> Judgement:
    """``config peers`` and ``capable peers`` of a summary (white paper: Figure 16)."""
    families = rows(body, "vrf", "af", "saf")
    expected = {"configured": count, "capable": count}
    if not families:
        return fails(f"{switch} has no BGP in VRF {vrf}, {family}", expected, None)
    seen = {key: int(families[0].get(f"{key}peers") or 0) for key in expected}
    told = f"{switch}: {family}: config peers {seen['configured']}, capable peers {seen['capable']}"
    return ruled(told, [(seen != expected, f", expected {count} of both")], "", expected, seen)


SCENARIO = Scenario("bgp", "BGP between fabric and Calico", run, fabric_title="BGP EVPN in the fabric")
