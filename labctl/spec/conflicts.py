"""What is written against what is decided and known: addresses given twice, ranges in each other's way, too little
room, versions that do not go together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal, NamedTuple

from labctl import peers
from labctl.design import addressing, versions
from labctl.design.design import Design
from labctl.design.fabric import leaf_pairs, peering_loopbacks
from labctl.design.plan import cluster_pools, cluster_services, node_specs
from labctl.imagename import ROLES, SWITCH_ROLES, image_name, image_trouble
from labctl.spec.keys import Cluster, Spec
from labctl.spec.validation import ADDRESSES, EXTERNAL_IPS, GATEWAY, PEERING, POOLS, Judge, no_host
from labctl.yamldoc import Path

PORTS = 64
"""Usable Ethernet ports of a 9000v, and of the stand-in, which is one in its place (Cisco's guide to the 9000v)."""


def room(it: Judge) -> None:
    """Nodes without an address of their own get .10, .11, …: the network must be that large."""
    for gateway in it.spec.fabric.vrfs[0].networks[0].gateway:
        for index, node in enumerate(node_specs(it.spec)):
            host = addressing.FIRST_NODE + index
            host = host if gateway.version == 4 else int(str(host), 16)
            planned = not any(address.version == gateway.version for address in node.address)
            if planned and host >= gateway.network.num_addresses - 1:
                why = f"{gateway.network} has no room for {node.name}, which would be host {host} of it"
                it.say("no-room", why, GATEWAY, "a shorter prefix, or addresses for the nodes")
                break


def underlay(it: Judge) -> None:
    """Addresses of switches with two owners, or none."""
    _useless(it, it.plan)
    it.taken_once(_underlay_addresses(it, it.plan))


def tenant(it: Judge) -> None:
    """Addresses in the VRF with two owners."""
    it.taken_once(_tenant_addresses(it, it.plan))


def _useless(it: Judge, lab: Design) -> None:
    """Addresses that no interface has."""
    for name, given in it.spec.fabric.addresses.items():
        switch = next((switch for switch in lab.switches if switch.name == name), None)
        if switch is None:
            continue
        for part, roles in (("vtep", ("leaf", "border")), ("vip", ("leaf",))):
            if getattr(given, part) is not None and switch.role not in roles:
                it.say("no-such-address", f"a {switch.role} has no {part}", (*ADDRESSES, name, part), key=True)
        if given.vip is not None and switch.vpc is not None and given.vip != switch.vpc.vip:
            why = f"{switch.vpc.peer} says {switch.vpc.vip}: the leafs of a pair share one vip"
            it.say("two-vips", why, (*ADDRESSES, name, "vip"))


def _underlay_addresses(it: Judge, lab: Design) -> Iterator[tuple[str, str, Path]]:
    for switch in lab.switches:
        base = (*ADDRESSES, switch.name)
        yield str(switch.loopback0), f"loopback0 of {switch.name}", (*base, "loopback0")
        if switch.vtep is not None:
            yield str(switch.vtep), f"the VTEP address of {switch.name}", (*base, "vtep")
        for uplink in switch.uplinks:
            yield str(uplink.address.ip), f"{uplink.interface} of {switch.name}", (*base, uplink.interface)
        if switch.vpc is not None and switch.vpc.backup is not None:
            yield str(switch.vpc.backup.ip), f"Vlan{switch.vpc.backup_vlan} of {switch.name}", (*base, "backup")
        if switch.vpc is not None and switch.vpc.role_priority == 100:  # once a pair
            pair = (switch.name, switch.vpc.peer)
            written = next((name for name in pair if not it.planned((*ADDRESSES, name, "vip"))), switch.name)
            yield str(switch.vpc.vip), f"the vip of {' and '.join(pair)}", (*ADDRESSES, written, "vip")


def _tenant_addresses(it: Judge, lab: Design) -> Iterator[tuple[str, str, Path]]:
    for gateway in lab.vrf.gateways:
        yield str(gateway.ip), "the gateway", GATEWAY
    for index, node in enumerate(lab.cluster.nodes if lab.cluster else ()):
        path: Path = ("cluster", "nodes", index, "address")
        for position, end in enumerate((node.address, node.address6)):
            if end is not None:
                yield str(end.ip), f"the address of {node.name}", it.item(path, position)
    yield from _peering_addresses(it, lab)
    hosts = [external.name for external in it.spec.external]
    for external in lab.externals:
        index, port = hosts.index(external.name), external.port
        for end6 in (port.address, port.host_address, port.address6, port.host_address6):
            yield str(end6.ip), f"the link to {external.name}", ("external", index, "name", "link")


def _peering_addresses(it: Judge, lab: Design) -> Iterator[tuple[str, str, Path]]:
    seen: set[IPv4Address | IPv6Address] = set()
    for switch in lab.by_role("leaf"):
        written = set(it.spec.fabric.vrfs[0].peering_loopbacks.get(switch.name, ()))
        for address in (switch.peering, switch.peering6):
            if address not in written & seen:  # written on several pairs: they are coloured
                yield str(address), f"loopback1002 of {switch.name}", (*PEERING, switch.name)
        seen |= written


def ports(it: Judge) -> None:
    """Switches with more links than ports."""
    lab = it.plan
    wired = Counter(end[0] for link in lab.links for end in (link.a, link.b))
    full = [switch for switch in lab.switches if wired[switch.name] > PORTS]
    if full:
        uses = (("nodes", len(full[0].node_ports), ("cluster", "nodes")),
                ("external hosts", len(full[0].external_ports), ("external",)),
                ("switches", len(full[0].uplinks), ("fabric",)))  # fmt: skip
        what, number, path = max(uses, key=lambda row: row[1])
        why = f"{full[0].name} would have {wired[full[0].name]} ports, {number} of them to {what}; a 9000v has {PORTS}"
        it.say("too-many-ports", why, path, "spread them over more switches")


# --- ranges: one table of all of them, labctl's own choices too, and one rule: none is in another's way ---------------

Network = IPv4Network | IPv6Network
Kind = Literal["nodes", "pool", "service", "ips", "peering", "links", "prefix", "underlay", "management", "docker"]
Verdict = Literal["error", "warning"]


class Range(NamedTuple):
    """A range: what it is of, and where it is written (a path that is not in the document: labctl's choice)."""

    kind: Kind
    what: str
    network: Network
    path: Path


DOCKER = (
    ("Docker's own network docker0", IPv4Network("172.17.0.0/16")),
    ("the network that Docker makes first, as a rule kind's,", IPv4Network("172.18.0.0/16")),
)
"""Where nobody configured Docker otherwise; ``doctor`` knows what this host has."""
APART: tuple[set[str], ...] = (
    *({"underlay", kind} for kind in ("nodes", "pool", "service", "ips", "peering", "links", "prefix", "docker")),
    {"links", "docker"}, {"peering", "docker"},
)  # fmt: skip
"""What never meets: the underlay is a routing table of its own, next to the tenant's VRF."""
COVERED: dict[Kind, Verdict] = {"nodes": "error", "peering": "warning"}
"""What is told of an external prefix that is shorter than a range in it. Nothing of pods and services: the longer route
wins, and a 10.0.0.0/8 outside is usual; a leaf's loopback is one route alone, and without it its sessions go there."""


def verdict(one: Range, other: Range) -> Verdict | None:
    """Whether two ranges are in each other's way.

    IPv6 services inside the IPv6 pool are kubeadm's own example and the white paper's.
    """
    if one.kind == other.kind and one.kind not in ("pool", "ips"):
        return None  # addresses that are given twice have a rule of their own; prefixes may lie in one another
    if one.network.version != other.network.version or not one.network.overlaps(other.network):
        return None
    kinds = {one.kind, other.kind}
    if kinds in APART or (kinds == {"pool", "service"} and one.network.version == 6):
        return None
    if "docker" in kinds:
        return "warning"
    prefix, mine = (one, other) if one.kind == "prefix" else (other, one)
    if prefix.kind == "prefix" and prefix.network.prefixlen < mine.network.prefixlen:
        return COVERED.get(mine.kind)
    return "error"


def ranges(it: Judge) -> Iterator[Range]:
    """Every range of the lab; of two that are written, the later one is told of."""
    spec = it.spec
    for index, gateway in enumerate(spec.fabric.vrfs[0].networks[0].gateway):
        yield Range("nodes", "the nodes' network", gateway.network, it.item(GATEWAY, index))
    yield from _of_cluster(spec)
    yield from _peering_ranges(it)
    yield from _underlay_ranges(it)
    if spec.external:
        for links in (addressing.EXTERNAL_LINKS, addressing.EXTERNAL_LINKS6):
            yield Range("links", "the links to external hosts", links, ("external", "links"))
    if {it.switch_target, it.cluster_target} != {"standin"}:
        yield from (Range("docker", what, network, ("Docker",)) for what, network in DOCKER)
    yield Range("management", "the management network", spec.management, ("management",))
    for index, external in enumerate(spec.external):
        for position, network in enumerate(external.announces):
            if network.prefixlen:  # a default route has a rule of its own
                path = ("external", index, "announces", position)
                yield Range("prefix", f"{external.name}'s prefix", network, path)


def _of_cluster(spec: Spec) -> Iterator[Range]:
    for index, pool in enumerate(cluster_pools(spec)):
        yield Range("pool", "pool", pool.cidr, (*POOLS, index, "cidr"))
    for index, network in enumerate(cluster_services(spec)):
        yield Range("service", "service range", network, ("cluster", "services", index))
    for index, network in enumerate(spec.cluster.calico.external_ips if spec.cluster != "none" else ()):
        yield Range("ips", "external IPs", network, (*EXTERNAL_IPS, index))


def _peering_ranges(it: Judge) -> Iterator[Range]:
    if not it.sound(("fabric", "leaf_pairs")):
        return
    written = it.spec.fabric.vrfs[0].peering_loopbacks
    for leaf, both in peering_loopbacks(it.spec).items():
        mine: tuple[object, ...] = written.get(leaf, ())
        for address in both:
            path = it.item((*PEERING, leaf), mine.index(address)) if address in mine else (*PEERING, leaf, "")
            yield Range("peering", f"loopback1002 of {leaf}", ip_network(address), path)


def _underlay_ranges(it: Judge) -> Iterator[Range]:
    plan = (("loopback0", addressing.LOOPBACK0), ("VTEP addresses", addressing.VTEPS), ("links", addressing.LINKS))
    for what, network in plan:
        yield Range("underlay", f"the plan's {what}", network, (*ADDRESSES, "", what))
    if any(pair.peer_link == "physical" for pair in leaf_pairs(it.spec)):
        yield Range("underlay", "the plan's peer-links", addressing.BACKUPS, (*ADDRESSES, "", "backup"))
    for name, given in it.spec.fabric.addresses.items():
        for part in ("loopback0", "vtep", "vip"):
            address = getattr(given, part)
            if address is not None:
                yield Range("underlay", f"{part} of {name}", ip_network(address), (*ADDRESSES, name, part))


def overlaps(it: Judge) -> None:
    """Each range against all others, and against what no host can have."""
    table = [row for row in ranges(it) if it.sound(row.path)]
    found: dict[Path, list[tuple[Verdict, Range, Range]]] = {}
    for index, row in enumerate(table):
        if row.kind in ("pool", "service", "ips") and (special := no_host(row.network)):
            it.say("no-host", f"{row.what} {row.network}: no host can have {special}", row.path)
        for earlier in table[:index]:
            judged = verdict(row, earlier)
            if judged is not None:
                later = not it.planned(row.path) or it.planned(earlier.path)
                mine, other = (row, earlier) if later else (earlier, row)
                found.setdefault(mine.path, []).append((judged, mine, other))
    for path, rows in found.items():
        worst = [row for row in rows if row[0] == "error"] or rows
        _tell(it, path, *worst[0], more=len(worst) - 1)


def _tell(it: Judge, path: Path, judged: Verdict, mine: Range, other: Range, *, more: int) -> None:
    beside = f"{other.what} {_shown(other.network)}" + (f" and {more} more" if more else "")
    said = f"{mine.what} {_shown(mine.network)} {{}} {beside}"
    if judged == "error":
        own = "that is labctl's own choice: take another range here, or write one there"
        it.say("overlap", said.format("overlaps"), path, own if it.planned(other.path) else None)
    elif other.kind == "docker":
        it.warn("docker-network", said.format("overlaps"), path, "labctl doctor knows what Docker has on this host")
    else:
        it.warn("covers", said.format("covers") + ": without the leaf, its sessions go to the external host", path)


def _shown(network: Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


# --- versions that nobody knows, that do not go together, or that an image does not have (`labctl.peers`) ------------
# Beside what is known (one version further) is a warning: its authors say that it may work. Further off is an error.

KUBERNETES: Path = ("cluster", "kubernetes")
CALICO: Path = ("cluster", "calico", "version")
NXOS: Path = ("fabric", "nxos")
REAL_IMAGES = ("vrnetlab/", "kindest/")
"""Whose images are never a stand-in."""


class Misfit(NamedTuple):
    """What is wrong with a version, and what to write instead."""

    path: Path
    message: str
    hint: str
    fatal: bool = True


def judge_versions(it: Judge) -> None:
    """All of them, each at the line that asks for it."""
    found = [*_unfit_switches(it.spec, it.switch_target), *unfit_cluster(it.spec, it.cluster_target, it.containerlab)]
    for misfit in (*found, *_idle_images(it)):
        (it.say if misfit.fatal else it.warn)("version", misfit.message, misfit.path, misfit.hint)


def _unfit_switches(spec: Spec, target: str) -> Iterator[Misfit]:
    """NX-OS: known, and that of the images."""
    nxos, known = spec.fabric.nxos, peers.NXOS_KNOWN
    far = peers.outside(nxos, known)
    if far:
        why = f"labctl knows NX-OS {peers.span(known)}, not {nxos}"
        yield Misfit(NXOS, why, f"{peers.NXOS_DEFAULT} is the default", far > 1)
    for role in ("switch", *SWITCH_ROLES) if target == "n9kv" else ():
        has = versions.image_version(getattr(spec.images, role), "n9kv")
        if has and peers.numbers(has) != peers.numbers(nxos)[:3]:
            major, minor, patch = peers.numbers(has)
            why = f"this image has NX-OS {major}.{minor}({patch}), and the configuration is written for {nxos}"
            other = (major, minor) != peers.numbers(nxos)[:2]
            yield Misfit(("images", role), why, f'fabric: {{nxos: "{major}.{minor}({patch})"}}', other)


def unfit_cluster(spec: Spec, target: str, containerlab: str = peers.WRITTEN_FOR) -> Iterator[Misfit]:
    """Kubernetes and Calico: what the target can run, what goes together, and what the image has."""
    wanted = spec.cluster
    if not isinstance(wanted, Cluster):
        return
    if target == "standin":
        yield from _of_standin(wanted)
        return
    kubernetes, calico = versions.of_cluster(spec, target, containerlab)
    _, row = peers.kind(containerlab)
    has = versions.image_version(spec.images.node, "node")
    said_at = KUBERNETES if wanted.kubernetes else ("images", "node") if has else CALICO
    far = peers.outside(kubernetes, row.kubernetes)
    if far:
        yield _unknown_to_kind(kubernetes, containerlab, said_at, far)
    if has and wanted.kubernetes and peers.numbers(has) != peers.numbers(wanted.kubernetes):
        why = f"this image has Kubernetes {has}, and the cluster is to have {wanted.kubernetes}"
        other = peers.numbers(has)[:2] != peers.numbers(wanted.kubernetes)[:2]
        yield Misfit(("images", "node"), why, f"cluster: {{kubernetes: {has}}}", other)
    if wanted.calico.version or not far:
        yield from _of_calico(calico, kubernetes, CALICO if wanted.calico.version else said_at)


def _unknown_to_kind(kubernetes: str, containerlab: str, said_at: Path, far: int) -> Misfit:
    """``far``: how many versions further than the kind in a containerlab knows.

    Of the newest library nobody knows yet what it cannot do; of an older one it is known.
    """
    library, row = peers.kind(containerlab)
    its = f"the kind {library} of containerlab {containerlab} runs Kubernetes {peers.span(row.kubernetes)}"
    newer = peers.numbers(kubernetes)[:2] > row.kubernetes[1]
    can = newer and row is not peers.kind(peers.WRITTEN_FOR)[1]
    hint = f"--target containerlab={peers.WRITTEN_FOR}" if can else f"leave it out for {row.images[0]}"
    return Misfit(said_at, f"{its}, not {kubernetes}", hint, far > 1 or not newer or can)


def _of_calico(calico: str, kubernetes: str, path: Path) -> Iterator[Misfit]:
    far, known = peers.outside(calico, peers.CALICO_ON_KIND), peers.CALICO_ON_KIND
    newest = peers.CALICO[0].standin[0]
    if far:
        newer = peers.numbers(calico)[:2] > known[1]
        why = f"labctl knows Calico {peers.span(known)} on the Kubernetes of kind, not {calico}"
        hint = newest if newer else f"{newest}, or target: {{cluster: standin}} for an older one"
        yield Misfit(path, why, hint, far > 1 or not newer)
        return
    tested = peers.calico(calico).kubernetes
    far = peers.outside(kubernetes, tested) if tested else 0
    if tested and far:
        why = f"Calico {calico} is tested with Kubernetes {peers.span(tested)}, and the cluster has {kubernetes}"
        rows = (row for row in peers.CALICO if row.kubernetes and not peers.outside(kubernetes, row.kubernetes))
        fitting = next((row.standin[0] for row in rows), None)
        hint = f"Calico {fitting}" if fitting else f"Kubernetes {peers.dotted(tested[1])}"
        yield Misfit(path, why, hint, far > 1)


def _of_standin(wanted: Cluster) -> Iterator[Misfit]:
    """The stand-in is what it is: no version is near enough."""
    runs, known = peers.STANDIN_KUBERNETES, peers.STANDIN_CALICO
    if wanted.kubernetes not in (None, runs):
        why = f"the stand-in cluster runs Kubernetes {runs}, not {wanted.kubernetes}"
        yield Misfit(KUBERNETES, why, f"leave the version out, or write {runs}")
    if wanted.calico.version not in (None, *known):
        why = f"the stand-in cluster does not know Calico {wanted.calico.version}"
        yield Misfit(CALICO, why, f"one of {', '.join(known)}")


def _idle_images(it: Judge) -> Iterator[Misfit]:
    """Images of real nodes for a part that has stand-ins."""
    for role in ROLES:
        image = getattr(it.spec.images, role)
        part, real = ("cluster", "kind") if role == "node" else ("switch", "n9kv")
        target = it.cluster_target if role == "node" else it.switch_target
        if image is None or role == "host" or target != "standin" or image_trouble(image):
            continue
        if image_name(image).repository.startswith(REAL_IMAGES):
            why = f"{image} is no stand-in, and the target has stand-ins there"
            yield Misfit(("images", role), why, f"target: {{{part}: {real}}}", fatal=False)
