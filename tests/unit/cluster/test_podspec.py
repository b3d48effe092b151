"""What a container is told, which images are known, and what is said of a pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.standin.cluster.images import IMAGES, find_image, unknown
from labctl.standin.cluster.kubelet.podspec import (
    MissingReference,
    arguments,
    environment,
    expand,
    left_out,
)
from labctl.standin.cluster.kubelet.podstatus import ContainerState, PodState, container_status, phase, pod_status

HOST = "registry.example"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("library/nginx", "nginx"),
        (f"{HOST}/library/nginx:1.27-alpine", "nginx"),
        (f"{HOST}:5000/library/busybox:1", "busybox"),
        ("localhost/busybox", "busybox"),
        (f"busybox@sha256:{'0' * 64}", "busybox"),
        (f"{HOST}/calico/node:v3.20.0", "calico/node"),
        ("calico/kube-controllers:v3.20.0", "calico/kube-controllers"),
        ("kube-proxy:v1.34.3", "kube-proxy"),
    ],
)
def test_known_images(reference: str, name: str) -> None:
    found = find_image(reference)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("reference", ["ngnix", "bitnami/nginx", "node", f"{HOST}/other/node", "", "nginx/nginx"])
def test_unknown_images_say_what_there_is(reference: str) -> None:
    assert find_image(reference) is None
    assert all(name in unknown(reference) for name in IMAGES)


@pytest.mark.parametrize(
    ("container", "argv"),
    [
        ({}, ["nginx", "-e", "stderr", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"]),
        ({"args": ["nginx-debug"]}, ["nginx-debug"]),
        ({"command": ["sh", "-c"]}, ["sh", "-c"]),
        (
            {"command": ["sh"], "args": ["-c", "echo $(NAME) $$(NAME) $(OTHER)"]},
            ["sh", "-c", "echo v $(NAME) $(OTHER)"],
        ),
    ],
)
def test_arguments(container: dict[str, Any], argv: list[str]) -> None:
    assert arguments(container, IMAGES["nginx"], {"NAME": "v"}) == argv


@given(st.text("a$()b"))
def test_what_names_nothing_stays_as_it_is(word: str) -> None:
    assert expand(word.replace("$", "$$"), {"a": "x", "b": "y", "ab": "z"}) == word


POD = {
    "metadata": {
        "namespace": "default", "name": "web", "uid": "u1", "labels": {"app": "web"}, "annotations": {"note": "n"},
    },
    "spec": {"nodeName": "node01", "containers": []},
}  # fmt: skip
MAPS = {("default", "conf"): {"data": {"key": "from the map"}}}


def told(*env: dict[str, Any]) -> dict[str, str]:
    return environment(POD, {"env": list(env)}, lambda *where: MAPS.get(where), ("10.0.0.1", "fd00::1"))


def from_field(path: str) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def from_map(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"configMapKeyRef": {"name": name, "key": key, **more}}}


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ({"name": "X", "value": "v"}, "v"),
        ({"name": "X"}, ""),
        ({"name": "X", "value": None}, ""),
        (from_field("metadata.name"), "web"),
        (from_field("metadata.namespace"), "default"),
        (from_field("metadata.labels['app']"), "web"),
        (from_field("metadata.annotations['none']"), ""),
        (from_field("spec.nodeName"), "node01"),
        (from_field("status.podIP"), "10.0.0.1"),
        (from_field("status.podIPs"), "10.0.0.1,fd00::1"),
        (from_map("conf", "key"), "from the map"),
    ],
)
def test_environment(row: dict[str, Any], value: str) -> None:
    assert told(row) == {"X": value}


def test_a_variable_may_use_those_before_it() -> None:
    rows = ({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "3"})
    assert told(*rows)["B"] == "1$(C)"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (from_map("none", "key"), "couldn't find ConfigMap default/none"),
        (from_map("conf", "none"), "couldn't find key none in ConfigMap default/conf"),
        (from_field("spec.other"), "field spec.other is not done"),
        ({"name": "X", "valueFrom": {"secretKeyRef": {}}}, "variable X: secretKeyRef is not done"),
    ],
)
def test_missing_references(row: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReference, match=message):
        told(row)


def test_an_optional_key_may_be_missing() -> None:
    assert told(from_map("none", "key", optional=True)) == {}


def test_what_a_stand_in_leaves_out_is_named() -> None:
    pod = {
        "spec": {
            "containers": [{"name": "a", "livenessProbe": {"x": 1}, "volumeMounts": []}, {"name": "b"}],
            "volumes": [{"name": "data"}, {"name": "conf"}],
            "initContainers": [{}],
        }
    }
    assert left_out(pod) == ["initContainers", "livenessProbe of container a", "volumes data, conf"]
    assert left_out({"spec": {"containers": [{"name": "a"}]}}) == []


# --- status -----------------------------------------------------------------------------------------------------


def state(word: str) -> ContainerState:
    made = ContainerState("web", "nginx")
    if word != "new":
        made.waiting, made.started, made.pid, made.ready = None, 1000.0, 77, True
    if word.startswith("ended"):
        made.ended, made.ready = (int(word.split()[1]), 1010.0), False
    if word == "back-off":
        made.ended, made.ready, made.waiting = (1, 1010.0), False, ("CrashLoopBackOff", "back-off 10s")
    return made


@pytest.mark.parametrize(
    ("words", "policy", "expected"),
    [
        (["new"], "Always", "Pending"),
        (["running"], "Always", "Running"),
        (["new", "running"], "Always", "Running"),
        (["ended 0"], "Always", "Running"),
        (["back-off"], "Always", "Running"),
        (["ended 0"], "Never", "Succeeded"),
        (["ended 0"], "OnFailure", "Succeeded"),
        (["ended 1"], "Never", "Failed"),
        (["ended 1"], "OnFailure", "Running"),
        (["ended 0", "running"], "Never", "Running"),
        (["ended 0", "ended 3"], "Never", "Failed"),
        ([], "Always", "Pending"),
    ],
)
def test_phase(words: list[str], policy: str, expected: str) -> None:
    assert phase([state(word) for word in words], policy) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("new", {"waiting": {"reason": "ContainerCreating"}}),
        ("running", {"running": {"startedAt": "1970-01-01T00:16:40Z"}}),
        ("back-off", {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}),
    ],
)
def test_container_states(word: str, expected: dict[str, Any]) -> None:
    assert container_status(state(word))["state"] == expected


@pytest.mark.parametrize(("code", "shown", "reason"), [(0, 0, "Completed"), (3, 3, "Error"), (-9, 137, "Error")])
def test_ended_containers(code: int, shown: int, reason: str) -> None:
    found = container_status(state(f"ended {code}"))["state"]["terminated"]
    assert (found["exitCode"], found["reason"], found["finishedAt"]) == (shown, reason, "1970-01-01T00:16:50Z")


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {row["type"]: row["status"] for row in status["conditions"]}


def test_a_pod_becomes_ready() -> None:
    container = state("new")
    pod = PodState([container], since=1000.0)
    before = pod_status(pod, "Always", {"conditions": [{"type": "PodScheduled", "status": "True"}]})
    assert conditions(before) == {
        "PodReadyToStartContainers": "False", "Initialized": "True", "Ready": "False", "ContainersReady": "False",
        "PodScheduled": "True",
    }  # fmt: skip
    assert "podIP" not in before
    container.waiting, container.started, container.ready = None, 1001.0, True
    pod.addresses, pod.host_addresses, pod.sandbox_ready = ("10.0.0.1", "fd00::1"), ("172.20.20.2",), True
    after = pod_status(pod, "Always", before)
    assert conditions(after)["Ready"] == "True"
    assert after["podIPs"] == [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
    assert (after["podIP"], after["hostIP"], after["phase"]) == ("10.0.0.1", "172.20.20.2", "Running")


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    pod = PodState([state("running")])
    old = pod_status(pod, "Always", {})
    for row in old["conditions"]:
        row["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    pod.containers[0].ready = False
    new = {row["type"]: row["lastTransitionTime"] for row in pod_status(pod, "Always", old)["conditions"]}
    assert new["Initialized"] == "2020-01-01T00:00:00Z"
    assert new["Ready"] > "2024"


def test_a_completed_pod_says_so() -> None:
    found = pod_status(PodState([state("ended 0")]), "Never", {})
    assert next(row for row in found["conditions"] if row["type"] == "Ready")["reason"] == "PodCompleted"
