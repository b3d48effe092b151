"""The cluster: Calico and workloads applied through the API, then awaited with reasons."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from labctl.errors import CheckFailed, InconclusiveError
from labctl.host import between, look, not_judged, overloaded
from labctl.kube.api import Api, ApiError, ApiUnreachable, Json
from labctl.kube.apply import Applier, documents, load
from labctl.kube.kubectl import kustomize
from labctl.kube.ready import await_workloads
from labctl.runtime.api import Runtime
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

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
