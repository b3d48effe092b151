"""``nxos/<switch>.cfg``: the complete configuration of each switch, in the order in which it is pushed."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from labctl.design.design import Design, Network, Switch
from labctl.render.templating import render

STANDIN_OSPF = (1, 40)
"""Hello and dead interval on stand-ins: a point-to-point neighbour waits for the next hello, 10 s cost 9 s of boot."""


@dataclass(frozen=True, slots=True)
class PrefixList:
    """Entries without their numbers."""

    family: str
    name: str
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteMap:
    """One clause."""

    name: str
    sequence: int
    lines: tuple[str, ...]


def switch_config(design: Design, switch: Switch) -> str:
    """The text for one switch."""
    leaf = switch.role == "leaf"
    vtep = switch.role != "spine"
    hello, dead = STANDIN_OSPF if design.target.switch == "standin" else (None, None)
    fabric = design.by_role("spine") if vtep else (*design.by_role("leaf"), *design.by_role("border"))
    cluster = design.cluster
    peering = leaf and cluster is not None
    return render(
        "switch.cfg.j2",
        design=design,
        switch=switch,
        vrf=design.vrf,
        leaf=leaf,
        vtep=vtep,
        hello=hello,
        dead=dead,
        vlans=_vlans(design, switch),
        prefix_lists=[*(_prefix_lists(design) if peering else ()), *_coloured(switch)],
        route_maps=_route_maps(design, switch, peering=peering) if vtep else (),
        statics=_statics(switch),
        cluster=cluster,
        calico_templates=_templates(design, switch) if peering else (),
        fabric_neighbors=fabric,
        attached=_attached(design, switch) if peering else (),
    )


def _vlans(design: Design, switch: Switch) -> list[int]:
    vlans = [1, design.vrf.vlan]
    if switch.role == "leaf":
        vlans.append(design.vrf.node_vlan)
        if switch.vpc and switch.vpc.backup:
            vlans.append(switch.vpc.backup_vlan)
    return sorted(vlans)


def _attached(design: Design, switch: Switch) -> tuple[object, ...]:
    assert design.cluster is not None  # noqa: S101 - the caller looked
    return tuple(node for node in design.cluster.nodes if switch.name in node.leafs)


def _templates(design: Design, switch: Switch) -> list[tuple[str, str, dict[str, str]]]:
    rows = [("ipv4", "CALICO", {"inbound": "calico-ip-in", "outbound": "calico-ip-filter"})]
    if switch.peering6 is not None and design.vrf.gateway6 is not None:
        rows.append(("ipv6", "CALICO-V6", {"inbound": "calico-ipv6-in", "outbound": "calico-ipv6-filter"}))
    return rows


def _family(networks: tuple[Network, ...], version: int) -> tuple[Network, ...]:
    return tuple(network for network in networks if network.version == version)


def _longest(network: Network) -> int:
    return 32 if isinstance(network, IPv4Network) else 128


def _within(network: Network, shortest: int | None = None) -> str:
    """Everything inside a range: ``10.244.0.0/16 ge 26 le 32``."""
    longest = _longest(network)
    if network.prefixlen == longest:
        return str(network)
    ge = f" ge {shortest}" if shortest and shortest > network.prefixlen else ""
    return f"{network}{ge} le {longest}"


def _coloured(switch: Switch) -> list[PrefixList]:
    """The loopbacks that another pair has too, for the export maps (white paper: RT colouring, errata E14)."""
    if not switch.colour:
        return []
    lists = [PrefixList("ip", "dup_ip_avoidance", (f"{switch.peering}/32",))]
    if switch.peering6:
        lists.append(PrefixList("ipv6", "dup_ip6_avoidance", (f"{switch.peering6}/128",)))
    return lists


def _prefix_lists(design: Design) -> list[PrefixList]:
    """Towards the nodes: external prefixes one by one and the pods, never the peering loopbacks, no default."""
    assert design.cluster is not None  # noqa: S101 - the caller looked
    cluster, lists = design.cluster, list[PrefixList]()
    pools = tuple(pool.cidr for pool in cluster.pools)
    blocks = {pool.cidr: pool.block_size for pool in cluster.pools}
    for version, family, label in ((4, "ip", "PL-K8S"), (6, "ipv6", "PL-K8S6")):
        if version == 6 and design.vrf.gateway6 is None:
            continue
        outward = [str(network) for network in _family(design.announced, version)]
        outward += [_within(network) for network in _family(pools, version)]
        inward = [_within(network, blocks[network]) for network in _family(pools, version)]
        inward += [_within(network) for network in _family(cluster.services, version)]
        inward += [_within(network) for network in _family(cluster.external_ips, version)]
        # an empty prefix-list permits everything on NX-OS: a family without ranges gets one that matches nothing
        nothing = ("0.0.0.0/32",) if version == 4 else ("::/128",)
        lists.append(PrefixList(family, f"{label}-OUT", tuple(outward) or nothing))
        lists.append(PrefixList(family, f"{label}-IN", tuple(inward) or nothing))
    return lists


def _route_maps(design: Design, switch: Switch, *, peering: bool) -> list[RouteMap]:
    maps: list[RouteMap] = []
    if peering:
        maps += [
            RouteMap("calico-ip-filter", 10, ("match ip address prefix-list PL-K8S-OUT",)),
            RouteMap("calico-ip-in", 10, ("match ip address prefix-list PL-K8S-IN",)),
        ]
        if design.vrf.gateway6 is not None:
            maps += [
                RouteMap("calico-ipv6-filter", 10, ("match ipv6 address prefix-list PL-K8S6-OUT",)),
                RouteMap("calico-ipv6-in", 10, ("match ipv6 address prefix-list PL-K8S6-IN",)),
            ]
    maps.append(RouteMap("fabric-rmap-redist-subnet", 10, ("match tag 12345",)))
    if switch.colour:
        for name, family, lists in (
            ("loopback", "ip", "dup_ip_avoidance"),
            ("loopback-v6", "ipv6", "dup_ip6_avoidance"),
        ):
            colour = f"set extcommunity rt {switch.colour}"
            maps.append(RouteMap(name, 10, (f"match {family} address prefix-list {lists}", colour)))
            # NX-OS's treatment of routes that match no clause is not documented: an empty clause makes it plain
            maps.append(RouteMap(name, 20, ()))
    return maps


def _statics(switch: Switch) -> list[str]:
    """The border's routes to what its external hosts stand for; NX-OS announces only what is in its table."""
    return [
        f"{'ip' if network.version == 4 else 'ipv6'} route {network} "
        f"{port.host_address.ip if network.version == 4 else port.host_address6.ip} tag 12345"
        for port in switch.external_ports
        for network in port.announces
    ]
