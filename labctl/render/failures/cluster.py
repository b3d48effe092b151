"""Failures of nodes, pods and sessions."""

from __future__ import annotations

from typing import Any

from labctl.render.failures.limits import LIMITS
from labctl.render.failures.parts import LOOK_SECONDS, POD, Facts, Step, expect, fault, loss, step, unbroken
from labctl.render.workloads import BUSYBOX, NGINX, on_one_of


def node(it: Facts) -> Step:
    node, others = it.target.name, [row.name for row in it.cluster.nodes if row.name != it.target.name]
    bystander = it.host is not None
    steps: list[Step] = []
    if bystander:
        steps.append(step("traffic", "bystander", {"from": it.host, "to": {"pod": POD, "node": it.sender.name}}))
    steps += [
        fault("node", "node_down", node),
        *(
            expect(f"leg-down-{leaf}", "port_channel", {"switch": leaf, "node": node, "is": "down"})
            for leaf in it.target.leafs
        ),
        expect("sessions-gone", "sessions", {"node": node, "are": "down"}),
        unbroken("others-during", node=others, hold=LOOK_SECONDS),
        {"heal": "node"},
        expect("sessions-back", "sessions", {"node": node, "are": "up"}),
        unbroken("others-after", node=others),
        step("traffic", "again", {"from": {"pod": POD, "node": it.sender.name}, "to": {"pod": POD, "node": node}}),
        expect("stays-up", "sessions", {"are": "up"}, hold=LOOK_SECONDS),
        loss("again", {"standin": 0, "n9kv": 0}),
    ]
    if bystander:
        steps.append(loss("bystander", LIMITS["node"]))
    return {"title": f"{node} cut off and back", "steps": steps}


def _moving(it: Facts, name: str, image: str, command: list[str] | None) -> dict[str, Any]:
    """One pod that may run on the first two workers, the first one liked better."""
    container: dict[str, Any] = {"name": name, "image": image, **({"command": command} if command else {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "affinity": on_one_of([it.sender.name, it.target.name]),
                    "terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": False,
                    "containers": [container],
                },
            },
        },
    }


def pod_moved(it: Facts) -> Step:
    name = "labctl-moved"
    pod, here, there = f"app={name}", it.sender.name, it.target.name
    sender = it.host or {"pod": POD, "node": here}
    return {
        "title": f"a pod moved from {here} to {there}",
        "objects": [_moving(it, name, BUSYBOX, ["sleep", "infinity"])],
        "steps": [
            *it.traffic(),
            expect("pod-here", "pods", {"pod": pod, "node": here}),
            fault("move", "move_pod", {"pod": pod, "node": here}),
            expect("pod-there", "pods", {"pod": pod, "node": there, "not_on": here}),
            step("traffic", "moved", {"from": sender, "to": {"pod": pod, "node": there}}),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            loss("moved", {"standin": 0, "n9kv": 0}),
            {"heal": "move"},
            *it.losses("pod-moved"),
        ],
    }


def endpoints_moved(it: Facts) -> Step:
    name = "labctl-endpoints"
    service, pod = f"default/{name}", f"app={name}"
    here, there = it.sender.name, it.target.name
    leafs = [leaf.name for leaf in it.design.by_role("leaf") if leaf.name in it.sender.leafs]
    return {
        "title": f"the endpoint of a Local service moved from {here} to {there}",
        "objects": [
            _moving(it, name, NGINX, None),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {
                    "type": "NodePort",
                    "externalTrafficPolicy": "Local",
                    "ipFamilyPolicy": "SingleStack",
                    "ipFamilies": ["IPv4"],
                    "selector": {"app": name},
                    "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
                },
            },
        ],
        "steps": [
            *it.traffic(),
            expect("pod-here", "pods", {"pod": pod, "node": here}),
            expect("route-here", "route", _service_route(leafs, service, here)),
            fault("drain", "drain", {"service": service, "node": here}),
            expect("pod-there", "pods", {"pod": pod, "node": there, "not_on": here}),
            expect("route-there", "route", _service_route(leafs, service, there)),
            expect("route-stays", "route", _service_route(leafs, service, there), hold=LOOK_SECONDS),
            unbroken("sessions-after"),
            {"heal": "drain"},
            *it.losses("endpoints-moved"),
        ],
    }


def _service_route(leafs: list[str], service: str, node: str) -> dict[str, Any]:
    return {"switch": leafs, "prefix": {"cluster_ip_of": service}, "next_hops": {"nodes": [node]}}


def calico_node_restart(it: Facts) -> Step:
    node, others = it.sender.name, [row.name for row in it.cluster.nodes if row.name != it.sender.name]
    calico = {"pod": "k8s-app=calico-node", "namespace": "kube-system", "node": node}
    return {
        "title": f"calico-node of {node} restarted",
        "steps": [
            *it.traffic(),
            fault("restart", "restart_pod", calico),
            expect("new-sessions", "sessions", {"node": node, "are": "reset"}),
            expect("pod-back", "pods", calico),
            unbroken("others", node=others, hold=LOOK_SECONDS),
            *it.losses("calico-node-restart"),
        ],
    }


def bgp_cleared(it: Facts) -> Step:
    leaf, node = it.leaf.name, it.sender
    others = [row.name for row in it.cluster.nodes if row.name != node.name]
    return {
        "title": f"the session of {leaf} with {node.name} cleared",
        "steps": [
            *it.traffic(),
            fault("clear", "clear_bgp", {"switch": leaf, "neighbor": str(node.address.ip)}),
            expect("new-session", "sessions", {"switch": leaf, "node": node.name, "family": "ipv4", "are": "reset"}),
            unbroken("others", node=others, hold=LOOK_SECONDS),
            *([unbroken("other-leaf", switch=it.other.name)]),
            *it.losses("bgp-cleared"),
        ],
    }
