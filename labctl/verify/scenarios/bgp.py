"""``bgp``: every session in both families, prefixes by Calico's rules, service routes with the right next hops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from labctl.kube.api import Resource
from labctl.kube.resources import BLOCK_AFFINITIES, ENDPOINT_SLICES, NODES, SERVICES
from labctl.verify import bgpjudges, expectation, judges
from labctl.verify.checks import Check
from labctl.verify.clusterview import ADVERTISED, cluster_check
from labctl.verify.expectation import Cluster
from labctl.verify.inputs import (
    AdvertisedBy,
    BgpInput,
    BlockOf,
    ClusterIpOf,
    CopyInput,
    EndpointsOf,
    RouteInput,
    SessionInput,
)
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Command
from labctl.verify.scenario import Scenario
from labctl.verify.verdict import CheckResult, Judgement

VERSION = {"ipv4": 4, "ipv6": 6}
SUMMARY = {"ipv4": "show ip bgp summary", "ipv6": "show ipv6 bgp summary"}


WINDOW = 3.0
"""Seconds over which another pair's copy of a loopback must not be reached."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab, lab.mode.bgp), lab.deadline("converged"))
    copies = [_copy(row) for row in lab.mode.bgp.copies]
    return found + (lab.hold(copies, WINDOW, found) if copies else [])


def checks(lab: LabUnderTest, inputs: BgpInput) -> list[Check]:
    """From the inputs."""
    found = [
        Check(
            f"bgp.evpn.{row.switch}.{neighbor}", f"EVPN of {row.switch} with {neighbor}",
            (Command("nxos", row.switch, "show bgp l2vpn evpn summary"),),
            partial(judges.session, row.switch, neighbor, None),
        )
        for row in inputs.evpn
        for neighbor in row.neighbors
    ]  # fmt: skip
    for session in inputs.sessions:
        found += _session(lab, session)
    found += [
        Check(
            f"bgp.peers.{row.switch}.{row.family}", f"{row.count} peers of {row.switch} in {row.family}",
            (Command("nxos", row.switch, f"{SUMMARY[row.family]} vrf {row.vrf}"),), partial(bgpjudges.peers, row),
        )
        for row in inputs.peers
    ]  # fmt: skip
    return found + [_route(lab, row) for row in inputs.routes]


def _session(lab: LabUnderTest, row: SessionInput) -> list[Check]:
    command = Command("nxos", row.switch, f"{SUMMARY[row.family]} vrf {row.vrf}")
    found = [
        Check(
            f"bgp.session.{row.switch}.{row.neighbor}", f"{row.switch} with {row.node} ({row.neighbor})", (command,),
            partial(judges.session, row.switch, row.neighbor, row.asn),
        )
    ]  # fmt: skip
    if row.prefixes is not None:
        found.append(
            cluster_check(
                f"bgp.prefixes.{row.switch}.{row.neighbor}",
                f"prefixes of {row.node} at {row.switch}, {row.family}",
                (command,),
                partial(_prefixes, lab.kube_name, row),
                calico=lab.calico,
                kinds=ADVERTISED if isinstance(row.prefixes, AdvertisedBy) else (),
            )
        )
    return found


def _prefixes(name: Callable[[str], str], row: SessionInput, cluster: Cluster, body: Any) -> Judgement:
    if isinstance(row.prefixes, AdvertisedBy):
        expected = expectation.advertised(cluster, name(row.prefixes.advertised_by), VERSION[row.family])
    else:
        expected = ["any"] * int(row.prefixes or 0)
    return judges.prefixes(row.switch, row.node, row.neighbor, expected, body)


def _route(lab: LabUnderTest, row: RouteInput) -> Check:
    what = _words(row.prefix)
    if row.segment is not None and isinstance(row.prefix, str) and not isinstance(row.next_hops, EndpointsOf):
        # what the hop over VXLAN is called in JSON differs by release: its segment and tunnel are read as they print
        text = f"show {'ipv6' if ':' in row.prefix else 'ip'} route {row.prefix.partition('/')[0]} vrf {row.vrf}"
        return Check(
            f"bgp.route.{row.switch}.{what}", f"route to {what} at {row.switch}",
            (Command("nxos-text", row.switch, text),),
            partial(bgpjudges.tunnelled, row.switch, row.prefix, list(row.next_hops), row.segment),
        )  # fmt: skip
    # the prefix of a Service is known when it is applied: the whole table is read, the judge picks
    return route_check(
        lab, row, f"bgp.route.{row.switch}.{what}", f"route to {what} at {row.switch}",
        _table(row.switch, row.vrf, what),
    )  # fmt: skip


