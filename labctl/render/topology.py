"""``topology.clab.yml``: boxes and wires as containerlab (0.78.2 or newer) reads them.

What a person who runs containerlab by hand would stumble over is written out: a management MTU, static management
addresses, ``wait: 0s`` (a cluster without its network plugin never gets ready), and a stage wait on every node
container, without which the deployment dead-locks on machines with few processors.
"""

from __future__ import annotations

from typing import Any

from labctl.design.model import Design
from labctl.render.yamltext import dump


def topology(design: Design) -> str:
    """The text."""
    nodes: dict[str, Any] = {
        switch.name: {"kind": "cisco_n9kv", "mgmt-ipv4": str(switch.management.ip)} for switch in design.switches
    }
    if design.cluster:
        key = cluster_key(design)
        nodes[key] = {
            "kind": "k8s-kind",
            "image": design.images.node,
            "startup-config": "kind/cluster.yaml",
            "extras": {"k8s_kind": {"deploy": {"wait": "0s", "kubeconfig": "kubeconfig"}}},
        }
        for node in design.cluster.nodes:
            nodes[node.container] = {
                "kind": "ext-container",
                "stages": {"create": {"wait-for": [{"node": key, "stage": "create"}]}},
            }
    for external in design.externals:
        nodes[external.name] = {"kind": "linux", "mgmt-ipv4": str(external.management.ip)}
    kinds: dict[str, Any] = {"cisco_n9kv": _switch_kind(design)}
    if design.externals:
        kinds["linux"] = {"image": design.images.host, "cmd": "sleep infinity"}
    body = {
        "name": design.name,
        "mgmt": {"network": f"{design.name}-mgmt", "ipv4-subnet": str(design.management), "mtu": 1500},
        "topology": {
            "defaults": {"image-pull-policy": design.images.pull, "labels": {"labctl.lab": design.name}},
            "kinds": kinds,
            "nodes": nodes,
            "links": [{"endpoints": [f"{link.a[0]}:{link.a[1]}", f"{link.b[0]}:{link.b[1]}"]} for link in design.links],
        },
    }
    return dump(body)


def cluster_key(design: Design) -> str:
    """The cluster's node in the topology: kind names its containers after it."""
    return design.name


def _switch_kind(design: Design) -> dict[str, Any]:
    if design.target.switch == "standin":
        return {"image": design.images.switch}
    environment = {"CLAB_MGMT_PASSTHROUGH": "true", "QEMU_MEMORY": "8192", "QEMU_SMP": "4"}
    return {"image": design.images.switch, "env": environment}
