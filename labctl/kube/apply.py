"""Manifests → the cluster, by server-side apply (Kubernetes documentation, "Server-Side Apply").

Calico's resources are written as ``projectcalico.org/v3``, Calico's own API: its API server serves that group, or CRDs
of Calico 3.32 and newer. A cluster with the storage CRDs alone serves ``crd.projectcalico.org/v1``: the same kinds and
specs, but nobody there lower-cases names, masks networks or fills in what is left out. (Reference: calico.md 3.1.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import yaml

from labctl.errors import CheckFailed, Place, Problem, SpecError
from labctl.kube.api import Api, ApiError, Json, Resource
from labctl.kube.resources import CALICO
from labctl.waiting import Deadline, NotYet, wait_for

FIRST = ("CustomResourceDefinition", "Namespace")
V3 = "projectcalico.org/v3"
SERVERS_OWN = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""Metadata that an API server writes: ``calicoctl get -o yaml`` prints it, nothing may apply it."""


def documents(text: str, file: str) -> list[Json]:
    """The objects of a file. Raises `SpecError` with the place of what is no YAML or no object."""
    try:
        found = [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise SpecError([Problem("yaml-syntax", str(error.problem), place)]) from None
    wrong = [
        item for item in found if not isinstance(item, dict) or not {"apiVersion", "kind", "metadata"} <= set(item)
    ]
    if wrong:
        raise SpecError([Problem("no-object", "a document without apiVersion, kind and metadata", Place(file))])
    return found


def load(paths: Iterable[Path]) -> list[Json]:
    """The objects of several files."""
    return [item for path in paths for item in documents(path.read_text(), f"{path.parent.name}/{path.name}")]


class Applier:
    """Applies objects; looks kinds up in the API's discovery, once a group."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, Resource]] = {}

    def apply(self, items: Sequence[Json], deadline: Deadline, cancel: threading.Event | None = None) -> int:
        """All, definitions and namespaces first; returns how many. Raises `CheckFailed` with the API's words."""
        ordered = sorted(items, key=lambda item: item["kind"] not in FIRST)
        first = [item for item in ordered if item["kind"] in FIRST]
        for item in ordered[: len(first)]:
            self._apply(item, deadline, cancel)
        for kind, version in [pair for item in first if item["kind"] == FIRST[0] for pair in _kinds(item)]:
            # the discovery lists what is established (apiextensions-apiserver, customresource_discovery_controller.go)
            wait_for(partial(self._listed, version, kind), deadline, every=0.05, cancel=cancel)
        for item in ordered[len(first) :]:
            self._apply(item, deadline, cancel)
        return len(ordered)

    def _apply(self, item: Json, deadline: Deadline, cancel: threading.Event | None) -> None:
        # a busy API answers late: to apply a second time is the same as once
        wait_for(partial(self.apply_one, item), deadline, cancel=cancel)

    def apply_one(self, item: Json) -> None:
        """One object."""
        body = self.translated(item)
        meta = body["metadata"]
        resource = self.resource(body["apiVersion"], body["kind"])
        path = resource.path(meta.get("namespace") or "default", meta["name"])
        try:
            self._api.apply(path, body)
        except ApiError as error:
            raise CheckFailed(
                f"the API refused {body['kind']} {meta['name']}: {error.message}", code="apply-refused"
            ) from error

    def translated(self, item: Json) -> Json:
        """A ``projectcalico.org/v3`` object as what this cluster serves: that API, or the storage CRDs'.

        Definitions go without the empty status that generators write (some of Calico's have one).
        """
        if item["apiVersion"] != V3:
            return user_form(item) if item["kind"] == "CustomResourceDefinition" else item
        return user_form(item) if item["kind"] in self._resources(V3) else storage_form(item)

    def resource(self, version: str, kind: str) -> Resource:
        """Plural and scope of a kind. Raises `CheckFailed` when the cluster does not serve it."""
        if kind not in self._resources(version):
            self._known.pop(version, None)  # it may have been defined since
        found = self._resources(version).get(kind)
        if found is None:
            raise CheckFailed(f"the cluster serves no {kind} in {version}", code="no-such-kind")
        return found

    def _listed(self, version: str, kind: str) -> Resource | NotYet:
        try:
            return self.resource(version, kind)
        except CheckFailed as error:
            return NotYet(error.message)

    def _resources(self, version: str) -> dict[str, Resource]:
        if not self._known.get(version):
            served = self._api.served(version)
            self._known[version] = {
                kind: Resource(version, row["name"], row["namespaced"]) for kind, row in served.items()
            }
        return self._known[version]


def _kinds(definition: Json) -> list[tuple[str, str]]:
    """(kind, group version) of all in which a definition is served."""
    spec = definition["spec"]
    versions = [row["name"] for row in spec["versions"] if row.get("served", True)]
    return [(spec["names"]["kind"], f"{spec['group']}/{version}") for version in versions]


def user_form(item: Json) -> Json:
    """What is applied where ``projectcalico.org/v3`` is served: without what only a server may say."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVERS_OWN}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def storage_form(item: Json) -> Json:
    """What is applied where ``crd.projectcalico.org/v1`` is served: with what clientv3 would fill in."""
    body = user_form(item)
    metadata = {**body["metadata"], "name": body["metadata"]["name"].lower()}
    metadata.pop("namespace", None)  # all kinds that labctl writes are of the whole cluster
    spec = body.get("spec") or {}
    if body["kind"] == "IPPool" and "cidr" in spec:
        # the kind whose defaults clientv3 fills in (libcalico-go/lib/clientv3); elsewhere Calico reads a gap itself
        network = ip_network(spec["cidr"], strict=False)
        defaults = {
            "allowedUses": ["Workload", "Tunnel"],
            "blockSize": 26 if network.version == 4 else 122,
            "ipipMode": "Never",
            "nodeSelector": "all()",
            "vxlanMode": "Never",
        }
        body["spec"] = {**defaults, **spec, "cidr": str(network)}
    return {**body, "apiVersion": CALICO, "metadata": metadata}
