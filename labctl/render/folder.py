"""Design → the artifact folder: all files as text, then written so that only what changed is touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from labctl import __version__
from labctl.design.design import Design
from labctl.imagename import where_from
from labctl.labjson import SCHEMA, Input, Lab, Link, Node
from labctl.peers import containerlab, readers
from labctl.render import cluster, failures, nodes, workloads
from labctl.render.checks import checks
from labctl.render.nxos import switch_config
from labctl.render.templating import render
from labctl.render.topology import boot_delay_variable, cluster_key, topology
from labctl.render.workloads import pod_images

SWITCH_DEADLINES = {"standin": {"ssh": 120, "push": 120}, "n9kv": {"ssh": 1800, "push": 600}}
"""A 9000v takes 5 to 15 minutes to boot, and each front panel port appears about a minute later."""
CLUSTER_DEADLINES = {
    "standin": {"create": 1200, "api": 300, "nodes": 120, "workloads": 300},
    "kind": {"create": 1800, "api": 900, "nodes": 300, "workloads": 900},
}
STANDIN_DEADLINES = {"bond": 120, "converged": 120, "scenario": 120}
REAL_DEADLINES = {"bond": 300, "converged": 300, "scenario": 180}
"""Of what switches and nodes do together."""
BATCH_SECONDS = 300
"""For each 9000v after the first: where memory is short they boot one after the other, each 300 s later."""


def render_folder(design: Design) -> dict[str, str]:
    """Path → text, the same bytes for the same design."""
    files = {"topology.clab.yml": topology(design), "checks.yaml": checks(design), "README.md": _readme(design)}
    files |= {f"nxos/{switch.name}.cfg": switch_config(design, switch) for switch in design.switches}
    files |= nodes.files(design)
    files |= failures.files(design)
    if design.cluster:
        files |= cluster.files(design, design.cluster)
        files |= workloads.files(design.cluster)
    files["lab.json"] = lab_json(design, files)
    return dict(sorted(files.items()))


def _readme(design: Design) -> str:
    cluster = design.cluster
    return render(
        "README.md.j2",
        design=design,
        readers=readers(containerlab(design.target.containerlab).cluster_keys if cluster else frozenset()),
        images=_images(design),
        pod_images=pod_images(cluster) if cluster and design.target.cluster == "kind" else (),
        delay=boot_delay_variable(design.switches[-1].name),
        workers=len(design.switches) + len(design.externals) + (len(cluster.nodes) + 1 if cluster else 0),
        control=next((node for node in cluster.nodes if node.role == "control-plane"), None) if cluster else None,
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
    lab = Lab(
        schema=SCHEMA,
        name=design.name,
        generator=f"labctl {__version__}",
        target={
            "switch": design.target.switch,
            "cluster": design.target.cluster if design.cluster else "none",
            "containerlab": design.target.containerlab,
        },
        mode=design.cluster.mode if design.cluster else "routed",
        versions=_versions(design),
        cluster=cluster_key(design) if design.cluster else None,
        nodes=_nodes(design),
        links=_links(design),
        scenarios=design.scenarios,
        deadlines=_deadlines(design),
        inputs=tuple(_inputs(design)),
        files={path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())},
    )
    return json.dumps(lab.model_dump(mode="json", by_alias=True, exclude_unset=True), indent=2) + "\n"


def _versions(design: Design) -> dict[str, str]:
    versions = {"nxos": design.fabric.nxos}
    if design.cluster:
        versions |= {"kubernetes": design.cluster.kubernetes, "calico": design.cluster.calico}
    return versions


def _nodes(design: Design) -> dict[str, Node]:
    """In containerlab's words: it calls containers ``clab-LAB-NODE``, but kind names those of its nodes."""
    prefix = f"clab-{design.name}-"
    nodes = {
        switch.name: Node(kind="switch", role=switch.role, topology=switch.name, container=f"{prefix}{switch.name}")
        for switch in design.switches
    }
    if design.cluster:
        for node in design.cluster.nodes:
            nodes[node.name] = Node(
                kind="kube-node", role=node.role, topology=node.container, container=node.container,
                kubernetes=node.name,
            )  # fmt: skip
    for external in design.externals:
        name = external.name
        nodes[name] = Node(kind="host", role="external", topology=name, container=f"{prefix}{name}")
    return nodes


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
    inputs: list[Input] = []
    images = design.images
    if design.cluster:
        source = "calico/standin" if design.target.cluster == "standin" else "calico/calico.yaml, to be laid there"
        inputs.append(_input("calico", design.cluster.calico, None, source))
        inputs.append(_input("kubernetes", design.cluster.kubernetes, images.node.digest, images.node.tagged))
    switches = list(dict.fromkeys(images.of(switch.role) for switch in design.switches))
    if design.target.switch == "n9kv":
        inputs += [_input("nxos", design.fabric.nxos, image.digest, image.tagged) for image in switches]
    else:
        inputs += [_input("switch", image.tag, image.digest, image.tagged) for image in switches if image.digest]
    if design.externals and images.host.digest:
        inputs.append(_input("host", images.host.tag, images.host.digest, images.host.tagged))
    return inputs


def _input(name: str, version: str, sha256: str | None, source: str) -> Input:
    return Input(name=name, version=version, sha256=sha256, source=source)


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
