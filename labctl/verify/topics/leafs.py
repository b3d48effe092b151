"""``leafs``: anycast gateway, peering loopback, BGP configuration and filters of each leaf, and what it must not know.

The running configuration is asked once a leaf and serves all checks of it: templates are followed and filters evaluated
here, apart from the renderer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_interface, ip_network
from typing import Any, Literal

from labctl.kube.resources import ENDPOINT_SLICES, NODES, SERVICES
from labctl.nxos.normal import interface_name
from labctl.nxos.tables import route_paths, rows
from labctl.nxos.tree import ConfigTree, Section, compare, normalise, parse
from labctl.verify import expectation
from labctl.verify.capturing import GATEWAY_MACS
from labctl.verify.checks import Check
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command
from labctl.verify.topics.bgp import BgpInput, NodeSession, route_table
from labctl.verify.values import Model
from labctl.verify.verdict import CheckResult, Judgement, differing, fails, judged, passes, ruled


class GatewayInput(Model):
    """The anycast gateway: SVI, addresses and the MAC that all leafs share (NX-OS's dotted form)."""

    vlan: int
    addresses: tuple[str, ...]
    mac: str


class LoopbackInput(Model):
    """The loopback that peers with the nodes; its addresses are each leaf's own."""

    interface: str
    tag: int


class LeafBgpInput(Model):
    """What every neighbor's effective configuration (templates followed) must say. ``hidden``: prefixes that the
    filter towards the nodes must not let out."""

    asn: int
    remote_asn: int
    multihop: int
    settings: tuple[str, ...]
    hidden: tuple[str, ...]


class LeafInput(Model):
    """What is one leaf's own. ``loopback``: addresses of the one that peers; none: it has no such loopback."""

    switch: str
    loopback: tuple[str, ...] = ()
    peer_link: Literal["physical", "fabric"] | None = None


class LeafsInput(Model):
    """What all leafs have. Those that peer with nodes (`BgpInput.nodes`) are judged by ``bgp``, too, know a /32 of the
    Services ``local``, with endpoint nodes alone as next hops, and none of the Services ``absent``.

    ``window``: seconds over which what must not be is looked for.
    """

    window: float
    vrf: str
    gateway: GatewayInput
    switches: tuple[LeafInput, ...]
    loopback: LoopbackInput | None = None
    bgp: LeafBgpInput | None = None
    local: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


RUNNING = "show running-config"


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab), lab.deadline("converged"))
    return found + lab.hold(negatives(lab), lab.section(LeafsInput).window, found)


def checks(lab: LabUnderTest) -> Iterator[Check]:
    """What must be there."""
    for rules in lab.parts(LeafsInput):
        for leaf in rules.switches:
            yield from _leaf(lab, rules, leaf)


def negatives(lab: LabUnderTest) -> Iterator[Check]:
    """What a leaf must never know. With the mesh on (IPIP) a leaf has every route from every node."""
    rules = lab.section(LeafsInput)
    local = rules.local if lab.folder.lab.mode == "routed" else ()
    for leaf in dict.fromkeys(row.switch for row in lab.section(BgpInput).sessions):
        table = route_table(leaf, rules.vrf, "")
        for kind, services, judge, title in (
            ("absent", rules.absent, judge_no_host_route, "no host route to"),
            ("next-hops", local, judge_only_endpoints, "only nodes with an endpoint as next hops of"),
        ):
            for service in services:
                identity, what = f"leafs.{kind}.{leaf}.{service}", f"{title} {service} at {leaf}"
                kinds = (SERVICES, ENDPOINT_SLICES, NODES)
                yield lab.cluster_check(identity, what, kinds, partial(judge, leaf, service), table)


