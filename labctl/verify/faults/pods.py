"""Faults made through the Kubernetes API: pods deleted, nodes that take no new ones (Kubernetes documentation,
"Safely Drain a Node": a drain cordons first)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from labctl.kube.api import Json
from labctl.kube.resources import ENDPOINT_SLICES, NODES, PODS
from labctl.restore.client import NotDone
from labctl.verify.faults.plan import Plan, Planned
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.faultmodel import Drain, PodOf


def restart(lab: LabUnderTest, row: PodOf) -> Plan:
    """Deleted; its controller makes another."""
    pod = _pod(lab, row)
    name = pod["metadata"]["name"]
    return Plan(f"pod {name} on {pod['spec'].get('nodeName')} is deleted", [_delete(lab, row.namespace, name)])


def move(lab: LabUnderTest, row: PodOf) -> Plan:
    """The pod's node is cordoned, the pod deleted."""
    pod = _pod(lab, row)
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    changes = [*_cordon(lab, node), _delete(lab, row.namespace, name)]
    return Plan(f"{node} takes no new pods, {name} on it is deleted", changes)


def drain(lab: LabUnderTest, row: Drain) -> Plan:
    """The node is cordoned, each pod on it that is an endpoint of the Service deleted."""
    node, namespace = lab.kube_name(row.node), row.service.partition("/")[0]
    names = _endpoint_pods(lab, row.service, node)
    if not names:
        raise NotDone(f"{row.service} has no endpoint on {row.node}")
    changes = [*_cordon(lab, node), *(_delete(lab, namespace, name) for name in names)]
    return Plan(f"{node} takes no new pods, {', '.join(names)} on it deleted", changes)


def _pod(lab: LabUnderTest, row: PodOf) -> Json:
    key, _, value = row.pod.partition("=")
    node = lab.kube_name(row.node) if row.node is not None else None
    found = [
        pod
        for pod in lab.hands.cluster.list(PODS, row.namespace)
        if (pod["metadata"].get("labels") or {}).get(key) == value
        and "deletionTimestamp" not in pod["metadata"]
        and (pod.get("status") or {}).get("phase") == "Running"
        and node in {None, pod["spec"].get("nodeName")}
    ]
    if len(found) != 1:
        where = f" on {row.node}" if row.node else ""
        hint = "; say which by node" if len(found) > 1 and row.node is None else ""
        raise NotDone(f"{len(found) or 'no'} running pods {row.pod}{where} in {row.namespace}, one is wanted{hint}")
    return found[0]


def _endpoint_pods(lab: LabUnderTest, service: str, node: str) -> list[str]:
    namespace, _, name = service.partition("/")
    return sorted(
        {
            str(endpoint["targetRef"]["name"])
            for item in lab.hands.cluster.list(ENDPOINT_SLICES, namespace)
            if (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
            for endpoint in item.get("endpoints") or []
            if endpoint.get("nodeName") == node and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
        }
    )


def _cordon(lab: LabUnderTest, node: str) -> Sequence[Planned]:
    """None where it takes no pods already: healing must leave it so."""
    api, path = lab.hands.cluster, NODES.path(name=node)
    if (api.get(path).get("spec") or {}).get("unschedulable"):
        return []
    heal = {"path": path, "patch": {"spec": {"unschedulable": None}}}
    return [Planned("kube-patch", heal, partial(api.patch, path, {"spec": {"unschedulable": True}}))]


def _delete(lab: LabUnderTest, namespace: str, name: str) -> Planned:
    return Planned("by-itself", {}, partial(lab.hands.cluster.delete, PODS.path(namespace, name)))
