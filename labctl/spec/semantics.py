"""What the types cannot say: names that clash, addresses that overlap, things that do not exist. All at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from typing import Any

from labctl.errors import Problem
from labctl.spec.model import Cluster, LeafPair, Spec
from labctl.yamldoc import Document, Path


class Judge:
    """Collects problems of one spec."""

    def __init__(self, spec: Spec, found: Document, target: tuple[str, str]) -> None:
        self.spec = spec
        self.found = found
        self.switch_target, self.cluster_target = target
        self.problems: list[Problem] = []

    def say(self, code: str, message: str, path: Path, hint: str | None = None, *, key: bool = False) -> None:
        self.problems.append(Problem(code, message, self.found.place(path, key=key), hint))


def judge(spec: Spec, found: Document, target: tuple[str, str] | None) -> list[Problem]:
    """Every semantic problem. ``target``: (switch, cluster) when the command line or the runtime decides it."""
    chosen = target or (spec.target.get("switch", "standin"), spec.target.get("cluster", "standin"))
    it = Judge(spec, found, chosen)
    for check in (_target, _names, _numbers, _gateway, _fabric, _nodes, _cluster, _loopbacks, _externals, _scenarios):
        check(it)
    return it.problems


def _target(it: Judge) -> None:
    for part, known in (("switch", ("n9kv", "standin")), ("cluster", ("kind", "standin"))):
        value = it.spec.target.get(part)  # type: ignore[call-overload]
        if value is not None and value not in known:
            it.say("bad-target", f"target {part} cannot be {value}", ("target", part), f"one of {', '.join(known)}")


def switch_names(spec: Spec) -> Iterator[tuple[str, Path]]:
    """Every switch name that is written, with its place."""
    fabric = spec.fabric
    if not isinstance(fabric.spines, int):
        for index, name in enumerate(fabric.spines):
            yield name, ("fabric", "spines", index)
    if not isinstance(fabric.leaf_pairs, int):
        for index, pair in enumerate(fabric.leaf_pairs):
            for position, name in enumerate(pair.leafs):
                yield name, ("fabric", "leaf_pairs", index, "leafs", position)
    if not isinstance(fabric.borders, int):
        for index, name in enumerate(fabric.borders):
            yield name, ("fabric", "borders", index)


def all_switches(spec: Spec) -> dict[str, str]:
    """Every switch and its role, numbered ones included."""
    from labctl.design.fabric import border_names, leaf_pairs, spine_names

    roles = dict.fromkeys(spine_names(spec), "spine")
    roles |= {leaf: "leaf" for pair in leaf_pairs(spec) for leaf in pair.leafs}
    return roles | dict.fromkeys(border_names(spec), "border")


def _names(it: Judge) -> None:
    seen: dict[str, str] = {}

    def take(name: str, what: str, path: Path) -> None:
        if name.lower() in seen:
            it.say("duplicate-name", f"{name} is there twice ({seen[name.lower()]})", path)
        seen[name.lower()] = what

    for name, path in switch_names(it.spec):
        take(name, "a switch", path)
    written = {name.lower() for name, _ in switch_names(it.spec)}
    for name in all_switches(it.spec):
        if name.lower() not in written:
            seen.setdefault(name.lower(), "a switch that the plan names")
    if isinstance(it.spec.cluster, Cluster) and not isinstance(it.spec.cluster.nodes, int):
        for index, node in enumerate(it.spec.cluster.nodes):
            take(node.name, "a node", ("cluster", "nodes", index, "name"))
    for index, external in enumerate(it.spec.external):
        take(external.name, "an external host", ("external", index, "name"))


def _numbers(it: Judge) -> None:
    vrf = it.spec.fabric.vrfs[0]
    base: Path = ("fabric", "vrfs", 0)
    network = vrf.networks[0]
    if vrf.vni == network.vni:
        it.say("duplicate-vni", f"VNI {vrf.vni} is the VRF's and the network's", (*base, "networks", 0, "vni"))
    if vrf.vlan == network.vlan:
        it.say("duplicate-vlan", f"VLAN {vrf.vlan} is the VRF's and the network's", (*base, "networks", 0, "vlan"))
    for vlan, path in ((vrf.vlan, (*base, "vlan")), (network.vlan, (*base, "networks", 0, "vlan"))):
        if vlan == 3600:
            it.say(
                "reserved-vlan", "VLAN 3600 carries the underlay over a physical peer-link", path, "take another one"
            )
    if isinstance(it.spec.cluster, Cluster) and it.spec.cluster.asn == it.spec.fabric.asn:
        it.say(
            "same-asn", f"fabric and cluster both have AS {it.spec.fabric.asn}; the peering is eBGP", ("cluster", "asn")
        )


def _gateway(it: Judge) -> None:
    path: Path = ("fabric", "vrfs", 0, "networks", 0, "gateway")
    gateway = it.spec.fabric.vrfs[0].networks[0].gateway
    families = [address.version for address in gateway]
    if 4 not in families:
        it.say("no-ipv4-gateway", "the nodes' network needs an IPv4 gateway", path)
    if len(set(families)) != len(families):
        it.say("two-gateways", "two gateways of one family", path, "one IPv4 and one IPv6")
    for index, address in enumerate(gateway):
        where = (*path, index) if isinstance(it.found.data, dict) and len(gateway) > 1 else path
        if isinstance(address, IPv4Interface) and not 8 <= address.network.prefixlen <= 29:
            it.say("bad-gateway", f"{address}: the prefix length must be 8 to 29", where)
        elif address.ip == address.network.network_address:
            it.say(
                "bad-gateway",
                f"{address} is the network's own address",
                where,
                f"for example {address.network[1]}/{address.network.prefixlen}",
            )


def _fabric(it: Judge) -> None:
    from labctl.design.versions import FABRIC_PEERING_SINCE, numbers

    fabric = it.spec.fabric
    known = all_switches(it.spec)
    for index, pair in enumerate(fabric.leaf_pairs if not isinstance(fabric.leaf_pairs, int) else ()):
        path: Path = ("fabric", "leaf_pairs", index)
        _pair(it, pair, path)
        if (
            pair.peer_link == "fabric"
            and numbers(fabric.nxos)[:2] < FABRIC_PEERING_SINCE
            and it.switch_target == "n9kv"
        ):
            it.say(
                "fabric-peering",
                f"a 9000v has vPC fabric peering from 10.4 on, this is {fabric.nxos}",
                (*path, "peer_link"),
                "peer_link: physical",
            )
    for name in fabric.addresses:
        if name not in known:
            it.say(
                "no-such-switch",
                f"there is no switch {name}",
                ("fabric", "addresses", name),
                _near(name, known),
                key=True,
            )
    _unique(
        it,
        [
            (str(a.loopback0), ("fabric", "addresses", n, "loopback0"))
            for n, a in fabric.addresses.items()
            if a.loopback0
        ],
    )
    _unique(it, [(str(a.vtep), ("fabric", "addresses", n, "vtep")) for n, a in fabric.addresses.items() if a.vtep])
    if not isinstance(fabric.spines, int) and not fabric.spines:
        it.say("no-spines", "a fabric needs a spine", ("fabric", "spines"))
    if not isinstance(fabric.leaf_pairs, int) and not fabric.leaf_pairs:
        it.say("no-leafs", "a fabric needs a leaf pair", ("fabric", "leaf_pairs"))


def _pair(it: Judge, pair: LeafPair, path: Path) -> None:
    if pair.leafs[0].lower() == pair.leafs[1].lower():
        it.say("same-leaf", f"a pair has two different leafs, not {pair.leafs[0]} twice", (*path, "leafs"))


def _unique(it: Judge, rows: list[tuple[str, Path]]) -> None:
    seen: set[str] = set()
    for value, path in rows:
        if value in seen:
            it.say("duplicate-address", f"{value} is there twice", path)
        seen.add(value)


def _near(name: str, known: Any) -> str | None:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _nodes(it: Judge) -> None:
    cluster = it.spec.cluster
    if not isinstance(cluster, Cluster) or isinstance(cluster.nodes, int):
        return
    from labctl.design.fabric import leaf_pairs

    gateways = it.spec.fabric.vrfs[0].networks[0].gateway
    pairs = len(leaf_pairs(it.spec))
    rows: list[tuple[str, Path]] = [(str(gateway.ip), ()) for gateway in gateways]
    for index, node in enumerate(cluster.nodes):
        path: Path = ("cluster", "nodes", index)
        for position, address in enumerate(node.address):
            where = (
                (*path, "address", position) if (*path, "address", position) in it.found.values else (*path, "address")
            )
            network = next((g.network for g in gateways if g.version == address.version), None)
            if network is None or address not in network:
                it.say("outside-network", f"{address} is not in the nodes' network {network or ''}".rstrip(), where)
            rows.append((str(address), where))
        if node.pair is not None and node.pair > pairs:
            it.say("no-such-pair", f"there is no leaf pair {node.pair}: the fabric has {pairs}", (*path, "pair"))
    _unique(it, rows)
    controls = [index for index, node in enumerate(cluster.nodes) if node.role == "control-plane"]
    if len(controls) > 1:
        it.say("two-control-planes", "one node is the control plane", ("cluster", "nodes", controls[1], "role"))
    if len(cluster.nodes) < 2:
        it.say("too-few-nodes", "a lab needs a control plane and a worker", ("cluster", "nodes"))


def _cluster(it: Judge) -> None:
    cluster = it.spec.cluster
    if not isinstance(cluster, Cluster):
        return
    from labctl.design import versions

    for path, problem in (
        (("cluster", "kubernetes"), versions.kubernetes_problem(it.cluster_target, cluster.kubernetes)),
        (("cluster", "calico", "version"), versions.calico_problem(it.cluster_target, cluster.calico.version)),
    ):
        if problem:
            it.say("version", problem, path)
    networks: list[tuple[str, Any, Path]] = []
    for index, pool in enumerate(cluster.calico.pools):
        where: Path = ("cluster", "calico", "pools", index)
        networks.append(("pool", pool.cidr, (*where, "cidr")))
        longest = 32 if pool.cidr.version == 4 else 128
        low, high = max(pool.cidr.prefixlen, longest - 12), longest
        if pool.block_size is not None and not low <= pool.block_size <= high:
            it.say("block-size", f"a block of {pool.cidr} is /{low} to /{high}", (*where, "block_size"))
    networks += [("service range", n, ("cluster", "services", i)) for i, n in enumerate(cluster.services)]
    networks += [
        ("external IPs", n, ("cluster", "calico", "external_ips", i)) for i, n in enumerate(cluster.calico.external_ips)
    ]
    _overlaps(it, networks)
    if cluster.services and not any(isinstance(n, IPv4Network) for n in cluster.services):
        it.say("no-ipv4-services", "the service ranges need one of IPv4", ("cluster", "services"))
    if cluster.calico.pools and not any(isinstance(pool.cidr, IPv4Network) for pool in cluster.calico.pools):
        it.say("no-ipv4-pool", "the pools need one of IPv4", ("cluster", "calico", "pools"))


def _overlaps(it: Judge, networks: list[tuple[str, Any, Path]]) -> None:
    """Ranges that clash. IPv6 services inside the IPv6 pool are kubeadm's own example, and accepted."""
    nodes = [("the nodes' network", g.network, ()) for g in it.spec.fabric.vrfs[0].networks[0].gateway]
    for index, (what, network, path) in enumerate(networks):
        for other, known, _ in [*nodes, *networks[:index]]:
            if network.version == known.version and network.overlaps(known):
                if network.version == 6 and {what, other} == {"pool", "service range"}:
                    continue
                it.say("overlap", f"{what} {network} overlaps {other} {known}", path)
                break