def _leaf(lab: LabUnderTest, rules: LeafsInput, leaf: LeafInput) -> Iterator[Check]:
    name, svi = leaf.switch, f"Vlan{rules.gateway.vlan}"
    running = (Command("nxos-text", name, RUNNING),)
    brief = Command("nxos", name, f"show ip interface brief vrf {rules.vrf}")

    def check(kind: str, title: str, commands: tuple[Command, ...], judge: Callable[..., Judgement], *of: Any) -> Check:
        return Check(f"leafs.{kind}", title, commands, partial(judge, *of))

    yield check(f"gateway.{name}", f"anycast gateway {svi} of {name}", running, judge_gateway, rules, name)
    up = brief, Command("nxos", name, GATEWAY_MACS)
    yield check(f"gateway-up.{name}", f"{svi} of {name} is up and answers", up, judge_gateway_up, rules, name)
    if leaf.loopback and rules.loopback:
        title, of = f"{rules.loopback.interface} of {name}", (rules.vrf, rules.loopback, leaf)
        yield check(f"loopback.{name}", title, (*running, brief), judge_loopback, *of)
    if leaf.peer_link:
        yield check(f"own-vtep.{name}", f"{name} is reached at its own VTEP address", running, judge_own_vtep, name)
        vpc = (Command("nxos", name, "show vpc brief"),)
        yield check(f"peer-link.{name}", f"peer-link of {name}", vpc, judge_peer_link, leaf)
    nodes = [row for row in lab.section(BgpInput).sessions if row.switch == name]
    if rules.bgp and nodes:
        pushed = (lab.folder.path / "nxos" / f"{name}.cfg").read_text(encoding="utf-8")
        of_leaf = name, rules.bgp.asn, pushed
        yield check(f"bgp-config.{name}", f"router bgp of {name}", running, judge_bgp_config, *of_leaf)
        for row in nodes:
            identity, title = f"neighbor.{name}.{row.neighbor}", f"{name}'s neighbor {row.neighbor}"
            yield check(identity, title, running, judge_neighbor, rules, rules.bgp, row)
        for family in dict.fromkeys(row.family for row in nodes):
            title = f"filter of {name} towards the nodes, {family}"
            sessions = [row for row in nodes if row.family == family]
            yield check(f"filter.{name}.{family}", title, running, judge_filter, rules.bgp, sessions)


ON = ("1", "true", "enabled", "yes")
FABRIC = ("advertise-pip", "advertise virtual-rmac")
"""By which a leaf of a pair is reached at its own VTEP address (white paper, design of the service leafs)."""


def judge_gateway(rules: LeafsInput, leaf: str, text: str) -> Judgement:
    """The SVI as configured: VRF, addresses, anycast mode, and the shared MAC (white paper: Figure 17)."""
    tree = configuration(text)
    name = f"Vlan{rules.gateway.vlan}"
    svi = tree.find("interface", name)
    mac = tree.root.rest("fabric", "forwarding", "anycast-gateway-mac")
    expected = {
        "vrf": rules.vrf, "addresses": [str(ip_interface(text)) for text in rules.gateway.addresses],
        "anycast": True, "mac": rules.gateway.mac.lower(),
    }  # fmt: skip
    if svi is None:
        return fails(f"{leaf} has no interface {name}", expected, None)
    seen = {
        "vrf": " ".join(svi.rest("vrf", "member") or ()), "addresses": _addresses(svi),
        "anycast": svi.has("fabric forwarding mode anycast-gateway"), "mac": " ".join(mac or ()).lower(),
    }  # fmt: skip
    return differing(f"{leaf}: {name}", expected, seen)


def judge_gateway_up(rules: LeafsInput, leaf: str, brief: Any, macs: Any) -> Judgement:
    """The SVI is up with its address, and the leaf answers at the shared MAC."""
    vlan, mac = rules.gateway.vlan, rules.gateway.mac.lower()
    row = _brief(brief, f"Vlan{vlan}")
    gateways = [entry for entry in rows(macs, "mac_address") if entry.get("disp_type") == "G"]
    own = sorted(str(row.get("disp_mac_addr")).lower() for row in gateways if str(row.get("disp_vlan")) == str(vlan))
    seen = {
        "protocol": row.get("proto-state"), "address": row.get("prefix"),
        "gateway MAC": mac if mac in own else ", ".join(own) or None,
    }  # fmt: skip
    address = next((text.partition("/")[0] for text in rules.gateway.addresses if ":" not in text), None)
    expected = {"protocol": "up", **({"address": address} if address else {}), "gateway MAC": mac}
    return differing(f"{leaf}: Vlan{vlan}", expected, seen)


