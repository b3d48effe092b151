"""``scenarios/<name>.yaml``: the built-in failures of a lab, in the format that a person writes (docs/scenarios.md).

Each is rendered where the design has what it needs. The limits of loss belong to the platform: those of ``standin`` are
measured on labctl's own labs, with a margin for a busy host; those of ``n9kv`` follow from NX-OS's timers and were not
measured (docs/scenarios.md has both).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labctl.design.design import Cluster, Design, Node
from labctl.render.workloads import BUSYBOX, NGINX, on_one_of
from labctl.render.yamltext import dump

SCHEMA = "labctl.scenario/v1"
ABOUT: Mapping[str, str] = {
    "bond-member": "the leaf's port to a node's bond is shut and opened; every session stays unbroken for longer than "
    "its hold time",
    "leaf": "a leaf is cut off; the other leaf's sessions stay unbroken for longer than their hold time",
    "leaf-uplink": "a leaf's first uplink is shut",
    "spine": "the first spine is cut off",
    "peer-link": "the vPC peer-link, physical or virtual",
    "keepalive": "a leaf's vPC keepalive goes nowhere; the peer-link stays up",
    "node": "a node is cut off; its sessions go down and come back, the others' stay unbroken",
    "pod-moved": "a pod of the scenario's own moves to another node, and is answered there",
    "endpoints-moved": "the endpoint of a Local service moves; the leafs' /32 follows it to the other node",
    "calico-node-restart": "calico-node of a node is deleted; its sessions are new ones, the others' unbroken",
    "bgp-cleared": "one session is cleared at a leaf; it is a new one, all others unbroken",
}
"""What fails, and what is proven of it."""

MEASURED: Mapping[str, str] = {
    "bond-member": "2662, when the member comes back",
    "leaf": "555",
    "leaf-uplink": "0",
    "spine": "1682 when it comes back, 0 in other runs",
    "peer-link": "0",
    "keepalive": "0",
    "node": "0 of the others",
    "pod-moved": "0 of the others",
    "endpoints-moved": "0 of the others",
    "calico-node-restart": "1002",
    "bgp-cleared": "962",
}
"""The worst that was measured on stand-ins, on UML and on QEMU without KVM: the longest outage, in milliseconds."""

LIMITS: Mapping[str, Mapping[str, int]] = {
    "bond-member": {"standin": 5000, "n9kv": 5000},
    "leaf": {"standin": 5000, "n9kv": 15000},
    "leaf-uplink": {"standin": 5000, "n9kv": 5000},
    "spine": {"standin": 5000, "n9kv": 5000},
    "peer-link": {"standin": 5000, "n9kv": 15000},
    "keepalive": {"standin": 0, "n9kv": 0},
    "node": {"standin": 1000, "n9kv": 3000},
    "pod-moved": {"standin": 1000, "n9kv": 1000},
    "endpoints-moved": {"standin": 1000, "n9kv": 1000},
    "calico-node-restart": {"standin": 5000, "n9kv": 5000},
    "bgp-cleared": {"standin": 3000, "n9kv": 5000},
}
"""The longest outage in milliseconds, by scenario and platform."""

PROVEN_SECONDS = 35
"""Longer than the hold time of the sessions (30 s): a session whose packets are lost is gone by then."""
LOOK_SECONDS = 4
"""For which a fault that no timer has to find is left alone."""
POD = "app=pingtest"
Step = dict[str, Any]


class Facts:
    """What the scenarios of one design speak of: two workers, the leaf pair of the first, an external host."""

    def __init__(self, design: Design, cluster: Cluster) -> None:
        self.design, self.cluster = design, cluster
        self.sender, self.target = cluster.workers[0], cluster.workers[1]
        self.leaf, self.other = (design.switch(name) for name in self.sender.leafs)
        self.host = design.externals[0].name if design.externals else None

    @property
    def nodes(self) -> list[Node]:
        """Of the leaf pair."""
        return [node for node in self.cluster.nodes if node.leafs == self.sender.leafs]

    def traffic(self, *, outside_to: Node | None = None) -> list[Step]:
        """Pod to pod, and from outside to a pod where there is an external host."""
        to = {"pod": POD, "node": self.target.name}
        found = [step("traffic", "pods", {"from": {"pod": POD, "node": self.sender.name}, "to": to})]
        if self.host is not None:
            end = {"pod": POD, "node": (outside_to or self.sender).name}
            found.append(step("traffic", "outside", {"from": self.host, "to": end}))
        return found

    def losses(self, scenario: str) -> list[Step]:
        names = ["pods", *(["outside"] if self.host is not None else [])]
        return [loss(name, LIMITS[scenario]) for name in names]


def facts_of(design: Design) -> Facts | None:
    """None without a cluster that has two workers to ping between."""
    cluster = design.cluster
    if cluster is None or len(cluster.workers) < 2 or "pingtest" not in cluster.workloads:
        return None
    return Facts(design, cluster)


def step(kind: str, name: str, body: Mapping[str, Any]) -> Step:
    return {kind: {"name": name, **body}}


def expect(name: str, kind: str, body: Mapping[str, Any], **timing: int) -> Step:
    return step("expect", name, {**timing, kind: body})


def fault(name: str, kind: str, body: Any) -> Step:
    return step("fault", name, {kind: body})


def loss(name: str, limit: Mapping[str, int]) -> Step:
    return expect(f"loss-{name}", "loss", {"of": name, "ms": dict(limit)})


def unbroken(name: str, *, hold: int | None = None, **which: Any) -> Step:
    return expect(name, "sessions", {**which, "are": "unbroken"}, **({"hold": hold} if hold else {}))


def bond_member(it: Facts) -> Step:
    """The white paper: "The BGP peering won't get affected during interface failures towards the calico node"."""
    leaf, node = it.leaf.name, it.sender.name
    port = next(row for row in it.leaf.node_ports if row.node == node)
    gone = port.node_interface
    kept = next(row.node_interface for row in it.other.node_ports if row.node == node)
    return {
        "title": f"a bond member of {node} down and back",
        "steps": [
            *it.traffic(),
            fault("member", "shutdown", {"switch": leaf, "interface": port.interface}),
            expect("member-down", "bond", {"node": node, "up": [kept], "down": [gone]}),
            expect("leg-down", "port_channel", {"switch": leaf, "node": node, "is": "down"}),
            unbroken("sessions-during", hold=PROVEN_SECONDS),
            {"heal": "member"},
            expect("member-back", "bond", {"node": node, "up": [gone, kept]}),
            expect("leg-back", "port_channel", {"switch": leaf, "node": node, "is": "up"}),
            unbroken("sessions-after", hold=LOOK_SECONDS),
            *it.losses("bond-member"),
        ],
    }


def _silenced(it: Facts) -> list[Step]:
    """A leaf that is gone sends no keepalive, and one that is cut off does: then the secondary of the pair takes its
    own legs down. So the keepalive goes first. (A stand-in sees its peer by its own echo requests, not by the peer's.)
    """
    if it.leaf.vpc is None:
        return []
    seen_by = [it.leaf.name, *([it.other.name] if it.design.target.switch == "n9kv" else [])]
    return [
        fault("keepalive", "keepalive", it.leaf.name),
        expect("silent", "vpc", {"switch": seen_by, "keepalive": "down"}),
    ]


def leaf(it: Facts) -> Step:
    leaf, other = it.leaf.name, it.other.name
    legs = [expect(f"bond-{node.name}", "bond", {"node": node.name, **_members(it, node)}) for node in it.nodes]
    return {
        "title": f"{leaf} cut off and back",
        "steps": [
            *it.traffic(),
            *_silenced(it),
            fault("leaf", "isolate", leaf),
            *legs,
            unbroken("other-leaf-during", switch=other, hold=PROVEN_SECONDS),
            {"heal": "all"},
            *(
                expect(f"bond-{node.name}-back", "bond", {"node": node.name, "up": _both(it, node)})
                for node in it.nodes
            ),
            expect("sessions-back", "sessions", {"switch": leaf, "are": "up"}),
            unbroken("other-leaf-after", switch=other, hold=LOOK_SECONDS),
            *it.losses("leaf"),
        ],
    }


def _members(it: Facts, node: Node) -> dict[str, list[str]]:
    """The bond of a node while the first leaf is cut off."""
    gone, kept = _both(it, node)
    return {"up": [kept], "down": [gone]}


def _both(it: Facts, node: Node) -> list[str]:
    return [
        next(row.node_interface for row in leaf.node_ports if row.node == node.name) for leaf in (it.leaf, it.other)
    ]


def leaf_uplink(it: Facts) -> Step | None:
    if len(it.design.by_role("spine")) < 2:
        return None
    uplink = it.leaf.uplinks[0]
    return {
        "title": f"the uplink of {it.leaf.name} to {uplink.peer} down and back",
        "steps": [
            *it.traffic(),
            fault("uplink", "shutdown", {"switch": it.leaf.name, "interface": uplink.interface}),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            {"heal": "uplink"},
            unbroken("sessions-after", hold=LOOK_SECONDS),
            *it.losses("leaf-uplink"),
        ],
    }


def spine(it: Facts) -> Step | None:
    spines = it.design.by_role("spine")
    if len(spines) < 2:
        return None
    leafs = [switch.name for switch in it.design.switches if switch.role != "spine"]
    gone, kept = spines[0], [str(spine.loopback0) for spine in spines[1:]]
    return {
        "title": f"{gone.name} cut off and back",
        "steps": [
            *it.traffic(),
            fault("spine", "isolate", gone.name),
            expect("other-spines", "evpn", {"switch": leafs, "neighbor": kept, "are": "up"}, hold=LOOK_SECONDS),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            {"heal": "spine"},
            expect("evpn-back", "evpn", {"switch": leafs, "are": "up"}),
            unbroken("sessions-after", hold=LOOK_SECONDS),
            *it.losses("spine"),
        ],
    }


def peer_link(it: Facts) -> Step | None:
    if it.leaf.vpc is None:
        return None
    leafs = [it.leaf.name, it.other.name]
    what = "virtual" if it.leaf.vpc.peer_link == "fabric" else "physical"
    return {
        "title": f"the {what} peer-link of {' and '.join(leafs)} down and back",
        "steps": [
            *it.traffic(),
            fault("peer-link", "peer_link", it.leaf.name),
            expect("peer-link-down", "vpc", {"switch": it.leaf.name, "peer": "down"}),
            expect("other-spines", "evpn", {"switch": leafs, "are": "up"}, hold=LOOK_SECONDS),
            {"heal": "peer-link"},
            expect("peer-link-back", "vpc", {"switch": leafs, "peer": "ok"}),
            *it.losses("peer-link"),
        ],
    }


def keepalive(it: Facts) -> Step | None:
    if it.leaf.vpc is None:
        return None
    leafs = [it.leaf.name, it.other.name]
    return {
        "title": f"the vPC keepalive of {it.leaf.name} lost and back",
        "steps": [
            *it.traffic(),
            fault("keepalive", "keepalive", it.leaf.name),
            expect("keepalive-down", "vpc", {"switch": it.leaf.name, "keepalive": "down"}),
            expect("peer-stays", "vpc", {"switch": leafs, "peer": "ok"}, hold=LOOK_SECONDS),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            {"heal": "keepalive"},
            expect("keepalive-back", "vpc", {"switch": leafs, "keepalive": "alive", "peer": "ok"}),
            unbroken("sessions-after"),
            *it.losses("keepalive"),
        ],
    }


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


BUILT_IN: Mapping[str, Callable[[Facts], Step | None]] = {
    "bond-member": bond_member,
    "leaf": leaf,
    "leaf-uplink": leaf_uplink,
    "spine": spine,
    "peer-link": peer_link,
    "keepalive": keepalive,
    "node": node,
    "pod-moved": pod_moved,
    "endpoints-moved": endpoints_moved,
    "calico-node-restart": calico_node_restart,
    "bgp-cleared": bgp_cleared,
}
"""In the order in which they run."""


def files(design: Design) -> dict[str, str]:
    """Path inside the folder → text."""
    facts = facts_of(design)
    if facts is None:
        return {}
    found = {name: make(facts) for name, make in BUILT_IN.items()}
    return {f"scenarios/{name}.yaml": _text(name, body) for name, body in found.items() if body is not None}


def _text(name: str, body: Mapping[str, Any]) -> str:
    head = f"# labctl verify LAB --scenario {name} --disruptive; the words are explained in docs/scenarios.md\n"
    return head + dump({"schema": SCHEMA, "name": name, **body})
