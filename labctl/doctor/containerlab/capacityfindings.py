"""Memory, processors and disk for the boxes of a lab. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from labctl.doctor.containerlab.model import ContainerHostFacts
from labctl.doctor.containerlab.needs import MB, Box, ImageNeed, LabNeeds
from labctl.doctor.findings import GB, MEMORY_WANTED, Finding, Severity

IMAGE_SIZES = {"n9kv": 3 * GB, "kind": GB, "standin": 300 * MB}
"""Unpacked: the most that a 9000v's was, about what kindest/node is, and what the stand-ins share."""
BOX_SIZES = {"n9kv": 2 * GB, "kind": 3 * GB // 2, "standin": 100 * MB}
"""What a box writes in the first hours: flash of a switch, the image store of a node. Estimates."""
DISK_LEAST = GB


def _size(number: int) -> str:
    return f"{number / GB:.1f} GB"


def still_to_start(facts: ContainerHostFacts, needs: LabNeeds) -> tuple[Box, ...]:
    """Boxes that do not run yet: the memory of those that do is taken already."""
    running = {one.name for one in facts.docker.containers if one.running} if facts.docker else set()
    return tuple(box for box in needs.boxes if box.container not in running)


def memory(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """What is available against the sum over the boxes."""
    free = f"{_size(facts.memory_free)} of memory free"
    if needs is None:
        enough = facts.memory_free >= MEMORY_WANTED
        words = free if enough else f"{free}: a lab of the paper's size wants {_size(MEMORY_WANTED)} with stand-ins"
        yield Finding("memory", "ok" if enough else "warning", words)
        return
    boxes = still_to_start(facts, needs)
    wanted, least = sum(box.memory for box in boxes), sum(box.least for box in boxes)
    asked = f"{len(boxes)} boxes take about {_size(wanted)}"
    if facts.memory_free >= wanted:
        yield Finding("memory", "ok", f"{free}, {asked}")
    else:
        severity: Severity = "warning" if facts.memory_free >= least else "error"
        yield Finding("memory", severity, f"{free}, but {asked}")
    if needs.virtual_machine:
        yield from _switch_memory(needs)


def _switch_memory(needs: LabNeeds) -> Iterator[Finding]:
    """What the topology gives a switch against what its NX-OS wants."""
    machine = needs.virtual_machine
    if machine is None:
        return
    given = f"a switch gets {machine.memory} MB"
    fix = f"QEMU_MEMORY: '{machine.wanted}' in topology.clab.yml"
    if machine.memory < machine.least:
        why = f"{given}; NX-OS {machine.nxos} does not boot with less than {machine.least}"
        yield Finding("switch-memory", "error", why, fix)
    elif machine.memory < machine.wanted:
        yield Finding("switch-memory", "warning", f"{given}; NX-OS {machine.nxos} wants {machine.wanted}", fix)
    else:
        yield Finding("switch-memory", "ok", f"{given}, enough for NX-OS {machine.nxos}")


def processors(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """Virtual processors are shared, so too few of the host's are slow, not wrong."""
    there = f"{facts.cpus} processors"
    virtual = needs.virtual_machine.cpus * needs.count("switch") if needs and needs.virtual_machine else 0
    if virtual > 2 * facts.cpus:
        why = f"{there} for {virtual} virtual ones of switches: they boot slowly, or not within their time limit"
        yield Finding("cpus", "warning", why)
    elif facts.cpus < 2:
        yield Finding("cpus", "warning", "one processor: booting takes about twice as long")
    else:
        yield Finding("cpus", "ok", there)


def disk(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """Where Docker keeps images and containers."""
    docker = facts.docker
    if docker is None:
        return
    if docker.disk_free is None:
        yield Finding("disk", "ok", f"how much is free in {docker.root_dir} cannot be seen from here")
        return
    images = sum(_image_size(needs, image) for image in _missing(facts, needs)) if needs else 0
    boxes = sum(_box_size(needs, box) for box in still_to_start(facts, needs)) if needs else 0
    free = f"{_size(docker.disk_free)} free in {docker.root_dir}"
    if docker.disk_free >= max(images + boxes, DISK_LEAST):
        yield Finding("disk", "ok", free)
        return
    severity: Severity = "warning" if docker.disk_free >= max(images, DISK_LEAST) else "error"
    wanted = _size(max(images + boxes, DISK_LEAST))
    yield Finding("disk", severity, f"{free}; the lab may want {wanted}", "docker image prune")


def _missing(facts: ContainerHostFacts, needs: LabNeeds) -> Iterator[ImageNeed]:
    there = facts.docker.images if facts.docker else {}
    return (image for image in needs.images if there.get(image.reference) is None)


def _sort(needs: LabNeeds, part: str) -> str:
    if part == "switch":
        return needs.switch
    return needs.cluster or "standin" if part == "node" else "standin"


def _image_size(needs: LabNeeds, image: ImageNeed) -> int:
    return IMAGE_SIZES[_sort(needs, image.part)]


def _box_size(needs: LabNeeds, box: Box) -> int:
    return BOX_SIZES[_sort(needs, box.part)]