def _loopbacks(it: Judge) -> None:
    vrf = it.spec.fabric.vrfs[0]
    roles = all_switches(it.spec)
    gateways = [g.network for g in vrf.networks[0].gateway]
    for leaf, addresses in vrf.peering_loopbacks.items():
        path: Path = ("fabric", "vrfs", 0, "peering_loopbacks", leaf)
        if roles.get(leaf) != "leaf":
            leafs = [name for name, role in roles.items() if role == "leaf"]
            it.say("no-such-leaf", f"there is no leaf {leaf}", path, _near(leaf, leafs), key=True)
        for address in addresses:
            if any(address.version == network.version and address in network for network in gateways):
                it.say("loopback-in-network", f"{address} is inside the nodes' network; nodes need a route to it", path)
    from labctl.design.fabric import leaf_pairs

    for pair in leaf_pairs(it.spec):
        mine = [vrf.peering_loopbacks.get(leaf, ()) for leaf in pair.leafs]
        for kind in (IPv4Address, IPv6Address):
            both = [next((a for a in addresses if isinstance(a, kind)), None) for addresses in mine]
            if both[0] is not None and both[0] == both[1]:
                path = ("fabric", "vrfs", 0, "peering_loopbacks", pair.leafs[1])
                it.say("duplicate-address", f"both leafs of a pair have {both[0]}", path)


