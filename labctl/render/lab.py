"""``lab.json``: what the folder is, and a hash of each file in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from labctl import __version__
from labctl.design.model import Design

SCHEMA = "labctl.lab/v1"
STANDIN_DEADLINES = {
    "ssh": 60, "push": 60, "api": 90, "nodes": 60, "bond": 60, "workloads": 90, "converged": 60, "scenario": 60,
}  # fmt: skip
N9KV_DEADLINES = {
    "ssh": 1800, "push": 600, "api": 900, "nodes": 300, "bond": 300, "workloads": 900, "converged": 300,
    "scenario": 180,
}  # fmt: skip
"""A 9000v takes 5 to 15 minutes to boot, and each front panel port appears about a minute later."""


def lab_json(design: Design, files: Mapping[str, str]) -> str:
    """The text; ``files`` is everything else in the folder."""
    body = {
        "schema": SCHEMA,
        "name": design.name,
        "generator": f"labctl {__version__}",
        "target": {"switch": design.target.switch, "cluster": design.target.cluster},
        "mode": design.cluster.mode if design.cluster else "routed",
        "versions": _versions(design),
        "nodes": _nodes(design),
        "scenarios": list(design.scenarios),
        "deadlines": N9KV_DEADLINES if design.target.switch == "n9kv" else STANDIN_DEADLINES,
        "inputs": _inputs(design),
        "files": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())},
    }
    return json.dumps(body, indent=2) + "\n"


def _versions(design: Design) -> dict[str, str]:
    versions = {"nxos": design.nxos}
    if design.cluster:
        versions |= {"kubernetes": design.cluster.kubernetes, "calico": design.cluster.calico}
    return versions


def _nodes(design: Design) -> dict[str, Any]:
    nodes: dict[str, Any] = {
        switch.name: {"kind": "switch", "role": switch.role, "topology": switch.name} for switch in design.switches
    }
    if design.cluster:
        for node in design.cluster.nodes:
            nodes[node.name] = {"kind": "kube-node", "role": node.role, "topology": node.container}
    for external in design.externals:
        nodes[external.name] = {"kind": "host", "role": "external", "topology": external.name}
    return nodes


def _inputs(design: Design) -> list[dict[str, Any]]:
    """What the lab needs that is neither rendered nor ours."""
    inputs: list[dict[str, Any]] = []
    if design.cluster:
        source = "calico/standin" if design.target.cluster == "standin" else "calico/calico.yaml, to be laid there"
        inputs.append({"name": "calico", "version": design.cluster.calico, "sha256": None, "source": source})
        inputs.append(
            {"name": "kubernetes", "version": design.cluster.kubernetes, "sha256": None, "source": design.images.node}
        )
    if design.target.switch == "n9kv":
        inputs.append({"name": "nxos", "version": design.nxos, "sha256": None, "source": design.images.switch})
    return inputs
