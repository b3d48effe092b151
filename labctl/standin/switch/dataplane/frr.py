"""FRR's configuration of a switch: one text per daemon, and the lines that lead from one text to another.

FRR is kinder than NX-OS, so two lines make it as strict: every multihop eBGP neighbor gets ``next-hop-self`` (else the
third party's next hop is kept), and ``sender-as-path-loop-detection`` unless ``disable-peer-as-check``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_interface, ip_network

from labctl.nxos.tree import Section
from labctl.standin.switch.dataplane.linux import vpc_channels
from labctl.standin.switch.dataplane.names import VPC_SYSTEM_MAC, kernel_name, vrf_device
from labctl.standin.switch.dataplane.settings import (
    BgpFamily,
    BgpInstance,
    Interface,
    Neighbor,
    SwitchModel,
    VrfModel,
)

FILTERS_AFTER = "bgp route-map delay-timer 1"
"""A changed filter takes effect a second later; with 0 it never would, for FRR takes that as: when somebody asks."""
FAMILIES = {"ipv4 unicast": 4, "ipv6 unicast": 6}


def texts(model: SwitchModel) -> dict[str, str]:
    """What each daemon reads, of those that run."""
    zebra = [f"hostname {model.hostname}", "evpn mh startup-delay 0"]
    rows = {"zebra": zebra, "mgmtd": _mgmtd(model), "ospfd": _ospfd(model), "bgpd": _bgpd(model)}
    return {name: "\n".join(lines) + "\n" for name, lines in rows.items() if lines}


def _mgmtd(model: SwitchModel) -> list[str]:
    """VRF ↔ VNI and ethernet segments: FRR 10 takes these from its management daemon only."""
    lines = []
    for vrf in model.vrfs:
        if vrf.vni is not None and vrf.vni in model.nve_members:
            lines += [f"vrf {vrf_device(vrf.name)}", f" vni {vrf.vni}", "exit-vrf"]
    if model.vpc is not None:
        system = f" evpn mh es-sys-mac {VPC_SYSTEM_MAC.format(model.vpc.domain)}"
        for leg in vpc_channels(model):
            lines += [f"interface {kernel_name(leg.name)}", f" evpn mh es-id {leg.vpc}", system, "exit"]
    return lines


def _ospfd(model: SwitchModel) -> list[str]:
    if model.ospf_name is None:
        return []
    lines = [f"hostname {model.hostname}"]
    for interface in model.interfaces:
        if interface.ospf == model.ospf_name:
            lines += [f"interface {kernel_name(interface.name)}", *_ospf_interface(interface), "exit"]
    lines += ["router ospf", *([f" ospf router-id {model.ospf_router_id}"] if model.ospf_router_id else [])]
    lines += [" timers throttle spf 0 50 500", " timers throttle lsa all 0", " timers lsa min-arrival 0"]
    return [*lines, " maximum-paths 64", "exit"]


def _ospf_interface(interface: Interface) -> list[str]:
    lines = [f" ip ospf area {interface.ospf_area}"]
    if interface.ospf_passive or interface.name.startswith("loopback"):
        return [*lines, " ip ospf passive"]
    if interface.ospf_point_to_point:
        lines.append(" ip ospf network point-to-point")
    lines += [f" ip ospf hello-interval {interface.ospf_hello}", f" ip ospf dead-interval {interface.ospf_dead}"]
    return [*lines, " ip ospf retransmit-interval 1"]


def _bgpd(model: SwitchModel) -> list[str]:
    if model.asn is None:
        return []
    lines = [f"hostname {model.hostname}", FILTERS_AFTER, *model.prefix_lists]
    for clause in model.route_maps:
        # a map that matches tags is compiled per place of use: see _redistribution
        if not clause.all("match", "tag"):
            lines += [clause.line, *(f" {child.line}" for child in clause.children), "exit"]
    lines += _exports(model)
    for instance in model.bgp:
        lines += _instance(model, instance)
    return lines


def _clauses(model: SwitchModel, name: str) -> list[Section]:
    return [clause for clause in model.route_maps if clause.words[1] == name]


EXPORT_MAP = "labctl-export"
ANY = "labctl-any"
EVERYTHING = {"ipv4": ("ip", "0.0.0.0/0 le 32"), "ipv6": ("ipv6", "::/0 le 128")}


def _exports(model: SwitchModel) -> list[str]:
    """``export map`` of VRFs, as one map on the way out to the EVPN neighbors.

    FRR's own map of ``advertise ipv4 unicast`` can only add targets to the VRF's automatic one, and on NX-OS a ``set
    extcommunity rt`` without ``additive`` replaces it: a target too many is what colouring is there to prevent. What no
    clause matches is not exported, as route-maps go. A clause that matches tags matches nothing: EVPN carries none.
    """
    vrfs = [vrf for vrf in model.vrfs if vrf.vni is not None and vrf.export_maps]
    if not vrfs:
        return []
    lines = [f"{family} prefix-list {ANY} seq 5 permit {all_of_it}" for family, all_of_it in EVERYTHING.values()]
    sequence = 0
    for vrf in vrfs:
        automatic = f"labctl-auto-{vrf.name}"
        lines.append(f"bgp extcommunity-list standard {automatic} seq 5 permit rt {model.asn}:{vrf.vni}")
        for version, name in vrf.export_maps.items():
            family = EVERYTHING[version][0]
            for clause in [*_clauses(model, name), Section(f"route-map {name} deny")]:
                body = _export_clause([child.line for child in clause.children], family, automatic)
                if body:
                    sequence += 10
                    lines += [f"route-map {EXPORT_MAP} {clause.words[2]} {sequence}", " match evpn route-type prefix"]
                    lines += [f" match evpn vni {vrf.vni}", *body, "exit"]
    return [*lines, f"route-map {EXPORT_MAP} permit {sequence + 10}", "exit"]


def _export_clause(said: Iterable[str], family: str, automatic: str) -> list[str]:
    """A clause of an ``export map`` for one family (``ip``, ``ipv6``); none where it matches something that EVPN does
    not carry. ``automatic``: the list that has the VRF's automatic target."""
    lists = [line for line in said if line.startswith(f"match {family} address prefix-list ")]
    if not lists and any(line.startswith("match ") for line in said):
        return []
    lines = [f" {line}" for line in lists or [f"match {family} address prefix-list {ANY}"]]
    for target in (line.split() for line in said if line.startswith("set extcommunity rt ")):
        lines += [] if "additive" in target else [f" set extended-comm-list {automatic} delete"]
        lines.append(f" set extcommunity rt {target[3]}")
    return lines


