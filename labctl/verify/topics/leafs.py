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
from labctl.verify.checks import Check, cluster_check
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command
from labctl.verify.topics.bgp import BgpInput, NodeSession
from labctl.verify.values import Model
from labctl.verify.verdict import CheckResult, Judgement, differing, fails, passes


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
VPC = "show vpc brief"


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab), lab.deadline("converged"))
    return found + lab.hold(negatives(lab), lab.section(LeafsInput).window, found)


def checks(lab: LabUnderTest) -> list[Check]:
    """What must be there."""
    return [check for rules in lab.parts(LeafsInput) for leaf in rules.switches for check in _leaf(lab, rules, leaf)]


def negatives(lab: LabUnderTest) -> list[Check]:
    """What a leaf must never know. With the mesh on (IPIP) a leaf has every route from every node."""
    rules = lab.section(LeafsInput)
    peering = {row.switch for row in lab.section(BgpInput).sessions}
    return [
        cluster_check(
            f"leafs.{kind}.{leaf.switch}.{service}",
            f"{words} {service} at {leaf.switch}",
            (Command("nxos", leaf.switch, f"show ip route vrf {rules.vrf}"),),
            partial(judge, leaf.switch, service),
            calico=lab.calico,
            kinds=(SERVICES, ENDPOINT_SLICES, NODES),
        )
        for leaf in rules.switches
        if leaf.switch in peering
        for kind, services, judge, words in (
            ("absent", rules.absent, judge_no_host_route, "no host route to"),
            ("next-hops", rules.local if lab.folder.lab.mode == "routed" else (), judge_only_endpoints,
             "only nodes with an endpoint as next hops of"),
        )
        for service in services
    ]  # fmt: skip


def _leaf(lab: LabUnderTest, rules: LeafsInput, leaf: LeafInput) -> list[Check]:
    name, svi = leaf.switch, f"Vlan{rules.gateway.vlan}"
    running = Command("nxos-text", name, RUNNING)
    brief = Command("nxos", name, f"show ip interface brief vrf {rules.vrf}")

    def check(kind: str, title: str, commands: Sequence[Command], judge: Callable[..., Judgement]) -> Check:
        return Check(f"leafs.{kind}.{name}", title, tuple(commands), judge)

    found = [
        check("gateway", f"anycast gateway {svi} of {name}", (running,), partial(judge_gateway, rules, name)),
        check("gateway-up", f"{svi} of {name} is up and answers", (brief, Command("nxos", name, GATEWAY_MACS)),
              partial(judge_gateway_up, rules, name)),
    ]  # fmt: skip
    if leaf.loopback and rules.loopback:
        judge = partial(judge_loopback, rules.vrf, rules.loopback, leaf)
        found.append(check("loopback", f"{rules.loopback.interface} of {name}", (running, brief), judge))
    if leaf.peer_link:
        own_vtep = partial(judge_own_vtep, name)
        found.append(check("own-vtep", f"{name} is reached at its own VTEP address", (running,), own_vtep))
        judge = partial(judge_peer_link, leaf)
        found.append(check("peer-link", f"peer-link of {name}", (Command("nxos", name, VPC),), judge))
    nodes = [row for row in lab.section(BgpInput).sessions if row.switch == name]
    if rules.bgp and nodes:
        pushed = (lab.folder.path / "nxos" / f"{name}.cfg").read_text(encoding="utf-8")
        judge = partial(judge_bgp_config, name, rules.bgp.asn, pushed)
        found.append(check("bgp-config", f"router bgp of {name}", (running,), judge))
        for row in nodes:
            judge = partial(judge_neighbor, rules, rules.bgp, row)
            title = f"{name}'s neighbor {row.neighbor}"
            found.append(Check(f"leafs.neighbor.{name}.{row.neighbor}", title, (running,), judge))
        for family in dict.fromkeys(row.family for row in nodes):
            judge = partial(judge_filter, rules.bgp, [row for row in nodes if row.family == family])
            title = f"filter of {name} towards the nodes, {family}"
            found.append(Check(f"leafs.filter.{name}.{family}", title, (running,), judge))
    return found


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
    wanted = next((ip_interface(text) for text in rules.gateway.addresses if ":" not in text), None)
    row = _brief(brief, f"Vlan{rules.gateway.vlan}")
    own = sorted(
        str(entry.get("disp_mac_addr")).lower()
        for entry in rows(macs, "mac_address")
        if entry.get("disp_type") == "G" and str(entry.get("disp_vlan")) == str(rules.gateway.vlan)
    )
    seen = {
        "protocol": row.get("proto-state") if row else None, "address": row.get("prefix") if row else None,
        "gateway MAC": rules.gateway.mac.lower() if rules.gateway.mac.lower() in own else ", ".join(own) or None,
    }  # fmt: skip
    expected = {
        "protocol": "up", **({"address": str(wanted.ip)} if wanted else {}), "gateway MAC": rules.gateway.mac.lower(),
    }  # fmt: skip
    return differing(f"{leaf}: Vlan{rules.gateway.vlan}", expected, seen)


