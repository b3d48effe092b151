"""Every object of a cluster that somebody made, by discovery, and what of it is that somebody's. Reads only.

What controllers make of other objects (owned objects), what the control plane and Calico keep for themselves, and what
only a server writes into an object is left out: it follows the rest, and nobody may put it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from labctl.errors import InconclusiveError
from labctl.kube.api import Api, ApiError, Json, Resource
from labctl.kube.apply import SERVERS_OWN
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

CLUSTERS_OWN = frozenset(
    {
        # plural → the control plane, the kubelets or Calico write these themselves (Kubernetes API reference)
        "bindings", "componentstatuses", "events", "endpoints", "leases", "controllerrevisions", "csinodes",
        "volumeattachments", "csistoragecapacities", "certificatesigningrequests", "flowschemas",
        "prioritylevelconfigurations", "storageversions", "resourceslices", "ipaddresses", "podmetrics", "nodemetrics",
        # Calico's IPAM and what its controllers report (reference: calico.md 3)
        "ipamblocks", "ipamhandles", "ipamconfigs", "ipamconfigurations", "blockaffinities", "clusterinformations",
        "kubecontrollersconfigurations", "caliconodestatuses",
    }
)  # fmt: skip
CLUSTERS_OWN_NAMES = frozenset(
    {
        ("configmaps", "kube-root-ca.crt"), ("configmaps", "extension-apiserver-authentication"),
        ("configmaps", "kube-apiserver-legacy-service-account-token-tracking"), ("configmaps", "cluster-info"),
        ("serviceaccounts", "default"),
    }
)  # fmt: skip
"""(plural, name): made in each namespace, or rewritten while the cluster runs."""
AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token"  # noqa: S105 - a type of Secret
"""kubeadm's tokens expire and are cleaned up."""
SERVERS = (*SERVERS_OWN, "generateName", "deletionTimestamp", "deletionGracePeriodSeconds")
CONTROLLERS_WORDS = re.compile(
    r"deployment\.kubernetes\.io/revision|deprecated\.daemonset\.template\.generation|"
    r"control-plane\.alpha\.kubernetes\.io/leader|cni\.projectcalico\.org/(podIPs?|containerID)|"
    r"node\.alpha\.kubernetes\.io/.*|volumes\.kubernetes\.io/.*|csi\.volume\.kubernetes\.io/.*|"
    r"(projectcalico\.org/.*Tunnel.*Addr)|pv\.kubernetes\.io/.*|kubeadm\.alpha\.kubernetes\.io/.*"
)
"""Annotations that a controller, the CNI or a kubelet writes."""
STATE_TAINT = "node.kubernetes.io/"
"""Taints by which controllers say how a node is (``…/unschedulable`` follows a cordon)."""
STORAGE_PATIENCE = 15.0
"""Seconds for which an API server may say that it makes a kind's storage ready."""
TOKEN_VOLUME = re.compile(r"kube-api-access-\w+")


class Key(NamedTuple):
    """What names an object. ``namespace`` is empty for cluster-wide ones."""

    version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """All objects now. ``kinds``: (version, kind) → resource; ``objects``: as the API gave them, owned ones too."""

    kinds: Mapping[tuple[str, str], Resource]
    objects: Mapping[Key, Json]

    def kept(self) -> dict[Key, Json]:
        """What is recorded and compared: the objects that somebody made, with what is that somebody's."""
        return {
            key: essence(item)
            for key, item in self.objects.items()
            if somebodys(self.kinds[key.version, key.kind].plural, item)
        }


