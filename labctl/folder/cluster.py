"""kind/cluster.yaml: the ranges of pods and services, and whether its nodes are those of lab.json."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import Place, Problem
from labctl.folder.reading import STRUCTURE, document, mapping, sequence
from labctl.labjson import Lab
from labctl.yamldoc import Document

FILE = "kind/cluster.yaml"


@dataclass(frozen=True, slots=True)
class ClusterRanges:
    """The ranges that the cluster is made with; empty without one."""

    pod_subnets: tuple[str, ...] = ()
    service_subnets: tuple[str, ...] = ()


def read_cluster(path: Path, lab: Lab, problems: list[Problem]) -> ClusterRanges:
    """Read kind/cluster.yaml, adding its problems."""
    found = document(path, FILE, problems)
    if found is None:
        return ClusterRanges()
    networking = mapping(found, ("networking",), problems)
    _agree(found, lab, problems)
    pods, services = (
        tuple(part for part in str(networking.get(key) or "").split(",") if part)
        for key in ("podSubnet", "serviceSubnet")
    )
    return ClusterRanges(pods, services)


def _agree(found: Document, lab: Lab, problems: list[Problem]) -> None:
    """Each node of the file must be the one that lab.json has under the container's name that kind will give to it."""
    wanted = {lab.nodes[node].container: name for node, name in lab.kubernetes.items()}
    counted: Counter[str] = Counter()
    for index in range(len(sequence(found, ("nodes",), problems))):
        role = str(mapping(found, ("nodes", index), problems).get("role") or "control-plane")
        counted[role] += 1  # kind numbers the nodes of a role, but for the first
        container = f"{lab.cluster}-{role}{counted[role] if counted[role] > 1 else ''}"
        name, place = _registered(found, index, problems)
        expected = wanted.pop(container, None)
        if expected is None:
            problems.append(
                Problem(STRUCTURE, f"lab.json has no node in container {container}, which kind makes", place)
            )
        elif name != expected:
            message = f"lab.json calls the node in container {container} {expected}, not {name or container}"
            problems.append(Problem(STRUCTURE, message, place))
    problems.extend(
        Problem(STRUCTURE, f"lab.json has node {name}, which is missing here", found.place(("nodes",), key=True))
        for name in wanted.values()
    )


def _registered(found: Document, index: int, problems: list[Problem]) -> tuple[str | None, Place]:
    """The name with which kubeadm registers a node (None: its container's), and the place of what says so."""
    name, place = None, found.place(("nodes", index))
    path = ("nodes", index, "kubeadmConfigPatches")
    for position, patch in enumerate(sequence(found, path, problems)):
        where = found.place((*path, position))
        try:
            body: Any = yaml.load(str(patch), Loader=yaml.CSafeLoader)
            name, place = str(body["nodeRegistration"]["name"]), where
        except (yaml.YAMLError, KeyError, TypeError):
            problems.append(Problem("bad-patch", "a patch without nodeRegistration.name", where))
    return name, place
