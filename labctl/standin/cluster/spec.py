"""What the node agents' process is told: one JSON file (0600)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.kube.api import Access
from labctl.standin.cluster.controlplane.pki import write_private


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node: its Kubernetes name, its namespace in the guest, where its kubelet server listens, who it is."""

    name: str
    namespace: str
    control_plane: bool
    management: str
    """Address of eth0, without prefix length: the node's InternalIP."""
    port: int
    certificate: str
    key: str
    listen: str = "127.0.0.1"
    """Where its kubelet server listens; loopback: the API server finds it by the address ``localhost``."""


@dataclass(frozen=True, slots=True)
class AgentsSpec:
    """All nodes of a lab."""

    server: str
    authority: str
    agent_socket: str | None
    """The agent of the machine that holds the nodes' namespaces; None: this machine (a container)."""
    kubernetes: str
    cluster_cidrs: tuple[str, ...]
    system_certificate: str
    system_key: str
    nodes: tuple[NodeSpec, ...]
    speed: float | None = None
    """Of that machine: how long its agent is waited for."""

    def access(self, node: NodeSpec) -> Access:
        """As a kubelet."""
        return Access(self.server, self.authority, node.certificate, node.key)

    def system_access(self) -> Access:
        """As the service account of calico-node."""
        return Access(self.server, self.authority, self.system_certificate, self.system_key)

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=1).encode())

    @staticmethod
    def read(path: Path) -> AgentsSpec:
        body = json.loads(path.read_text())
        nodes = tuple(NodeSpec(**row) for row in body.pop("nodes"))
        ranges = tuple(body.pop("cluster_cidrs"))
        return AgentsSpec(**body, cluster_cidrs=ranges, nodes=nodes)
