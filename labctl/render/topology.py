"""``topology.clab.yml``: nodes and links as the containerlab of the target reads them.

What a person who runs containerlab by hand would stumble over is written out: a management MTU, static management
addresses, ``wait: 0s`` (a cluster without its network plugin never gets ready), and a stage wait on every node
container, without which the deployment dead-locks on machines with few processors.
"""

from __future__ import annotations

from typing import Any

from labctl.design.design import Design, Switch
from labctl.peers import EXTRAS, containerlab, nxos
from labctl.render.yamltext import dump

CREDENTIALS = {"username": "${LABCTL_SWITCH_USERNAME:=admin}", "password": "${LABCTL_SWITCH_PASSWORD:=admin}"}
"""containerlab puts the environment's values in (hellt/envsubst) before it reads the file: no secret stands in it."""


def topology(design: Design) -> str:
    """The text."""
    nodes: dict[str, Any] = {switch.name: _switch(design, switch) for switch in design.switches}
    if design.cluster:
        key = cluster_key(design)
        nodes[key] = {
            "kind": "k8s-kind",
            "image": design.images.node.tagged,
            "startup-config": "kind/cluster.yaml",
            **_made(design),
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
        kinds["linux"] = {"image": design.images.host.tagged, "cmd": "sleep infinity"}
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


def _made(design: Design) -> dict[str, Any]:
    """How kind makes the cluster. ``kubeconfig`` is relative to the cluster's own part of containerlab's folder."""
    options = {"wait": "0s", "kubeconfig": "kubeconfig"}
    older = containerlab(design.target.containerlab).cluster_keys == EXTRAS
    return {"extras": {"k8s_kind": {"deploy": options}}} if older else options


def cluster_key(design: Design) -> str:
    """The cluster's node in the topology: kind names its containers after it."""
    return design.name


def boot_delay_variable(switch: str) -> str:
    """The variable that holds back a 9000v: how many may boot at once is the host's affair, and not in the folder.

    It is read by vrnetlab inside the container; containerlab's own ``startup-delay`` would hold a worker meanwhile.
    """
    return f"LABCTL_BOOT_DELAY_{switch.upper().replace('-', '_')}"


def _switch_kind(design: Design) -> dict[str, Any]:
    kind: dict[str, Any] = {"image": design.switch_image.tagged, "credentials": CREDENTIALS}
    if design.target.switch == "n9kv":
        machine = _machine(design.fabric.nxos, design.switch_image.tag)
        kind["env"] = {"CLAB_MGMT_PASSTHROUGH": "true", **machine}
    return kind


def _switch(design: Design, switch: Switch) -> dict[str, Any]:
    """What differs from the kind; containerlab adds a node's environment to its kind's."""
    image, usual = design.images.of(switch.role), design.switch_image
    node: dict[str, Any] = {"kind": "cisco_n9kv", "mgmt-ipv4": str(switch.management.ip)}
    if image.tagged != usual.tagged:
        node["image"] = image.tagged
    variables: dict[str, str] = {}
    if not containerlab(design.target.containerlab).counts_ports:
        variables["CLAB_INTFS"] = str(sum(end[0] == switch.name for link in design.links for end in (link.a, link.b)))
    if design.target.switch == "n9kv":
        of_kind, own = _machine(design.fabric.nxos, usual.tag), _machine(design.fabric.nxos, image.tag)
        variables |= {name: value for name, value in own.items() if value != of_kind[name]}
        variables["BOOT_DELAY"] = f"${{{boot_delay_variable(switch.name)}:=0}}"
    if variables:
        node["env"] = variables
    return node


def _machine(version: str, tag: str) -> dict[str, str]:
    """What vrnetlab reads of the container's environment."""
    wanted = nxos(version, tag)
    return {"QEMU_MEMORY": str(wanted.memory), "QEMU_SMP": str(wanted.cpus)}