def judge_loopback(vrf: str, rule: LoopbackInput, leaf: LeafInput, text: str, brief: Any) -> Judgement:
    """The peering loopback: VRF, addresses and tag as configured, and up."""
    name = rule.interface
    found = configuration(text).find("interface", name)
    expected = {"vrf": vrf, "addresses": list(leaf.loopback), "tag": str(rule.tag), "protocol": "up"}
    if found is None:
        return fails(f"{leaf.switch} has no interface {name}", expected, None)
    tags = {line[line.index("tag") + 1] for line in _address_lines(found) if "tag" in line}
    seen = {
        "vrf": " ".join(found.rest("vrf", "member") or ()), "addresses": _addresses(found),
        "tag": ", ".join(sorted(tags)) or None, "protocol": _brief(brief, name).get("proto-state"),
    }  # fmt: skip
    return differing(f"{leaf.switch}: {name}", expected, seen)


def _address_lines(section: Section) -> list[tuple[str, ...]]:
    found = [*section.all("ip", "address"), *section.all("ipv6", "address")]
    return [child.words for child in found if "/" in child.line]


def _addresses(section: Section) -> list[str]:
    return [str(ip_interface(words[2])) for words in _address_lines(section)]


def _brief(body: Any, name: str) -> Mapping[str, Any]:
    return next((row for row in rows(body, "intf") if interface_name(str(row.get("intf-name"))) == name), {})


def judge_bgp_config(leaf: str, asn: int, pushed: str, text: str) -> Judgement:
    """``router bgp`` runs as it was pushed: no line is missing, none is there beyond it (white paper: Figure 18)."""
    intended = ConfigTree(tuple(parse(pushed).all("router", "bgp")))
    expected = f"router bgp {asn} of nxos/{leaf}.cfg"
    if not intended.sections:
        return fails(f"nxos/{leaf}.cfg has no router bgp", expected, None)
    found = compare(intended, parse(text))
    seen = [f"{row.kind}: {' / '.join((*row.path, row.line))}" for row in found]
    if found:
        where = f"nxos/{leaf}.cfg:{found[0].number}: " if found[0].number else ""
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return fails(f"{leaf}: {where}{seen[0]}{more}", expected, seen)
    return passes(f"{leaf}: router bgp runs as it was pushed", expected, seen)


def judge_neighbor(rules: LeafsInput, rule: LeafBgpInput, row: NodeSession, text: str) -> Judgement:
    """What holds for a node's neighbor once its template is followed."""
    source = rules.loopback.interface if rules.loopback else None
    expected = {
        "remote-as": str(rule.remote_asn), "update-source": source, "ebgp-multihop": str(rule.multihop),
        **dict.fromkeys(rule.settings, True),
    }  # fmt: skip
    found = neighbor_of(configuration(text), rule.asn, row.vrf, row.neighbor)
    if found is None:
        return fails(f"{row.switch}: neighbor {row.neighbor} ({row.node}) is not configured", expected, None)
    seen = {
        **{name: found.setting(name) for name in ("remote-as", "update-source", "ebgp-multihop")},
        **{name: found.has(row.family, name) for name in rule.settings},
    }
    return differing(f"{row.switch}: neighbor {row.neighbor} ({row.node})", expected, seen)


