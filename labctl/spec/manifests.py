"""Workloads that a person wrote, Kubernetes manifests in files beside the spec: their form, and the objects in them.

Whether the cluster takes each object, and whether ``traffic`` names what is there.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from labctl.design.limits import refusals
from labctl.design.plan import BUILT_IN, BUILT_IN_SERVICES
from labctl.errors import Place, Problem, did_you_mean
from labctl.imagename import STANDIN_PODS, plain_name
from labctl.spec.keys import Cluster, Curl, Spec, is_file, stem
from labctl.spec.textfile import read_text
from labctl.spec.validation import Judge, near
from labctl.yamldoc import Document, Path, documents, syntax_problem

KINDS: Mapping[str, tuple[str, ...]] = {
    "v1": ("Binding", "ConfigMap", "Endpoints", "Event", "LimitRange", "List", "Namespace", "Node", "PersistentVolume",
           "PersistentVolumeClaim", "Pod", "PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "Service",
           "ServiceAccount"),
    "apps/v1": ("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
    "batch/v1": ("CronJob", "Job"),
    "networking.k8s.io/v1": ("IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "policy/v1": ("PodDisruptionBudget",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "scheduling.k8s.io/v1": ("PriorityClass",),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
}  # fmt: skip
"""What Kubernetes serves of what manifests bring (its API reference); groups with a dot of their own are somebody's."""
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "local-path-storage")
HOSTNAME = "kubernetes.io/hostname"
MANY = 1000
"""Pods of a StatefulSet whose names are known, at most."""
Named = tuple[str, str]
"""(namespace, name)"""


def read(spec: Spec, found: Document, folder: pathlib.Path) -> tuple[dict[str, str], list[Document], list[Problem]]:
    """The text of each manifest that the spec names, the objects in them, and what is wrong with their form."""
    texts: dict[str, str] = {}
    objects: list[Document] = []
    problems = list(_calico(spec, found, folder))
    for index, workload in enumerate(spec.workloads or ()):
        if not is_file(workload):
            continue
        place = found.place(("workloads", index))
        path = folder / workload
        if not path.resolve().is_relative_to(folder.resolve()):
            problems.append(Problem("outside-folder", f"{workload} is not beside the spec or below", place))
            continue
        if not path.is_file():
            beside = [str(p.relative_to(folder)) for p in folder.glob("*.y*ml")] if folder.is_dir() else []
            hint = did_you_mean(workload, beside, "paths are relative to the spec")
            problems.append(Problem("no-such-file", f"there is no manifest {workload} beside the spec", place, hint))
            continue
        text, problem = read_text(path)
        if problem is not None:
            problems.append(problem)
            continue
        objects += _objects(str(path), text, problems)
        texts[stem(workload)] = text if text.endswith("\n") else f"{text}\n"
    return texts, objects, problems


def _calico(spec: Spec, found: Document, folder: pathlib.Path) -> Iterator[Problem]:
    """The file or folder that ``cluster.calico.manifest`` names is there; what is in it is judged by ``up``."""
    wanted = None if spec.cluster == "none" else spec.cluster.calico.manifest
    if wanted is not None and not (folder / wanted).exists():
        beside = [path.name for path in folder.glob("*calico*")] if folder.is_dir() else []
        hint = did_you_mean(wanted, beside, "the path is relative to the spec")
        message = f"there is no Calico manifest {wanted}"
        yield Problem("no-such-file", message, found.place(("cluster", "calico", "manifest")), hint)


def _objects(file: str, text: str, problems: list[Problem]) -> Iterator[Document]:
    """Every document is an object that the API could take: mapping, apiVersion, kind, metadata.name."""
    count = 0
    try:
        for document in documents(file, text):
            count += 1
            if not isinstance(document.data, dict):
                why = "a manifest is a mapping with apiVersion, kind and metadata"
                problems.append(Problem("no-object", why, document.place(())))
                continue
            metadata = document.data.get("metadata")
            missing = [key for key in ("apiVersion", "kind") if key not in document.data]
            missing += [] if isinstance(metadata, dict) and "name" in metadata else ["metadata.name"]
            if missing:
                why = f"this object has no {' and no '.join(missing)}"
                problems.append(Problem("no-object", why, document.place(())))
            else:
                yield document
    except yaml.YAMLError as error:
        problems.append(syntax_problem(file, text, error))
        return
    if not count:
        problems.append(Problem("empty", "there is no object in this manifest", Place(file)))


