"""One pod on one node: namespace and addresses, containers, status, end; all in order, on a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from labctl.errors import LabError
from labctl.guest.api import Op
from labctl.guest.client import Agent
from labctl.kube.api import Api, ApiError, ApiUnreachable, Json
from labctl.kube.resources import CONFIG_MAPS, PODS
from labctl.standin.cluster import images
from labctl.standin.cluster.kubelet import podspec
from labctl.standin.cluster.kubelet.container import Command, Container
from labctl.standin.cluster.kubelet.events import Recorder
from labctl.standin.cluster.kubelet.podstatus import PodState, pod_status, said
from labctl.standin.cluster.podnet import FunctionContext, FunctionFactory, NetworkNotReady, PodNetwork, PodRef
from labctl.standin.cluster.spec import NodeSpec

log = logging.getLogger(__name__)
RETRY = 0.3
"""Seconds between two tries to get a network, or a reference, or an image that is not known."""


@dataclass(frozen=True, slots=True)
class NodeServices:
    """What all pods of a node share."""

    node: NodeSpec
    agent: Agent
    api: Api
    network: PodNetwork
    functions: Mapping[str, FunctionFactory]
    recorder: Recorder
    host_addresses: Callable[[], tuple[str, ...]]


def sandbox_name(uid: str) -> str:
    """The pod's namespace in the guest."""
    return f"pod-{sha256(uid.encode()).hexdigest()[:12]}"


