"""The judges of what a leaf is to the nodes: anycast gateway, loopback, BGP configuration, filters, peer-link. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import Any

from labctl.nxos.normal import interface_name
from labctl.nxos.tree import ConfigTree, Section, compare, parse
from labctl.verify import expectation, leafconfig
from labctl.verify.expectation import Cluster
from labctl.verify.judges import rows
from labctl.verify.kubejudges import differing
from labctl.verify.leafinputs import LeafBgpInput, LeafInput, LeafNeighborInput
from labctl.verify.verdict import Judgement

ON = ("1", "true", "enabled", "yes")
FABRIC = ("advertise-pip", "advertise virtual-rmac")
"""By which a leaf of a pair is reached at its own VTEP address (white paper, design of the service leafs)."""


def gateway(leaf: LeafInput, text: str) -> Judgement:
    """The SVI as configured: VRF, addresses, anycast mode, and the shared MAC (white paper: Figure 17)."""
    tree = leafconfig.running(text)
    name = f"Vlan{leaf.gateway.vlan}"
    svi = tree.find("interface", name)
    mac = tree.root.rest("fabric", "forwarding", "anycast-gateway-mac")
    expected = {
        "vrf": leaf.vrf, "addresses": [str(ip_interface(text)) for text in leaf.gateway.addresses],
        "anycast": True, "mac": leaf.gateway.mac.lower(),
    }  # fmt: skip
    if svi is None:
        return Judgement("FAIL", f"{leaf.switch} has no interface {name}", expected, None)
    seen = {
        "vrf": " ".join(svi.rest("vrf", "member") or ()), "addresses": _addresses(svi),
        "anycast": svi.has("fabric forwarding mode anycast-gateway"), "mac": " ".join(mac or ()).lower(),
    }  # fmt: skip
    return differing(f"{leaf.switch}: {name}", expected, seen)


def gateway_up(leaf: LeafInput, brief: Any, macs: Any) -> Judgement:
    """The SVI is up with its address, and the leaf answers at the shared MAC."""
    wanted = next((ip_interface(text) for text in leaf.gateway.addresses if ":" not in text), None)
    row = _brief(brief, f"Vlan{leaf.gateway.vlan}")
    own = sorted(
        str(entry.get("disp_mac_addr")).lower()
        for entry in rows(macs, "mac_address")
        if entry.get("disp_type") == "G" and str(entry.get("disp_vlan")) == str(leaf.gateway.vlan)
    )
    seen = {
        "protocol": row.get("proto-state") if row else None, "address": row.get("prefix") if row else None,
        "gateway MAC": leaf.gateway.mac.lower() if leaf.gateway.mac.lower() in own else ", ".join(own) or None,
    }  # fmt: skip
    expected = {
        "protocol": "up", **({"address": str(wanted.ip)} if wanted else {}), "gateway MAC": leaf.gateway.mac.lower(),
    }  # fmt: skip
    return differing(f"{leaf.switch}: Vlan{leaf.gateway.vlan}", expected, seen)


def loopback(leaf: LeafInput, text: str, brief: Any) -> Judgement:
    """The peering loopback: VRF, addresses and tag as configured, and up."""
    assert leaf.loopback is not None  # noqa: S101 - the check is made for leafs that have one
    name = leaf.loopback.interface
    found = leafconfig.running(text).find("interface", name)
    expected: dict[str, Any] = {
        "vrf": leaf.vrf, "addresses": list(leaf.loopback.addresses), "tag": str(leaf.loopback.tag), "protocol": "up",
    }  # fmt: skip
    if found is None:
        return Judgement("FAIL", f"{leaf.switch} has no interface {name}", expected, None)
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


def bgp_config(leaf: LeafInput, asn: int, pushed: str, text: str) -> Judgement:
    """``router bgp`` runs as it was pushed: no line is missing, none is there beyond it (white paper: Figure 18)."""
    intended = ConfigTree(tuple(parse(pushed).all("router", "bgp")))
    expected = f"router bgp {asn} of nxos/{leaf.switch}.cfg"
    if not intended.sections:
        return Judgement("FAIL", f"nxos/{leaf.switch}.cfg has no router bgp", expected, None)
    found = compare(intended, parse(text))
    seen = [f"{row.kind}: {' / '.join((*row.path, row.line))}" for row in found]
    if found:
        first = found[0]
        where = f"nxos/{leaf.switch}.cfg:{first.number}: " if first.number else ""
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return Judgement("FAIL", f"{leaf.switch}: {where}{seen[0]}{more}", expected, seen)
    lines = sum(1 for section in intended.sections for _ in _lines(section))
    return Judgement("PASS", f"{leaf.switch}: router bgp runs as it was pushed, {lines} lines", expected, seen)


def _lines(section: Section) -> list[str]:
    return [section.line, *(line for child in section.children for line in _lines(child))]


def neighbor(leaf: LeafInput, rule: LeafBgpInput, row: LeafNeighborInput, text: str) -> Judgement:
    """What holds for a node's neighbor once its template is followed."""
    source = leaf.loopback.interface if leaf.loopback else None
    expected = {
        "remote-as": str(rule.remote_asn), "update-source": source, "ebgp-multihop": str(rule.multihop),
        **dict.fromkeys(rule.settings, True),
    }  # fmt: skip
    found = leafconfig.neighbor(leafconfig.running(text), rule.asn, leaf.vrf, row.address)
    if found is None:
        return Judgement(
            "FAIL", f"{leaf.switch}: neighbor {row.address} ({row.node}) is not configured", expected, None
        )
    seen = {
        **{name: found.setting(name) for name in ("remote-as", "update-source", "ebgp-multihop")},
        **{name: found.has(row.family, name) for name in rule.settings},
    }
    return differing(f"{leaf.switch}: neighbor {row.address} ({row.node})", expected, seen)


