"""What a node has of its own network: addresses, tunnel, workload interfaces, the routing table (errata 4.7).

Observations are ``ip -j -4 route show``, ``ip -j -6 route show`` and ``ip -j address show`` of the node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any, Literal

from labctl.kube.api import Json
from labctl.kube.resources import (
    BLOCK_AFFINITIES,
    NODES,
    PODS,
)
from labctl.verify import expectation
from labctl.verify.checks import Check
from labctl.verify.expectation import NODE_ADDRESS, inside, named, network_pods, pod_ips
from labctl.verify.observer import Command, Unanswered, listing
from labctl.verify.values import Model
from labctl.verify.verdict import Judgement

ROUTES4 = "ip -j -4 route show"
ROUTES6 = "ip -j -6 route show"
ADDRESSES = "ip -j address show"
TUNNEL = "tunl0"
TUNNEL_ADDRESS = "projectcalico.org/IPv4IPIPTunnelAddr"
Network = IPv4Network | IPv6Network


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


def _tables(node: str) -> tuple[Command, ...]:
    return (Command("node", node, ROUTES4), Command("node", node, ROUTES6))


def _table(judge: Callable[[dict[str, list[Route]]], Judgement], routes4: str, routes6: str) -> Judgement:
    return judge(table(routes4, routes6))


def checks(
    row: KubeNodeInput, kube: str, rules: HostRoutesInput, pools: Sequence[str], *, encapsulates: bool
) -> list[Check]:
    """What one node has. ``kube``: its name in Kubernetes; ``pools``: of the pods' addresses."""
    node, device = row.node, rules.device
    addresses, tables = Command("node", node, ADDRESSES), _tables(node)
    nodes, pods, affinities = listing(NODES), listing(PODS), listing(BLOCK_AFFINITIES)

    def check(kind: str, title: str, commands: Sequence[Command], judge: Callable[..., Judgement]) -> Check:
        return Check(f"cluster.{kind}.{node}", title, tuple(commands), judge)

    def route(kind: str, title: str, commands: Sequence[Command], judge: Callable[..., Judgement]) -> Check:
        return check(f"route.{kind}", f"{title} of {node}", [*tables, *commands], judge)

    found = [
        check("address", f"{node}'s address for BGP", (nodes, addresses),
              partial(judge_addresses, node, kube, device, row.addresses)),
        check("tunnel", f"{node}'s tunnel address", (nodes, affinities, addresses),
              partial(judge_tunnel, node, kube, encapsulates=encapsulates)),
        check("pods", f"addresses of {node}'s pods", (pods, affinities),
              partial(judge_pod_addresses, kube, pools)),
        check("interface", f"interfaces of {node}'s pods", (pods, addresses),
              partial(judge_interfaces, node, kube)),
        route("default", "default route", (),
              partial(_table, partial(judge_default, node, device, rules.gateways))),
        route("pods", "routes to local pods", (pods,),
              lambda four, six, objects: judge_pods(node, kube, objects, table(four, six))),
        route("own-blocks", "own blocks", (affinities,),
              lambda four, six, all_: judge_own_blocks(node, _blocks(all_, kube), table(four, six))),
        route("remote-blocks", "routes to the other nodes' blocks", (affinities, nodes),
              partial(_remote, rules, node, kube, encapsulates)),
    ]  # fmt: skip
    for kind, title, wanted in _static(rules, row):
        if wanted:
            found.append(route(kind, title, (), partial(_table, partial(judge_exactly, node, title, wanted))))
    return found


def negatives(node: str, rules: HostRoutesInput, *, encapsulates: bool) -> list[Check]:
    """What one node must never have."""
    rows: list[tuple[str, str, Callable[..., Judgement]]] = [
        (name, f"no {what} in {node}'s table", partial(judge_within, node, what, networks))
        for name, what, networks in (
            ("services", "service prefix", rules.services),
            ("loopbacks", "peering loopback", rules.absent),
        )
        if networks
    ]
    usable = partial(judge_usable, node, encapsulates=encapsulates)
    rows.append(("unreachable", f"every route of {node} leads somewhere", usable))
    return [
        Check(f"cluster.absent.{kind}.{node}", title, _tables(node), partial(_table, judge))
        for kind, title, judge in rows
    ]


def _static(rules: HostRoutesInput, row: KubeNodeInput) -> list[tuple[str, str, dict[str, list[tuple[str, str]]]]]:
    """(kind, title, prefix → next hops): connected, to the loopbacks, to what the fabric announces."""
    device = rules.device
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
    rules: HostRoutesInput,
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
    device = rules.device
    gateways = {6 if ":" in gateway else 4: gateway for gateway in rules.gateways}
    wanted: dict[str, list[tuple[str, str]]] = {}
    for item in affinities:
        owner, block = str(item["spec"]["node"]), str(item["spec"]["cidr"])
        if owner != kube:
            version = 6 if ":" in block else 4
            hops = [(gateways.get(version, ""), device)]
            if encapsulates:
                address = _node_address(nodes, owner, version)
                hops = [(address, TUNNEL)] if version == 4 else [*hops, (address, device)]
            wanted[block] = hops
    return judge_exactly(node, "remote blocks", wanted, table(routes4, routes6))


