"""What a lab asks of its host, read from the artifact folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal

from labctl import peers
from labctl.errors import Problem, SpecError
from labctl.folder import Folder, load_folder
from labctl.peers import numbers
from labctl.yamldoc import Document, parse

Part = Literal["switch", "node", "host"]
MB = 1 << 20
VIRTUAL_MACHINE_OVERHEAD = 512 * MB
"""QEMU and vrnetlab beside the guest's own memory: ten switches of 6 GB took 70 GB of a host, its system included."""
STANDIN_SWITCH, STANDIN_CONTROL_PLANE, STANDIN_WORKER, EXTERNAL_HOST = 64 * MB, 600 * MB, 96 * MB, 48 * MB
"""Measured on the stand-ins of both runtimes, rounded up."""
KIND_CONTROL_PLANE, KIND_WORKER = 1536 * MB, 768 * MB
"""Estimates: a kubeadm node with Calico and a few small pods."""


@dataclass(frozen=True, slots=True)
class ImageNeed:
    """An image of the topology: exactly this reference, for the boxes of ``part``."""

    part: Part
    reference: str


@dataclass(frozen=True, slots=True)
class Box:
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
    boxes: tuple[Box, ...]
    network: str
    """Docker's name of the management network."""
    subnet: IPv4Network | None
    dual_stack: bool
    moved_keys: frozenset[str] = frozenset()
    """Those in its topology that not every containerlab reads."""

    def count(self, part: Part) -> int:
        """How many boxes of a sort."""
        return sum(box.part == part for box in self.boxes)


def needs_of(path: Path) -> LabNeeds:
    """What the lab in an artifact folder asks. Raises `SpecError` for a folder that is not understood."""
    folder = load_folder(path)
    text = (path / "topology.clab.yml").read_text()
    document, _ = parse("topology.clab.yml", text)  # load_folder refused what is wrong with it
    body: Mapping[str, Any] = document.data if document else {}
    lab = folder.lab
    switch: Literal["n9kv", "standin"] = "n9kv" if lab.target.get("switch") == "n9kv" else "standin"
    cluster: Literal["kind", "standin"] | None = None
    if lab.kube_nodes:
        cluster = "kind" if lab.target.get("cluster") == "kind" else "standin"
    images = _images(folder)
    machine = _virtual_machine(folder, images) if switch == "n9kv" else None
    return LabNeeds(
        name=lab.name,
        switch=switch,
        cluster=cluster,
        virtual_machine=machine,
        kubernetes=_kubernetes(folder, images) if cluster else None,
        images=images,
        pulled=_pull_policy(body["topology"]) != "never",
        boxes=_boxes(folder, machine, cluster),
        network=folder.topology.mgmt_network,
        subnet=_subnet(document, folder.topology.mgmt_ipv4_subnet),
        dual_stack=any(":" in network for network in (folder.cluster.pod_subnets if folder.cluster else ())),
        moved_keys=folder.topology.moved_keys,
    )


def _subnet(document: Document | None, written: str | None) -> IPv4Network | None:
    """The management network; None when Docker chooses one."""
    if written is None or written == "auto":
        return None
    try:
        return IPv4Network(written)
    except ValueError as error:
        place = document.place(("mgmt", "ipv4-subnet")) if document else None
        raise SpecError([Problem("bad-network", f"this is no IPv4 network: {error}", place)]) from None


def _images(folder: Folder) -> tuple[ImageNeed, ...]:
    parts: dict[str, Part] = {"cisco_n9kv": "switch", "k8s-kind": "node", "linux": "host"}
    found = {
        (parts[node.kind], node.image): None
        for node in folder.topology.nodes.values()
        if node.kind in parts and node.image
    }
    return tuple(ImageNeed(part, reference) for part, reference in found)


def _pull_policy(topology: Mapping[str, Any]) -> str:
    """containerlab's own default pulls what is missing."""
    return str((topology.get("defaults") or {}).get("image-pull-policy", "if-not-present")).lower()


def _virtual_machine(folder: Folder, images: tuple[ImageNeed, ...]) -> VirtualMachine:
    """Of vrnetlab's environment variables, with vrnetlab's own defaults for those that are not set."""
    switches = (node for node in folder.topology.nodes.values() if node.kind == "cisco_n9kv")
    environment = next((node.env for node in switches), {})
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


def _boxes(folder: Folder, machine: VirtualMachine | None, cluster: str | None) -> tuple[Box, ...]:
    boxes = []
    for node in folder.lab.nodes.values():
        container = f"clab-{folder.topology.name}-{node.topology}"
        if node.kind == "switch" and machine:
            memory, least = (size * MB + VIRTUAL_MACHINE_OVERHEAD for size in (machine.memory, machine.least))
            boxes.append(Box(container, "switch", memory, min(memory, least)))
        elif node.kind == "switch":
            boxes.append(Box(container, "switch", STANDIN_SWITCH, STANDIN_SWITCH))
        elif node.kind == "kube-node":
            control_plane = node.role == "control-plane"
            sizes = (KIND_CONTROL_PLANE, KIND_WORKER) if cluster == "kind" else (STANDIN_CONTROL_PLANE, STANDIN_WORKER)
            memory = sizes[0] if control_plane else sizes[1]
            boxes.append(Box(node.topology, "node", memory, memory))  # kind names its containers without a prefix
        else:
            boxes.append(Box(container, "host", EXTERNAL_HOST, EXTERNAL_HOST))
    return tuple(boxes)
