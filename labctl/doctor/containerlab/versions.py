"""What is known of versions of containerlab and of the kind library inside it. Pure tables.

Sources: containerlab's go.mod of each release; kind's release notes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from labctl.design.switchvm import machine
from labctl.runtime.containerlab.clab import OLDEST

Version = tuple[int, ...]
MB = 1 << 20

CONTAINERLAB_MINIMUM: Version = OLDEST
"""The first whose second `deploy` goes on where the first one ended, and that builds without patched libraries."""
DEVELOPMENT: Version = (0, 0, 0)
"""What a containerlab says that was built from its sources without a version."""
KIND_LIBRARIES: tuple[tuple[Version, str, Version | None], ...] = (
    ((0, 80), "0.32", None),
    ((0,), "0.31", (1, 36)),
)
"""containerlab since → its kind library, and the newest Kubernetes that its kubeadm configuration suits."""
CGROUP_V1_NEWEST: Version = (1, 34)
"""From 1.35 on a kubelet does not start on control groups version 1."""
PASSTHROUGH_FIXED = datetime(2026, 6, 29, tzinfo=UTC)
"""Before that day vrnetlab's management passthrough sent wrong TCP checksums: SSH stalls."""


def numbers(text: str) -> Version:
    """``10.5(4)``, ``v1.35.1`` or ``10.5.4.M.lite`` as numbers; empty when there are none."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", text))


def dotted(version: Version) -> str:
    """The other way round."""
    return ".".join(map(str, version))


def kind_library(containerlab: Version) -> tuple[str, Version | None]:
    """The kind library of a containerlab, and the newest Kubernetes (two numbers) for it; None: no limit is known."""
    return next((library, newest) for since, library, newest in KIND_LIBRARIES if containerlab >= since)


def switch_memory(nxos: str, image: str) -> tuple[int, int]:
    """MB that a 9000v of this version should have, and the least with which it boots."""
    row = machine(nxos or "0", image.rpartition(":")[2])
    return row.memory, row.least_memory
