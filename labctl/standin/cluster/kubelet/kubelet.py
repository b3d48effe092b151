"""One stand-in node: its registration, its pods, and what its HTTPS server asks of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from labctl.guest.client import Agent
from labctl.kube.api import Api, Json
from labctl.kube.informer import Informer
from labctl.kube.resources import PODS
from labctl.standin.cluster.kubelet.container import Container
from labctl.standin.cluster.kubelet.events import Recorder
from labctl.standin.cluster.kubelet.node import NodeRegistration
from labctl.standin.cluster.kubelet.pod import NodeServices, Pod
from labctl.standin.cluster.podnet import FunctionFactory, PodNetwork
from labctl.standin.cluster.spec import NodeSpec


class NoSuchContainer(Exception):
    """Asked for a pod or container that this node does not run."""


class Kubelet:
    """Runs the pods that are bound to its node."""

    def __init__(
        self,
        spec: NodeSpec,
        api: Api,
        agent: Agent,
        registration: NodeRegistration,
        network: PodNetwork,
        functions: Mapping[str, FunctionFactory],
    ) -> None:
        self.spec = spec
        self.agent = agent
        self._registration = registration
        self._pods: dict[str, Pod] = {}
        self._lock = threading.Lock()
        self._services = NodeServices(
            spec, agent, api, network, functions, Recorder(api, spec.name), lambda: (spec.management,)
        )
        self._informer = Informer(api, PODS.path(), self._changed, fieldSelector=f"spec.nodeName={spec.name}")

    def start(self) -> None:
        """Register, then watch."""
        self._registration.start()
        self._informer.start()

    def stop(self) -> None:
        self._informer.stop()
        self._registration.stop()

    def look(self) -> None:
        """Readiness of system functions may have changed."""
        with self._lock:
            pods = list(self._pods.values())
        for pod in pods:
            pod.look()

    def find(self, namespace: str, name: str, container: str | None) -> tuple[Pod, Container]:
        """A running pod's container; without a name its first. Raises `NoSuchContainer`."""
        with self._lock:
            pods = [
                pod for pod in self._pods.values() if (pod.reference.namespace, pod.reference.name) == (namespace, name)
            ]
        if not pods:
            raise NoSuchContainer(f'pod "{name}" is not on node {self.spec.name}')
        for found in pods[-1].containers:
            if container in (None, "", found.state.name):
                return pods[-1], found
        raise NoSuchContainer(f'container "{container}" is not in pod "{name}"')

    def _changed(self, kind: str, item: Json) -> None:
        uid = item["metadata"]["uid"]
        with self._lock:
            pod = self._pods.get(uid)
            if pod is None and kind != "DELETED" and item.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                pod = self._pods[uid] = Pod(self._services, item, self._ended)
                pod.start()
        if pod is None:
            return
        if kind == "DELETED":
            pod.delete()
        else:
            pod.update(item)

    def _ended(self, uid: str) -> None:
        with self._lock:
            self._pods.pop(uid, None)
