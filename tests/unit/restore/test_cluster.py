"""A cluster brought back to an inventory of it: what counts as different, what is done in which order, what is left."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from labctl.errors import CheckFailed, InconclusiveError
from labctl.kube.api import Access, Api, ApiError, Json
from labctl.restore import part
from labctl.restore.cluster import Change, ClusterPart, changes, different, replacement
from labctl.restore.inventory import Key, collect, essence
from labctl.waiting import Deadline

KINDS = {
    "v1": [("Namespace", "namespaces", False), ("Pod", "pods", True), ("Service", "services", True),
           ("ConfigMap", "configmaps", True), ("Node", "nodes", False), ("Secret", "secrets", True),
           ("Event", "events", True)],
    "apps/v1": [("Deployment", "deployments", True), ("ReplicaSet", "replicasets", True)],
    "crd.projectcalico.org/v1": [("IPPool", "ippools", False), ("IPAMBlock", "ipamblocks", False)],
    "apiregistration.k8s.io/v1": [("APIService", "apiservices", False)],
    "apiextensions.k8s.io/v1": [("CustomResourceDefinition", "customresourcedefinitions", False)],
    "admissionregistration.k8s.io/v1": [("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", False)],
}  # fmt: skip
IMMUTABLE = {"Service": ("spec", "clusterIP")}


class Cluster(Api):
    """An API server in memory: it numbers versions, keeps status, and refuses what cannot be changed."""

    def __init__(self, *items: Json) -> None:
        super().__init__(Access("", "", "", ""))
        self.items: dict[str, Json] = {}
        self.done: list[str] = []
        self.refuses: dict[str, str] = {}
        self._number = 0
        for item in items:
            self.put(item)

    def put(self, item: Json) -> None:
        self._number += 1
        meta = {"uid": f"uid-{self._number}", **item["metadata"], "resourceVersion": str(self._number)}
        self.items[self._path(item)] = {**copy.deepcopy(item), "metadata": meta}

    def _path(self, item: Json) -> str:
        version, meta = item["apiVersion"], item["metadata"]
        plural, spaced = next((p, n) for kind, p, n in KINDS[version] if kind == item["kind"])
        base = f"{'/api' if version == 'v1' else '/apis'}/{version}"
        return "/".join([base, *(["namespaces", meta["namespace"]] if spaced else []), plural, meta["name"]])

    def request(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None, content: str = ""
    ) -> Json:
        if method != "GET":
            name = path.rpartition("/")[2] if method != "POST" else body["metadata"]["name"]
            self.done.append(f"{method} {name}")
            if name in self.refuses:
                raise ApiError(403, "Forbidden", self.refuses[name])
        if method == "POST":
            if self._path(body) in self.items:
                raise ApiError(409, "AlreadyExists", "there already")
            self.put(body)
        elif method == "PUT":
            before = self.items[path]
            assert body["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
            field = IMMUTABLE.get(body["kind"])
            if field and body[field[0]].get(field[1]) != before[field[0]].get(field[1]):
                raise ApiError(422, "Invalid", "field is immutable")
            self.put(body)
        elif method == "DELETE":
            if path not in self.items:
                raise ApiError(404, "NotFound", "gone")
            if self._pods_in(path):
                self.items[path]["metadata"]["deletionTimestamp"] = "now"
            else:
                del self.items[path]
            for space in [known for known, item in self.items.items() if "deletionTimestamp" in item["metadata"]]:
                if not self._pods_in(space):
                    self.items = {known: item for known, item in self.items.items() if not known.startswith(space)}
        else:
            return self._get(path)
        return {}

    def _pods_in(self, path: str) -> list[str]:
        """Of a namespace: it goes after them."""
        return [known for known in self.items if known.startswith(f"{path}/pods/")]

    def _get(self, path: str) -> Json:
        if path == "/apis":
            return {"groups": [{"name": v.partition("/")[0], "preferredVersion": {"groupVersion": v}}
                               for v in KINDS if "/" in v]}  # fmt: skip
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in KINDS:
            return {"resources": [{"kind": kind, "name": plural, "namespaced": spaced, "verbs": ["list", "delete"]}
                                  for kind, plural, spaced in KINDS[version]]}  # fmt: skip
        plural = path.rpartition("/")[2]
        group = path.removeprefix("/apis/").removeprefix("/api/").rpartition("/")[0]
        return {
            "items": [
                {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
                for item in copy.deepcopy(list(self.items.values()))
                if item["apiVersion"] == group and any(p == plural for k, p, _ in KINDS[group] if k == item["kind"])
            ]
        }


def item(kind: str, name: str, namespace: str | None = "default", version: str = "v1", **fields: Any) -> Json:
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **fields}


def deployment(replicas: int = 2, image: str = "nginx:1") -> Json:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return item("Deployment", "web", version="apps/v1", spec={"replicas": replicas, "template": template})


def replica_set(image: str = "nginx:1") -> Json:
    meta = {"uid": "rs", "ownerReferences": [{"uid": "d", "controller": True}]}
    return item("ReplicaSet", "web-1", version="apps/v1", metadata=meta, spec=deployment(image=image)["spec"])


def owned_pod(**fields: Any) -> Json:
    meta = {"labels": {"app": "web"}, "ownerReferences": [{"uid": "rs", "controller": True}]}
    spec = {"containers": [{"name": "web", "image": "nginx:1"}], **fields.pop("spec", {})}
    return item("Pod", "web-1-x", metadata={**meta, **fields.pop("metadata", {})}, spec=spec, **fields)


def lab() -> Cluster:
    return Cluster(
        item("Namespace", "default", None),
        item("Node", "node01", None, spec={"podCIDR": "10.0.0.0/24"}, metadata={"labels": {"a": "1"}}, status={"x": 1}),
        item("IPPool", "pool", None, "crd.projectcalico.org/v1", spec={"cidr": "10.244.0.0/16", "ipipMode": "Never"}),
        item("Service", "web", spec={"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}),
        item("ConfigMap", "config", data={"a": "1"}),
        deployment(),
        replica_set(),
        owned_pod(),
    )


def first_of(cluster: Cluster) -> dict[Key, Json]:
    return collect(cluster).kept()


def restore(cluster: Cluster, first: dict[Key, Json], seconds: float = 5.0) -> list[str]:
    node = ClusterPart(first, cluster, Deadline(seconds), threading.Event())
    part.restore(node)
    told = list(node.seen.values())
    assert changes(first, collect(cluster)) == []
    return [str(change) for change in told]


def path(cluster: Cluster, name: str) -> str:
    return next(known for known in cluster.items if known.endswith(f"/{name}"))


def test_nothing_is_done_where_nothing_is_different() -> None:
    cluster = lab()
    first = first_of(cluster)
    cluster.items[path(cluster, "node01")]["status"] = {"x": 2}
    cluster.items[path(cluster, "web")]["metadata"]["generation"] = 7
    cluster.put(item("Event", "something"))
    cluster.put(item("IPAMBlock", "10-244-0-0-26", None, "crd.projectcalico.org/v1"))
    cluster.put(item("ConfigMap", "kube-root-ca.crt"))
    assert restore(cluster, first) == []
    assert cluster.done == []


def test_what_a_person_did_is_undone() -> None:
    cluster = lab()
    first = first_of(cluster)
    del cluster.items[path(cluster, "pool")]
    cluster.put(deployment(replicas=1))
    cluster.put(item("ConfigMap", "mine"))
    cluster.put(item("Pod", "extra", spec={"containers": []}))
    node = cluster.items[path(cluster, "node01")]
    node["metadata"]["labels"]["foo"] = "bar"
    node["spec"]["unschedulable"] = True
    node["spec"]["taints"] = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    assert restore(cluster, first) == [
        "ConfigMap default/mine deleted",
        "Pod default/extra deleted",
        "Deployment default/web changed back: spec.replicas",
        "Node node01 changed back: metadata.labels.foo, spec.unschedulable",
        "IPPool pool made again",
    ]
    assert cluster.items[path(cluster, "node01")]["status"] == {"x": 1}, "what is not a person's stays"
    assert restore(cluster, first) == []


def test_a_namespace_goes_as_a_whole() -> None:
    cluster = lab()
    first = first_of(cluster)
    cluster.put(item("Namespace", "mine", None))
    cluster.put(item("ConfigMap", "inside", "mine"))
    cluster.put(item("Pod", "busy", "mine", spec={"containers": []}))
    assert restore(cluster, first) == ["Namespace mine deleted"]
    assert cluster.done == ["DELETE mine", "DELETE busy"], "its pods get a second, and are not made again"


def test_a_definition_takes_its_objects_along() -> None:
    first = first_of(lab())
    mine = {"group": "crd.projectcalico.org", "names": {"kind": "IPPool"}}
    cluster = Cluster(
        item("CustomResourceDefinition", "mine", None, "apiextensions.k8s.io/v1", spec=mine),
        item("IPPool", "other", None, "crd.projectcalico.org/v1"),
    )
    assert [str(row.key) for row in changes(first, collect(cluster)) if row.what == "added"] == [
        "CustomResourceDefinition mine"
    ]


def test_what_cannot_be_changed_is_made_again() -> None:
    cluster = lab()
    first = first_of(cluster)
    cluster.put(item("Service", "web", spec={"clusterIP": "10.96.0.77", "ports": [{"port": 80}]}))
    assert restore(cluster, first) == ["Service default/web changed back: spec.clusterIP"]
    assert cluster.done == ["PUT web", "DELETE web", "POST web"]
    service = next(item for item in cluster.items.values() if item["kind"] == "Service")
    assert service["spec"]["clusterIP"] == "10.96.0.9"


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (owned_pod(spec={"ephemeralContainers": [{"name": "debug"}]}), "has debug containers"),
        (owned_pod(metadata={"labels": {"app": "other"}}), "its labels were changed"),
        (owned_pod(spec={"containers": [{"name": "web", "image": "nginx:2"}]}), "its image was changed"),
    ],
)
def test_a_pod_that_is_not_as_its_template_is_restarted_once(pod: Json, why: str) -> None:
    cluster = lab()
    first = first_of(cluster)
    cluster.put(pod)
    assert restore(cluster, first) == [f"Pod default/web-1-x restarted: {why}"]
    assert cluster.done == ["DELETE web-1-x"]


def test_pods_that_read_what_is_brought_back_are_restarted() -> None:
    cluster = lab()
    first = first_of(cluster)
    volumes = [{"name": "c", "configMap": {"name": "config"}}]
    cluster.put(owned_pod(spec={"volumes": volumes}))
    cluster.put(item("ConfigMap", "config", data={"a": "2"}))
    assert restore(cluster, first) == [
        "ConfigMap default/config changed back: data.a",
        "Pod default/web-1-x restarted: uses ConfigMap config",
    ]
    assert cluster.done == ["PUT config", "DELETE web-1-x"], "first what they read"


def test_what_may_refuse_the_rest_goes_first() -> None:
    cluster = lab()
    first = first_of(cluster)
    cluster.put(item("ConfigMap", "mine"))
    cluster.put(item("ValidatingWebhookConfiguration", "wall", None, "admissionregistration.k8s.io/v1", webhooks=[]))
    cluster.put(deployment(replicas=0))
    restore(cluster, first)
    assert cluster.done == ["DELETE wall", "PUT web", "DELETE mine"]


def test_what_the_api_refuses_is_told_with_its_words() -> None:
    cluster = lab()
    first = first_of(cluster)
    cluster.put(item("ConfigMap", "mine"))
    cluster.refuses = {"mine": "admission webhook says no"}
    with pytest.raises(CheckFailed) as caught:
        restore(cluster, first, seconds=0.3)
    assert caught.value.code == "objects-not-turned-back"
    assert "ConfigMap default/mine deleted (admission webhook says no)" in caught.value.message


def test_an_evicted_pod_is_made_again() -> None:
    cluster = lab()
    cluster.put(item("Pod", "bare", spec={"nodeName": "node01", "containers": []}, status={"phase": "Running"}))
    first = first_of(cluster)
    cluster.put(item("Pod", "bare", spec={"nodeName": "node01", "containers": []}, status={"phase": "Failed"}))
    assert restore(cluster, first) == ["Pod default/bare changed back: status"]
    assert cluster.done == ["DELETE bare", "POST bare"]


def test_a_kind_whose_storage_is_made_ready_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = lab()
    whole, asked = cluster._get, list[str]()

    def later(path: str) -> Json:
        asked.append(path)
        if path.endswith("/ippools") and asked.count(path) == 1:
            raise ApiError(429, "TooManyRequests", "storage is (re)initializing")
        return whole(path)

    monkeypatch.setattr(cluster, "_get", later)
    assert any(key.kind == "IPPool" for key in first_of(cluster))


def test_a_kind_that_cannot_be_listed_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = lab()
    whole = cluster._get

    def never(path: str) -> Json:
        if path.endswith("/ippools"):
            raise ApiError(429, "TooManyRequests", "storage is (re)initializing")
        return whole(path)

    monkeypatch.setattr(cluster, "_get", never)
    monkeypatch.setattr("labctl.restore.inventory.STORAGE_PATIENCE", 0.1)
    with pytest.raises(InconclusiveError):
        first_of(cluster)


def test_essence_leaves_out_what_servers_and_controllers_write() -> None:
    meta = {"uid": "1", "annotations": {"cni.projectcalico.org/podIP": "1.1.1.1/32", "mine": "1"}}
    spec = {"volumes": [{"name": "kube-api-access-x7x2k"}], "containers": []}
    plain = {"volumes": [{"name": "kube-api-access"}], "containers": []}
    pod = item("Pod", "p", spec=spec, status={"phase": "Running"}, metadata=meta)
    assert essence(pod) == item("Pod", "p", spec=plain, metadata={"annotations": {"mine": "1"}})


def test_a_replacement_keeps_what_controllers_wrote() -> None:
    now = {**deployment(1), "status": {"replicas": 1}}
    now["metadata"] |= {
        "resourceVersion": "5",
        "uid": "u",
        "annotations": {"deployment.kubernetes.io/revision": "3", "x": "y"},
    }
    body = replacement(essence(deployment()), now)
    assert body["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "3"}
    assert (body["metadata"]["resourceVersion"], body["status"], body["spec"]["replicas"]) == ("5", {"replicas": 1}, 2)


def test_where_objects_differ_is_told_shortly() -> None:
    first = {"a": {"b": 1, "c": 2}, "d": [1], "e": 1, "f": 1}
    assert different(first, first) == ""
    assert different(first, {"a": {"b": 2}, "d": [2], "e": 2, "f": 2}) == "a.b, a.c, d and 2 more"


def test_a_change_says_what_is_done() -> None:
    assert str(Change("missing", Key("v1", "Namespace", "", "mine"))) == "Namespace mine made again"
