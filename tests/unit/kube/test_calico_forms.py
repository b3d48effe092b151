"""Calico's resources by discovery, in both forms, and what makes a manifest one of Calico's."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.engine.cluster import judge_manifest
from labctl.errors import SpecError
from labctl.kube.api import Api
from labctl.kube.apply import Applier, documents, storage_form, user_form

V1, V3 = "/apis/crd.projectcalico.org/v1", "/apis/projectcalico.org/v3"
KINDS = (("IPPool", "ippools"), ("BGPConfiguration", "bgpconfigurations"), ("BGPPeer", "bgppeers"))


def written(kind: str, name: str = "Pool-A", **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "uid": "1", "creationTimestamp": None, "resourceVersion": "9", "labels": {"a": "b"}}
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": meta, "spec": spec, "status": {"x": 1}}


def test_calicos_own_form_says_nothing_that_only_a_server_may_say() -> None:
    assert user_form(written("BGPPeer", "P", asNumber=1)) == {
        "apiVersion": "projectcalico.org/v3", "kind": "BGPPeer", "metadata": {"name": "P", "labels": {"a": "b"}},
        "spec": {"asNumber": 1},
    }  # fmt: skip


def test_the_storage_form_of_a_pool_is_complete() -> None:
    body = storage_form(written("IPPool", cidr="10.244.7.0/16", ipipMode="Always"))
    assert body == {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "IPPool",
        "metadata": {"name": "pool-a", "labels": {"a": "b"}},
        "spec": {
            "allowedUses": ["Workload", "Tunnel"], "blockSize": 26, "cidr": "10.244.0.0/16", "ipipMode": "Always",
            "nodeSelector": "all()", "vxlanMode": "Never",
        },
    }  # fmt: skip
    assert storage_form(written("IPPool", cidr="2001:DB8::/56"))["spec"]["blockSize"] == 122


def test_the_storage_form_of_other_kinds_keeps_the_spec() -> None:
    for kind in ("BGPConfiguration", "BGPPeer"):
        body = storage_form(written(kind, "default", asNumber=65531))
        assert (body["metadata"]["name"], body["spec"]) == ("default", {"asNumber": 65531})


@pytest.mark.parametrize("both", [True, False], ids=["v3", "v1 alone"])
def test_the_three_kinds_go_where_the_cluster_serves_them(server: Any, api: Api, *, both: bool) -> None:
    listed = [{"kind": kind, "name": plural, "namespaced": False} for kind, plural in KINDS]
    server.answers["GET", V1] = (200, {"resources": listed})
    if both:
        server.answers["GET", V3] = (200, {"resources": listed})
    root = V3 if both else V1
    for _, plural in KINDS:
        server.answers["PATCH", f"{root}/{plural}/default"] = (200, {})
    applier = Applier(api)
    for kind, _ in KINDS:
        applier.apply_one(written(kind, "default", cidr="10.0.0.0/8") if kind == "IPPool" else written(kind, "default"))
    bodies = [body for method, _, _, body, _ in server.asked if method == "PATCH"]
    assert {body["apiVersion"] for body in bodies} == {root.removeprefix("/apis/")}
    assert all("status" not in body and "uid" not in body["metadata"] for body in bodies)


def test_a_group_that_serves_another_kind_only_does_not_take_this_one(server: Any, api: Api) -> None:
    """calico.md 3.1: which kinds a group has is discovery's word, kind by kind."""
    server.answers["GET", V3] = (200, {"resources": [{"kind": "Tier", "name": "tiers", "namespaced": False}]})
    server.answers["GET", V1] = (200, {"resources": [{"kind": "IPPool", "name": "ippools", "namespaced": False}]})
    server.answers["PATCH", f"{V1}/ippools/default"] = (200, {})
    Applier(api).apply_one(written("IPPool", "default", cidr="10.0.0.0/8"))


MANIFEST = """\
kind: ConfigMap
apiVersion: v1
metadata: {{name: calico-config, namespace: kube-system}}
---
kind: DaemonSet
apiVersion: apps/v1
metadata: {{name: calico-node, namespace: kube-system}}
spec:
  template:
    spec:
      initContainers:
        - {{name: install-cni, image: "{registry}calico/cni:{tag}"}}
        - {{name: ebpf-bootstrap, image: "{registry}calico/node:{tag}"}}
      containers:
        - {{name: calico-node, image: "{registry}calico/node:{tag}"}}
"""


def manifest(tag: str = "v3.32.1", registry: str = "quay.io/") -> list[dict[str, Any]]:
    return documents(MANIFEST.format(tag=tag, registry=registry), "calico.yaml")


def problems(items: list[dict[str, Any]], version: str = "3.32.1") -> list[str]:
    with pytest.raises(SpecError) as caught:
        judge_manifest(items, version, "calico.yaml")
    return [problem.render() for problem in caught.value.problems]


@pytest.mark.parametrize("registry", ["", "quay.io/", "registry.example:5000/mirror/"])
def test_a_manifest_of_the_version(registry: str) -> None:
    images = judge_manifest(manifest(registry=registry), "3.32.1", "calico.yaml")
    assert images == [f"{registry}calico/cni:v3.32.1", f"{registry}calico/node:v3.32.1"]


def test_since_3_33_there_is_one_image_for_the_rest() -> None:
    items = documents(MANIFEST.format(tag="v3.33.0", registry="").replace("calico/cni", "calico/calico"), "f")
    assert judge_manifest(items, "3.33.0", "f") == ["calico/calico:v3.33.0", "calico/node:v3.33.0"]


def test_a_manifest_of_another_version() -> None:
    found = problems(manifest("v3.31.7"))
    assert found[0] == (
        "calico.yaml: the lab has Calico 3.32.1, and this manifest has quay.io/calico/cni:v3.31.7 [calico-version]\n"
        "  hint: cluster.calico.version: 3.31.7"
    )
    assert len(found) == 2


def test_what_is_no_manifest_of_calico() -> None:
    operator = documents("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: tigera-operator}\n", "f")
    found = problems(operator)
    assert "there is no DaemonSet calico-node in kube-system in it [no-calico-manifest]" in found[0]
    assert "not the operator's" in found[0]
    items = manifest()
    items[1]["spec"]["template"]["spec"]["containers"][0]["name"] = "node"
    assert "no container calico-node" in problems(items)[0]


def test_a_digest_behind_the_tag_is_no_other_version() -> None:
    digest = "v3.32.1@sha256:" + "0" * 64
    assert len(judge_manifest(manifest(digest), "3.32.1", "f")) == 2
    assert "this manifest has" in problems(manifest(digest), "3.31.7")[0]


def test_a_definition_goes_without_its_empty_status(api: Api) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x.y"},
        "spec": {"group": "y"}, "status": {"conditions": None, "storedVersions": None},
    }  # fmt: skip
    assert Applier(api).translated(definition) == {key: definition[key] for key in definition if key != "status"}
