"""``cluster``: Kubernetes and Calico as they are configured and as they run, and each node's routing table.

What is there is asked until it is right; what must not be there is looked for over a window afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_interface, ip_network
from typing import Any

from labctl.kube.api import Json, Resource
from labctl.kube.resources import (
    BGP_CONFIGURATIONS,
    BGP_PEERS,
    BLOCK_AFFINITIES,
    CONFIG_MAPS,
    IP_POOLS,
    NODES,
    PODS,
    SERVICES,
)
from labctl.verify import birdsessions, hostjudges, kubejudges
from labctl.verify.checks import Check
from labctl.verify.clusterinputs import ClusterInput, KubeNodeInput
from labctl.verify.expectation import NODE_ADDRESS
from labctl.verify.hostjudges import ADDRESSES, ROUTES4, ROUTES6, Route
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Command, Unanswered
from labctl.verify.scenario import Scenario
from labctl.verify.verdict import CheckResult, Judgement


def run(lab: LabUnderTest) -> list[CheckResult]:
    inputs = _inputs(lab)
    found = lab.poll(checks(lab), lab.deadline("converged"))
    return found + lab.hold(negatives(lab), inputs.window, found)


def _inputs(lab: LabUnderTest) -> ClusterInput:
    if lab.checks.cluster is None:
        raise Unanswered("checks.yaml says nothing of the cluster")
    return lab.checks.cluster


def checks(lab: LabUnderTest) -> list[Check]:
    """What must be there."""
    inputs = _inputs(lab)
    found = _objects(lab, inputs)
    for row in inputs.nodes:
        found += _node(lab, inputs, row)
    return found


def negatives(lab: LabUnderTest) -> list[Check]:
    """What must never be there."""
    inputs, found = _inputs(lab), []
    encapsulates = _encapsulates(lab, inputs)
    for row in inputs.nodes:
        tables = _tables(row.node)
        for name, what, networks in (
            ("services", "service prefix", inputs.routes.services),
            ("loopbacks", "peering loopback", inputs.routes.absent),
        ):
            if networks:
                judge = partial(_table, partial(hostjudges.within, row.node, what, networks))
                found.append(
                    Check(f"cluster.absent.{name}.{row.node}", f"no {what} in {row.node}'s table", tables, judge)
                )
        judge = partial(_table, partial(hostjudges.usable, row.node, encapsulates=encapsulates))
        title = f"every route of {row.node} leads somewhere"
        found.append(Check(f"cluster.absent.unreachable.{row.node}", title, tables, judge))
    return found


def _encapsulates(lab: LabUnderTest, inputs: ClusterInput) -> bool:
    return any(row.ipip_mode.of(lab.folder.lab.mode) != "Never" for row in inputs.pools)


def _listed(resource: Resource) -> Command:
    return Command("kube", "kubernetes", resource.path())


def _objects(lab: LabUnderTest, inputs: ClusterInput) -> list[Check]:
    """Of the API alone."""
    mode = lab.folder.lab.mode
    found = []
    for row in inputs.nodes:
        name = lab.kube_name(row.node)
        judge = partial(kubejudges.node, name, inputs.kubernetes)
        found.append(Check(f"cluster.node.{row.node}", f"node {name} is Ready", (_listed(NODES),), judge))
        if inputs.pod_cidrs:
            judge = partial(kubejudges.pod_cidrs, name, inputs.pod_cidrs)
            found.append(Check(f"cluster.pod-cidrs.{row.node}", f"podCIDRs of {name}", (_listed(NODES),), judge))
    for part in inputs.components:
        judge = partial(kubejudges.component, part, [lab.kube_name(node) for node in part.nodes])
        found.append(Check(f"cluster.component.{part.name}", f"{part.name} runs", (_listed(PODS),), judge))
    config = inputs.config
    command = Command("kube", "kubernetes", CONFIG_MAPS.path(config.namespace))
    judge = partial(kubejudges.calico_config, config)
    found.append(Check("cluster.calico-config", f"ConfigMap {config.name}", (command,), judge))
    for pool in inputs.pools:
        judge = partial(kubejudges.pool, pool, mode)
        found.append(Check(f"cluster.pool.{pool.name}", f"IPPool {pool.name}", (_listed(IP_POOLS),), judge))
    judge = partial(kubejudges.bgp_configuration, inputs.bgp, mode)
    command = _listed(BGP_CONFIGURATIONS)
    found.append(Check("cluster.bgp-configuration", "BGPConfiguration default", (command,), judge))
    for peer in inputs.peers:
        nodes = None if peer.nodes is None else [lab.kube_name(node) for node in peer.nodes]
        judge = partial(kubejudges.peer, peer, nodes)
        found.append(Check(f"cluster.peer.{peer.name}", f"BGPPeer {peer.name}", (_listed(BGP_PEERS),), judge))
    for work in inputs.workloads:
        name = work.selector.partition("=")[2]
        judge = partial(kubejudges.workload, work)
        found.append(Check(f"cluster.workload.{name}", f"pods {work.selector} run", (_listed(PODS),), judge))
    for service in inputs.services:
        judge = partial(kubejudges.service, service, inputs.service_ranges)
        title = f"Service {service.service}"
        found.append(Check(f"cluster.service.{service.service}", title, (_listed(SERVICES),), judge))
    return found


def _tables(node: str) -> tuple[Command, ...]:
    return (Command("node", node, ROUTES4), Command("node", node, ROUTES6))


def _table(judge: Callable[[dict[str, list[Route]]], Judgement], routes4: str, routes6: str) -> Judgement:
    return judge(hostjudges.table(routes4, routes6))


def _node(lab: LabUnderTest, inputs: ClusterInput, row: KubeNodeInput) -> list[Check]:
    """What one node has."""
    node, kube = row.node, lab.kube_name(row.node)
    device, pools = inputs.routes.device, [pool.cidr for pool in inputs.pools]
    encapsulates = _encapsulates(lab, inputs)
    addresses, tables = Command("node", node, ADDRESSES), _tables(node)
    nodes, pods, affinities = _listed(NODES), _listed(PODS), _listed(BLOCK_AFFINITIES)

    def check(kind: str, title: str, commands: Sequence[Command], judge: Callable[..., Judgement]) -> Check:
        return Check(f"cluster.{kind}.{node}", title, tuple(commands), judge)

    def route(kind: str, title: str, commands: Sequence[Command], judge: Callable[..., Judgement]) -> Check:
        return check(f"route.{kind}", f"{title} of {node}", [*tables, *commands], judge)

    found = [
        check("address", f"{node}'s address for BGP", (nodes, addresses),
              partial(hostjudges.node_addresses, node, kube, device, row.addresses)),
        check("tunnel", f"{node}'s tunnel address", (nodes, affinities, addresses),
              partial(hostjudges.tunnel, node, kube, encapsulates=encapsulates)),
        check("pods", f"addresses of {node}'s pods", (pods, affinities),
              partial(kubejudges.addresses, kube, pools)),
        check("interface", f"interfaces of {node}'s pods", (pods, addresses),
              partial(hostjudges.interfaces, node, kube)),
        route("default", "default route", (),
              partial(_table, partial(hostjudges.default, node, device, inputs.routes.gateways))),
        route("pods", "routes to local pods", (pods,),
              lambda four, six, objects: hostjudges.pods(node, kube, objects, hostjudges.table(four, six))),
        route("own-blocks", "own blocks", (affinities,),
              lambda four, six, all_: hostjudges.own_blocks(node, _blocks(all_, kube), hostjudges.table(four, six))),
        route("remote-blocks", "routes to the other nodes' blocks", (affinities, nodes),
              partial(_remote, inputs, node, kube, encapsulates)),
    ]  # fmt: skip
    for kind, title, wanted in _static(inputs, row):
        if wanted:
            judge = partial(_table, partial(hostjudges.exactly, node, title, wanted))
            found.append(route(kind, title, (), judge))
    for address, sort in _peers(lab, inputs, node).items():
        judge = partial(birdsessions.session, node, address, sort)
        commands = birdsessions.commands(inputs.bird, kube)
        title = f"{node}'s BGP session with {address}"
        found.append(Check(f"cluster.session.{node}.{address}", title, commands, judge))
    return found


def _static(inputs: ClusterInput, row: KubeNodeInput) -> list[tuple[str, str, dict[str, list[tuple[str, str]]]]]:
    """(kind, title, prefix → next hops): connected, to the loopbacks, to what the fabric announces."""
    rules, device = inputs.routes, inputs.routes.device
    gateways = {4: "", 6: ""} | {6 if ":" in gateway else 4: gateway for gateway in rules.gateways}
    connected = {str(ip_interface(text).network): [("", device)] for text in row.addresses}

    def via(prefixes: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        return {prefix: [(gateways[6 if ":" in prefix else 4], device)] for prefix in prefixes}

    return [
        ("connected", f"connected network on {device}", connected),
        ("loopbacks", "static routes to the leafs' loopbacks", via(rules.statics)),
        ("external", "routes to external prefixes", via(rules.external)),
    ]


def _blocks(affinities: Sequence[Json], kube: str) -> list[str]:
    """A node's blocks; one of a single address is the pod's own route, no blackhole."""
    blocks = [str(item["spec"]["cidr"]) for item in affinities if item["spec"]["node"] == kube]
    return sorted(block for block in blocks if ip_network(block).num_addresses > 1)


def _remote(
    inputs: ClusterInput,
    node: str,
    kube: str,
    encapsulates: bool,  # noqa: FBT001 - bound by position
    routes4: str,
    routes6: str,
    affinities: Sequence[Json],
    nodes: Sequence[Json],
) -> Judgement:
    """Routed: one next hop, the gateway. With IPIP and the mesh: the owner through the tunnel, in IPv6 the owner
    itself."""
    device = inputs.routes.device
    gateways = {6 if ":" in gateway else 4: gateway for gateway in inputs.routes.gateways}
    wanted: dict[str, list[tuple[str, str]]] = {}
    for item in affinities:
        owner, block = str(item["spec"]["node"]), str(item["spec"]["cidr"])
        if owner != kube:
            version = 6 if ":" in block else 4
            hops = [(gateways.get(version, ""), device)]
            if encapsulates:
                address = _node_address(nodes, owner, version)
                hops = [(address, hostjudges.TUNNEL)] if version == 4 else [*hops, (address, device)]
            wanted[block] = hops
    return hostjudges.exactly(node, "remote blocks", wanted, hostjudges.table(routes4, routes6))


def _node_address(nodes: Sequence[Json], name: str, version: int) -> str:
    found: Any = kubejudges.named(nodes, name) or {"metadata": {}}
    text = (found["metadata"].get("annotations") or {}).get(NODE_ADDRESS[version])
    return str(text).partition("/")[0] if text else "nowhere"


def _peers(lab: LabUnderTest, inputs: ClusterInput, node: str) -> dict[str, str]:
    """Peer address → type: the leafs, and every other node when the mesh is on."""
    found = dict(birdsessions.peers_of(node, ((peer.address, peer.nodes) for peer in inputs.peers)))
    if inputs.bgp.mesh.of(lab.folder.lab.mode):
        others = [row for row in inputs.nodes if row.node != node]
        found |= {address.partition("/")[0]: "node-to-node mesh" for row in others for address in row.addresses}
    return found


SCENARIO = Scenario("cluster", "Kubernetes and Calico, nodes' routes", run, late=True)
