"""Design → the artifact folder: all files as text, then written so that only what changed is touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from labctl import __version__
from labctl.design.design import Cluster, Design, External, Network, Node, Switch
from labctl.imagename import where_from
from labctl.labjson import SCHEMA, Input, Lab, Link, NodeKind, Role
from labctl.labjson import Node as LabNode
from labctl.peers import EXTRAS, containerlab, nxos, readers
from labctl.render import cluster
from labctl.render.checks import checks
from labctl.render.templating import render, render_files

SWITCH_DEADLINES = {"standin": {"ssh": 120, "push": 120}, "n9kv": {"ssh": 1800, "push": 600}}
"""A 9000v takes 5 to 15 minutes to boot, and each front panel port appears about a minute later."""
CLUSTER_DEADLINES = {
    "standin": {"create": 1200, "api": 300, "nodes": 120, "workloads": 300},
    "kind": {"create": 1800, "api": 900, "nodes": 300, "workloads": 900},
}
STANDIN_DEADLINES = {"bond": 120, "converged": 120, "scenario": 120}
REAL_DEADLINES = {"bond": 300, "converged": 300, "scenario": 180}
"""Of what switches and nodes do together."""
STANDIN_OSPF = (1, 40)
"""Hello and dead interval on stand-ins: a point-to-point neighbour waits for the next hello, 10 s cost 9 s of boot."""
BATCH_SECONDS = 300
"""For each 9000v after the first: where memory is short they boot one after the other, each 300 s later."""


def render_folder(design: Design) -> dict[str, str]:
    """Path → text, the same bytes for the same design."""
    files = {"topology.clab.yml": _topology(design), "checks.yaml": checks(design), "README.md": _readme(design)}
    files |= {f"nxos/{switch.name}.cfg": switch_config(design, switch) for switch in design.switches}
    files |= {f"nodes/{external.name}.sh": _external(design, external) for external in design.externals}
    if design.cluster:
        files |= {f"nodes/{node.name}.sh": _node(design, node) for node in design.cluster.nodes}
        files |= cluster.files(design, design.cluster)
    files |= _failures(design)
    files["lab.json"] = lab_json(design, files)
    return dict(sorted(files.items()))


def _readme(design: Design) -> str:
    lab = design.cluster
    return render(
        "README.md.j2",
        design=design,
        readers=readers(containerlab(design.target.containerlab).cluster_keys if lab else frozenset()),
        images=_images(design),
        pod_images=cluster.pod_images(lab) if lab and design.target.cluster == "kind" else (),
        delay=_boot_delay_variable(design.switches[-1].name),
        workers=len(design.switches) + len(design.externals) + (len(lab.nodes) + 1 if lab else 0),
        control=next((node for node in lab.nodes if node.role == "control-plane"), None) if lab else None,
        first_leaf=design.by_role("leaf")[0],
    )


def _images(design: Design) -> list[tuple[str, str, str]]:
    """Each image once: (name, what runs it, the command that brings it)."""
    users: dict[str, list[str]] = {}
    for switch in design.switches:
        users.setdefault(design.images.of(switch.role).tagged, []).append(switch.name)
    if design.cluster:
        users.setdefault(design.images.node.tagged, []).extend(node.name for node in design.cluster.nodes)
    if design.externals:
        users.setdefault(design.images.host.tagged, []).extend(external.name for external in design.externals)
    return [(image, ", ".join(names), where_from(image)) for image, names in users.items()]


# --- lab.json: nodes and links, what everybody calls them, and a hash of each file -----------------------------------


def lab_json(design: Design, files: Mapping[str, str]) -> str:
    """The text; ``files`` is everything else in the folder."""
    made = design.cluster
    versions = {"kubernetes": made.kubernetes, "calico": made.calico} if made else {}
    lab = Lab(
        schema=SCHEMA,
        name=design.name,
        generator=f"labctl {__version__}",
        target={
            "switch": design.target.switch,
            "cluster": design.target.cluster if made else "none",
            "containerlab": design.target.containerlab,
        },
        mode=made.mode if made else "routed",
        versions={"nxos": design.fabric.nxos, **versions},
        cluster=design.name if made else None,
        nodes=_nodes(design),
        links=_links(design),
        scenarios=design.scenarios,
        deadlines=_deadlines(design),
        inputs=tuple(_inputs(design)),
        files={path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())},
    )
    return json.dumps(lab.model_dump(mode="json", by_alias=True, exclude_unset=True), indent=2) + "\n"


def _nodes(design: Design) -> dict[str, LabNode]:
    """In containerlab's words: it calls containers ``clab-LAB-NODE``, but kind names those of its nodes."""

    def named(kind: NodeKind, role: Role, name: str) -> LabNode:
        return LabNode(kind=kind, role=role, topology=name, container=f"clab-{design.name}-{name}")

    nodes = {switch.name: named("switch", switch.role, switch.name) for switch in design.switches}
    for node in design.cluster.nodes if design.cluster else ():
        made = node.container
        nodes[node.name] = LabNode(
            kind="kube-node", role=node.role, topology=made, container=made, kubernetes=node.name
        )
    return nodes | {external.name: named("host", "external", external.name) for external in design.externals}