def judge_objects(
    spec: Spec, found: Document, target: tuple[str, str] | None, objects: Sequence[Document], *, complete: bool
) -> list[Problem]:
    """Every object, and ``traffic`` against all of them. ``complete``: every manifest could be read."""
    it = Judge(spec, found, target or (spec.target.switch, spec.target.cluster))
    if not isinstance(spec.cluster, Cluster):
        return []
    whole = all(document.sound for document in objects)
    brought = [str(o.data["metadata"]["name"]) for o in objects if o.data["kind"] == "Namespace"]
    problems: list[Problem] = []
    for document in objects if whole else ():
        problems += _kind(document)
        if it.cluster_target == "standin":
            problems += _refused(document)
        namespace = _name(document)[0]
        if namespace not in (*NAMESPACES, *brought):
            place = document.place(("metadata", "namespace"))
            hint = did_you_mean(namespace, [*NAMESPACES, *brought], "a Namespace of that name, in one of the manifests")
            problems.append(Problem("no-such-namespace", f"no manifest brings the namespace {namespace}", place, hint))
    if whole and complete:
        _pods(it, objects)
        for index, curl in enumerate(spec.traffic.curls):
            _curl(it, curl, ("traffic", "curls", index), objects)
    return [*it.problems, *problems]


def _kind(document: Document) -> Iterator[Problem]:
    version, kind = str(document.data["apiVersion"]), str(document.data["kind"])
    group = version.rpartition("/")[0]
    if kind in KINDS.get(version, ()) or ("." in group and not group.endswith(".k8s.io")):
        return
    home = next((known for known, kinds in KINDS.items() if kind in kinds), None)
    if home is not None and home.rpartition("/")[0] != group:
        place = document.place(("apiVersion",))
        yield Problem("no-such-kind", f"there is no {kind} in {version}", place, f"apiVersion: {home}")
    elif home is None:
        like = did_you_mean(kind, [name for kinds in KINDS.values() for name in kinds], cutoff=0.8)
        place = document.place(("kind",))
        if like:
            yield Problem("no-such-kind", f"there is no {kind} in {version}", place, like)
        elif version in KINDS:
            yield Problem("no-such-kind", f"labctl knows of no {kind} in {version}", place, severity="warning")


def _refused(document: Document) -> Iterator[Problem]:
    for reason in refusals(document.data):
        why = f"labctl's stand-in nodes {reason}"
        yield Problem("refused", why, document.place(("kind",)), "target: {cluster: kind} has Calico itself")
    path: Path = (*_template(document.data), "spec", "containers")
    containers = _at(document.data, *map(str, path[:-1])).get("containers")
    for index, container in enumerate(containers if isinstance(containers, list) else ()):
        image = _at({"container": container}, "container").get("image")
        if isinstance(image, str) and plain_name(image) not in STANDIN_PODS:
            why = f"labctl's stand-in nodes have no program for {image}"
            place = document.place((*path, index, "image"))
            yield Problem("no-such-image", why, place, f"{' or '.join(STANDIN_PODS)}, or target: {{cluster: kind}}")


def _at(item: object, *steps: str) -> dict[str, Any]:
    """A mapping inside an object; an empty one where there is none, or something else."""
    for step in steps:
        item = item.get(step) if isinstance(item, dict) else None
    return item if isinstance(item, dict) else {}


def _template(item: Any) -> Path:
    """Where an object says what its pods are."""
    paths: dict[str, Path] = {"Pod": (), "CronJob": ("spec", "jobTemplate", "spec", "template")}
    return paths.get(str(item["kind"]), ("spec", "template"))


def _name(document: Document) -> Named:
    metadata = document.data["metadata"]
    return str(metadata.get("namespace") or "default"), str(metadata["name"])


def _pinned(item: Any) -> str | None:
    """The one node that an object's pods may run on."""
    pod = _at(item, *map(str, _template(item)), "spec")
    return pod.get("nodeName") or _at(pod, "nodeSelector").get(HOSTNAME)