def collect(api: Api) -> Found:
    """Ask for everything. Raises `ApiError`, `ApiUnreachable` or `InconclusiveError`."""

    def listed(pair: tuple[tuple[str, str], Resource]) -> list[tuple[Key, Json]]:
        (version, kind), resource = pair

        def items_now() -> list[Json] | NotYet:
            try:
                return api.list(resource)
            except ApiError as error:
                if error.status == 429:
                    return NotYet(error.message)  # a defined kind whose storage nobody has asked for yet
                if error.status in (404, 405):
                    return []  # a definition that went away meanwhile, or a kind that cannot be listed
                raise

        try:
            items = wait_for(items_now, Deadline(STORAGE_PATIENCE), every=0.05)
        except DeadlinePassed as passed:
            raise InconclusiveError(passed.reason, code="kube-api") from None
        return [(key_of(version, kind, item), {**item, "apiVersion": version, "kind": kind}) for item in items]

    def resources(version: str) -> list[tuple[tuple[str, str], Resource]]:
        return [
            ((version, kind), Resource(version, row["name"], row["namespaced"]))
            for kind, row in api.served(version).items()
            if {"list", "delete"} <= set(row["verbs"]) and row["name"] not in CLUSTERS_OWN
        ]

    # groups that an API server of somebody else serves (metrics, Calico's) are views of other objects or none of ours
    services = api.list(Resource("apiregistration.k8s.io/v1", "apiservices", namespaced=False))
    aggregated = {item["spec"]["group"] for item in services if item["spec"].get("service")}
    groups = [row for row in api.get("/apis")["groups"] if row["name"] not in aggregated]
    versions = ["v1", *(row["preferredVersion"]["groupVersion"] for row in groups)]
    with ThreadPoolExecutor(8) as pool:
        kinds = dict(chain.from_iterable(pool.map(resources, versions)))
        return Found(kinds, dict(chain.from_iterable(pool.map(listed, kinds.items()))))


def key_of(version: str, kind: str, item: Json) -> Key:
    """Of an object."""
    meta = item["metadata"]
    return Key(version, kind, meta.get("namespace") or "", meta["name"])


def somebodys(plural: str, item: Json) -> bool:
    """Whether a person (or labctl, or kubeadm) made an object, and no controller."""
    meta = item["metadata"]
    if plural in CLUSTERS_OWN or (plural, meta["name"]) in CLUSTERS_OWN_NAMES or meta.get("ownerReferences"):
        return False
    if plural == "apiservices":
        return AUTOMANAGED not in (meta.get("labels") or {})
    if plural == "secrets":
        return item.get("type") != BOOTSTRAP_TOKEN
    return True


def essence(item: Json) -> Json:
    """An object without what only servers and controllers write: equal for two that say the same."""
    body = {key: value for key, value in item.items() if key not in ("status", "metadata")}
    body["metadata"] = _meta(item["metadata"])
    if item["kind"] == "Pod":
        body["spec"] = _renamed(body["spec"])
        phase = (item.get("status") or {}).get("phase")
        if phase in ("Failed", "Succeeded"):  # one that has ended is another than one that runs
            body["status"] = {"phase": phase}
    elif item["kind"] == "Node":
        body["spec"] = _untainted(body.get("spec") or {})
    elif item["kind"] == "ClusterRole" and body.get("aggregationRule"):
        body.pop("rules", None)  # a controller writes them
    return body


def _meta(written: Json) -> Json:
    meta = {key: value for key, value in written.items() if key not in (*SERVERS, "annotations")}
    annotations = written.get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if not CONTROLLERS_WORDS.fullmatch(key)}
    return meta | ({"annotations": kept} if kept else {})


def _untainted(spec: Json) -> Json:
    """A node's spec without the taints that say how it is, the others in an order."""
    taints = [row for row in spec.get("taints") or [] if not row["key"].startswith(STATE_TAINT)]
    rest = {key: value for key, value in spec.items() if key != "taints"}
    return rest | ({"taints": sorted(taints, key=lambda row: (row["key"], row["effect"]))} if taints else {})


def _renamed(value: Any) -> Any:
    """The volume of a pod's token has a name of chance."""
    if isinstance(value, dict):
        return {key: _renamed(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part) for part in value]
    return "kube-api-access" if isinstance(value, str) and TOKEN_VOLUME.fullmatch(value) else value