def _externals(it: Judge) -> None:
    roles = all_switches(it.spec)
    seen: list[tuple[Any, str]] = []
    gateways = [g.network for g in it.spec.fabric.vrfs[0].networks[0].gateway]
    for index, external in enumerate(it.spec.external):
        if roles.get(external.attach) != "border":
            borders = [name for name, role in roles.items() if role == "border"]
            hint = _near(external.attach, borders) if borders else "add one: fabric: {borders: [border1]}"
            it.say("no-such-border", f"there is no border leaf {external.attach}", ("external", index, "attach"), hint)
        for position, network in enumerate(external.announces):
            path: Path = ("external", index, "announces", position)
            clash = next((owner for known, owner in seen if known == network), None)
            if clash:
                it.say("duplicate-prefix", f"{network} is announced by {clash} already", path)
            if network.prefixlen == 0:
                it.say("default-route", "no default route to the nodes: it would hide what the checks look for", path)
            elif any(network.version == g.version and network.overlaps(g) for g in gateways):
                it.say("overlap", f"{network} overlaps the nodes' network", path)
            seen.append((network, external.name))


def _scenarios(it: Judge) -> None:
    if it.spec.cluster == "none":
        for part in ("workloads", "scenarios"):
            if getattr(it.spec, part):
                it.say("no-cluster", f"{part} need a cluster, and the spec says cluster: none", (part,))
        return
    workloads = it.spec.workloads
    needs = {"ping": "pingtest", "ping-ipip": "pingtest", "curl": "nginx"}
    for index, scenario in enumerate(it.spec.scenarios or ()):
        needed = needs.get(scenario)
        if workloads is not None and needed and needed not in workloads:
            it.say("missing-workload", f"scenario {scenario} needs workload {needed}", ("scenarios", index))