def _links(design: Design) -> tuple[Link, ...]:
    """The design calls a Kubernetes node's end as containerlab does, lab.json as the lab does."""
    names = {node.container: node.name for node in design.cluster.nodes} if design.cluster else {}

    def end(node: str, interface: str) -> tuple[str, str]:
        return names.get(node, node), interface

    return tuple((end(*link.a), end(*link.b)) for link in design.links)


def _deadlines(design: Design) -> dict[str, int]:
    """Seconds. Those of stand-ins hold in containers on an emulated processor, too: a limit costs nothing before it."""
    target = design.target
    real = target.switch == "n9kv" or (target.cluster == "kind" and design.cluster is not None)
    switch = dict(SWITCH_DEADLINES[target.switch])
    if target.switch == "n9kv":
        switch["ssh"] += BATCH_SECONDS * (len(design.switches) - 1)
    cluster = CLUSTER_DEADLINES[target.cluster if design.cluster else "standin"]
    return {**switch, **cluster, **(REAL_DEADLINES if real else STANDIN_DEADLINES)}


def _inputs(design: Design) -> list[Input]:
    """What the lab needs that is neither rendered nor ours, and every image that somebody pinned to a digest."""
    rows: list[tuple[str, str, str | None, str]] = []
    images = design.images
    if design.cluster:
        source = "calico/standin" if design.target.cluster == "standin" else "calico/calico.yaml, to be laid there"
        rows.append(("calico", design.cluster.calico, None, source))
        rows.append(("kubernetes", design.cluster.kubernetes, images.node.digest, images.node.tagged))
    real = design.target.switch == "n9kv"
    for image in dict.fromkeys(images.of(switch.role) for switch in design.switches):
        if real or image.digest:
            name, version = ("nxos", design.fabric.nxos) if real else ("switch", image.tag)
            rows.append((name, version, image.digest, image.tagged))
    if design.externals and images.host.digest:
        rows.append(("host", images.host.tag, images.host.digest, images.host.tagged))
    return [Input(name=name, version=of, sha256=digest, source=source) for name, of, digest, source in rows]


# --- nxos/<switch>.cfg: the complete configuration of each switch, in the order in which it is pushed ----------------


def switch_config(design: Design, switch: Switch) -> str:
    """The text for one switch."""
    leaf, vtep, lab, vrf = switch.role == "leaf", switch.role != "spine", design.cluster, design.vrf
    vlans = [1, vrf.vlan, *([vrf.node_vlan] if leaf else [])]
    if switch.vpc and switch.vpc.backup:
        vlans.append(switch.vpc.backup_vlan)
    peered = lab if leaf else None
    return render(
        "switch.cfg.j2",
        design=design,
        switch=switch,
        vrf=vrf,
        leaf=leaf,
        vtep=vtep,
        ospf=STANDIN_OSPF if design.target.switch == "standin" else None,
        vlans=sorted(vlans),
        prefix_lists=_prefix_lists(design, peered) if peered else [],
        calico=_peered(design) if peered else [],
        cluster=lab,
        fabric_neighbors=design.by_role("spine") if vtep else (*design.by_role("leaf"), *design.by_role("border")),
        attached=[node for node in peered.nodes if switch.name in node.leafs] if peered else [],
    )


def _peered(design: Design) -> list[tuple[int, str, str]]:
    """(IP version, NX-OS' word for it, the beginning of its prefix-lists) of each family in which nodes peer."""
    rows = [(4, "ip", "PL-K8S"), (6, "ipv6", "PL-K8S6")]
    return rows[: len(design.vrf.gateways)]