def judge_loopback(vrf: str, rule: LoopbackInput, leaf: LeafInput, text: str, brief: Any) -> Judgement:
    """The peering loopback: VRF, addresses and tag as configured, and up."""
    name = rule.interface
    found = configuration(text).find("interface", name)
    expected: dict[str, Any] = {
        "vrf": vrf, "addresses": list(leaf.loopback), "tag": str(rule.tag), "protocol": "up",
    }  # fmt: skip
    if found is None:
        return fails(f"{leaf.switch} has no interface {name}", expected, None)
    tags = {line[line.index("tag") + 1] for line in _address_lines(found) if "tag" in line}
    row = _brief(brief, name)
    seen = {
        "vrf": " ".join(found.rest("vrf", "member") or ()), "addresses": _addresses(found),
        "tag": ", ".join(sorted(tags)) or None, "protocol": row.get("proto-state") if row else None,
    }  # fmt: skip
    return differing(f"{leaf.switch}: {name}", expected, seen)


def _address_lines(section: Section) -> list[tuple[str, ...]]:
    found = [*section.all("ip", "address"), *section.all("ipv6", "address")]
    return [child.words for child in found if "/" in child.line]


def _addresses(section: Section) -> list[str]:
    return [str(ip_interface(words[2])) for words in _address_lines(section)]


def _brief(body: Any, name: str) -> Mapping[str, Any] | None:
    return next((row for row in rows(body, "intf") if interface_name(str(row.get("intf-name"))) == name), None)


def judge_bgp_config(leaf: str, asn: int, pushed: str, text: str) -> Judgement:
    """``router bgp`` runs as it was pushed: no line is missing, none is there beyond it (white paper: Figure 18)."""
    intended = ConfigTree(tuple(parse(pushed).all("router", "bgp")))
    expected = f"router bgp {asn} of nxos/{leaf}.cfg"
    if not intended.sections:
        return fails(f"nxos/{leaf}.cfg has no router bgp", expected, None)
    found = compare(intended, parse(text))
    seen = [f"{row.kind}: {' / '.join((*row.path, row.line))}" for row in found]
    if found:
        first = found[0]
        where = f"nxos/{leaf}.cfg:{first.number}: " if first.number else ""
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return fails(f"{leaf}: {where}{seen[0]}{more}", expected, seen)
    lines = sum(1 for section in intended.sections for _ in _lines(section))
    return passes(f"{leaf}: router bgp runs as it was pushed, {lines} lines", expected, seen)


def _lines(section: Section) -> list[str]:
    return [section.line, *(line for child in section.children for line in _lines(child))]


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
    if "" in names:
        words = f"{leaf}: neighbor {', '.join(names[''])} has no out-filter in {family}"
        return fails(words, expected, names)
    for name in names:
        trouble = trouble_of_filter(tree, name, hidden)
        if trouble:
            return fails(f"{leaf}: {trouble}", expected, names)
    return passes(f"{leaf}: {', '.join(names)} lets no peering loopback out to a node", expected, names)


def judge_own_vtep(leaf: str, text: str) -> Judgement:
    """``advertise-pip`` and ``advertise virtual-rmac`` run."""
    tree = configuration(text)
    router = next(iter(tree.all("router", "bgp")), EMPTY)
    family = router.find("address-family", "l2vpn", "evpn") or EMPTY
    nve = tree.find("interface", "nve1") or EMPTY
    seen = {FABRIC[0]: family.has(FABRIC[0]), FABRIC[1]: nve.has(FABRIC[1])}
    return differing(leaf, dict.fromkeys(FABRIC, True), seen)


def judge_peer_link(leaf: LeafInput, body: Any) -> Judgement:
    """The vPC peer-link is of its kind and up: through the fabric, or ports of its own."""
    found = rows(body, "peerlink")
    virtual = str((body or {}).get("virtual-peer-link", "0")).lower() in ON
    seen = {
        "kind": "fabric" if virtual else "physical",
        "up": bool(found) and str(found[0].get("peer-link-port-state")) == "1",
    }
    return differing(f"{leaf.switch}: vPC peer-link", {"kind": leaf.peer_link, "up": True}, seen)