def _instance(model: SwitchModel, instance: BgpInstance) -> list[str]:
    head = f"router bgp {model.asn}" + (f" vrf {vrf_device(instance.vrf)}" if instance.vrf else "")
    maps: list[str] = []
    body = [head]
    if instance.router_id:
        body.append(f" bgp router-id {instance.router_id}")
    keepalive, hold = instance.timers or (60, 180)
    body += [
        " no bgp default ipv4-unicast", " no bgp ebgp-requires-policy", " bgp network import-check",
        " bgp log-neighbor-changes", f" timers bgp {keepalive} {hold}", " coalesce-time 100",
    ]  # fmt: skip
    if instance.relax:
        body.append(" bgp bestpath as-path multipath-relax")
    for neighbor in instance.neighbors:
        body += _neighbor(model, neighbor)
    for family in instance.families:
        if family.name in FAMILIES:
            section, needed = _family(model, instance, family)
            body += section
            maps += needed
    body += _evpn(model, instance)
    return [*maps, *body, "exit"]


def _neighbor(model: SwitchModel, neighbor: Neighbor) -> list[str]:
    peer = f" neighbor {neighbor.address}"
    internal = neighbor.remote_as == model.asn
    families = neighbor.families.values()
    lines = [f"{peer} remote-as {neighbor.remote_as}"]
    if neighbor.update_source:
        lines.append(f"{peer} update-source {kernel_name(neighbor.update_source)}")
    if neighbor.multihop and not internal:
        lines.append(f"{peer} ebgp-multihop {neighbor.multihop}")
    if neighbor.timers:
        lines.append(f"{peer} timers {neighbor.timers[0]} {neighbor.timers[1]}")
    lines += [f"{peer} timers connect 1", f"{peer} advertisement-interval 0"]
    if internal:
        lines.append(f"{peer} capability extended-nexthop")
        if any(family.has("route-reflector-client") for family in families):
            lines.append(f"{peer} passive")  # the reflector waits: two that call at once cost a retry
    elif not any(family.has("disable-peer-as-check") for family in families):
        lines.append(f"{peer} sender-as-path-loop-detection")
    if neighbor.shutdown:
        lines.append(f"{peer} shutdown")
    return lines


