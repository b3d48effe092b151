"""The cluster: its gates (API, names of nodes, Calico's addresses), Calico and workloads applied, then awaited."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labctl.errors import CheckFailed, GateMissed, InconclusiveError
from labctl.host import between, look, not_judged, overloaded
from labctl.kube.api import Api, ApiError, ApiUnreachable, Json
from labctl.kube.apply import Applier, documents, load
from labctl.kube.kubectl import kustomize
from labctl.kube.ready import await_workloads
from labctl.kube.resources import NODES
from labctl.runtime.api import Runtime
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

ADDRESS = "projectcalico.org/IPv4Address"
"""Where calico-node writes what it detected; Calico's Node is made of it (libcalico-go, backend/k8s/resources)."""
CALICO_RESOURCES = ("ippools.yaml", "bgpconfiguration.yaml", "bgppeers.yaml")


def must_run(runtime: Runtime) -> None:
    """What the runtime knows of an end of its parts ends a wait for them. Raises `InconclusiveError`."""
    trouble = runtime.observe().detail
    if trouble:
        raise InconclusiveError(trouble, code="cluster-failed")


def await_api(api: Api, runtime: Runtime, deadline: Deadline, cancel: threading.Event) -> str:
    """The gate: the API server says that it is ready. What the runtime knows of its failure ends the wait."""

    def ready() -> str | NotYet:
        must_run(runtime)
        try:
            return api.text("/readyz")
        except (ApiUnreachable, ApiError) as error:
            return NotYet(error.message)

    wait_for(ready, deadline, every=0.1, cancel=cancel)
    return "the API answers"


def await_ready(
    api: Api, namespaces: Sequence[str], guest: int | None, deadline: Deadline, cancel: threading.Event
) -> str:
    """Until all workloads are. Raises `CheckFailed` when they are not in time; `InconclusiveError` where the host was
    overloaded meanwhile. ``guest``: the guest's process."""
    before = look(guest)
    try:
        return await_workloads(api, namespaces, deadline, cancel)
    except DeadlinePassed as passed:
        if why := overloaded(between(before, look(guest))):
            raise InconclusiveError(not_judged(why, passed.reason), code="host-overloaded") from None
        hint = "labctl kubectl LAB -- describe pod NAME says more"
        raise CheckFailed(f"not ready: {passed.reason}", code="workloads-not-ready", hint=hint) from None


def calico_manifests(kustomization: Path, kubectl: Path) -> list[Json]:
    """Calico's manifest with our patch, as ``kubectl kustomize`` makes it out of a folder."""
    return documents(kustomize(kubectl, kustomization), "calico/kustomization.yaml")


def apply_calico(
    applier: Applier, folder: Path, manifests: list[Json], deadline: Deadline, cancel: threading.Event
) -> str:
    """Definitions, pools and peers first, then what uses them: no node starts with pools that are not there."""
    resources = load(folder / "calico" / name for name in CALICO_RESOURCES if (folder / "calico" / name).is_file())
    first = [item for item in manifests if item["kind"] == "CustomResourceDefinition"]
    rest = [item for item in manifests if item["kind"] != "CustomResourceDefinition"]
    count = applier.apply([*first, *resources, *rest], deadline, cancel)
    return f"{count} objects of Calico applied"


def apply_workloads(applier: Applier, folder: Path, deadline: Deadline, cancel: threading.Event) -> str:
    """``k8s/*.yaml``."""
    paths = sorted((folder / "k8s").glob("*.yaml"))
    count = applier.apply(load(paths), deadline, cancel)
    return f"{count} objects of {len(paths)} workloads applied"


def await_names(
    api: Api, names: Sequence[str], must_run: Callable[[], None], deadline: Deadline, cancel: threading.Event
) -> str:
    """The gate: the nodes that Kubernetes knows are those of the spec. Raises `GateMissed`, and what ``must_run`` does.

    Another name ends the wait: a node registers once, so kind did not take the patch that names it. So does the end
    of a part of the lab, which ``must_run`` raises: no node would come any more.
    """

    def registered() -> bool | NotYet:
        must_run()
        items = _nodes(api)
        if isinstance(items, NotYet):
            return items
        found = set(items)
        strangers = sorted(found - set(names))
        if strangers:
            raise GateMissed(
                f"Kubernetes knows {', '.join(strangers)}, which {'is' if len(strangers) == 1 else 'are'} no node of "
                f"the lab ({', '.join(names)}): kind did not take the names out of kind/cluster.yaml",
                code="node-names",
                hint="nodeRegistration.name in the kubeadmConfigPatches of each node says its name",
            )
        missing = [name for name in names if name not in found]
        return NotYet(f"not registered: {', '.join(missing)}") if missing else True

    try:
        wait_for(registered, deadline, every=0.2, cancel=cancel)
    except DeadlinePassed as passed:
        raise GateMissed(f"nodes are not there: {passed.reason}", code="node-names") from None
    return f"{', '.join(names)} registered"


def await_calico_addresses(
    api: Api, bonds: Mapping[str, frozenset[str]], deadline: Deadline, cancel: threading.Event
) -> str:
    """The gate: Calico uses bond0's address on every node. ``bonds``: Kubernetes name → addresses with prefix length.

    Raises `GateMissed` with what Calico has instead.
    """

    def used() -> str | NotYet:
        items = _nodes(api)
        if isinstance(items, NotYet):
            return items
        wrong = [reason for name in bonds if (reason := _address_trouble(name, bonds[name], items.get(name)))]
        return NotYet("; ".join(wrong)) if wrong else ", ".join(f"{name} {_address(items[name])}" for name in bonds)

    try:
        return wait_for(used, deadline, every=0.05, cancel=cancel)
    except DeadlinePassed as passed:
        raise GateMissed(
            f"Calico does not use bond0: {passed.reason}",
            code="calico-address",
            hint="it looks for its address when it starts: labctl kubectl LAB -- -n kube-system logs ds/calico-node",
        ) from None


def _address(item: Json) -> str | None:
    return (item["metadata"].get("annotations") or {}).get(ADDRESS)


def _address_trouble(name: str, expected: frozenset[str], item: Json | None) -> str | None:
    if item is None:
        return f"{name} is not registered"
    found = _address(item)
    if found is None:
        return f"calico-node has not written an address of {name}"
    return None if found in expected else f"{name} has {found}, bond0 has {', '.join(sorted(expected)) or 'none'}"


def _nodes(api: Api) -> dict[str, Json] | NotYet:
    """By name; while the API server restarts (kubeadm does that), why there is no answer."""
    try:
        return {item["metadata"]["name"]: item for item in api.list(NODES)}
    except (ApiUnreachable, ApiError) as error:
        return NotYet(error.message)