def judge_no_host_route(switch: str, service: str, cluster: Cluster, body: Any) -> Judgement:
    """The leaf knows no host route to a Service without a local traffic policy."""
    found = expectation.service_of(cluster, service)
    if found is None:
        return fails(f"there is no Service {service}")
    prefix = str(ip_network(found["spec"]["clusterIP"]))
    hops = _hops(body, prefix)
    if hops is not None:
        return fails(f"{switch} knows {prefix} of {service}", f"no {prefix}", hops)
    return passes(f"{switch} does not know {prefix} of {service}", f"no {prefix}", None)


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
    allowed = expectation.endpoint_nodes(cluster, service, 4)
    nodes = [str(item["metadata"]["name"]) for item in cluster.nodes]
    names = {expectation.node_address(cluster, name, 4): name for name in nodes}
    hops = _hops(body, prefix) or []
    # over the fabric a route's next hop is a leaf; only a node's own address can be a wrong node
    wrong = [f"{hop} ({names[hop]})" for hop in hops if hop in names and hop not in allowed]
    expected, what = f"next hops of {prefix} out of {', '.join(allowed) or 'none'}", f"{prefix} of {service}"
    if wrong:
        return fails(f"{switch}: {what} via {', '.join(wrong)}, which has no endpoint", expected, hops)
    if not hops:
        return fails(f"{switch} does not know {what}", expected, hops)
    return passes(f"{switch}: {what} never via a node without endpoint", expected, hops)


EMPTY = Section("")


@lru_cache(maxsize=8)
def configuration(text: str) -> ConfigTree:
    """A running configuration in canonical lines; many checks read the same text."""
    return ConfigTree(normalise(parse(text).sections, ()))


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BGP neighbor of a VRF with the template that it inherits; what the neighbor says itself goes before."""

    own: Section
    template: Section

    def setting(self, *prefix: str) -> str | None:
        """What follows ``prefix``; None when neither says it."""
        for section in (self.own, self.template):
            found = section.rest(*prefix)
            if found is not None:
                return " ".join(found)
        return None

    def family(self, family: str) -> list[Section]:
        """Its address family, own lines first."""
        name = ("address-family", family, "unicast")
        return [found for section in (self.own, self.template) if (found := section.find(*name)) is not None]

    def has(self, family: str, line: str) -> bool:
        """Whether a line holds in an address family."""
        for section in self.family(family):
            if section.has(line):
                return True
            if section.has(f"no {line}"):
                return False
        return False

    def route_map(self, family: str, direction: str) -> str | None:
        """The name of the route-map in a direction."""
        for section in self.family(family):
            for child in section.all("route-map"):
                if child.words[2:] == (direction,):
                    return child.words[1]
        return None


def neighbor_of(tree: ConfigTree, asn: int, vrf: str, address: str) -> Neighbor | None:
    """A neighbor; None when it is not configured."""
    router = tree.find("router", "bgp", str(asn))
    if router is None:
        return None
    found = (router.find("vrf", vrf) or EMPTY).find("neighbor", address)
    if found is None:
        return None
    name = found.rest("inherit", "peer")
    template = router.find("template", "peer", *name) if name else None
    return Neighbor(found, template or EMPTY)


def trouble_of_filter(tree: ConfigTree, name: str, hidden: Iterable[str]) -> str | None:
    """Why a route-map is no filter that keeps these prefixes in: not defined, or it permits one."""
    entries = tree.all("route-map", name)
    if not entries:
        return f"route-map {name} is not defined"
    for entry in entries:
        for words in _lists(entry):
            if not tree.all(words[1], "prefix-list", words[-1]):
                return f"route-map {name} matches {words[1]} prefix-list {words[-1]}, which is not defined"
    passed = [prefix for prefix in hidden if _permits(tree, entries, prefix)]
    return f"route-map {name} permits {', '.join(passed)}" if passed else None


def _lists(entry: Section) -> Iterator[tuple[str, ...]]:
    """``match ip address prefix-list NAME``; one line may name several."""
    for child in entry.all("match"):
        words = child.words
        if words[1] in ("ip", "ipv6") and words[2:4] == ("address", "prefix-list"):
            for name in words[4:]:
                yield (*words[:4], name)


def _permits(tree: ConfigTree, entries: Iterable[Section], prefix: str) -> bool:
    """The first entry that matches decides. What an entry matches beside prefix-lists may match: that is no filter."""
    family = "ipv6" if ":" in prefix else "ip"
    for entry in sorted(entries, key=lambda section: int(section.words[3])):
        lists = list(_lists(entry))
        mine = [words for words in lists if words[1] == family]
        if lists and not mine:
            continue
        if not lists or any(_listed(tree, words[1], words[-1], prefix) for words in mine):
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
        low, high = _lengths(outer.prefixlen, outer.max_prefixlen, bounds)
        inside = network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]
        if inside and low <= network.prefixlen <= high:
            return words[at] == "permit"
    return False


def _lengths(own: int, longest: int, bounds: dict[str, int]) -> tuple[int, int]:
    """Prefix lengths that a line matches (NX-OS ``eq``, ``ge``, ``le``)."""
    if "eq" in bounds:
        return bounds["eq"], bounds["eq"]
    low = bounds.get("ge", own)
    return low, bounds.get("le", longest if "ge" in bounds else own)


SCENARIO = Scenario("leafs", "leafs as the nodes need them", run, late=True)
