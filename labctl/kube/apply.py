"""Manifests → the cluster, by server-side apply (Kubernetes documentation, "Server-Side Apply").

Calico's resources are written as ``projectcalico.org/v3``, Calico's own API: its API server serves that group, or CRDs
of Calico 3.32 and newer. A cluster with the storage CRDs alone serves ``crd.projectcalico.org/v1``: the same kinds and
specs, but nobody there lower-cases names, masks networks or fills in what is left out. (Reference: calico.md 3.1.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import CheckFailed, Place, Problem, SpecError
from labctl.kube.api import Api, ApiError, Json, Resource
from labctl.kube.resources import CALICO, CRDS
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
        definitions: list[Json] = []
        for item in ordered:
            if item["kind"] == "CustomResourceDefinition":
                definitions.append(item)
            elif definitions:
                self._await_served(definitions, deadline, cancel)
                definitions = []
            # a busy API answers late: to apply a second time is the same as once
            wait_for(partial(self.apply_one, item), deadline, cancel=cancel)
        if definitions:
            self._await_served(definitions, deadline, cancel)
        return len(ordered)

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
        found = self._resources(version).get(kind)
        if found is None:
            self._known.pop(version, None)  # it may have been defined since
            found = self._resources(version).get(kind)
        if found is None:
            raise CheckFailed(f"the cluster serves no {kind} in {version}", code="no-such-kind")
        return found

    def _resources(self, version: str) -> dict[str, Resource]:
        if version not in self._known:
            served = self._api.served(version)
            found = {kind: Resource(version, row["name"], row["namespaced"]) for kind, row in served.items()}
            if not found:
                return {}  # it may be defined later
            self._known[version] = found
        return self._known[version]

    def _await_served(self, definitions: Sequence[Json], deadline: Deadline, cancel: threading.Event | None) -> None:
        """Until kinds are established *and* in the discovery, which another controller fills later."""

        names = [definition["metadata"]["name"] for definition in definitions]
        kinds = [
            (definition["spec"]["names"]["kind"], version)
            for definition in definitions
            for version in _versions(definition)
        ]
        versions = {version for _, version in kinds}

        def served() -> bool | NotYet:
            items = {item["metadata"]["name"]: item for item in self._api.list(CRDS)}
            missing = [name for name in names if not _established(items.get(name))]
            if missing:
                return NotYet(f"not established: {', '.join(missing)}")
            for version in versions:
                self._known.pop(version, None)
            listed = {version: self._resources(version) for version in versions}
            unknown = [f"{kind} in {version}" for kind, version in kinds if kind not in listed[version]]
            return NotYet(f"not in the API's discovery: {', '.join(unknown)}") if unknown else True

        wait_for(served, deadline, every=0.05, cancel=cancel)


def _versions(definition: Json) -> list[str]:
    """The group versions in which a definition is served."""
    spec = definition["spec"]
    return [f"{spec['group']}/{row['name']}" for row in spec["versions"] if row.get("served", True)]


def _established(item: Json | None) -> bool:
    conditions = ((item or {}).get("status") or {}).get("conditions") or []
    return any(row["type"] == "Established" and row["status"] == "True" for row in conditions)


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
        body = {**body, "spec": _pool(spec)}
    return {**body, "apiVersion": CALICO, "metadata": metadata}


def _pool(spec: Mapping[str, Any]) -> Json:
    """The kind whose defaults clientv3 fills in (libcalico-go/lib/clientv3); elsewhere Calico reads a gap itself."""
    network = ip_network(spec["cidr"], strict=False)
    defaults = {
        "allowedUses": ["Workload", "Tunnel"],
        "blockSize": 26 if network.version == 4 else 122,
        "ipipMode": "Never",
        "nodeSelector": "all()",
        "vxlanMode": "Never",
    }
    return {**defaults, **spec, "cidr": str(network)}