def judge_filter(rule: LeafBgpInput, sessions: Sequence[NodeSession], text: str) -> Judgement:
    """Every node's neighbor has an out-filter that is defined and keeps the peering loopbacks in (errata E11, E12).

    ``sessions``: of one leaf, in one family.
    """
    tree, leaf, family = configuration(text), sessions[0].switch, sessions[0].family
    names: dict[str, list[str]] = {}
    for row in sessions:
        found = neighbor_of(tree, rule.asn, row.vrf, row.neighbor)
        names.setdefault((found.route_map(family, "out") if found else None) or "", []).append(row.neighbor)
    hidden = [prefix for prefix in rule.hidden if (":" in prefix) == (family == "ipv6")]
    expected = {"out": "a route-map on each neighbor", "denied": hidden}
    wrong = [f"neighbor {', '.join(names[''])} has no out-filter in {family}"] if "" in names else []
    wrong += [trouble for name in names if name and (trouble := trouble_of_filter(tree, name, hidden))]
    return judged(leaf, wrong, f"{', '.join(names)} lets no peering loopback out to a node", expected, names)


def judge_own_vtep(leaf: str, text: str) -> Judgement:
    """``advertise-pip`` and ``advertise virtual-rmac`` run."""
    tree = configuration(text)
    router = tree.find("router", "bgp") or EMPTY
    family = router.find("address-family", "l2vpn", "evpn") or EMPTY
    nve = tree.find("interface", "nve1") or EMPTY
    seen = {FABRIC[0]: family.has(FABRIC[0]), FABRIC[1]: nve.has(FABRIC[1])}
    return differing(leaf, dict.fromkeys(FABRIC, True), seen)


def judge_peer_link(leaf: LeafInput, body: Any) -> Judgement:
    """The vPC peer-link is of its kind and up: through the fabric, or ports of its own."""
    found = rows(body, "peerlink")
    virtual = str((body or {}).get("virtual-peer-link", "0")).lower() in ON
    up = bool(found) and str(found[0].get("peer-link-port-state")) == "1"
    seen = {"kind": "fabric" if virtual else "physical", "up": up}
    return differing(f"{leaf.switch}: vPC peer-link", {"kind": leaf.peer_link, "up": True}, seen)


def judge_no_host_route(switch: str, service: str, cluster: Cluster, body: Any) -> Judgement:
    """The leaf knows no host route to a Service without a local traffic policy."""
    found = expectation.service_of(cluster, service)
    if found is None:
        return fails(f"there is no Service {service}")
    prefix = str(ip_network(found["spec"]["clusterIP"]))
    hops = _hops(body, prefix)
    rules = [(hops is not None, f" knows {prefix} of {service}")]
    return ruled(switch, rules, f" does not know {prefix} of {service}", f"no {prefix}", hops)


def _hops(body: Any, prefix: str) -> list[str] | None:
    """Next hops of all paths, the best or not."""
    paths = route_paths(body, prefix)
    return None if paths is None else sorted({str(row.get("ipnexthop", "")).partition("%")[0] for row in paths})


def judge_only_endpoints(switch: str, service: str, cluster: Cluster, body: Any) -> Judgement:
    """No next hop of a Local Service's host route is a node without an endpoint."""
    found = expectation.service_of(cluster, service)
    if found is None:
        return fails(f"there is no Service {service}")
    prefix = f"{found['spec']['clusterIP']}/32"
    allowed, _ = expectation.service_hops(cluster, service, 4, {})
    nodes = [str(item["metadata"]["name"]) for item in cluster.nodes]
    names = {expectation.node_address(cluster, name, 4): name for name in nodes}
    hops = _hops(body, prefix) or []
    # over the fabric a route's next hop is a leaf; only a node's own address can be a wrong node
    wrong = ", ".join(f"{hop} ({names[hop]})" for hop in hops if hop in names and hop not in allowed)
    expected, what = f"next hops of {prefix} out of {', '.join(allowed) or 'none'}", f"{prefix} of {service}"
    rules = ((wrong, f": {what} via {wrong}, which has no endpoint"), (not hops, f" does not know {what}"))
    return ruled(switch, rules, f": {what} never via a node without endpoint", expected, hops)


EMPTY = Section("")