def _words(prefix: ClusterIpOf | BlockOf | str) -> str:
    if isinstance(prefix, ClusterIpOf):
        return prefix.cluster_ip_of
    return f"block-of-{prefix.block_of}" if isinstance(prefix, BlockOf) else prefix


def _copy(row: CopyInput) -> Check:
    return Check(
        f"bgp.only-copy.{row.switch}.{row.prefix}", f"{row.switch} reaches no other pair's {row.prefix}",
        (_table(row.switch, row.vrf, row.prefix),), partial(judges.only_copy, row),
    )  # fmt: skip


def _table(switch: str, vrf: str, what: str) -> Command:
    """The routing table of a prefix's family; Services have IPv4 ones."""
    return Command("nxos", switch, f"show {'ipv6' if ':' in what else 'ip'} route vrf {vrf}")


def route_check(lab: LabUnderTest, row: RouteInput, identity: str, title: str, table: Command) -> Check:
    """A route by its input, in a routing table; what is known by an API object's name is looked up in each round."""
    judge, kinds = partial(judge_route, lab.kube_name, row), kinds_of(row.prefix, row.next_hops)
    return cluster_check(identity, title, (table,), judge, calico=lab.calico, kinds=kinds)


def kinds_of(prefix: object, next_hops: object) -> tuple[Resource, ...]:
    """The kinds of API object by which `judge_route` looks a route up: none for what is said in addresses."""
    if isinstance(prefix, BlockOf):
        return (BLOCK_AFFINITIES,)
    if isinstance(next_hops, EndpointsOf):
        return (NODES, SERVICES, ENDPOINT_SLICES)
    return (SERVICES,) if isinstance(prefix, ClusterIpOf) else ()


def judge_route(name: Callable[[str], str], row: RouteInput, cluster: Cluster, body: Any) -> Judgement:
    """A route by its input and the API objects. ``name``: Kubernetes' of a node of the lab. Pure."""
    prefix = row.prefix
    if isinstance(prefix, BlockOf):
        return _judge_block(row, name(prefix.block_of), cluster, body)
    if isinstance(prefix, ClusterIpOf):
        service = expectation.service_of(cluster, prefix.cluster_ip_of)
        if service is None:
            return Judgement("FAIL", f"there is no Service {prefix.cluster_ip_of}", prefix.cluster_ip_of, None)
        prefix = f"{service['spec']['clusterIP']}/32"
    hops: list[str]
    if isinstance(row.next_hops, EndpointsOf):
        behind = {name(node): vteps for node, vteps in row.next_hops.behind.items()}
        hops, some_of = expectation.service_hops(cluster, row.next_hops.endpoints_of, 4, behind)
        if some_of:
            return judges.route_by(row.switch, prefix, some_of, body)
    else:
        hops = list(row.next_hops)
    return judges.route(row.switch, prefix, hops, row.segment, body, _marks(row))


def _marks(row: RouteInput) -> dict[str, int]:
    marks = {"preference": row.preference, "tag": row.tag}
    return {name: value for name, value in marks.items() if value is not None}


def _judge_block(row: RouteInput, node: str, cluster: Cluster, body: Any) -> Judgement:
    """Each block of a node is reached at that node alone."""
    blocks = expectation.block_of(cluster, node, 4)
    hops = [] if isinstance(row.next_hops, EndpointsOf) else list(row.next_hops)
    found = [judges.route(row.switch, block, hops, row.segment, body, _marks(row)) for block in blocks]
    if not found:
        return Judgement("FAIL", f"{node} has no address block", f"a block of {node}", [])
    return next((judgement for judgement in found if judgement.verdict != "PASS"), found[0])


SCENARIO = Scenario("bgp", "BGP between fabric and Calico", run, fabric_title="BGP EVPN in the fabric")