def _prefix_lists(design: Design, lab: Cluster) -> list[tuple[str, str, list[str]]]:
    """Towards the nodes: external prefixes one by one and the pods, never the peering loopbacks, no default. (family,
    name, entries without their numbers)."""
    lists: list[tuple[str, str, list[str]]] = []
    for version, family, label in _peered(design):
        outward = [str(network) for network in design.announced if network.version == version]
        outward += [_within(pool.cidr) for pool in lab.pools if pool.cidr.version == version]
        inward = [_within(pool.cidr, pool.block_size) for pool in lab.pools if pool.cidr.version == version]
        ranges = (*lab.services, *lab.external_ips)
        inward += [_within(network) for network in ranges if network.version == version]
        # an empty prefix-list permits everything on NX-OS: a family without ranges gets one that matches nothing
        nothing = ["0.0.0.0/32" if version == 4 else "::/128"]
        lists += [(family, f"{label}-OUT", outward or nothing), (family, f"{label}-IN", inward or nothing)]
    return lists


def _within(network: Network, shortest: int = 0) -> str:
    """Everything inside a range: ``10.244.0.0/16 ge 26 le 32``."""
    longest = network.max_prefixlen
    if network.prefixlen == longest:
        return str(network)
    ge = f" ge {shortest}" if shortest > network.prefixlen else ""
    return f"{network}{ge} le {longest}"


# --- topology.clab.yml ------------------------------------------------------------------------------------------------


def _topology(design: Design) -> str:
    target, usual = design.target, design.switch_image
    peer, machine = containerlab(target.containerlab), dict[str, str]()
    if target.switch == "n9kv":
        machine = _machine(design.fabric.nxos, usual.tag)
    return render(
        "topology.clab.yml.j2",
        design=design,
        machine=machine,
        variables={switch.name: _variables(design, switch, machine) for switch in design.switches},
        extras=peer.cluster_keys == EXTRAS,
    )


def _variables(design: Design, switch: Switch, of_kind: Mapping[str, str]) -> dict[str, str]:
    """What differs from the kind's environment, to which containerlab adds a node's."""
    variables: dict[str, str] = {}
    if not containerlab(design.target.containerlab).counts_ports:
        variables["CLAB_INTFS"] = str(sum(end[0] == switch.name for link in design.links for end in (link.a, link.b)))
    if design.target.switch == "n9kv":
        own = _machine(design.fabric.nxos, design.images.of(switch.role).tag)
        variables |= {name: value for name, value in own.items() if value != of_kind[name]}
        variables["BOOT_DELAY"] = f"${{{_boot_delay_variable(switch.name)}:=0}}"
    return variables


def _boot_delay_variable(switch: str) -> str:
    """The variable that holds back a 9000v: how many may boot at once is the host's affair, and not in the folder.

    It is read by vrnetlab inside the container; containerlab's own ``startup-delay`` would hold a worker meanwhile.
    """
    return f"LABCTL_BOOT_DELAY_{switch.upper().replace('-', '_')}"


def _machine(version: str, tag: str) -> dict[str, str]:
    """What vrnetlab reads of the container's environment."""
    wanted = nxos(version, tag)
    return {"QEMU_MEMORY": str(wanted.memory), "QEMU_SMP": str(wanted.cpus)}


# --- nodes/<node>.sh: bond0, addresses and routes of each node that is no switch. Safe to run twice. ------------------
# Everything goes through few ``ip -batch`` calls: in a small guest a process costs more than what it does.


def _node(design: Design, node: Node) -> str:
    """With the paper's two routes, which cover all loopbacks of a plan (a /24 and a /64); odd ones get their own. The
    MAC is locally administered (IEEE 802, the second bit), with the node's IPv4 address in it."""
    leafs = [design.switch(name) for name in node.leafs]
    return render(
        "node.sh.j2",
        node=node,
        vrf=design.vrf,
        mac=f"02:00:{node.address.ip.packed.hex(':')}",
        cluster=design.cluster,
        routes=sorted({str(ip_network(f"{leaf.peering}/24", strict=False)) for leaf in leafs}),
        routes6=sorted({str(ip_network(f"{leaf.peering6}/64", strict=False)) for leaf in leafs}),
    )