def _node_address(nodes: Sequence[Json], name: str, version: int) -> str:
    found: Any = expectation.named(nodes, name) or {"metadata": {}}
    text = (found["metadata"].get("annotations") or {}).get(NODE_ADDRESS[version])
    return str(text).partition("/")[0] if text else "nowhere"


@dataclass(frozen=True, slots=True)
class Route:
    """A row of a node's table; ``hops`` are (gateway or empty, device)."""

    prefix: str
    kind: str
    hops: tuple[tuple[str, str], ...]
    protocol: str
    scope: str

    @property
    def words(self) -> str:
        hops = [" ".join(filter(None, (f"via {gateway}" if gateway else "", f"dev {device}"))) for gateway, device in
                self.hops]  # fmt: skip
        return " ".join(filter(None, (self.kind if self.kind != "unicast" else "", " and ".join(hops))))


def interface_of(namespace: str, pod: str) -> str:
    """Calico's name of a pod's host interface: ``cali`` and 11 hex digits of SHA-1 over ``namespace.pod``
    (projectcalico/calico, libcalico-go, VethNameForWorkload)."""
    digest = hashlib.sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()
    return f"cali{digest[:11]}"


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
            prefix = "default" if row["dst"] == "default" else str(ip_network(row["dst"]))
            if prefix.startswith(("fe80:", "ff00:")):
                continue
            hops = row.get("nexthops", [row])
            route = Route(
                f"default-{version}" if prefix == "default" else prefix,
                str(row.get("type", "unicast")),
                tuple((str(hop.get("gateway") or (hop.get("via") or {}).get("host") or ""), str(hop.get("dev", "")))
                      for hop in hops),
                str(row.get("protocol", "")),
                str(row.get("scope", "")),
            )  # fmt: skip
            found.setdefault(route.prefix, []).append(route)
    return found


def judge_exactly(
    node: str, what: str, wanted: Mapping[str, Iterable[tuple[str, str]]], routes: Mapping[str, list[Route]]
) -> Judgement:
    """Each prefix has one route, with one next hop out of those that are allowed: (gateway, device)."""
    expected = {prefix: [_hop(hop) for hop in hops] for prefix, hops in wanted.items()}
    seen = {prefix: [route.words for route in routes.get(prefix, [])] for prefix in wanted}
    wrong = []
    for prefix, hops in wanted.items():
        found = routes.get(prefix, [])
        allowed = set(hops)
        if not found:
            wrong.append(f"no route to {prefix}")
        elif len(found) > 1 or found[0].kind != "unicast" or len(found[0].hops) != 1 or found[0].hops[0] not in allowed:
            told = "; ".join(route.words for route in found)
            wrong.append(f"{prefix} {told}, expected {' or '.join(expected[prefix])}")
    if wrong:
        return Judgement("FAIL", f"{node}: {'; '.join(wrong)}", expected, seen)
    return Judgement("PASS", f"{node}: {what}: {_count(len(wanted), 'route')} as expected", expected, seen)


def _hop(hop: tuple[str, str]) -> str:
    gateway, device = hop
    return f"via {gateway} dev {device}" if gateway else f"dev {device}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def judge_default(node: str, device: str, gateways: Sequence[str], routes: Mapping[str, list[Route]]) -> Judgement:
    """The default route is there (IPv4), and in neither family leads into the fabric."""
    found = [route for name in ("default-4", "default-6") for route in routes.get(name, [])]
    seen = [route.words for route in found]
    expected = f"not via {' or '.join(gateways)} on {device}"
    into = [hop for route in found for hop in route.hops if hop[1] == device or hop[0] in gateways]
    if into:
        return Judgement("FAIL", f"{node}: the default route leads into the fabric: {_hop(into[0])}", expected, seen)
    if not routes.get("default-4"):
        return Judgement("FAIL", f"{node}: there is no default route", expected, seen)
    return Judgement("PASS", f"{node}: default {seen[0]}", expected, seen)