def _family(model: SwitchModel, instance: BgpInstance, family: BgpFamily) -> tuple[list[str], list[str]]:
    """The address family, and the route-maps that it needs."""
    version = FAMILIES[family.name]
    lines, maps = [f" address-family {family.name}", *(f"  {line}" for line in family.networks)], list[str]()
    for source, name in family.redistribute:
        frr_map, needed = _redistribution(model, instance, source, name, version)
        lines.append(f"  redistribute {'connected' if source == 'direct' else 'kernel'} route-map {frr_map}")
        maps += needed
    lines += [f"  maximum-paths {family.paths}", f"  maximum-paths ibgp {family.paths_ibgp}"]
    for neighbor in instance.neighbors:
        if family.name in neighbor.families:
            lines += _activated(model, neighbor, neighbor.families[family.name])
    return [*lines, " exit-address-family"], maps


def _activated(model: SwitchModel, neighbor: Neighbor, family: Section) -> list[str]:
    peer = f"  neighbor {neighbor.address}"
    lines = [f"{peer} activate"]
    for direction in ("in", "out"):
        filters = (line for line in family.children if line.words[0] in {"route-map", "prefix-list"})
        lines += [f"{peer} {line.line}" for line in filters if line.words[-1] == direction]
    if family.has("as-override"):
        lines.append(f"{peer} as-override")
    if family.has("next-hop-self") or (neighbor.remote_as != model.asn and neighbor.multihop):
        lines.append(f"{peer} next-hop-self")
    lines += [f"{peer} {line}" for line in ("default-originate", "route-reflector-client") if family.has(line)]
    if family.find("soft-reconfiguration"):
        lines.append(f"{peer} soft-reconfiguration inbound")
    limits = (family.find("allowas-in"), family.find("maximum-prefix"))
    return lines + [f"{peer} {line.line}" for line in limits if line]


def _redistribution(
    model: SwitchModel, instance: BgpInstance, source: str, name: str, version: int
) -> tuple[str, list[str]]:
    """A route-map that matches tags, as FRR can judge it: Linux routes carry no NX-OS tag, so the prefixes that do
    carry it in the configuration are listed. A map without tags is used as it is."""
    tags = [int(line.words[2]) for clause in _clauses(model, name) for line in clause.all("match", "tag")]
    if not tags:
        return name, []
    family = "ip" if version == 4 else "ipv6"
    frr = f"{name}_{instance.vrf or 'default'}_{family}_{source}"
    tagged = _tagged(model, instance.vrf, source, version, set(tags))
    entries = enumerate(condensed(tagged), 1)
    lines = [f"{family} prefix-list {frr} seq {5 * index} permit {entry}" for index, entry in entries]
    if not lines:
        lines = [f"{family} prefix-list {frr} seq 5 deny any"]
    return frr, [*lines, f"route-map {frr} permit 10", f" match {family} address prefix-list {frr}", "exit"]


def condensed(prefixes: Iterable[str]) -> list[str]:
    """The entries of a list that permits exactly these prefixes of one family: those of one length that fill a larger
    network are one entry. bgpd looks through all its routes again for every entry that comes or goes.
    """
    by_length: dict[int, list[IPv4Network | IPv6Network]] = defaultdict(list)
    for network in map(ip_network, prefixes):
        by_length[network.prefixlen].append(network)
    found = []
    for length, networks in sorted(by_length.items()):
        merged: Iterable[IPv4Network | IPv6Network] = collapse_addresses(networks)  # type: ignore[type-var]
        found += [f"{net} ge {length} le {length}" if net.prefixlen < length else str(net) for net in merged]
    return found