@lru_cache(maxsize=8)
def configuration(text: str) -> ConfigTree:
    """A running configuration in canonical lines; many checks read the same text."""
    return ConfigTree(normalise(parse(text).sections, ()))


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BGP neighbor of a VRF: what it says itself, then what the template says that it inherits."""

    said: Section

    def setting(self, *prefix: str) -> str | None:
        """What follows ``prefix``; None when neither says it."""
        found = self.said.rest(*prefix)
        return None if found is None else " ".join(found)

    def lines(self, family: str) -> list[Section]:
        """Of its address family, own lines first."""
        return [line for part in self.said.all("address-family", family, "unicast") for line in part.children]

    def has(self, family: str, line: str) -> bool:
        """Whether a line holds in an address family."""
        said = [child.line for child in self.lines(family) if child.line in {line, f"no {line}"}]
        return said[:1] == [line]

    def route_map(self, family: str, direction: str) -> str | None:
        """The name of the route-map in a direction."""
        for child in self.lines(family):
            if child.words[0] == "route-map" and child.words[2:] == (direction,):
                return child.words[1]
        return None


def neighbor_of(tree: ConfigTree, asn: int, vrf: str, address: str) -> Neighbor | None:
    """A neighbor; None when it is not configured."""
    router = tree.find("router", "bgp", str(asn)) or EMPTY
    found = (router.find("vrf", vrf) or EMPTY).find("neighbor", address)
    if found is None:
        return None
    name = found.rest("inherit", "peer")
    template = (router.find("template", "peer", *name) if name else None) or EMPTY
    return Neighbor(Section("", (*found.children, *template.children)))


def trouble_of_filter(tree: ConfigTree, name: str, hidden: Iterable[str]) -> str | None:
    """Why a route-map is no filter that keeps these prefixes in: not defined, or it permits one."""
    entries = tree.all("route-map", name)
    if not entries:
        return f"route-map {name} is not defined"
    for family, prefixes in (row for entry in entries for row in _lists(entry)):
        if not tree.all(family, "prefix-list", prefixes):
            return f"route-map {name} matches {family} prefix-list {prefixes}, which is not defined"
    passed = [prefix for prefix in hidden if _permits(tree, entries, prefix)]
    return f"route-map {name} permits {', '.join(passed)}" if passed else None


def _lists(entry: Section) -> list[tuple[str, str]]:
    """(family, name) of each ``match ip address prefix-list NAME``; one line may name several."""
    return [(family, name) for family in ("ip", "ipv6")
            for line in entry.all("match", family, "address", "prefix-list") for name in line.words[4:]]  # fmt: skip


def _permits(tree: ConfigTree, entries: Iterable[Section], prefix: str) -> bool:
    """The first entry that matches decides. What an entry matches beside prefix-lists may match: that is no filter."""
    family = "ipv6" if ":" in prefix else "ip"
    for entry in sorted(entries, key=lambda section: int(section.words[3])):
        lists = _lists(entry)
        if not lists or any(_listed(tree, kind, name, prefix) for kind, name in lists if kind == family):
            return entry.words[2] == "permit"
    return False


def _listed(tree: ConfigTree, family: str, name: str, prefix: str) -> bool:
    """Whether a prefix-list permits a prefix; the first line that matches decides, without one it is denied."""
    network = ip_network(prefix)
    rows = [line.words for line in tree.all(family, "prefix-list", name)]
    for words in sorted(rows, key=lambda row: int(row[row.index("seq") + 1]) if "seq" in row else 0):
        at = next(index for index, word in enumerate(words) if word in ("permit", "deny"))
        outer = ip_network(words[at + 1], strict=False)
        bounds = dict(zip(words[at + 2 :: 2], map(int, words[at + 3 :: 2]), strict=False))
        low = bounds.get("eq", bounds.get("ge", outer.prefixlen))
        high = bounds.get("eq", bounds.get("le", outer.max_prefixlen if "ge" in bounds else outer.prefixlen))
        if expectation.inside(prefix, str(outer)) and low <= network.prefixlen <= high:
            return words[at] == "permit"
    return False


SCENARIO = Scenario("leafs", "leafs as the nodes need them", run, late=True)
