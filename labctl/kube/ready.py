"""Waiting for workloads, with the reason when they do not come: what ``kubectl describe`` would show a person."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from labctl.kube.api import Api, Json
from labctl.kube.resources import DAEMON_SETS, DEPLOYMENTS, EVENTS, PODS
from labctl.waiting import Deadline, NotYet, wait_for


def await_workloads(api: Api, namespaces: Sequence[str], deadline: Deadline, cancel: threading.Event) -> str:
    """Until every Deployment and DaemonSet of the namespaces is ready. Raises `DeadlinePassed` with the reasons."""

    def ready() -> int | NotYet:
        waiting, count = [], 0
        for namespace in namespaces:
            for resource in (DEPLOYMENTS, DAEMON_SETS):
                for item in api.list(resource, namespace):
                    count += 1
                    if not workload_ready(item):
                        waiting.append(item)
        return NotYet(reasons(api, waiting)) if waiting else count

    return f"{wait_for(ready, deadline, every=0.15, cancel=cancel)} workloads ready"


def workload_ready(item: Json) -> bool:
    """Whether a Deployment or DaemonSet has all its pods ready, of its newest generation."""
    status, meta = item.get("status") or {}, item["metadata"]
    if status.get("observedGeneration", 0) < meta.get("generation", 1):
        return False
    if "replicas" in item["spec"]:
        wanted = item["spec"]["replicas"]
        return bool(status.get("readyReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted)
    wanted = status.get("desiredNumberScheduled", 0)
    return bool(wanted > 0 and status.get("numberReady", 0) >= wanted)


def reasons(api: Api, items: Sequence[Json]) -> str:
    """One clause a workload, with its pods' trouble."""
    return "; ".join(f"{item['metadata']['name']}: {_why(api, item)}" for item in items)


def _why(api: Api, item: Json) -> str:
    labels = item["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = api.list(PODS, item["metadata"]["namespace"], labelSelector=selector)
    if not pods:
        return "no pods yet"
    troubles = [trouble for pod in pods if (trouble := pod_trouble(pod))]
    unready = [pod["metadata"]["name"] for pod in pods if not pod_ready(pod)]
    if troubles:
        return "; ".join(dict.fromkeys(troubles))
    if unready:
        return f"not ready: {', '.join(unready)}" + _last_event(api, item["metadata"]["namespace"], unready[0])
    return f"{len(pods)} pods"


def pod_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)


def pod_trouble(pod: Json) -> str | None:
    """Why a pod is not running, in the API's words."""
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    for row in status.get("conditions") or []:
        if row["type"] == "PodScheduled" and row["status"] == "False":
            return f"{name}: {row.get('message') or row.get('reason')}"
    for row in status.get("containerStatuses") or []:
        waiting = row["state"].get("waiting")
        if waiting and waiting["reason"] != "ContainerCreating":
            return f"{name}: {waiting['reason']} {waiting.get('message', '')}".strip()
    return None


def _last_event(api: Api, namespace: str, name: str) -> str:
    events = api.list(EVENTS, namespace, fieldSelector=f"involvedObject.name={name},type=Warning")
    return f" ({events[-1]['message']})" if events else ""
