"""kind/cluster.yaml: the Kubernetes nodes' names and the ranges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labctl.errors import Problem
from labctl.folder.reading import document, mapping, sequence


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """kind/cluster.yaml: Kubernetes node names by position (the first is the control plane) and the ranges."""

    node_names: tuple[str, ...]
    pod_subnets: tuple[str, ...]
    service_subnets: tuple[str, ...]


def read_cluster(path: Path, problems: list[Problem]) -> ClusterConfig | None:
    """Read kind/cluster.yaml, adding its problems. None when it cannot be read."""
    found = document(path, "kind/cluster.yaml", problems)
    if found is None:
        return None
    import yaml

    networking = mapping(found, ("networking",), problems)
    names = []
    for index in range(len(sequence(found, ("nodes",), problems))):
        name = None
        place = ("nodes", index, "kubeadmConfigPatches")
        mapping(found, ("nodes", index), problems)
        for position, patch in enumerate(sequence(found, place, problems)):
            try:
                body = yaml.load(str(patch), Loader=yaml.CSafeLoader)
                name = body["nodeRegistration"]["name"]
            except (yaml.YAMLError, KeyError, TypeError):
                message = "a patch without nodeRegistration.name"
                problems.append(Problem("bad-patch", message, found.place((*place, position))))
        if name is None:
            problems.append(
                Problem("no-node-name", "a node without nodeRegistration.name", found.place(("nodes", index)))
            )
        else:
            names.append(str(name))
    split = {
        key: tuple(part for part in str(networking.get(key) or "").split(",") if part)
        for key in ("podSubnet", "serviceSubnet")
    }
    return ClusterConfig(tuple(names), split["podSubnet"], split["serviceSubnet"])