def _external(design: Design, external: External) -> str:
    inside: list[Network] = [gateway.network for gateway in design.vrf.gateways]
    inside += design.cluster.ranges if design.cluster else ()
    covered = [n for n in inside if not any(n != o and n.version == o.version and n.subnet_of(o) for o in inside)]  # type: ignore[arg-type]
    # an address of each prefix: its first host, or the address itself
    own = [n.network_address if n.prefixlen == n.max_prefixlen else n[1] for n in external.port.announces]
    sources = {version: next((address for address in own if address.version == version), None) for version in (4, 6)}
    return render("external.sh.j2", external=external, inside=covered, own=own, sources=sources)


# --- scenarios/<name>.yaml: the built-in failures, each where the design has what it needs ---------------------------


class Failure(NamedTuple):
    """A built-in failure. The limits of loss (milliseconds of the longest outage) belong to the platform: those of
    ``standin`` are measured on labctl's own labs, with a margin for a busy host; those of ``n9kv`` follow from NX-OS's
    timers and were not measured (docs/scenarios.md has both)."""

    about: str
    """What fails, and what is proven of it."""
    measured: str
    """The worst that was measured on stand-ins, on UML and on QEMU without KVM: milliseconds."""
    standin: int
    n9kv: int


FAILURES = {
    "bond-member": Failure("the leaf's port to a node's bond is shut and opened; every session stays unbroken for "
                           "longer than its hold time", "2662, when the member comes back", 5000, 5000),
    "leaf": Failure("a leaf is cut off; the other leaf's sessions stay unbroken for longer than their hold time",
                    "555", 5000, 15000),
    "leaf-uplink": Failure("a leaf's first uplink is shut", "0", 5000, 5000),
    "spine": Failure("the first spine is cut off", "1682 when it comes back, 0 in other runs", 5000, 5000),
    "peer-link": Failure("the vPC peer-link, physical or virtual", "0", 5000, 15000),
    "keepalive": Failure("a leaf's vPC keepalive goes nowhere; the peer-link stays up", "0", 0, 0),
    "node": Failure("a node is cut off; its sessions go down and come back, the others' stay unbroken",
                    "0 of the others", 1000, 3000),
    "pod-moved": Failure("a pod of the scenario's own moves to another node, and is answered there",
                         "0 of the others", 1000, 1000),
    "endpoints-moved": Failure("the endpoint of a Local service moves; the leafs' /32 follows it to the other node",
                               "0 of the others", 1000, 1000),
    "calico-node-restart": Failure("calico-node of a node is deleted; its sessions are new ones, the others' unbroken",
                                   "1002", 5000, 5000),
    "bgp-cleared": Failure("one session is cleared at a leaf; it is a new one, all others unbroken", "962", 3000, 5000),
}  # fmt: skip
"""In the order in which they run."""
PROVEN_SECONDS = 35
"""Longer than the hold time of the sessions (30 s): a session whose packets are lost is gone by then."""
LOOK_SECONDS = 4
"""For which a fault that no timer has to find is left alone."""


def _failures(design: Design) -> dict[str, str]:
    """Of two workers, the leaf pair of the first, and an external host; none without two workers to ping between."""
    lab = design.cluster
    if lab is None or len(lab.workers) < 2 or "pingtest" not in lab.workloads:
        return {}
    sender, target = lab.workers[:2]
    leaf, other = (design.switch(name) for name in sender.leafs)
    return render_files(
        "scenarios.yaml.j2",
        design=design,
        sender=sender,
        target=target,
        leaf=leaf,
        other=other,
        port=next(row.interface for row in leaf.node_ports if row.node == sender.name),
        nodes=[node.name for node in lab.nodes],
        bonded=[node for node in lab.nodes if node.leafs == sender.leafs],
        host=design.externals[0].name if design.externals else None,
        spines=design.by_role("spine"),
        vteps=[switch.name for switch in design.switches if switch.role != "spine"],
        images=cluster.IMAGES,
        failures=FAILURES,
        proven=PROVEN_SECONDS,
        look=LOOK_SECONDS,
    )


# --- on disk ---------------------------------------------------------------------------------------------------------


def write_folder(files: dict[str, str], target: Path) -> list[str]:
    """Write what differs, remove what an earlier rendering left; returns the paths that changed."""
    changed = []
    for name in _rendered_before(target) - files.keys():
        path = target / name
        if path.is_file() and path.resolve().is_relative_to(target.resolve()):
            path.unlink()
            changed.append(name)
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def _rendered_before(target: Path) -> set[str]:
    """What the folder's own list names; a person's files are not in it."""
    try:
        return set(json.loads((target / "lab.json").read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # no folder of ours yet, or one that cannot be read any more: it is written anew
