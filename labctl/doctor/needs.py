"""What a lab asks of its host, read from the artifact folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

from labctl import peers
from labctl.folder import Folder, load_folder
from labctl.peers import numbers

Part = Literal["switch", "node", "host"]
PARTS: Mapping[str, Part] = {"switch": "switch", "kube-node": "node", "host": "host"}
"""By the kind of a node in lab.json."""
MB = 1 << 20
VIRTUAL_MACHINE_OVERHEAD = 512 * MB
"""QEMU and vrnetlab beside the guest's own memory: ten switches of 6 GB took 70 GB of a host, its system included."""
MEMORY = {
    ("standin", "switch"): 64, ("standin", "control-plane"): 600, ("standin", "worker"): 96, ("standin", "host"): 48,
    ("kind", "control-plane"): 1536, ("kind", "worker"): 768,
}  # fmt: skip
"""MB of a node: those of stand-ins were measured in both runtimes, and are rounded up; those of kind are estimates of a
kubeadm node with Calico and a few small pods."""


@dataclass(frozen=True, slots=True)
class ImageNeed:
    """An image of the topology: exactly this reference, for the nodes of ``part``."""

    part: Part
    reference: str


@dataclass(frozen=True, slots=True)
class Node:
    """A container of the lab. ``memory`` and ``least`` are bytes: what it takes, and what it cannot do without."""

    container: str
    part: Part
    memory: int
    least: int


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """What each switch of a licensed image gets, and what its version asks for. MB and processors."""

    nxos: str
    memory: int
    cpus: int
    wanted: int
    least: int
    passthrough: bool
    """Its mgmt0 has the management address itself (``CLAB_MGMT_PASSTHROUGH``)."""


@dataclass(frozen=True, slots=True)
class LabNeeds:
    """Everything about a lab that the findings look at."""

    name: str
    switch: Literal["n9kv", "standin"]
    cluster: Literal["kind", "standin"] | None
    """None: a fabric alone."""
    virtual_machine: VirtualMachine | None
    kubernetes: str | None
    images: tuple[ImageNeed, ...]
    pulled: bool
    """Whether containerlab may pull what is not here."""
    nodes: tuple[Node, ...]
    network: str
    """Docker's name of the management network."""
    subnet: IPv4Network | None
    dual_stack: bool
    moved_keys: frozenset[str] = frozenset()
    """Those in its topology that not every containerlab reads."""

    def count(self, part: Part) -> int:
        """How many nodes of a sort."""
        return sum(node.part == part for node in self.nodes)


def needs_of(path: Path) -> LabNeeds:
    """What the lab in an artifact folder asks. Raises `SpecError` for a folder that is not understood."""
    folder = load_folder(path)
    lab = folder.lab
    switch: Literal["n9kv", "standin"] = "n9kv" if lab.target.get("switch") == "n9kv" else "standin"
    cluster: Literal["kind", "standin"] | None = None
    if lab.kube_nodes:
        cluster = "kind" if lab.real_cluster else "standin"
    images, subnet = _images(folder), folder.topology.mgmt_ipv4_subnet
    machine = _virtual_machine(folder, images) if switch == "n9kv" else None
    return LabNeeds(
        name=lab.name,
        switch=switch,
        cluster=cluster,
        virtual_machine=machine,
        kubernetes=_kubernetes(folder, images) if cluster else None,
        images=images,
        pulled=folder.topology.pulled,
        nodes=_nodes(folder, machine, cluster),
        network=folder.topology.mgmt_network,
        subnet=IPv4Network(subnet) if subnet else None,
        dual_stack=any(":" in network for network in folder.cluster.pod_subnets),
        moved_keys=folder.topology.moved_keys,
    )


def _images(folder: Folder) -> tuple[ImageNeed, ...]:
    nodes = folder.lab.nodes.values()
    parts: dict[str | None, Part] = {node.topology: PARTS[node.kind] for node in nodes if node.kind != "kube-node"}
    parts[folder.lab.cluster] = "node"
    found = {(parts[key], image): None for key, image in folder.topology.images.items() if key in parts}
    return tuple(ImageNeed(part, reference) for part, reference in found)


def _virtual_machine(folder: Folder, images: tuple[ImageNeed, ...]) -> VirtualMachine:
    """Of vrnetlab's environment variables, with vrnetlab's own defaults for those that are not set."""
    environment = folder.topology.env[folder.lab.nodes[folder.lab.switches[0]].topology]
    image = next((image.reference for image in images if image.part == "switch"), "")
    nxos = folder.lab.versions.get("nxos", "")
    row = peers.nxos(nxos, image.rpartition(":")[2])
    return VirtualMachine(
        nxos=nxos,
        memory=_whole(environment.get("QEMU_MEMORY"), 10240),
        cpus=_whole(environment.get("QEMU_SMP"), 4),
        wanted=row.memory,
        least=row.least_memory,
        passthrough=str(environment.get("CLAB_MGMT_PASSTHROUGH", "")).lower() == "true",
    )


def _whole(value: object, otherwise: int) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else otherwise


def _kubernetes(folder: Folder, images: tuple[ImageNeed, ...]) -> str:
    """Of the node image's tag, which is what boots; else as the folder says."""
    image = next((image.reference for image in images if image.part == "node"), "")
    tag = image.partition("@")[0].rpartition(":")[2]
    return tag.removeprefix("v") if len(numbers(tag)) >= 2 else str(folder.lab.versions.get("kubernetes", ""))


def _nodes(folder: Folder, machine: VirtualMachine | None, cluster: str | None) -> tuple[Node, ...]:
    nodes = []
    for node in folder.lab.nodes.values():
        part = PARTS[node.kind]
        if part == "switch" and machine:
            memory, least = (size * MB + VIRTUAL_MACHINE_OVERHEAD for size in (machine.memory, machine.least))
        else:
            made = "kind" if part == "node" and cluster == "kind" else "standin"
            memory = least = MEMORY[made, node.role if part == "node" else part] * MB
        nodes.append(Node(node.container, part, memory, min(memory, least)))
    return tuple(nodes)
