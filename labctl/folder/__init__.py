"""Reading an artifact folder: all that a runtime gets. Whatever is not understood is refused with a place.

``lab.json`` says what the lab is made of. What other programs read of that (topology.clab.yml, kind/cluster.yaml) must
say the same, so that nobody has to ask them for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labctl.errors import Problem, SpecError
from labctl.folder.cluster import ClusterRanges, read_cluster
from labctl.folder.lab import RENDER_ANEW, edited_files, edited_in, read_lab
from labctl.folder.topology import Topology, read_topology
from labctl.labjson import Lab, Link, Node

__all__ = ["ClusterRanges", "Folder", "Lab", "Link", "Node", "Topology", "edited_in", "load_folder"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole folder."""

    path: Path
    lab: Lab
    topology: Topology
    cluster: ClusterRanges = field(default_factory=ClusterRanges)
    edited: tuple[str, ...] = ()
    """Files that differ from what was rendered, or are missing (named, never refused)."""


def load_folder(path: Path) -> Folder:
    """Read and check a folder. Raises `SpecError` with every problem."""
    lab = read_lab(path)
    problems: list[Problem] = []
    topology = read_topology(path, lab, problems)
    cluster = read_cluster(path, lab, problems) if lab.kube_nodes else ClusterRanges()
    if problems or topology is None:
        raise SpecError(problems, next_command=RENDER_ANEW)
    return Folder(path, lab, topology, cluster, edited_files(path, lab.files))
