"""Design → the artifact folder: all files as text, then written so that only what changed is touched."""

from __future__ import annotations

import json
from pathlib import Path

from labctl.design.design import Design
from labctl.imagename import where_from
from labctl.peers import containerlab, readers
from labctl.render import cluster, failures, nodes, workloads
from labctl.render.checks import checks
from labctl.render.lab import lab_json
from labctl.render.nxos import switch_config
from labctl.render.templating import render
from labctl.render.topology import boot_delay_variable, topology
from labctl.render.workloads import pod_images


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
