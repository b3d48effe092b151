"""A node's pods, from the API object to programs and back: the kubelet with an API in memory and a scripted machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labctl.guest.api import AgentError
from labctl.kube.api import ApiError, ApiUnreachable
from labctl.kube.resources import CONFIG_MAPS, EVENTS, LEASES, NODES, PODS
from labctl.standin.cluster.images import IMAGES
from labctl.standin.cluster.kubelet import container as container_module
from labctl.standin.cluster.kubelet import pod as pod_module
from labctl.standin.cluster.kubelet.container import Command, Container
from labctl.standin.cluster.kubelet.kubelet import Kubelet, NoSuchContainer
from labctl.standin.cluster.kubelet.node import CONTROL_PLANE, NodeRegistration
from labctl.standin.cluster.kubelet.pod import sandbox_name
from labctl.standin.cluster.podnet import NetworkNotReady, PodAddresses, PodRef
from labctl.standin.cluster.spec import NodeSpec
from labctl.waiting import Deadline, NotYet, wait_for

SPEC = NodeSpec("node01", "ns-node01", False, "172.20.20.12", 10250, "", "")


class Network:
    """Gives addresses once it is told that it may."""

    def __init__(self) -> None:
        self.ready = True
        self.wired: list[str] = []
        self.deleted: list[str] = []

    def add(self, pod: PodRef) -> PodAddresses:
        if not self.ready:
            raise NetworkNotReady("calico-node is not running on this node")
        self.wired.append(pod.name)
        return PodAddresses(("10.244.0.1", "fd00::1"), "cali1")

    def delete(self, pod: PodRef) -> None:
        self.deleted.append(pod.name)


class Function:
    """A system function whose readiness the test sets."""

    def __init__(self) -> None:
        self.is_ready, self.trouble, self.running = False, None, False
        self.context: Any = None

    def __call__(self, context: Any) -> Function:
        self.context = context
        return self

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def ready(self) -> bool:
        return self.is_ready

    def failure(self) -> str | None:
        return self.trouble

    def logs(self) -> bytes:
        return b"function\n"

    def process(self) -> int | None:
        return None


class Node:
    """One node under test."""

    def __init__(self, api: Any, machine: Any) -> None:
        self.api, self.machine, self.network, self.function = api, machine, Network(), Function()
        registration = NodeRegistration(api, SPEC, "1.34.3", machine.info())
        self.kubelet = Kubelet(SPEC, api, machine, registration, self.network, {"calico-node": self.function})

    def add(self, name: str = "web", image: str = "nginx", **spec: Any) -> Any:
        container = {"name": "main", "image": image, **spec.pop("container", {})}
        return self.api.add(PODS, name, "default", spec={"nodeName": "node01", "containers": [container], **spec})

    def status(self, name: str = "web") -> dict[str, Any]:
        found = self.api.find(PODS.path("default", name))
        return (found or {}).get("status") or {}

    def until(self, question: Any, what: str = "") -> None:
        wait_for(lambda: question() or NotYet(f"{what} {self.status()}"), Deadline(10), every=0.005)

    def until_phase(self, phase: str, name: str = "web") -> None:
        self.until(lambda: self.status(name).get("phase") == phase, phase)

    def until_ready(self, name: str = "web") -> None:
        self.until(lambda: condition(self.status(name), "Ready") == "True", "Ready")

    def waits_for(self, reason: str) -> None:
        def waits() -> bool:
            rows = self.status().get("containerStatuses") or []
            return any((row["state"].get("waiting") or {}).get("reason") == reason for row in rows)

        self.until(waits, reason)

    def events(self) -> list[tuple[str, str]]:
        return [(item["reason"], item["message"]) for item in self.api.list(EVENTS)]


def condition(status: dict[str, Any], kind: str) -> str | None:
    return next((row["status"] for row in status.get("conditions") or [] if row["type"] == kind), None)


@pytest.fixture
def node(api: Any, machine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    for module, name in ((pod_module, "RETRY"), (container_module, "BACK_OFF_FIRST")):
        monkeypatch.setattr(module, name, 0.01)
    node = Node(api, machine)
    node.kubelet.start()
    yield node
    node.kubelet.stop()


def test_a_pod_runs_and_is_deleted(node: Node, machine: Any) -> None:
    pod = node.add()
    node.until_ready()
    program = machine.await_program()
    sandbox = sandbox_name(pod["metadata"]["uid"])
    assert program.argv == IMAGES["nginx"].command
    assert (program.ns, program.isolation.hostname) == (sandbox, "web")
    assert (None, ["ip", f"netns add {sandbox}"]) in [(ns, [op.kind, op.text]) for ns, (op, *_) in machine.batched]
    assert node.status()["podIPs"] == [{"ip": "10.244.0.1"}, {"ip": "fd00::1"}]
    assert {"Pulled", "Started"} <= {reason for reason, _ in node.events()}
    found, container = node.kubelet.find("default", "web", None)
    machine.files[program.log] = b"hello\n"
    assert (found.netns, container.logs()) == (sandbox, b"hello\n")

    node.api.patch(PODS.path("default", "web"), {"metadata": {"deletionTimestamp": "now"}}, "merge")
    node.until(lambda: node.api.find(PODS.path("default", "web")) is None, "gone")
    assert program.signals == [15], "it ended at SIGTERM"
    assert node.network.deleted == ["web"]
    node.until(lambda: not node.kubelet._pods, "forgotten")
    with pytest.raises(NoSuchContainer, match='pod "web" is not on node node01'):
        node.kubelet.find("default", "web", None)


def test_a_program_that_ignores_sigterm_is_killed(node: Node, machine: Any) -> None:
    machine.ignores = frozenset({15})
    node.add(terminationGracePeriodSeconds=0)
    node.until_ready()
    program = machine.await_program()
    node.api.delete(PODS.path("default", "web"))
    node.until(lambda: program.signals == [15, 9], "killed")


def test_a_pod_waits_for_its_network(node: Node) -> None:
    node.network.ready = False
    node.add()
    node.until(node.events, "events")
    assert node.events()[0] == (
        "FailedCreatePodSandBox", "Failed to create pod sandbox: calico-node is not running on this node",
    )  # fmt: skip
    assert node.status()["phase"] == "Pending"
    node.network.ready = True
    node.until_ready()
    assert sum(reason == "FailedCreatePodSandBox" for reason, _ in node.events()) == 1, "told once, tried often"


def test_an_image_that_is_not_known(node: Node, machine: Any) -> None:
    node.add(image="postgres:17")
    node.waits_for("ImagePullBackOff")
    assert any("stand-in nodes, which run programs of the guest" in message for _, message in node.events())
    assert machine.programs == {}


def test_a_config_map_that_comes_later(node: Node, machine: Any) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}}]
    node.add(container={"env": env})
    node.waits_for("CreateContainerConfigError")
    node.api.add(CONFIG_MAPS, "conf", "default", data={"k": "v"})
    assert machine.await_program().env == {"X": "v"}
    node.until_ready()


def test_an_api_that_refuses_the_config_map_for_a_while_does_not_end_the_pod(node: Node, machine: Any) -> None:
    """The Node authorizer knows a new pod's references a moment later than its kubelet asks for them."""
    node.api.add(CONFIG_MAPS, "conf", "default", data={"k": "v"})
    real, refused = node.api.find, []

    def find(path: str) -> Any:
        if path.endswith("/configmaps/conf") and len(refused) < 3:
            refused.append(path)
            raise ApiError(403, "Forbidden", "no relationship found between node and this object")
        return real(path)

    node.api.find = find
    node.add(container={"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}}]})
    assert machine.await_program().env == {"X": "v"}
    node.until_ready()


@pytest.mark.parametrize(
    ("policy", "code", "phase", "starts"),
    [
        ("Never", 0, "Succeeded", 1),
        ("Never", 1, "Failed", 1),
        ("OnFailure", 0, "Succeeded", 1),
    ],
)
def test_programs_that_end_for_good(node: Node, machine: Any, policy: str, code: int, phase: str, starts: int) -> None:
    node.add(restartPolicy=policy)
    machine.await_program().end(code)
    node.until_phase(phase)
    assert len(machine.programs) == starts
    (row,) = node.status()["containerStatuses"]
    assert row["state"]["terminated"]["exitCode"] == code


@pytest.mark.parametrize(("policy", "code"), [("Always", 0), ("Always", 1), ("OnFailure", 1)])
def test_programs_that_are_started_again(node: Node, machine: Any, policy: str, code: int) -> None:
    node.add(restartPolicy=policy)
    for count in (1, 2, 3):
        machine.await_program(count).end(code)
    machine.await_program(4)
    node.until(lambda: node.status()["containerStatuses"][0]["restartCount"] == 3, "restarts")
    (row,) = node.status()["containerStatuses"]
    assert row["lastState"]["terminated"]["exitCode"] == code
    assert "BackOff" in {reason for reason, _ in node.events()}, "from the second restart on it waits"
    node.until_ready()


def test_what_others_wrote_into_a_status_is_set_right(node: Node) -> None:
    """The node controller says "not ready" of the pods of a node that was silent for a while."""
    node.add()
    node.until_ready()
    path = PODS.path("default", "web", "status")
    rows = [{**row, "status": "False"} if row["type"] == "Ready" else row for row in node.status()["conditions"]]
    node.api.patch(path, {"status": {"conditions": rows}})
    node.until_ready()


def test_a_status_that_the_api_did_not_take_is_said_again(node: Node) -> None:
    lost: list[str] = []

    def away(method: str, path: str, body: Any) -> None:
        if path.endswith("/web/status") and condition(body["status"], "Ready") == "True" and len(lost) < 2:
            lost.append(path)
            raise ApiUnreachable("PATCH: Connection refused")

    node.api.before.append(away)
    node.add()
    node.until_ready()
    assert len(lost) == 2


def test_a_function_is_ready_when_it_says_so(node: Node, machine: Any) -> None:
    node.add(image="calico/node", hostNetwork=True, container={"env": [{"name": "IP", "value": "autodetect"}]})
    node.until(lambda: node.function.running, "running")
    assert node.function.context.environment == {"IP": "autodetect"}
    assert condition(node.status(), "Ready") != "True"
    node.function.is_ready = True
    node.function.context.changed()
    node.until_ready()
    assert node.status()["podIP"] == "172.20.20.12", "a host-network pod has the node's address"
    assert node.network.wired == []
    assert machine.programs == {}
    node.function.trouble = "BIRD ended with code 1"
    node.function.context.changed()
    node.until(lambda: condition(node.status(), "Ready") == "False", "not ready")
    assert ("BackOff", "main: BIRD ended with code 1") in node.events()
    node.function.trouble = None  # what a restart brings
    node.until(lambda: node.status()["containerStatuses"][0]["restartCount"] >= 1, "restarted")
    node.until_ready()
    node.api.delete(PODS.path("default", "web"))
    node.until(lambda: not node.function.running, "stopped")


def test_what_a_stand_in_does_not_do_is_said(node: Node) -> None:
    node.add(volumes=[{"name": "data"}])
    node.until_ready()
    assert ("NotDoneByStandIn", "a stand-in node does not act on: volumes data") in node.events()


def test_two_pods_of_one_name_one_after_the_other(node: Node, machine: Any) -> None:
    """A StatefulSet's pod: the new object has the old one's name and another uid."""
    first = node.add()
    node.until_ready()
    node.api.delete(PODS.path("default", "web"))
    second = node.add()
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    machine.await_program(2)
    node.until_ready()
    node.until(lambda: machine.await_program(1).signals == [15], "the first has ended")


def test_the_node_registers_and_becomes_ready(node: Node) -> None:
    def status() -> Any:
        return (node.api.find(NODES.path(name="node01")) or {}).get("status") or {}

    node.until(lambda: condition(status(), "Ready") == "False", "registered")
    assert {row["type"]: row["address"] for row in status()["addresses"]} == {
        "InternalIP": "172.20.20.12", "Hostname": "node01", "InternalDNS": "localhost",
    }  # fmt: skip
    assert status()["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}
    assert status()["nodeInfo"]["kubeletVersion"] == "v1.34.3"
    node.until(lambda: node.api.find(LEASES.path("kube-node-lease", "node01")), "lease")
    node.kubelet._registration.set_network(ready=True, message="")
    node.until(lambda: condition(status(), "Ready") == "True", "ready")


def test_a_control_plane_is_tainted(api: Any, machine: Any) -> None:
    spec = NodeSpec("master", "master", True, "172.20.20.11", 10250, "", "")
    registration = NodeRegistration(api, spec, "1.34.3", machine.info())
    registration.start()
    assert registration.registered.wait(10)
    registration.stop()
    found = api.get(NODES.path(name="master"))
    assert found["spec"]["taints"] == [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]


# --- one container ----------------------------------------------------------------------------------------------


def make_container(machine: Any, policy: str = "Always") -> tuple[Container, list[str]]:
    told: list[str] = []
    made = Container(
        {"name": "main", "image": "nginx"}, IMAGES["nginx"], machine, policy, lambda: None,
        lambda reason, message, warning=False: told.append(f"{reason}: {message}"),
    )  # fmt: skip
    return made, told


COMMAND = Command(("nginx",), {}, "pod", "web", "/log")


def test_stopping_a_container_that_is_just_being_started(machine: Any) -> None:
    """Nothing may be left running that nobody knows of."""
    starting, stopped = threading.Event(), threading.Event()

    def before_start() -> None:
        starting.set()
        assert stopped.wait(10)

    machine.before_start = before_start
    container, _ = make_container(machine)
    container.run_program(COMMAND)
    assert starting.wait(10)
    stopper = threading.Thread(target=container.stop, args=(0.0,))
    stopper.start()
    assert container._stopping.wait(10)
    stopped.set()
    stopper.join(10)
    program = machine.await_program()
    assert program.ended.is_set()
    assert program.signals == [9]


def test_a_program_that_cannot_be_started(machine: Any) -> None:
    def refuse() -> None:
        raise AgentError("nginx: No such file or directory")

    machine.before_start = refuse
    container, told = make_container(machine, "Never")
    container.run_program(COMMAND)
    container._thread.join(10)
    assert container.state.waiting == ("RunContainerError", "nginx: No such file or directory")
    assert told == ["Failed: Error: nginx: No such file or directory"]
    assert container.logs() == b""


def test_the_delay_between_restarts_doubles_up_to_a_limit(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_module, "BACK_OFF_FIRST", 0.001)
    monkeypatch.setattr(container_module, "BACK_OFF_MAX", 0.004)
    container, _ = make_container(machine)
    pauses: list[float] = []
    real = container._stopping.wait
    container._stopping.wait = lambda seconds=None: pauses.append(seconds) or real(0)  # type: ignore[method-assign]
    container.run_program(COMMAND)
    for count in range(1, 7):
        machine.await_program(count).end(1)
    machine.await_program(7)
    container.stop(0.0)
    assert pauses[:5] == [0.001, 0.002, 0.004, 0.004, 0.004]
