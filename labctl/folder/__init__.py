"""Reading an artifact folder: all that a runtime gets. Whatever is not understood is refused with a place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labctl.errors import Place, Problem, SpecError
from labctl.folder.cluster import ClusterConfig, read_cluster
from labctl.folder.lab import Lab, LabNode, edited_files, read_lab
from labctl.folder.topology import Topology, TopologyNode, read_topology

__all__ = ["ClusterConfig", "Folder", "Lab", "LabNode", "Topology", "TopologyNode", "load_folder"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole folder."""

    path: Path
    lab: Lab
    topology: Topology
    cluster: ClusterConfig | None
    edited: tuple[str, ...] = field(default=())
    """Files that differ from what was rendered, or are missing (named, never refused)."""


def load_folder(path: Path) -> Folder:
    """Read and check a folder. Raises `SpecError` with every problem."""
    lab = read_lab(path)
    problems: list[Problem] = []
    topology = read_topology(path, problems)
    cluster = read_cluster(path, problems) if lab.kube_nodes else None
    if topology is not None:
        _agree(lab, topology, problems)
    if problems or topology is None:
        raise SpecError(problems)
    return Folder(path, lab, topology, cluster, edited_files(path, lab))


def _agree(lab: Lab, topology: Topology, problems: list[Problem]) -> None:
    for name, node in lab.nodes.items():
        if node.topology not in topology.nodes:
            problems.append(
                Problem(
                    "no-such-node",
                    f"lab.json: {name} is {node.topology}, which topology.clab.yml lacks",
                    Place("lab.json"),
                )
            )
