"""Manifests to the cluster, and waiting for what they make."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import CheckFailed, HostError, SpecError
from labctl.kube import ready
from labctl.kube.api import Api, ApiLate
from labctl.kube.apply import Applier, documents, load
from labctl.kube.kubectl import find_kubectl, kubectl_version, kustomize
from labctl.waiting import Cancelled, Deadline, DeadlinePassed

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V3 = "/apis/crd.projectcalico.org/v1", "/apis/projectcalico.org/v3"


def served(*rows: tuple[str, str, bool]) -> tuple[int, Any]:
    return 200, {"resources": [{"kind": kind, "name": name, "namespaced": inside} for kind, name, inside in rows]}


@pytest.fixture
def applier(server: Any, api: Api) -> Applier:
    """A cluster as a manifest install of Calico up to 3.32 makes it: v1 alone."""
    server.answers |= {
        ("GET", "/api/v1"): served(
            ("Pod", "pods", True), ("Namespace", "namespaces", False), ("Pod", "pods/log", True)
        ),
        ("GET", "/apis/apiextensions.k8s.io/v1"): served(
            ("CustomResourceDefinition", "customresourcedefinitions", False)
        ),
        ("GET", V1): served(("IPPool", "ippools", False), ("BGPPeer", "bgppeers", False)),
    }
    return Applier(api)


def item(kind: str, name: str, version: str = "v1", **meta: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **meta}}


def definition(kind: str, name: str) -> dict[str, Any]:
    """A CustomResourceDefinition of Calico's group."""
    spec = {"group": "crd.projectcalico.org", "names": {"kind": kind}, "versions": [{"name": "v1", "served": True}]}
    return item("CustomResourceDefinition", name, "apiextensions.k8s.io/v1") | {"spec": spec}


def patched(server: Any) -> list[str]:
    return [path for method, path, *_ in server.asked if method == "PATCH"]


def accept(server: Any, *paths: str) -> None:
    server.answers |= {("PATCH", path): (200, {}) for path in paths}


