"""``/etc/labctl/node.json``: what ``kubeadm`` decided, also for a container that is restarted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labctl.standin.cluster.controlplane.pki import write_private
from labctl.standin.cluster.controlplane.probe import Probe
from labctl.standin.process import ProcessSpec

RECORD = Path("/etc/labctl/node.json")
KUBERNETES = Path("/etc/kubernetes")
LOGS = Path("/var/log/labctl")
NAMESPACE = "node"
"""The container's own network namespace, by a name that ``ip netns`` knows."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node."""

    name: str
    control_plane: bool
    server: str
    """``https://HOST:PORT`` of the API."""
    pods: tuple[str, ...]
    processes: tuple[ProcessSpec, ...]
    """Of the control plane; none on a worker."""

    def write(self, path: Path = RECORD) -> None:
        """0600."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = {
            "name": self.name, "control_plane": self.control_plane, "server": self.server, "pods": self.pods,
            "processes": [_row(spec) for spec in self.processes],
        }  # fmt: skip
        write_private(path, json.dumps(body, indent=1).encode())

    @staticmethod
    def read(path: Path = RECORD) -> NodeRecord:
        body = json.loads(path.read_text())
        processes = tuple(_spec(row) for row in body.pop("processes"))
        return NodeRecord(processes=processes, pods=tuple(body.pop("pods")), **body)


def _row(spec: ProcessSpec) -> dict[str, Any]:
    return {
        "name": spec.name, "argv": spec.argv, "log": str(spec.log), "env": dict(spec.env), "after": spec.after,
        "ready": asdict(spec.ready) if isinstance(spec.ready, Probe) else None,
    }  # fmt: skip


def _spec(row: dict[str, Any]) -> ProcessSpec:
    ready = Probe(**row["ready"]) if row["ready"] else None
    argv: Sequence[str] = row["argv"]
    return ProcessSpec(row["name"], tuple(argv), Path(row["log"]), row["env"], after=tuple(row["after"]), ready=ready)