def judge_own_blocks(node: str, blocks: Sequence[str], routes: Mapping[str, list[Route]]) -> Judgement:
    """The node's own blocks are blackholes (errata 4.7: interface ``*``), so that nothing leaves for a pod that is not
    there."""
    seen = {block: [route.words for route in routes.get(block, [])] for block in blocks}
    expected = dict.fromkeys(blocks, "blackhole")
    if not blocks:
        return Judgement("FAIL", f"{node} has no address block", expected, seen)
    wrong = [
        f"{block} is {'; '.join(seen[block]) or 'not there'}, expected blackhole"
        for block in blocks
        if [route.kind for route in routes.get(block, [])] != ["blackhole"]
    ]
    if wrong:
        return Judgement("FAIL", f"{node}: {'; '.join(wrong)}", expected, seen)
    return Judgement("PASS", f"{node}: own blocks {', '.join(blocks)} are blackholes", expected, seen)


def judge_pods(node: str, kube: str, objects: Sequence[Json], routes: Mapping[str, list[Route]]) -> Judgement:
    """One host route a local pod and family on its own interface, and no other on a ``cali`` interface."""
    wanted: dict[str, list[tuple[str, str]]] = {}
    for pod in network_pods(objects):
        if pod["spec"].get("nodeName") == kube:
            name = interface_of(pod["metadata"]["namespace"], pod["metadata"]["name"])
            wanted |= {str(ip_network(ip)): [("", name)] for ip in pod_ips(pod)}
    judgement = judge_exactly(node, "local pods", wanted, routes)
    if judgement.verdict == "FAIL":
        return judgement
    wide = [route.prefix for found in routes.values() for route in found
            if route.prefix in wanted and ":" not in route.prefix and route.scope != "link"]  # fmt: skip
    if wide:
        return Judgement("FAIL", f"{node}: {', '.join(wide)} is not of scope link", judgement.expected, judgement.seen)
    stray = [
        f"{route.prefix} {route.words}"
        for found in routes.values()
        for route in found
        if route.prefix not in wanted and any(device.startswith("cali") for _, device in route.hops)
    ]
    if stray:
        return Judgement(
            "FAIL", f"{node}: {', '.join(stray)}: no running pod has that address", judgement.expected, stray
        )
    return judgement


def judge_interfaces(node: str, kube: str, objects: Sequence[Json], text: str) -> Judgement:
    """Every pod of the node has the interface that Calico's rule computes, and it is up (white paper: Figure 12)."""
    there = {str(row["ifname"]): row for row in json_rows(text, ADDRESSES)}
    mine = [pod for pod in network_pods(objects) if pod["spec"].get("nodeName") == kube]
    expected = {pod["metadata"]["name"]: interface_of(pod["metadata"]["namespace"], pod["metadata"]["name"])
                for pod in mine}  # fmt: skip
    seen = sorted(name for name in there if name.startswith("cali"))
    missing = [f"{name} of {pod}" for pod, name in expected.items() if name not in there]
    down = [name for name in expected.values() if name in there and "UP" not in (there[name].get("flags") or [])]
    if missing:
        return Judgement("FAIL", f"{node} has no interface {', '.join(missing)}", expected, seen)
    if down:
        return Judgement("FAIL", f"{node}: {', '.join(down)} is down", expected, seen)
    told = ", ".join(f"{pod} {name}" for pod, name in expected.items())
    return Judgement("PASS", f"{node}: {told or 'no pods with a network of their own'}", expected, seen)


def judge_addresses(
    node: str, kube: str, device: str, wanted: Sequence[str], objects: Sequence[Json], text: str
) -> Judgement:
    """Calico's annotation, the device's address and what is expected are the same, in each family (Figure 7)."""
    found = named(objects, kube)
    annotations = ((found or {}).get("metadata") or {}).get("annotations") or {}
    on_device = _on_device(json_rows(text, ADDRESSES), device)
    expected = {f"IPv{ip_interface(address).version}": address for address in wanted}
    annotated = {f"IPv{version}": annotations.get(key) for version, key in NODE_ADDRESS.items()}
    seen = {family: {"annotation": annotated[family], device: on_device.get(family, [])} for family in expected}
    wrong = []
    for family, address in expected.items():
        noted = annotated[family]
        if noted is None or ip_interface(noted) != ip_interface(address):
            wrong.append(f"Calico's annotation says {noted or f'no {family} address'}, expected {address}")
        if address not in on_device.get(family, []):
            wrong.append(f"{device} has {', '.join(on_device.get(family, [])) or 'no address'}, expected {address}")
    if wrong:
        return Judgement("FAIL", f"{node}: {'; '.join(wrong)}", expected, seen)
    return Judgement("PASS", f"{node}: annotation and {device}: {', '.join(expected.values())}", expected, seen)