def test_an_object_whose_answer_came_late_is_applied_again(
    server: Any, applier: Applier, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(server, "/api/v1/namespaces/default/pods/web")
    answer, late = Api.apply, [ApiLate("PATCH /x: the API did not answer within 30 s")]

    def apply(api: Api, path: str, body: Any) -> Any:
        if late:
            raise late.pop()
        return answer(api, path, body)

    monkeypatch.setattr(Api, "apply", apply)
    assert applier.apply([item("Pod", "web")], Deadline(5)) == 1
    assert patched(server) == ["/api/v1/namespaces/default/pods/web"]
    late.append(ApiLate("PATCH /x: the API did not answer within 30 s"))
    with pytest.raises(DeadlinePassed, match="PATCH /x: the API did not answer within 30 s"):
        applier.apply([item("Pod", "web")], Deadline(0))


def test_calicos_v3_becomes_v1_where_only_that_is_served(server: Any, applier: Applier) -> None:
    accept(server, f"{V1}/ippools/pool")
    applier.apply_one(item("IPPool", "pool", "projectcalico.org/v3"))
    (_, _, query, body, kind) = server.asked[-1]
    assert body == item("IPPool", "pool", "crd.projectcalico.org/v1")
    assert query == {"fieldManager": "labctl", "force": "true"}
    assert kind == "application/apply-patch+yaml"


def test_calicos_v3_stays_where_it_is_served(server: Any, applier: Applier) -> None:
    server.answers["GET", V3] = served(("IPPool", "ippools", False))
    accept(server, f"{V3}/ippools/pool")
    applier.apply_one(item("IPPool", "pool", "projectcalico.org/v3"))
    assert patched(server) == [f"{V3}/ippools/pool"]


def test_definitions_and_namespaces_come_first_and_definitions_are_waited_for(server: Any, applier: Applier) -> None:
    server.answers["GET", V1] = [(404, {}), (404, {}), served(("IPPool", "ippools", False))]
    accept(
        server, f"{CRDS}/ippools.x", f"{V1}/ippools/pool", "/api/v1/namespaces/lab",
        "/api/v1/namespaces/lab/pods/web", "/api/v1/namespaces/default/pods/web",
    )  # fmt: skip
    items = [
        item("Pod", "web", namespace="lab"),
        item("Pod", "web"),
        item("IPPool", "pool", "crd.projectcalico.org/v1"),
        item("Namespace", "lab"),
        definition("IPPool", "ippools.x"),
    ]
    assert applier.apply(items, Deadline(10)) == 5
    assert patched(server) == [
        "/api/v1/namespaces/lab", f"{CRDS}/ippools.x", "/api/v1/namespaces/lab/pods/web",
        "/api/v1/namespaces/default/pods/web", f"{V1}/ippools/pool",
    ]  # fmt: skip
    asked = [path for _, path, *_ in server.asked]
    assert asked.count(V1) == 3
    assert asked.index(f"{CRDS}/ippools.x") < asked.index(V1) < asked.index("/api/v1/namespaces/lab/pods/web")


def test_a_definition_that_is_never_served(server: Any, applier: Applier) -> None:
    server.answers["GET", V1] = served(("BGPPeer", "bgppeers", False))
    accept(server, f"{CRDS}/ippools.x")
    only = [definition("IPPool", "ippools.x")]
    with pytest.raises(DeadlinePassed, match=r"the cluster serves no IPPool in crd\.projectcalico\.org/v1"):
        applier.apply(only, Deadline(0.05))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        applier.apply(only, Deadline(10), cancel)


def test_a_kind_that_comes_into_the_discovery_after_others_of_its_group(server: Any, applier: Applier) -> None:
    late = [(404, {}), served(("BGPPeer", "bgppeers", False)), served(("IPPool", "ippools", False))]
    server.answers["GET", V1] = late
    accept(server, f"{CRDS}/ippools.x", f"{V1}/ippools/pool")
    items = [definition("IPPool", "ippools.x"), item("IPPool", "pool", "crd.projectcalico.org/v1")]
    assert applier.apply(items, Deadline(10)) == 2


def test_the_apis_words_when_it_refuses(server: Any, applier: Applier) -> None:
    words = 'Apply failed with 1 conflict: conflict with "kubectl": .spec.cidr'
    server.answers["PATCH", f"{V1}/ippools/pool"] = (409, {"reason": "Conflict", "message": words})
    with pytest.raises(CheckFailed) as caught:
        applier.apply_one(item("IPPool", "pool", "crd.projectcalico.org/v1"))
    assert caught.value.code == "apply-refused"
    assert caught.value.message.startswith("the API refused IPPool pool: ")
    assert words in caught.value.message


def test_a_kind_that_is_not_served_is_looked_up_again(server: Any, applier: Applier) -> None:
    with pytest.raises(CheckFailed, match="the cluster serves no BGPFilter in crd"):
        applier.resource("crd.projectcalico.org/v1", "BGPFilter")
    server.answers["GET", V1] = served(("BGPFilter", "bgpfilters", False))
    assert applier.resource("crd.projectcalico.org/v1", "BGPFilter").plural == "bgpfilters"
    assert applier.resource("v1", "Pod").plural == "pods", "and never a subresource"


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n---\n")
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: b}\n")
    assert [row["metadata"]["name"] for row in load(sorted(tmp_path.iterdir()))] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\nb: [\n", "yaml-syntax", 3),
        ("a: 1\n\tb: 2\n", "yaml-syntax", 2),
        ("kind: Pod\nmetadata: {name: a}\n", "no-object", 0),
        ("- a\n- b\n", "no-object", 0),
    ],
)
def test_what_is_no_manifest(text: str, code: str, line: int) -> None:
    with pytest.raises(SpecError) as caught:
        documents(text, "k8s/x.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.file, problem.place.line) == (code, "k8s/x.yaml", line)


# --- ready ------------------------------------------------------------------------------------------------------


def workload(generation: int = 1, replicas: int | None = 2, **status: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web", "tier": "x"}}}
    if replicas is not None:
        spec["replicas"] = replicas
    meta = {"name": "web", "namespace": "default", "generation": generation}
    return {"metadata": meta, "spec": spec, "status": {"observedGeneration": 1, **status}}


@pytest.mark.parametrize(
    ("item", "is_ready"),
    [
        (workload(readyReplicas=2, updatedReplicas=2), True),
        (workload(readyReplicas=1, updatedReplicas=2), False),
        (workload(readyReplicas=2, updatedReplicas=1), False),
        (workload(2, readyReplicas=2, updatedReplicas=2), False),
        (workload(), False),
        (workload(replicas=0), True),
        (workload(replicas=None, desiredNumberScheduled=3, numberReady=3), True),
        (workload(replicas=None, desiredNumberScheduled=3, numberReady=2), False),
        (workload(replicas=None, desiredNumberScheduled=0, numberReady=0), False),
        ({"metadata": {"name": "w"}, "spec": {"replicas": 1}}, False),
    ],
)
def test_workloads(item: dict[str, Any], is_ready: bool) -> None:
    assert ready.workload_ready(item) is is_ready


def pod(*conditions: dict[str, Any], waiting: tuple[str, str] | None = None) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting[0], "message": waiting[1]}} if waiting else {"running": {}}
    return {
        "metadata": {"name": "web-1"},
        "status": {"conditions": list(conditions), "containerStatuses": [{"state": state}]},
    }


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available",
}
READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (pod(UNSCHEDULED), "web-1: 0/3 nodes are available"),
        (pod(waiting=("ImagePullBackOff", "Back-off pulling image")), "web-1: ImagePullBackOff Back-off pulling image"),
        (pod(waiting=("CrashLoopBackOff", "")), "web-1: CrashLoopBackOff"),
        (pod(waiting=("ContainerCreating", "")), None),
        (pod(READY), None),
        ({"metadata": {"name": "web-1"}}, None),
    ],
)
def test_troubles_of_pods(item: dict[str, Any], words: str | None) -> None:
    assert ready.pod_trouble(item) == words


PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/api/v1/namespaces/default/events"


@pytest.mark.parametrize(
    ("pods", "events", "words"),
    [
        ([], [], "web: no pods yet"),
        ([pod(UNSCHEDULED), pod(UNSCHEDULED)], [], "web: web-1: 0/3 nodes are available"),
        ([pod(), pod(READY)], [], "web: not ready: web-1"),
        ([pod()], [{"message": "old"}, {"message": "no network yet"}], "web: not ready: web-1 (no network yet)"),
        ([pod(READY)], [], "web: 1 pods"),
    ],
)
def test_why_a_workload_is_not_ready(server: Any, api: Api, pods: list[Any], events: list[Any], words: str) -> None:
    server.answers |= {("GET", PODS): (200, {"items": pods}), ("GET", EVENTS): (200, {"items": events})}
    assert ready.reasons(api, [workload()]) == words
    assert server.asked[0][2] == {"labelSelector": "app=web,tier=x"}


def test_waiting_for_workloads(server: Any, api: Api) -> None:
    deployments, sets = "/apis/apps/v1/namespaces/default/deployments", "/apis/apps/v1/namespaces/default/daemonsets"
    done = workload(readyReplicas=2, updatedReplicas=2)
    server.answers |= {
        ("GET", deployments): [(200, {"items": [workload()]}), (200, {"items": [done]})],
        ("GET", sets): (200, {"items": []}),
        ("GET", PODS): (200, {"items": []}),
    }
    assert ready.await_workloads(api, ["default"], Deadline(10), threading.Event()) == "1 workloads ready"
    server.answers["GET", deployments] = (200, {"items": [workload()]})
    with pytest.raises(DeadlinePassed, match="web: no pods yet"):
        ready.await_workloads(api, ["default"], Deadline(0.0), threading.Event())


# --- kubectl ----------------------------------------------------------------------------------------------------


def kubectl(folder: Path, minor: str, body: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kubectl"
    said = body or f'echo \'{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}\''
    path.write_text(f"#!/bin/sh\n{said}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("minor", "body", "version"),
    [
        ("34", None, (1, 34)),
        ("31+", None, (1, 31)),
        ("", "echo no json", (0, 0)),
        ("", "exit 1", (0, 0)),
        ("", "echo '[]'", (0, 0)),
    ],
)
def test_kubectl_versions(tmp_path: Path, minor: str, body: str | None, version: tuple[int, int]) -> None:
    assert kubectl_version(str(kubectl(tmp_path, minor, body))) == version
    assert kubectl_version(str(tmp_path / "none")) == (0, 0)


@pytest.mark.parametrize(
    ("on_path", "brought", "chosen"),
    [
        (["34"], False, "path0"),
        (["28", "34"], False, "path1"),
        (["28"], True, "brought"),
        ([], True, "brought"),
        (["34"], True, "path0"),
    ],
)
def test_which_kubectl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: list[str], brought: bool, chosen: str
) -> None:
    folders = [kubectl(tmp_path / f"path{index}", minor).parent for index, minor in enumerate(on_path)]
    monkeypatch.setenv("PATH", ":".join(map(str, folders)))
    ours = kubectl(tmp_path / "brought", "34") if brought else None
    assert find_kubectl(ours) == tmp_path / chosen / "kubectl"


@pytest.mark.parametrize("brought", [None, Path("/nowhere/kubectl")])
def test_no_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brought: Path | None) -> None:
    monkeypatch.setenv("PATH", str(kubectl(tmp_path, "28").parent))
    with pytest.raises(HostError) as caught:
        find_kubectl(brought)
    assert (caught.value.code, caught.value.next_command) == ("no-kubectl", "labctl setup")


def test_kustomize(tmp_path: Path) -> None:
    assert kustomize(kubectl(tmp_path / "a", "", 'echo "$1 $2"'), tmp_path) == f"kustomize {tmp_path}\n"
    with pytest.raises(HostError, match="no kustomization"):
        kustomize(kubectl(tmp_path / "b", "", "echo no kustomization >&2; exit 1"), tmp_path)
