"""The Node object and its lease: registered, Ready while there is a pod network (Kubernetes documentation, "Nodes")."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from labctl.guest.api import MachineInfo
from labctl.kube.api import Api, ApiError, ApiUnreachable, Json
from labctl.kube.resources import LEASES, NODES
from labctl.standin.cluster.kubelet.podstatus import micro_stamp, stamp
from labctl.standin.cluster.spec import NodeSpec

log = logging.getLogger(__name__)
LEASE_SECONDS = 40
RENEW = 10.0
STATUS = 60.0
RETRY = 0.3
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def control_plane_node(name: str) -> Json:
    """The Node of a control plane as kubeadm leaves it: a kubelet may set neither role nor taint (NodeRestriction)."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        CONTROL_PLANE: "",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]},
    }


NO_PRESSURE = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
"""Type, reason and message of the conditions that are always False."""


class NodeRegistration:
    """Registers a node and keeps it alive, on a thread."""

    def __init__(self, api: Api, spec: NodeSpec, kubernetes: str, machine: MachineInfo) -> None:
        self._api = api
        self._spec = spec
        self._kubernetes = kubernetes
        self._machine = machine
        self._ready = (False, "container runtime network not ready: cni plugin not initialized")
        self._since: dict[str, tuple[str, str]] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"node {spec.name}", daemon=True)
        self.registered = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def set_network(self, *, ready: bool, message: str) -> None:
        """Whether pods can get a network; changes the Ready condition at once."""
        if (ready, message) != self._ready:
            self._ready = (ready, message)
            self._wake.set()

    def _run(self) -> None:
        self._persist("registering the node", self._register)
        self.registered.set()
        self._persist("the node's status", self._write_status)
        self._persist("the node's lease", self._create_lease)
        rounds = 0
        while not self._stopping.is_set():
            woken = self._wake.wait(RENEW)
            self._wake.clear()
            rounds += 1
            if self._stopping.is_set():
                return
            if woken or rounds * RENEW >= STATUS:
                self._persist("the node's status", self._write_status)
                rounds = 0
            if not woken:
                self._persist("the node's lease", self._renew_lease)

    def _persist(self, what: str, action: Callable[[], None]) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                action()
            except (ApiError, ApiUnreachable) as error:
                if str(error) != told:
                    told = str(error)
                    log.info("%s: %s", what, told)
                self._stopping.wait(RETRY)
            else:
                return

    def _register(self) -> None:
        spec = self._spec
        labels = {
            "kubernetes.io/hostname": spec.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
        }  # fmt: skip
        body: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": spec.name, "labels": labels}, "spec": {}}
        if spec.control_plane:
            # the label of a role is kubeadm's to set, not the kubelet's (NodeRestriction); ours is set by the daemon
            body["spec"]["taints"] = [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]
        if self._api.find(NODES.path(name=spec.name)) is None:
            self._api.create(NODES.path(), body)

    def _write_status(self) -> None:
        body = {"status": self._status()}
        self._api.patch(NODES.path(name=self._spec.name, sub="status"), body, "strategic")

    def _status(self) -> Json:
        machine, spec = self._machine, self._spec
        amounts = {
            "cpu": str(machine.cpus),
            "memory": f"{machine.memory // 1024}Ki",
            "pods": "110",
            "ephemeral-storage": "1Gi",
        }
        ready, message = self._ready
        conditions = [
            *(self._condition(kind, reason, text, value=False) for kind, reason, text in NO_PRESSURE),
            self._condition(
                "Ready",
                "KubeletReady" if ready else "KubeletNotReady",
                "kubelet is posting ready status" if ready else message,
                value=ready,
            ),
        ]
        local = [{"type": "InternalDNS", "address": "localhost"}] if spec.listen == "127.0.0.1" else []
        return {
            "addresses": [
                {"type": "InternalIP", "address": spec.management},
                {"type": "Hostname", "address": spec.name},
                *local,
            ],
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": spec.port}},
            "nodeInfo": self._info(),
        }

    def _info(self) -> dict[str, Any]:
        machine = self._machine
        return {
            "architecture": "amd64", "operatingSystem": "linux", "kernelVersion": machine.kernel,
            "osImage": "labctl stand-in node", "containerRuntimeVersion": "labctl://programs-of-the-guest",
            "kubeletVersion": f"v{self._kubernetes}", "kubeProxyVersion": f"v{self._kubernetes}",
            "machineID": self._spec.name, "systemUUID": self._spec.name, "bootID": machine.kernel,
        }  # fmt: skip

    def _condition(self, kind: str, reason: str, message: str, *, value: bool) -> Json:
        status = "True" if value else "False"
        before = self._since.get(kind)
        if before is None or before[0] != status:
            self._since[kind] = (status, stamp())
        return {
            "type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": stamp(),
            "lastTransitionTime": self._since[kind][1],
        }  # fmt: skip

    def _create_lease(self) -> None:
        path = LEASES.path("kube-node-lease", self._spec.name)
        if self._api.find(path) is None:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._spec.name, "namespace": "kube-node-lease"},
                "spec": {
                    "holderIdentity": self._spec.name,
                    "leaseDurationSeconds": LEASE_SECONDS,
                    "renewTime": micro_stamp(),
                },
            }
            self._api.create(LEASES.path("kube-node-lease"), body)

    def _renew_lease(self) -> None:
        path = LEASES.path("kube-node-lease", self._spec.name)
        self._api.patch(path, {"spec": {"renewTime": micro_stamp()}}, "merge")
