"""Container states → the pod's status, as the kubelet reports it (Kubernetes API, core/v1 PodStatus)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from labctl.kube.api import Json


def stamp(moment: float | None = None) -> str:
    """RFC 3339 in seconds, as the API wants it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def micro_stamp() -> str:
    """RFC 3339 in microseconds (leases)."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"


@dataclass(slots=True)
class ContainerState:
    """One container as it is now; written by its worker alone."""

    name: str
    image: str
    waiting: tuple[str, str] | None = ("ContainerCreating", "")
    """(reason, message) when it waits."""
    started: float | None = None
    ended: tuple[int, float] | None = None
    """(exit code, when) of the run that has ended."""
    last: Json | None = None
    ready: bool = False
    restarts: int = 0
    pid: int | None = None

    @property
    def running(self) -> bool:
        return self.waiting is None and self.ended is None and self.started is not None


@dataclass(slots=True)
class PodState:
    """A pod as it is now."""

    containers: list[ContainerState]
    addresses: tuple[str, ...] = ()
    host_addresses: tuple[str, ...] = ()
    sandbox_ready: bool = False
    since: float = field(default_factory=time.time)


def container_status(state: ContainerState) -> Json:
    """One ContainerStatus."""
    if state.waiting:
        reason, message = state.waiting
        current: Json = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    elif state.ended:
        current = terminated(state)
    else:
        current = {"running": {"startedAt": stamp(state.started)}}
    return {
        "name": state.name,
        "image": state.image,
        "imageID": f"labctl://{state.image}" if state.started else "",
        **({"containerID": f"labctl://{state.pid}"} if state.pid else {}),
        "ready": state.ready,
        "started": state.running,
        "restartCount": state.restarts,
        "state": current,
        "lastState": state.last or {},
    }


def terminated(state: ContainerState) -> Json:
    """The state of a run that has ended."""
    code, when = state.ended or (0, time.time())
    number = 128 - code if code < 0 else code
    return {
        "terminated": {
            "exitCode": number,
            "reason": "Completed" if number == 0 else "Error",
            "startedAt": stamp(state.started),
            "finishedAt": stamp(when),
        }
    }


def phase(states: Sequence[ContainerState], restart_policy: str) -> str:
    """Pending, Running, Succeeded or Failed."""
    if states and all(state.ended and not state.waiting for state in states) and restart_policy != "Always":
        good = all((state.ended or (1, 0))[0] == 0 for state in states)
        if good or restart_policy == "Never":
            return "Succeeded" if good else "Failed"
    return "Running" if any(state.started for state in states) else "Pending"


def pod_status(state: PodState, restart_policy: str, old: Json) -> Json:
    """The whole status; transition times of ``old`` are kept where a condition has not changed."""
    ready = bool(state.containers) and all(container.ready for container in state.containers)
    current = phase(state.containers, restart_policy)
    unready = [container.name for container in state.containers if not container.ready]
    reason = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    if current == "Succeeded":
        reason = {"reason": "PodCompleted"}
    wanted: list[tuple[str, bool, Json]] = [
        ("PodReadyToStartContainers", state.sandbox_ready, {}),
        ("Initialized", True, {}),
        ("Ready", ready, {} if ready else reason),
        ("ContainersReady", ready, {} if ready else reason),
    ]
    result: Json = {
        "phase": current,
        "startTime": stamp(state.since),
        "conditions": [_condition(kind, extra, old, value=value) for kind, value, extra in wanted] + _scheduled(old),
        "containerStatuses": [container_status(container) for container in state.containers],
        "qosClass": old.get("qosClass", "BestEffort"),
    }
    if state.host_addresses:
        result["hostIP"] = state.host_addresses[0]
        result["hostIPs"] = [{"ip": address} for address in state.host_addresses]
    if state.addresses:
        result["podIP"] = state.addresses[0]
        result["podIPs"] = [{"ip": address} for address in state.addresses]
    return result


def said(status: Json) -> Json:
    """Of a status, what others write, too: phase and conditions, without times and reasons."""
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    conditions = {row["type"]: row["status"] for row in status.get("conditions") or [] if row["type"] in kinds}
    return {"phase": status.get("phase"), **conditions}


def _condition(kind: str, extra: Json, old: Json, *, value: bool) -> Json:
    text = "True" if value else "False"
    before = next((row for row in old.get("conditions") or [] if row["type"] == kind), None)
    since = (
        before["lastTransitionTime"]
        if before and before["status"] == text and before.get("lastTransitionTime")
        else stamp()
    )
    return {"type": kind, "status": text, "lastProbeTime": None, "lastTransitionTime": since, **extra}


def _scheduled(old: Json) -> list[Json]:
    return [row for row in old.get("conditions") or [] if row["type"] == "PodScheduled"]
