"""What is known of the versions of everything that labctl meets: one table a peer, each row with its source.

Spec, renderer, doctor, stand-ins and checks read these rows, and the pages that name a version are held to them by a
test (``tests/unit/core/test_peers.py``). *Tested* is what labctl has really been run with; *known* is what its authors
published about later ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Version = tuple[int, ...]


def numbers(text: str) -> Version:
    """``10.5(4)``, ``v1.35.1`` or ``10.5.4.M.lite`` as numbers; empty when there are none."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", text))


def dotted(version: Version) -> str:
    """The other way round."""
    return ".".join(map(str, version))


@dataclass(frozen=True, slots=True)
class Containerlab:
    """How containerlab is from a version on."""

    since: Version
    cluster_keys: frozenset[str]
    """What it reads on a node of kind ``k8s-kind`` of how the cluster is made: another row's keys it refuses."""
    kind: str
    """The kind library in it."""
    source: str
    counts_ports: bool = False
    """Whether it is sure to put ``CLAB_INTFS`` into a switch's container; the image waits for as many ports."""


EXTRAS, ON_NODE = frozenset({"extras"}), frozenset({"wait", "kubeconfig"})
CONTAINERLAB: Sequence[Containerlab] = (
    Containerlab((0, 81), ON_NODE, "0.32", "release notes 0.81: `extras` removed, its keys stand on the node"),
    Containerlab((0, 80), EXTRAS, "0.32", "release notes 0.80: `CLAB_*` variables removed; pull request 3350"),
    Containerlab((0, 78, 2), EXTRAS, "0.31", "0.79: nodes/k8s_kind, nodes/default_node.go, go.mod", counts_ports=True),
)
"""Newest first. The oldest is the first whose second `deploy` goes on where the first one ended, and that builds
without patched libraries."""
CONTAINERLAB_OLDEST = CONTAINERLAB[-1].since
CONTAINERLAB_TESTED: Version = (0, 79)
CONTAINERLAB_KNOWN: Version = (0, 83)
DEVELOPMENT: Version = (0, 0, 0)
"""What a containerlab says that was built from its sources without a version."""
WRITTEN_FOR = dotted(CONTAINERLAB[0].since)
"""The containerlab that a folder is written for where nobody says otherwise: this one and all later ones."""


def containerlab(version: str | Version) -> Containerlab:
    """The row of a containerlab. One too old for labctl is as the oldest, a build without a version as the newest."""
    known = numbers(version) if isinstance(version, str) else version
    if known == DEVELOPMENT:
        return CONTAINERLAB[0]
    return next((row for row in CONTAINERLAB if known >= row.since[: len(known)]), CONTAINERLAB[-1])


def readers(keys: frozenset[str]) -> str:
    """Which containerlab reads a topology with these of the keys that moved: ``0.81 or newer``, ``0.78.2 to 0.80``."""
    able = [row for row in CONTAINERLAB if keys <= row.cluster_keys]
    if not able:
        return "no containerlab"
    oldest = dotted(able[-1].since)
    return f"{oldest} or newer" if able[0] is CONTAINERLAB[0] else f"{oldest} to {dotted(able[0].since)}"