def _on_device(found: Iterable[Mapping[str, Any]], device: str) -> dict[str, list[str]]:
    """IPv4/IPv6 → global addresses of a device with their lengths."""
    result: dict[str, list[str]] = {}
    for row in found:
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
    found = named(objects, kube)
    noted = (((found or {}).get("metadata") or {}).get("annotations") or {}).get(TUNNEL_ADDRESS)
    on_device = [
        address.partition("/")[0] for address in _on_device(json_rows(text, ADDRESSES), TUNNEL).get("IPv4", [])
    ]
    blocks = [str(item["spec"]["cidr"]) for item in affinities if item["spec"]["node"] == kube]
    seen = {"annotation": noted, TUNNEL: on_device}
    if not encapsulates:
        expected: Any = {"annotation": None, TUNNEL: []}
        if noted or on_device:
            told = f"annotation {noted or 'none'}, {TUNNEL} {', '.join(on_device) or 'none'}"
            return Judgement(
                "FAIL", f"{node} has a tunnel address although no pool encapsulates: {told}", expected, seen
            )
        return Judgement("PASS", f"{node}: no pool encapsulates, and {TUNNEL} has no address", expected, seen)
    expected = {"annotation": f"an address of {', '.join(blocks)}", TUNNEL: "the same"}
    if noted is None or on_device != [noted]:
        told = f"annotation {noted or 'none'}, {TUNNEL} {', '.join(on_device) or 'none'}"
        return Judgement("FAIL", f"{node}: the tunnel's address is not the same everywhere: {told}", expected, seen)
    if not any(ip_address(noted) in ip_network(block) for block in blocks):
        return Judgement("FAIL", f"{node}: {TUNNEL} has {noted}, which is in no block of the node", expected, seen)
    return Judgement("PASS", f"{node}: {TUNNEL} and annotation have {noted} of its block", expected, seen)


def judge_within(node: str, what: str, networks: Sequence[str], routes: Mapping[str, list[Route]]) -> Judgement:
    """No route to anything in these networks is in the table; ``what`` they are, for the sentence."""
    outer = [ip_network(text) for text in networks]
    found = [f"{route.prefix} {route.words}" for routes_ in routes.values() for route in routes_
             if not route.prefix.startswith("default") and _in_any(route.prefix, outer)]  # fmt: skip
    expected = f"no route in {', '.join(networks)}"
    if found:
        return Judgement("FAIL", f"{node} has {what} in its table: {', '.join(found)}", expected, found)
    return Judgement("PASS", f"{node} has no {what} in its table", expected, [])


def _in_any(prefix: str, outer: Sequence[Network]) -> bool:
    network = ip_network(prefix)
    return any(network.version == other.version and network.subnet_of(other) for other in outer)  # type: ignore[arg-type]


def judge_usable(node: str, routes: Mapping[str, list[Route]], *, encapsulates: bool) -> Judgement:
    """No route is ``unreachable`` (BIRD could not resolve its next hop); none leads into the tunnel without IPIP."""
    found = [route for rows_ in routes.values() for route in rows_]
    lost = [route.prefix for route in found if route.kind in ("unreachable", "prohibit")]
    tunnelled = [route.prefix for route in found if any(device == TUNNEL for _, device in route.hops)]
    expected = "no unreachable route" + ("" if encapsulates else f", none into {TUNNEL}")
    if lost:
        return Judgement("FAIL", f"{node}: unreachable: {', '.join(lost)}", expected, lost)
    if tunnelled and not encapsulates:
        return Judgement(
            "FAIL", f"{node}: into {TUNNEL} although no pool encapsulates: {', '.join(tunnelled)}", expected, tunnelled
        )
    return Judgement("PASS", f"{node}: {expected}", expected, [])


def judge_pod_addresses(name: str, pools: Sequence[str], pods: Sequence[Json], affinities: Sequence[Json]) -> Judgement:
    """Every pod of a node outside the host's network has an address of each pool family, out of a block of its node."""
    mine = [pod for pod in network_pods(pods) if pod["spec"].get("nodeName") == name]
    blocks = [str(item["spec"]["cidr"]) for item in affinities if item["spec"]["node"] == name]
    families = sorted({ip_network(text).version for text in pools})
    expected = {"families": families, "blocks": blocks}
    seen = {pod["metadata"]["name"]: pod_ips(pod) for pod in mine}
    wrong = []
    for pod, ips in seen.items():
        if sorted({ip_address(ip).version for ip in ips}) != families:
            wrong.append(f"{pod} has {', '.join(ips) or 'no address'}, expected one of each of IPv{families}")
        for ip in ips:
            if not any(inside(ip, text) for text in pools):
                wrong.append(f"{pod} has {ip}, which is in no pool")
            elif not any(inside(ip, text) for text in blocks):
                wrong.append(f"{pod} has {ip}, which is in no block of {name}")
    if wrong:
        return Judgement("FAIL", f"node {name}: {'; '.join(wrong)}", expected, seen)
    words = f"node {name}: {len(mine)} pods have addresses of its blocks {', '.join(blocks)}"
    return Judgement("PASS", words, expected, seen)