def _pods(it: Judge, objects: Sequence[Document]) -> None:
    """A pod has a name of its own in a Pod and in a StatefulSet."""
    known: dict[Named, str | None] = {}
    for document in objects:
        (namespace, name), item = _name(document), document.data
        if item["kind"] == "Pod":
            known[namespace, name] = _pinned(item)
        elif item["kind"] == "StatefulSet":
            count = _at(item, "spec").get("replicas", 1)
            names = (f"{name}-{index}" for index in range(min(count, MANY) if isinstance(count, int) else 1))
            known |= dict.fromkeys(((namespace, pod) for pod in names), _pinned(item))
    for index, ping in enumerate(it.spec.traffic.pings):
        for key, end in (("from", ping.sender), ("to", ping.target)):
            path: Path = ("traffic", "pings", index, key)
            if (end.namespace, end.pod) not in known:
                there = [name for namespace, name in known if namespace == end.namespace]
                _nobody_brings(it, "pod", end.pod, end.namespace, (*path, "pod"), there)
            elif known[end.namespace, end.pod] not in (None, end.node):
                why = f"{end.pod} runs on {known[end.namespace, end.pod]}"
                it.say("other-node", why, (*path, "node"), f"node: {known[end.namespace, end.pod]}")


def _nobody_brings(it: Judge, what: str, name: str, namespace: str, path: Path, there: Sequence[str]) -> None:
    """A near miss is wrong; else somebody may bring it by hand, before a `labctl verify`."""
    why = f"no manifest brings a {what} {name} in {namespace}"
    if like := did_you_mean(name, there):
        it.say(f"no-such-{what}", why, path, like)
    else:
        it.warn(f"no-such-{what}", why, path, f"it must be there before labctl proves it; {near(name, there)}")


def _selected(item: Any, selector: Mapping[str, object]) -> bool:
    labels = _at(item, *map(str, _template(item)), "metadata", "labels")
    return all(labels.get(key) == value for key, value in selector.items())


def _curl(it: Judge, curl: Curl, path: Path, objects: Sequence[Document]) -> None:
    if curl.sender == curl.backends:
        why = f"{curl.sender} has the pods itself: what a curl proves is the way between two nodes"
        it.say("one-node", why, (*path, "backends"), "from: another node")
    pins = _pins(it, curl, (*path, "service"), objects)
    if pins and None not in pins and curl.backends not in pins:
        there = ", ".join(sorted(str(pin) for pin in pins))
        it.say("other-node", f"the pods of {curl.service} run on {there}", (*path, "backends"), f"backends: {there}")


def _pins(it: Judge, curl: Curl, path: Path, objects: Sequence[Document]) -> set[str | None]:
    """The nodes that the pods behind a curl's service are pinned to; empty where nothing is known of them."""
    services = {_name(document): document.data for document in objects if document.data["kind"] == "Service"}
    own = _built_in_services(it.spec) if curl.namespace == "default" else {}
    if (curl.namespace, curl.service) in services:
        selector = _at(services[curl.namespace, curl.service], "spec", "selector")
        return _backends(it, curl, selector, path, objects) if selector else set()
    if curl.service not in own:
        names = [name for namespace, name in services if namespace == curl.namespace]
        _nobody_brings(it, "service", curl.service, curl.namespace, path, [*names, *own])
    elif own[curl.service] == "nginx" and it.plan.cluster:
        return {it.plan.cluster.workers[0].name}  # both of its pods run there
    return set()


def _built_in_services(spec: Spec) -> dict[str, str]:
    """Those of the built-in workloads that a lab has, each with its workload."""
    built_in = spec.workloads if spec.workloads is not None else BUILT_IN
    return {name: workload for workload in built_in for name in BUILT_IN_SERVICES.get(workload, ())}


def _backends(
    it: Judge, curl: Curl, selector: Mapping[str, object], path: Path, objects: Sequence[Document]
) -> set[str | None]:
    """The nodes that a Service's pods are pinned to; None among them: some may run anywhere."""
    mine = [document.data for document in objects if _name(document)[0] == curl.namespace]
    pins = {_pinned(item) for item in mine if _selected(item, selector)}
    if not pins:
        labels = ", ".join(f"{key}: {value}" for key, value in selector.items())
        it.warn("no-backends", f"no manifest brings pods with {labels} for {curl.service}", path)
    return pins