def _tagged(model: SwitchModel, vrf: str | None, source: str, version: int, tags: set[int]) -> list[str]:
    if source == "static":
        routes = [route for context in model.vrfs if context.name == vrf for route in context.statics]
        return [r.prefix for r in routes if r.tag in tags and ip_network(r.prefix).version == version]
    found = []
    for interface in model.interfaces:
        if interface.vrf == vrf:
            for address in (*interface.addresses, *interface.addresses6):
                network = ip_interface(address.value).network
                if address.tag in tags and network.version == version:
                    found.append(str(network))
    return found


def _evpn(model: SwitchModel, instance: BgpInstance) -> list[str]:
    lines = _evpn_fabric(model, instance) if instance.vrf is None else _evpn_vrf(model, instance)
    return [" address-family l2vpn evpn", *lines, " exit-address-family"] if lines else []


def _evpn_fabric(model: SwitchModel, instance: BgpInstance) -> list[str]:
    lines: list[str] = []
    exports = any(vrf.vni is not None and vrf.export_maps for vrf in model.vrfs)
    for neighbor in instance.neighbors:
        family = neighbor.families.get("l2vpn evpn")
        if family is not None:
            peer = f"  neighbor {neighbor.address}"
            lines.append(f"{peer} activate")
            lines += [f"{peer} route-reflector-client"] if family.has("route-reflector-client") else []
            lines += [f"{peer} route-map {EXPORT_MAP} out"] if exports else []
    return [*lines, "  advertise-all-vni"] if model.nve_members and model.nve_up else lines


def _evpn_vrf(model: SwitchModel, instance: BgpInstance) -> list[str]:
    lines = [f"  advertise {it.name}" for it in instance.families if it.advertise_evpn and it.name in FAMILIES]
    vrf = next((vrf for vrf in model.vrfs if vrf.name == instance.vrf), None)
    lines += _distinguisher(model, vrf)
    if vrf and vrf.imports and vrf.vni is not None:
        lines += [f"  route-target import {target}" for target in (f"{model.asn}:{vrf.vni}", *vrf.imports)]
    return lines


FIRST_RD = 60001
"""FRR numbers the distinguishers of layer 2 from 1 upwards."""


def _distinguisher(model: SwitchModel, vrf: VrfModel | None) -> list[str]:
    """``rd auto``: NX-OS makes it of the switch's router ID, FRR of the VRF's own, which pairs with the same loopbacks
    have in common: of two routes with one distinguisher a route reflector passes on one.
    """
    router_id = next((it.router_id for it in model.bgp if it.vrf is None), None)
    if vrf is None or vrf.vni is None or router_id is None:
        return []
    return [f"  rd {router_id}:{FIRST_RD + model.vrfs.index(vrf)}"]


# --- from one text to another -------------------------------------------------------------------------------------

Line = tuple[tuple[str, ...], str]
"""(the lines that open the modes above it, the line)."""


def lines_of(text: str) -> list[Line]:
    """A daemon's text as lines with the modes that they stand in; by indentation, as FRR writes it."""
    result: list[Line] = []
    stack: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        depth = len(raw) - len(raw.lstrip())
        if not line or line in {"exit", "exit-vrf", "exit-address-family"}:
            continue
        del stack[depth:]
        result.append((tuple(stack), line))
        stack.append(line)
    return result


def difference(before: str, after: str) -> list[list[str]]:
    """Groups of vty lines, each typed from ``configure terminal``: first what goes, then what comes."""
    old, new = lines_of(before), lines_of(after)
    kept, known = set(new), set(old)
    gone = [line for line in old if line not in kept]
    opened = {(*path, line) for path, line in gone}
    groups = [
        [*path, _no(line)] for path, line in gone if not any((*path,)[: n + 1] in opened for n in range(len(path)))
    ]
    groups += [[*path, line] for path, line in new if (path, line) not in known]
    return groups


def _no(line: str) -> str:
    return line.removeprefix("no ") if line.startswith("no ") else f"no {line}"