class Pod:
    """The worker of one pod object (one uid)."""

    def __init__(self, services: NodeServices, pod: Json, ended: Callable[[str], None]) -> None:
        self._services = services
        self.pod = pod
        self._ended = ended
        meta = pod["metadata"]
        self.reference = PodRef(
            meta["namespace"], meta["name"], meta["uid"], sandbox_name(meta["uid"]), meta.get("annotations") or {}
        )
        self.host_network = bool(pod["spec"].get("hostNetwork"))
        self.netns = services.node.namespace if self.host_network else self.reference.netns
        self.containers: list[Container] = []
        self.state = PodState([])
        self._wake: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._deleting = threading.Event()
        self._reported: Json = {}
        self._unsaid = False
        """Whether the API has not taken the newest status."""
        self._wired = False
        self._thread = threading.Thread(target=self._run, name=f"pod {meta['namespace']}/{meta['name']}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def update(self, pod: Json) -> None:
        """A newer object from the API.

        Where others wrote into its status (the node controller says "not ready" of every pod of a node that was silent
        for a while), it is said again, as a kubelet's status manager does.
        """
        self.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self.delete()
        elif self._reported and said(pod.get("status") or {}) != said(self._reported):
            self._wake.put("restore")

    def delete(self) -> None:
        """It is to end (deleted, or gone from the API)."""
        self._deleting.set()
        self._wake.put("delete")

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def look(self) -> None:
        """Something that a container's readiness hangs on may have changed."""
        self._wake.put("look")

    def _run(self) -> None:
        try:
            if "deletionTimestamp" not in self.pod["metadata"]:
                self._begin()
            while not self._deleting.is_set():
                try:
                    word = self._wake.get(timeout=RETRY if self._unsaid else None)
                except queue.Empty:
                    word = "again"
                if word == "restore":
                    self._reported = {}
                elif word == "look":
                    for container in self.containers:
                        container.look()
                self._report()
        finally:
            self._finish()

    def _begin(self) -> None:
        left_out = podspec.left_out(self.pod)
        if left_out:
            self._event("NotDoneByStandIn", f"a stand-in node does not act on: {'; '.join(left_out)}", warning=True)
        self.state.host_addresses = self._services.host_addresses()
        self._make_containers()
        self._report()
        if not self._wire():
            return
        self.state.sandbox_ready = True
        for container, spec in zip(self.containers, self.pod["spec"]["containers"], strict=True):
            self._start(container, spec)
        self._report()

    def _make_containers(self) -> None:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        unknown = images.Image("")
        for spec in self.pod["spec"]["containers"]:
            image = images.find_image(spec["image"]) or unknown
            self.containers.append(
                Container(spec, image, self._services.agent, policy, lambda: self._wake.put("state"), self._event)
            )
        self.state.containers = [container.state for container in self.containers]

    def _wire(self) -> bool:
        """Namespace and addresses; False when the pod was deleted meanwhile."""
        if self.host_network:
            self.state.addresses = self.state.host_addresses
            return True
        agent = self._services.agent
        name = self.reference.netns
        failures = agent.batches(
            [
                (None, [Op("ip", f"netns add {name}")]),
                (name, [Op("sysctl", "net/ipv6/conf/default/accept_dad=0"), Op("ip", "link set lo up")]),
            ]
        )
        problems = [failure for group in failures for failure in group]
        if problems:
            self._event("FailedCreatePodSandBox", f"{problems[0].text}: {problems[0].message}", warning=True)
        self._wired = True
        told = ""
        while not self._deleting.is_set():
            try:
                self.state.addresses = self._services.network.add(self.reference).addresses
            except (NetworkNotReady, LabError) as error:
                if error.message != told:
                    told = error.message
                    self._event("FailedCreatePodSandBox", f"Failed to create pod sandbox: {told}", warning=True)
                self._deleting.wait(RETRY)
            else:
                return True
        return False

    def _start(self, container: Container, spec: Json) -> None:
        image = images.find_image(spec["image"])
        if image is None:
            self._unknown_image(container, spec)
            return
        environment = self._environment(container, spec)
        if environment is None:
            return
        self._event("Pulled", f'Container image "{spec["image"]}" already present on machine')
        if image.function:
            factory = self._services.functions[image.function]
            version = images.version(spec["image"])
            context = FunctionContext(self._services.node, self._services.agent, environment, version, self.look)
            container.run_function(lambda: factory(context))
            return
        for path, text in image.files.items():
            self._services.agent.write_file(path, text.encode(), mode=0o644)
        meta = self.pod["metadata"]
        argv = podspec.arguments(spec, image, environment)
        file = f"/run/labctl/pods/{meta['uid']}/{spec['name']}.log"
        hostname = self.pod["spec"].get("hostname") or meta["name"]
        if self.host_network:
            hostname = self._services.node.name
        container.run_program(Command(tuple(argv), environment, self.netns, hostname, file))

    def _unknown_image(self, container: Container, spec: Json) -> None:
        message = images.unknown(spec["image"])
        self._event("Failed", f"Failed to pull image: {message}", warning=True)
        self._event("Failed", "Error: ErrImagePull", warning=True)
        container.state.waiting = ("ImagePullBackOff", f"Back-off pulling image: {message}")

    def _environment(self, container: Container, spec: Json) -> dict[str, str] | None:
        told = ""
        while not self._deleting.is_set():
            try:
                return podspec.environment(self.pod, spec, self._config_map, self.state.addresses)
            except (podspec.MissingReference, ApiError, ApiUnreachable) as missing:
                if str(missing) != told:
                    told = str(missing)
                    container.state.waiting = ("CreateContainerConfigError", told)
                    self._event("Failed", f"Error: {told}", warning=True)
                    self._report()
                self._deleting.wait(RETRY)
        return None

    def _config_map(self, namespace: str, name: str) -> Json | None:
        return self._services.api.find(CONFIG_MAPS.path(namespace, name))

    def _report(self) -> None:
        """Write the status when it differs from what was written last."""
        status = pod_status(
            self.state, self.pod["spec"].get("restartPolicy", "Always"), self._reported or self.pod.get("status") or {}
        )
        if status == self._reported:
            self._unsaid = False
            return
        meta = self.pod["metadata"]
        path = PODS.path(meta["namespace"], meta["name"], "status")
        try:
            self._services.api.patch(path, {"metadata": {"uid": meta["uid"]}, "status": status}, "merge")
            self._reported, self._unsaid = status, False
        except (ApiError, ApiUnreachable) as error:
            self._unsaid = isinstance(error, ApiUnreachable)
            if not (isinstance(error, ApiError) and error.status in (404, 409)):
                log.info("status of %s/%s: %s", meta["namespace"], meta["name"], error)

    def _finish(self) -> None:
        """End containers, give the addresses back, say that it has ended."""
        grace = self._grace()
        for container in self.containers:
            container.stop(grace)
        if self._wired:
            try:
                self._services.network.delete(self.reference)
                self._services.agent.batch(None, [Op("ip", f"netns del {self.reference.netns}")])
                self._services.agent.remove(f"/run/labctl/pods/{self.reference.uid}")
            except LabError as error:
                log.info("end of %s/%s: %s", self.reference.namespace, self.reference.name, error)
        self._report()
        self._remove()
        self._ended(self.reference.uid)

    def _grace(self) -> float:
        meta, spec = self.pod["metadata"], self.pod["spec"]
        return float(meta.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds", 30)))

    def _remove(self) -> None:
        """Take the object away once nothing of it runs, as the kubelet does."""
        meta = self.pod["metadata"]
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": meta["uid"]},
        }
        try:
            self._services.api.delete(PODS.path(meta["namespace"], meta["name"]), body)
        except ApiError as error:
            if error.status not in (404, 409):
                log.info("deleting %s/%s: %s", meta["namespace"], meta["name"], error)
        except ApiUnreachable as error:
            log.info("deleting %s/%s: %s", meta["namespace"], meta["name"], error)

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        self._services.recorder.event(self.pod, reason, message, warning=warning)
