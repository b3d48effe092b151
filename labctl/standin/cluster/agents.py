"""The node agents' process: ``python -m labctl.standin.cluster.agents SPEC``. All nodes of a lab in one process.

Ends with SIGTERM; what runs in the guest ends with the guest.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from labctl import pace, peers
from labctl.guest.client import Agent, connect, local_agent
from labctl.kube.api import Api
from labctl.logs import to_stream
from labctl.standin.cluster.calico.cluster import ClusterState
from labctl.standin.cluster.calico.cni import CalicoNetwork
from labctl.standin.cluster.calico.ipam import Ipam
from labctl.standin.cluster.calico.node import CalicoNode, CalicoParts
from labctl.standin.cluster.firewall import Firewall
from labctl.standin.cluster.function import Log
from labctl.standin.cluster.functions import KubeControllers, KubeProxy
from labctl.standin.cluster.images import BUSYBOX_BIN
from labctl.standin.cluster.kubelet.kubelet import Kubelet
from labctl.standin.cluster.kubelet.node import NodeRegistration
from labctl.standin.cluster.podnet import FunctionContext, FunctionFactory, SystemFunction
from labctl.standin.cluster.server.http import KubeletServer
from labctl.standin.cluster.spec import AgentsSpec, NodeSpec

log = logging.getLogger(__name__)


class NodeAgents:
    """All nodes of a lab."""

    def __init__(self, spec: AgentsSpec, agent: Agent) -> None:
        self._spec = spec
        self._agent = agent
        self._system = Api(spec.system_access(), connections=32, agent="labctl-calico-node")
        self._cluster = ClusterState(self._system)
        self._ipam = Ipam(self._system)
        self._kubelets: list[Kubelet] = []

    def start(self) -> None:
        """Register every node and begin to run its pods."""
        self._agent.run(("mkdir", "-p", BUSYBOX_BIN))
        self._agent.run(("busybox", "--install", "-s", BUSYBOX_BIN))
        machine = self._agent.info()
        for node in self._spec.nodes:
            api = Api(self._spec.access(node), connections=16, agent=f"labctl-kubelet/{node.name}")
            registration = NodeRegistration(api, node, self._spec.kubernetes, machine)
            network = CalicoNetwork(node.name, node.namespace, self._agent, self._system, self._ipam)
            network.on_enabled = _ready_setter(registration)
            firewall = Firewall(self._agent, node.namespace)
            functions = self._functions(network, firewall)
            kubelet = Kubelet(node, api, self._agent, registration, network, functions)
            KubeletServer(kubelet, self._spec.authority, node.certificate, node.key).start()
            kubelet.start()
            self._kubelets.append(kubelet)

    def _functions(self, network: CalicoNetwork, firewall: Firewall) -> dict[str, FunctionFactory]:
        def calico_node(context: FunctionContext) -> SystemFunction:
            features = peers.calico(context.version)
            parts = CalicoParts(self._system, self._cluster, self._ipam, network, firewall, features)
            return CalicoNode(context, parts, self._log(context.node, "calico-node"))

        def kube_proxy(context: FunctionContext) -> SystemFunction:
            log = self._log(context.node, "kube-proxy")
            return KubeProxy(context, self._cluster, firewall, self._spec.cluster_cidrs, log)

        def controllers(context: FunctionContext) -> SystemFunction:
            return KubeControllers(
                context, self._system, self._ipam, self._log(context.node, "calico-kube-controllers")
            )

        return {"calico-node": calico_node, "kube-proxy": kube_proxy, "calico-kube-controllers": controllers}

    @staticmethod
    def _log(node: NodeSpec, function: str) -> Log:
        return Log(f"{node.name} {function}")


def _ready_setter(registration: NodeRegistration) -> Callable[[], None]:
    def set_ready() -> None:
        registration.set_network(ready=True, message="")

    return set_ready


def main(argv: list[str]) -> int:
    """Run until SIGTERM."""
    spec = AgentsSpec.read(Path(argv[1]))
    to_stream(sys.stdout)
    pace.know(spec.speed)
    agent = connect(Path(spec.agent_socket)) if spec.agent_socket else local_agent()
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    agents = NodeAgents(spec, agent)
    agents.start()
    log.info("%s nodes started", len(spec.nodes))
    ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
