"""kind/cluster.yaml: the ranges of pods and services, and whether its nodes are those of lab.json."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field

from labctl.errors import Place, Problem
from labctl.folder.document import STRUCTURE, Part, read_document
from labctl.labjson import Lab
from labctl.yamldoc import Document

FILE = "kind/cluster.yaml"


@dataclass(frozen=True, slots=True)
class ClusterRanges:
    """The ranges that the cluster is made with; empty without one."""

    pod_subnets: tuple[str, ...] = ()
    service_subnets: tuple[str, ...] = ()


def _ranges(written: Any) -> tuple[str, ...]:
    return tuple(part for part in str(written or "").split(",") if part)


Ranges = Annotated[tuple[str, ...], BeforeValidator(_ranges)]


class _Networking(Part):
    pods: Ranges = Field(default=(), alias="podSubnet")
    services: Ranges = Field(default=(), alias="serviceSubnet")


class _Node(Part):
    role: str = "control-plane"
    patches: tuple[str, ...] = Field(default=(), alias="kubeadmConfigPatches")


class _File(Part):
    networking: _Networking = _Networking()
    nodes: tuple[_Node, ...] = ()


def read_cluster(path: Path, lab: Lab, problems: list[Problem]) -> ClusterRanges:
    """Read kind/cluster.yaml, adding its problems."""
    read = read_document(path, FILE, _File, problems)
    if read is None:
        return ClusterRanges()
    found, file = read
    _agree(found, lab, file.nodes, problems)
    return ClusterRanges(file.networking.pods, file.networking.services)


def _agree(found: Document, lab: Lab, nodes: tuple[_Node, ...], problems: list[Problem]) -> None:
    """Each node of the file must be the one that lab.json has under the container's name that kind will give to it."""
    wanted = {lab.nodes[node].container: name for node, name in lab.kubernetes.items()}
    counted: Counter[str] = Counter()
    for index, node in enumerate(nodes):
        counted[node.role] += 1  # kind numbers the nodes of a role, but for the first
        container = f"{lab.cluster}-{node.role}{counted[node.role] if counted[node.role] > 1 else ''}"
        name, place = _registered(found, index, node, problems)
        expected = wanted.pop(container, None)
        if expected is None:
            message = f"lab.json has no node in container {container}, which kind makes"
            problems.append(Problem(STRUCTURE, message, place))
        elif name != expected:
            message = f"lab.json calls the node in container {container} {expected}, not {name or container}"
            problems.append(Problem(STRUCTURE, message, place))
    problems.extend(
        Problem(STRUCTURE, f"lab.json has node {name}, which is missing here", found.place(("nodes",), key=True))
        for name in wanted.values()
    )


def _registered(found: Document, index: int, node: _Node, problems: list[Problem]) -> tuple[str | None, Place]:
    """The name with which kubeadm registers a node (None: its container's), and the place of what says so."""
    name, place = None, found.place(("nodes", index))
    for position, patch in enumerate(node.patches):
        where = found.place(("nodes", index, "kubeadmConfigPatches", position))
        try:
            name, place = str(yaml.load(patch, Loader=yaml.CSafeLoader)["nodeRegistration"]["name"]), where
        except (yaml.YAMLError, KeyError, TypeError):
            problems.append(Problem("bad-patch", "a patch without nodeRegistration.name", where))
    return name, place
