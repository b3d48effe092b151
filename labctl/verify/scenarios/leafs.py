"""``leafs``: anycast gateway, peering loopback, BGP configuration and filters of each leaf, and what it must not know.

The running configuration is asked once a leaf and serves all checks of it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from labctl.kube.api import Json
from labctl.kube.resources import ENDPOINT_SLICES, NODES, SERVICES
from labctl.verify import leafjudges
from labctl.verify.capturing import GATEWAY_MACS
from labctl.verify.checks import Check
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest
from labctl.verify.leafinputs import LeafInput
from labctl.verify.observer import Command
from labctl.verify.scenario import Scenario
from labctl.verify.verdict import CheckResult, Judgement

RUNNING = "show running-config"
VPC = "show vpc brief"


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab), lab.deadline("converged"))
    return found + lab.hold(negatives(lab), lab.checks.leafs.window, found)


def checks(lab: LabUnderTest) -> list[Check]:
    """What must be there."""
    return [check for leaf in lab.checks.leafs.switches for check in _leaf(lab, leaf)]


def negatives(lab: LabUnderTest) -> list[Check]:
    """What a leaf must never know. With the mesh on (IPIP) a leaf has every route from every node."""
    found = []
    for leaf in lab.checks.leafs.switches:
        local = leaf.local if lab.folder.lab.mode == "routed" else ()
        table = Command("nxos", leaf.switch, f"show ip route vrf {leaf.vrf}")
        objects = [Command("kube", "kubernetes", kind.path()) for kind in (SERVICES, ENDPOINT_SLICES, NODES)]
        for kind, services, judge, words in (
            ("absent", leaf.absent, leafjudges.no_host_route, "no host route to"),
            ("next-hops", local, leafjudges.only_endpoints, "only nodes with an endpoint as next hops of"),
        ):
            for service in services:
                judged = partial(_of_cluster, lab.folder.lab.versions.get("calico", "0.0.0"),
                                 partial(judge, leaf.switch, service))  # fmt: skip
                title = f"{words} {service} at {leaf.switch}"
                found.append(Check(f"leafs.{kind}.{leaf.switch}.{service}", title, (table, *objects), judged))
    return found


def _of_cluster(
    calico: str, judge: Any, body: Any, services: list[Json], slices: list[Json], nodes: list[Json]
) -> Judgement:
    found: Judgement = judge(Cluster(calico, nodes, services, slices), body)
    return found


def _leaf(lab: LabUnderTest, leaf: LeafInput) -> list[Check]:
    name = leaf.switch
    running = Command("nxos-text", name, RUNNING)
    brief = Command("nxos", name, f"show ip interface brief vrf {leaf.vrf}")
    macs, svi = Command("nxos", name, GATEWAY_MACS), f"Vlan{leaf.gateway.vlan}"
    found = [
        Check(f"leafs.gateway.{name}", f"anycast gateway {svi} of {name}", (running,),
              partial(leafjudges.gateway, leaf)),
        Check(f"leafs.gateway-up.{name}", f"{svi} of {name} is up and answers", (brief, macs),
              partial(leafjudges.gateway_up, leaf)),
    ]  # fmt: skip
    if leaf.loopback:
        title = f"{leaf.loopback.interface} of {name}"
        found.append(Check(f"leafs.loopback.{name}", title, (running, brief), partial(leafjudges.loopback, leaf)))
    if leaf.peer_link:
        judge = partial(leafjudges.own_vtep, leaf)
        found.append(Check(f"leafs.own-vtep.{name}", f"{name} is reached at its own VTEP address", (running,), judge))
        judge = partial(leafjudges.peer_link, leaf)
        found.append(Check(f"leafs.peer-link.{name}", f"peer-link of {name}", (Command("nxos", name, VPC),), judge))
    if leaf.bgp:
        pushed = (lab.folder.path / "nxos" / f"{name}.cfg").read_text(encoding="utf-8")
        judge = partial(leafjudges.bgp_config, leaf, leaf.bgp.asn, pushed)
        found.append(Check(f"leafs.bgp-config.{name}", f"router bgp of {name}", (running,), judge))
        for row in leaf.bgp.neighbors:
            judge = partial(leafjudges.neighbor, leaf, leaf.bgp, row)
            title = f"{name}'s neighbor {row.address}"
            found.append(Check(f"leafs.neighbor.{name}.{row.address}", title, (running,), judge))
        for family in leafjudges.family_of(leaf.bgp):
            judge = partial(leafjudges.out_filter, leaf, leaf.bgp, family)
            title = f"filter of {name} towards the nodes, {family}"
            found.append(Check(f"leafs.filter.{name}.{family}", title, (running,), judge))
    return found


SCENARIO = Scenario("leafs", "leafs as the nodes need them", run, late=True)
