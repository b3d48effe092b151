"""The stand-in cluster of a lab: a real control plane on this host, node agents that act in the guest."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from labctl import pace
from labctl.cache import look
from labctl.errors import HostError
from labctl.folder import Folder
from labctl.kube.api import Access, Api
from labctl.kube.resources import NODES
from labctl.runtime.embedded.management import Management, free_port
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.standin.cluster.controlplane.binaries import find_binaries
from labctl.standin.cluster.controlplane.components import ControlPlane, Ports, control_plane
from labctl.standin.cluster.kubelet.node import control_plane_node
from labctl.standin.cluster.spec import AgentsSpec, NodeSpec
from labctl.standin.process import ProcessSpec
from labctl.state import LabState
from labctl.waiting import Deadline

DEFAULT_SERVICES = ("10.96.0.0/16",)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A control plane and what the node agents will be told."""

    plane: ControlPlane
    agents: AgentsSpec
    admin: Access

    @property
    def port(self) -> int:
        """The API server's."""
        return self.plane.ports.api


def prepare(state: LabState, folder: Folder, management: Management) -> Cluster:
    """Certificates, kubeconfig, ports. Raises `HostError` when the programs are not on this host."""
    binaries = look(find_binaries)
    if binaries is None:
        raise HostError(
            "the control plane's programs are not on this host", code="no-control-plane", next_command="labctl setup"
        )
    ranges = folder.cluster
    services = ranges.service_subnets or DEFAULT_SERVICES
    plane = control_plane(
        binaries, state.root / "cluster", state.logs, state.kubeconfig, Ports(free_port(), free_port(), free_port()),
        folder.lab.name, services, pod_ranges=ranges.pod_subnets,
    )  # fmt: skip
    nodes = []
    for lab_name, name in folder.lab.kubernetes.items():
        node = folder.lab.nodes[lab_name]
        box = node.topology
        serving = plane.authority.kubelet(f"kubelet-{name}", name, ("localhost", "127.0.0.1"))
        nodes.append(
            NodeSpec(
                name,
                box,
                node.role == "control-plane",
                str(management.addresses[box]),
                free_port(),
                str(serving.certificate),
                str(serving.key),
            )
        )
    system = plane.authority.calico_node()
    admin = plane.client("node-admin", "labctl:node-admin", ("system:masters",))
    authority = str(plane.authority.certificate)
    spec = AgentsSpec(
        plane.server, authority, str(state.root / "agent.sock"), folder.lab.versions.get("kubernetes", ""),
        ranges.pod_subnets,
        str(system.certificate), str(system.key), tuple(nodes),
    )  # fmt: skip
    return Cluster(plane, spec, Access(plane.server, authority, str(admin.certificate), str(admin.key)))


def start(
    cluster: Cluster, supervisor: Supervisor, say: Callable[[str], None], deadline: Deadline, cancel: threading.Event
) -> None:
    """Start the control plane; returns when its API is ready and the control plane's Node is registered with its role.

    Role and taint are kubeadm's to set: a kubelet may not (NodeRestriction).
    """
    supervisor.start_all(cluster.plane.processes, deadline, cancel)
    api = Api(cluster.admin, connections=1)
    for node in cluster.agents.nodes:
        if node.control_plane:
            api.create(NODES.path(), control_plane_node(node.name))
    say(f"Kubernetes API answers on port {cluster.port}")


def start_agents(cluster: Cluster, state: LabState, supervisor: Supervisor) -> None:
    """Start the node agents' process (it registers the nodes)."""
    path = state.root / "node-agents.json"
    replace(cluster.agents, speed=pace.speed()).write(path)
    argv = (sys.executable, "-m", "labctl.standin.cluster.agents", str(path))
    supervisor.start(ProcessSpec("node-agents", argv, state.logs / "node-agents.log"))