def out_filter(leaf: LeafInput, rule: LeafBgpInput, family: str, text: str) -> Judgement:
    """Every node's neighbor has an out-filter that is defined and keeps the peering loopbacks in (errata E11, E12)."""
    tree = leafconfig.running(text)
    names: dict[str, list[str]] = {}
    for row in rule.neighbors:
        if row.family == family:
            found = leafconfig.neighbor(tree, rule.asn, leaf.vrf, row.address)
            names.setdefault((found.route_map(family, "out") if found else None) or "", []).append(row.address)
    hidden = [prefix for prefix in rule.hidden if (":" in prefix) == (family == "ipv6")]
    expected = {"out": "a route-map on each neighbor", "denied": hidden}
    if "" in names:
        return Judgement(
            "FAIL", f"{leaf.switch}: neighbor {', '.join(names[''])} has no out-filter in {family}", expected, names
        )
    for name in names:
        trouble = leafconfig.trouble_of_filter(tree, name, hidden)
        if trouble:
            return Judgement("FAIL", f"{leaf.switch}: {trouble}", expected, names)
    told = ", ".join(names)
    return Judgement("PASS", f"{leaf.switch}: {told} lets no peering loopback out to a node", expected, names)


def own_vtep(leaf: LeafInput, text: str) -> Judgement:
    """``advertise-pip`` and ``advertise virtual-rmac`` run."""
    tree = leafconfig.running(text)
    router = next(iter(tree.all("router", "bgp")), leafconfig.EMPTY)
    family = router.find("address-family", "l2vpn", "evpn") or leafconfig.EMPTY
    nve = tree.find("interface", "nve1") or leafconfig.EMPTY
    seen = {FABRIC[0]: family.has(FABRIC[0]), FABRIC[1]: nve.has(FABRIC[1])}
    return differing(leaf.switch, dict.fromkeys(FABRIC, True), seen)


def peer_link(leaf: LeafInput, body: Any) -> Judgement:
    """The vPC peer-link is of its kind and up: through the fabric, or ports of its own."""
    found = rows(body, "peerlink")
    virtual = str((body or {}).get("virtual-peer-link", "0")).lower() in ON
    seen = {
        "kind": "fabric" if virtual else "physical",
        "up": bool(found) and str(found[0].get("peer-link-port-state")) == "1",
    }
    return differing(f"{leaf.switch}: vPC peer-link", {"kind": leaf.peer_link, "up": True}, seen)


def no_host_route(switch: str, service: str, cluster: Cluster, body: Any) -> Judgement:
    """The leaf knows no host route to a Service without a local traffic policy."""
    found = expectation.service_of(cluster, service)
    if found is None:
        return Judgement("FAIL", f"there is no Service {service}", None, None)
    address = str(found["spec"]["clusterIP"])
    prefix = str(ip_network(address))
    there = _route(body, prefix)
    if there is not None:
        return Judgement("FAIL", f"{switch} knows {prefix} of {service}", f"no {prefix}", _hops(there))
    return Judgement("PASS", f"{switch} does not know {prefix} of {service}", f"no {prefix}", None)


def only_endpoints(switch: str, service: str, cluster: Cluster, body: Any) -> Judgement:
    """No next hop of a Local Service's host route is a node without an endpoint."""
    found = expectation.service_of(cluster, service)
    if found is None:
        return Judgement("FAIL", f"there is no Service {service}", None, None)
    prefix = f"{found['spec']['clusterIP']}/32"
    allowed = expectation.endpoint_nodes(cluster, service, 4)
    names = {
        expectation.node_address(cluster, item["metadata"]["name"], 4): item["metadata"]["name"]
        for item in cluster.nodes
    }
    there = _route(body, prefix)
    hops = _hops(there) if there is not None else []
    # over the fabric a route's next hop is a leaf; only a node's own address can be a wrong node
    wrong = [f"{hop} ({names[hop]})" for hop in hops if hop in names and hop not in allowed]
    expected = f"next hops of {prefix} out of {', '.join(allowed) or 'none'}"
    if wrong:
        return Judgement("FAIL", f"{switch}: {prefix} of {service} via {', '.join(wrong)}, which has no endpoint",
                         expected, hops)  # fmt: skip
    if not hops:
        return Judgement("FAIL", f"{switch} does not know {prefix} of {service}", expected, hops)
    return Judgement("PASS", f"{switch}: {prefix} of {service} never via a node without endpoint", expected, hops)


def _route(body: Any, prefix: str) -> Mapping[str, Any] | None:
    return next((row for row in rows(body, "vrf", "addrf", "prefix") if row.get("ipprefix") == prefix), None)


def _hops(route: Mapping[str, Any]) -> list[str]:
    return sorted({str(row.get("ipnexthop", "")).partition("%")[0] for row in rows(route, "path")})


def family_of(rule: LeafBgpInput) -> Sequence[str]:
    """Families in which the leaf has nodes as neighbors."""
    return list(dict.fromkeys(row.family for row in rule.neighbors))
