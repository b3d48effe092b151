"""What a node has of its own network: addresses, tunnel, workload interfaces, the routing table (errata 4.7).

Observations are ``ip -j -4 route show``, ``ip -j -6 route show`` and ``ip -j address show`` of the node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Literal

from labctl.kube.api import Json
from labctl.kube.resources import BLOCK_AFFINITIES, NODES, PODS
from labctl.verify.checks import Check
from labctl.verify.expectation import NODE_ADDRESS, annotation, blocks_of, inside, network_pods, pod_ips
from labctl.verify.observer import Command, Unanswered, listing
from labctl.verify.values import Model
from labctl.verify.verdict import Judgement, fails, judged, ruled

ADDRESSES = "ip -j address show"
TUNNEL = "tunl0"
TUNNEL_ADDRESS = "projectcalico.org/IPv4IPIPTunnelAddr"


class KubeNodeInput(Model):
    """A node: its addresses on ``bond0`` with their prefix lengths (what Calico is to peer from)."""

    node: str
    role: Literal["control-plane", "worker"]
    addresses: tuple[str, ...]


class HostRoutesInput(Model):
    """A node's routing table. ``gateways``: anycast gateway of each family; ``absent``: never there by BGP."""

    device: str
    gateways: tuple[str, ...]
    statics: tuple[str, ...]
    external: tuple[str, ...]
    services: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def by_family(self) -> Mapping[int, str]:
        """4 and 6 → gateway."""
        return {4: "", 6: ""} | {ip_address(gateway).version: gateway for gateway in self.gateways}


def _tables(node: str) -> tuple[Command, ...]:
    return tuple(Command("node", node, f"ip -j -{version} route show") for version in (4, 6))


def _table(judge: Callable[..., Judgement], routes4: str, routes6: str, *objects: Any) -> Judgement:
    return judge(*objects, table(routes4, routes6))


def checks(
    row: KubeNodeInput, kube: str, rules: HostRoutesInput, pools: Sequence[str], *, encapsulates: bool
) -> list[Check]:
    """What one node has. ``kube``: its name in Kubernetes; ``pools``: of the pods' addresses."""
    node, device, tables = row.node, rules.device, _tables(row.node)
    addresses, nodes, pods = Command("node", node, ADDRESSES), listing(NODES), listing(PODS)
    affinities = listing(BLOCK_AFFINITIES)
    connected = {str(ip_interface(text).network): [("", device)] for text in row.addresses}
    rows: list[tuple[str, str, tuple[Command, ...], Callable[..., Judgement]]] = [
        ("address", f"{node}'s address for BGP", (nodes, addresses),
         partial(judge_addresses, node, kube, device, row.addresses)),
        ("tunnel", f"{node}'s tunnel address", (nodes, affinities, addresses),
         partial(judge_tunnel, node, kube, encapsulates=encapsulates)),
        ("pods", f"addresses of {node}'s pods", (pods, affinities), partial(judge_pod_addresses, kube, pools)),
        ("interface", f"interfaces of {node}'s pods", (pods, addresses), partial(judge_interfaces, node, kube)),
        ("route.default", f"default route of {node}", tables,
         partial(_table, partial(judge_default, node, device, rules.gateways))),
        ("route.pods", f"routes to local pods of {node}", (*tables, pods),
         partial(_table, partial(judge_pods, node, kube))),
        ("route.own-blocks", f"own blocks of {node}", (*tables, affinities),
         partial(_table, partial(judge_own_blocks, node, kube))),
        ("route.remote-blocks", f"routes to the other nodes' blocks of {node}", (*tables, affinities, nodes),
         partial(_table, partial(_remote, rules, node, kube, encapsulates=encapsulates))),
    ]  # fmt: skip
    rows += [
        (f"route.{kind}", f"{what} of {node}", tables, partial(_table, partial(judge_exactly, node, what, wanted)))
        for kind, what, wanted in (
            ("connected", f"connected network on {device}", connected),
            ("loopbacks", "static routes to the leafs' loopbacks", _via(rules, rules.statics)),
            ("external", "routes to external prefixes", _via(rules, rules.external)),
        )
        if wanted
    ]
    return [Check(f"cluster.{kind}.{node}", title, commands, judge) for kind, title, commands, judge in rows]


def negatives(node: str, rules: HostRoutesInput, *, encapsulates: bool) -> Iterator[Check]:
    """What one node must never have."""
    rows: list[tuple[str, str, Callable[..., Judgement]]] = [
        (name, f"no {what} in {node}'s table", partial(judge_within, node, what, networks))
        for name, what, networks in (
            ("services", "service prefix", rules.services), ("loopbacks", "peering loopback", rules.absent),
        )
        if networks
    ]  # fmt: skip
    usable = partial(judge_usable, node, encapsulates=encapsulates)
    rows.append(("unreachable", f"every route of {node} leads somewhere", usable))
    for kind, title, judge in rows:
        yield Check(f"cluster.absent.{kind}.{node}", title, _tables(node), partial(_table, judge))


