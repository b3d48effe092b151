"""What is known of versions of the kind library inside containerlab. Pure tables.

Sources: containerlab's go.mod of each release; kind's release notes.
"""

from __future__ import annotations

from datetime import UTC, datetime

from labctl.design.switchvm import machine
from labctl.peers import Version

MB = 1 << 20
KIND_LIBRARIES: tuple[tuple[Version, str, Version | None], ...] = (
    ((0, 80), "0.32", None),
    ((0,), "0.31", (1, 36)),
)
"""containerlab since → its kind library, and the newest Kubernetes that its kubeadm configuration suits."""
CGROUP_V1_NEWEST: Version = (1, 34)
"""From 1.35 on a kubelet does not start on control groups version 1."""
PASSTHROUGH_FIXED = datetime(2026, 6, 29, tzinfo=UTC)
"""Before that day vrnetlab's management passthrough sent wrong TCP checksums: SSH stalls."""


def kind_library(containerlab: Version) -> tuple[str, Version | None]:
    """The kind library of a containerlab, and the newest Kubernetes (two numbers) for it; None: no limit is known."""
    return next((library, newest) for since, library, newest in KIND_LIBRARIES if containerlab >= since)


def switch_memory(nxos: str, image: str) -> tuple[int, int]:
    """MB that a 9000v of this version should have, and the least with which it boots."""
    row = machine(nxos or "0", image.rpartition(":")[2])
    return row.memory, row.least_memory