def _via(rules: HostRoutesInput, prefixes: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Prefix → next hops (gateway, device): the gateway of its family."""
    return {prefix: [(rules.by_family[ip_network(prefix).version], rules.device)] for prefix in prefixes}


def _remote(
    rules: HostRoutesInput,
    node: str,
    kube: str,
    affinities: Sequence[Json],
    nodes: Sequence[Json],
    routes: Mapping[str, list[Route]],
    *,
    encapsulates: bool,
) -> Judgement:
    """Routed: one next hop, the gateway. With IPIP and the mesh: the owner through the tunnel, in IPv6 the owner
    itself."""
    wanted: dict[str, list[tuple[str, str]]] = {}
    for item in affinities:
        owner, block = str(item["spec"]["node"]), str(item["spec"]["cidr"])
        if owner != kube:
            version = ip_network(block).version
            wanted |= _via(rules, [block])
            if encapsulates:
                address = (annotation(nodes, owner, NODE_ADDRESS[version]) or "nowhere").partition("/")[0]
                wanted[block] = [(address, TUNNEL)] if version == 4 else [*wanted[block], (address, rules.device)]
    return judge_exactly(node, "remote blocks", wanted, routes)


@dataclass(frozen=True, slots=True)
class Route:
    """A row of a node's table; ``hops`` are (gateway or empty, device)."""

    prefix: str
    kind: str
    hops: tuple[tuple[str, str], ...]
    scope: str

    @property
    def text(self) -> str:
        """As a person reads it."""
        hops = " and ".join(map(_hop, self.hops))
        return hops if self.kind == "unicast" else f"{self.kind} {hops}".strip()

    def leads_to(self, device: str) -> bool:
        """Whether a hop is a device whose name begins so."""
        return any(name.startswith(device) for _, name in self.hops)


def interface_of(pod: Json) -> str:
    """Calico's name of a pod's host interface: ``cali`` and 11 hex digits of SHA-1 over ``namespace.pod``
    (projectcalico/calico, libcalico-go/lib/backend/k8s/conversion, VethNameForWorkload)."""
    text = f"{pod['metadata']['namespace']}.{pod['metadata']['name']}"
    return f"cali{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:11]}"


def json_rows(text: str, what: str) -> list[Mapping[str, Any]]:
    """iproute2's JSON. Raises `Unanswered` when the node gave none."""
    try:
        found = json.loads(text)
    except ValueError:
        raise Unanswered(f"{what}: no JSON came") from None
    return found if isinstance(found, list) else []


def table(*texts: str) -> dict[str, list[Route]]:
    """Prefix → its routes, of both families. Raises `Unanswered`."""
    found: dict[str, list[Route]] = {}
    for text, version in zip(texts, (4, 6), strict=True):
        for row in json_rows(text, f"ip -j -{version} route show"):
            prefix = f"default-{version}" if row["dst"] == "default" else str(ip_network(row["dst"]))
            if prefix.startswith(("fe80:", "ff00:")):
                continue
            hops = tuple(
                (str(hop.get("gateway") or (hop.get("via") or {}).get("host") or ""), str(hop.get("dev", "")))
                for hop in row.get("nexthops", [row])
            )
            route = Route(prefix, str(row.get("type", "unicast")), hops, str(row.get("scope", "")))
            found.setdefault(prefix, []).append(route)
    return found


def judge_exactly(
    node: str, what: str, wanted: Mapping[str, Iterable[tuple[str, str]]], routes: Mapping[str, list[Route]]
) -> Judgement:
    """Each prefix has one route, with one next hop out of those that are allowed: (gateway, device)."""
    expected = {prefix: [_hop(hop) for hop in hops] for prefix, hops in wanted.items()}
    seen = {prefix: [route.text for route in routes.get(prefix, [])] for prefix in wanted}
    wrong = []
    for prefix, hops in wanted.items():
        found = routes.get(prefix, [])
        if not found:
            wrong.append(f"no route to {prefix}")
        elif len(found) > 1 or found[0].kind != "unicast" or found[0].hops not in {(hop,) for hop in hops}:
            wrong.append(f"{prefix} {'; '.join(seen[prefix])}, expected {' or '.join(expected[prefix])}")
    count = f"{len(wanted)} route{'' if len(wanted) == 1 else 's'}"
    return judged(node, wrong, f"{what}: {count} as expected", expected, seen)


def _hop(hop: tuple[str, str]) -> str:
    gateway, device = hop
    return f"via {gateway} dev {device}" if gateway else f"dev {device}"


def judge_default(node: str, device: str, gateways: Sequence[str], routes: Mapping[str, list[Route]]) -> Judgement:
    """The default route is there (IPv4), and in neither family leads into the fabric."""
    found = [route for name in ("default-4", "default-6") for route in routes.get(name, [])]
    seen = [route.text for route in found]
    expected = f"not via {' or '.join(gateways)} on {device}"
    into = [hop for route in found for hop in route.hops if hop[1] == device or hop[0] in gateways]
    rules = (
        (into, f"the default route leads into the fabric: {' and '.join(map(_hop, into[:1]))}"),
        (not routes.get("default-4"), "there is no default route"),
    )
    return ruled(f"{node}: ", rules, f"default {' '.join(seen[:1])}", expected, seen)


def judge_own_blocks(node: str, kube: str, affinities: Sequence[Json], routes: Mapping[str, list[Route]]) -> Judgement:
    """The node's own blocks are blackholes (errata 4.7: interface ``*``), so that nothing leaves for a pod that is not
    there; a block of a single address is the pod's own route."""
    blocks = sorted(block for block in blocks_of(affinities, kube) if ip_network(block).num_addresses > 1)
    seen = {block: [route.text for route in routes.get(block, [])] for block in blocks}
    expected = dict.fromkeys(blocks, "blackhole")
    if not blocks:
        return fails(f"{node} has no address block", expected, seen)
    wrong = [
        f"{block} is {'; '.join(seen[block]) or 'not there'}, expected blackhole"
        for block in blocks
        if [route.kind for route in routes.get(block, [])] != ["blackhole"]
    ]
    return judged(node, wrong, f"own blocks {', '.join(blocks)} are blackholes", expected, seen)


def judge_pods(node: str, kube: str, objects: Sequence[Json], routes: Mapping[str, list[Route]]) -> Judgement:
    """One host route a local pod and family on its own interface, and no other on a ``cali`` interface."""
    pods = network_pods(objects, kube)
    wanted = {str(ip_network(ip)): [("", interface_of(pod))] for pod in pods for ip in pod_ips(pod)}
    judgement = judge_exactly(node, "local pods", wanted, routes)
    if judgement.verdict == "FAIL":
        return judgement
    wide = [prefix for prefix in wanted if ":" not in prefix and routes[prefix][0].scope != "link"]
    others = [route for prefix, found in routes.items() if prefix not in wanted for route in found]
    stray = [f"{route.prefix} {route.text}" for route in others if route.leads_to("cali")]
    rules = (
        (wide, f"{', '.join(wide)} is not of scope link"),
        (stray, f"{', '.join(stray)}: no running pod has that address"),
    )
    right = judgement.sentence.removeprefix(f"{node}: ")
    return ruled(f"{node}: ", rules, right, judgement.expected, stray or judgement.seen)


def judge_interfaces(node: str, kube: str, objects: Sequence[Json], text: str) -> Judgement:
    """Every pod of the node has the interface that Calico's rule computes, and it is up (white paper: Figure 12)."""
    up = {str(row["ifname"]): "UP" in (row.get("flags") or []) for row in json_rows(text, ADDRESSES)}
    expected = {pod["metadata"]["name"]: interface_of(pod) for pod in network_pods(objects, kube)}
    seen = sorted(name for name in up if name.startswith("cali"))
    missing = ", ".join(f"{name} of {pod}" for pod, name in expected.items() if name not in up)
    down = ", ".join(name for name in expected.values() if not up.get(name))
    told = ", ".join(f"{pod} {name}" for pod, name in expected.items()) or "no pods with a network of their own"
    rules = ((missing, f" has no interface {missing}"), (down, f": {down} is down"))
    return ruled(node, rules, f": {told}", expected, seen)


def judge_addresses(
    node: str, kube: str, device: str, wanted: Sequence[str], objects: Sequence[Json], text: str
) -> Judgement:
    """Calico's annotation, the device's address and what is expected are the same, in each family (Figure 7)."""
    on_device = _on_device(text, device)
    expected = {f"IPv{ip_interface(address).version}": address for address in wanted}
    annotated = {f"IPv{version}": annotation(objects, kube, key) for version, key in NODE_ADDRESS.items()}
    seen = {family: {"annotation": annotated[family], device: on_device.get(family, [])} for family in expected}
    wrong = []
    for family, address in expected.items():
        noted = annotated[family]
        if noted is None or ip_interface(noted) != ip_interface(address):
            wrong.append(f"Calico's annotation says {noted or f'no {family} address'}, expected {address}")
        if address not in on_device.get(family, []):
            wrong.append(f"{device} has {', '.join(on_device.get(family, [])) or 'no address'}, expected {address}")
    return judged(node, wrong, f"annotation and {device}: {', '.join(expected.values())}", expected, seen)


def _on_device(text: str, device: str) -> dict[str, list[str]]:
    """IPv4/IPv6 → global addresses of a device with their lengths."""
    result: dict[str, list[str]] = {}
    for row in json_rows(text, ADDRESSES):
        if str(row.get("ifname")).partition("@")[0] == device:
            for item in row.get("addr_info") or []:
                address = ip_interface(f"{item['local']}/{item['prefixlen']}")
                if not address.ip.is_link_local:
                    result.setdefault(f"IPv{address.version}", []).append(str(address))
    return result


def judge_tunnel(
    node: str, kube: str, objects: Sequence[Json], affinities: Sequence[Json], text: str, *, encapsulates: bool
) -> Judgement:
    """With an encapsulating pool tunl0 has the annotation's address, out of a block of the node; without one neither
    has an address."""
    noted = annotation(objects, kube, TUNNEL_ADDRESS)
    on_device = [address.partition("/")[0] for address in _on_device(text, TUNNEL).get("IPv4", [])]
    told = f"annotation {noted or 'none'}, {TUNNEL} {', '.join(on_device) or 'none'}"
    seen = {"annotation": noted, TUNNEL: on_device}
    if not encapsulates:
        wrong = [(noted or on_device, f" has a tunnel address although no pool encapsulates: {told}")]
        right = f": no pool encapsulates, and {TUNNEL} has no address"
        return ruled(node, wrong, right, {"annotation": None, TUNNEL: []}, seen)
    blocks = blocks_of(affinities, kube)
    expected = {"annotation": f"an address of {', '.join(blocks)}", TUNNEL: "the same"}
    rules = [
        (on_device != [noted], f": the tunnel's address is not the same everywhere: {told}"),
        (noted and not _in_any(noted, blocks), f": {TUNNEL} has {noted}, which is in no block of the node"),
    ]
    return ruled(node, rules, f": {TUNNEL} and annotation have {noted} of its block", expected, seen)


def judge_within(node: str, what: str, networks: Sequence[str], routes: Mapping[str, list[Route]]) -> Judgement:
    """No route to anything in these networks is in the table; ``what`` they are, for the sentence."""
    inside = (prefix for prefix in routes if not prefix.startswith("default") and _in_any(prefix, networks))
    found = [f"{prefix} {route.text}" for prefix in inside for route in routes[prefix]]
    rules = [(found, f"{what} in its table: {', '.join(found)}")]
    return ruled(f"{node} has ", rules, f"no {what} in its table", f"no route in {', '.join(networks)}", found)


def judge_usable(node: str, routes: Mapping[str, list[Route]], *, encapsulates: bool) -> Judgement:
    """No route is ``unreachable`` (BIRD could not resolve its next hop); none leads into the tunnel without IPIP."""
    found = [route for rows in routes.values() for route in rows]
    lost = [route.prefix for route in found if route.kind in ("unreachable", "prohibit")]
    stray = [] if encapsulates else [route.prefix for route in found if route.leads_to(TUNNEL)]
    expected = "no unreachable route" + ("" if encapsulates else f", none into {TUNNEL}")
    rules = (
        (lost, f"unreachable: {', '.join(lost)}"),
        (stray, f"into {TUNNEL} although no pool encapsulates: {', '.join(stray)}"),
    )
    return ruled(f"{node}: ", rules, expected, expected, lost or stray)


def judge_pod_addresses(name: str, pools: Sequence[str], pods: Sequence[Json], affinities: Sequence[Json]) -> Judgement:
    """Every pod of a node outside the host's network has an address of each pool family, out of a block of its node."""
    blocks = blocks_of(affinities, name)
    families = sorted({ip_network(text).version for text in pools})
    seen = {pod["metadata"]["name"]: pod_ips(pod) for pod in network_pods(pods, name)}
    wrong = [
        f"{pod} has {', '.join(ips) or 'no address'}, expected one of each of IPv{families}"
        for pod, ips in seen.items()
        if sorted({ip_address(ip).version for ip in ips}) != families
    ]
    for pod, ip in ((pod, ip) for pod, ips in seen.items() for ip in ips):
        if not _in_any(ip, pools):
            wrong.append(f"{pod} has {ip}, which is in no pool")
        elif not _in_any(ip, blocks):
            wrong.append(f"{pod} has {ip}, which is in no block of {name}")
    right = f"{len(seen)} pods have addresses of its blocks {', '.join(blocks)}"
    return judged(f"node {name}", wrong, right, {"families": families, "blocks": blocks}, seen)


def _in_any(text: str, networks: Iterable[str]) -> bool:
    return any(inside(text, network) for network in networks)
