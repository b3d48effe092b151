"""Links that came back and switches made anew, each with the least that containerlab 0.79 can be asked to do.

Two ways that look simpler do harm: a second ``deploy`` makes missing links, but makes every switch at their other end
anew too (its kind declares no live links: core/topology_reconcile.go); removing a switch's container first does the
same to all its neighbours. So links are made one by one with ``tools veth create``, and a switch's container is made
out of its own configuration, as Docker has it, with its links kept: they wait in a network namespace of their own
meanwhile, and the other ends see no more than a carrier that was away. (containerlab parks links too, but only inside a
``deploy`` of the whole lab, which takes a cluster of kind for a node that is missing and fails.)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from labctl.errors import HostError, LabctlError, LabError
from labctl.pace import paced
from labctl.runtime.api import Progress
from labctl.runtime.containerlab.clab import Clab
from labctl.runtime.containerlab.cleanup import PARKED, HostPaths
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.exec import Programs
from labctl.runtime.containerlab.nodes import Link, Node, Plan
from labctl.runtime.containerlab.status import missing
from labctl.runtime.ports import kernel_name
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

OLD = "-labctl-old"
START_LIMIT = 60.0


class Parking(Protocol):
    """Where links wait."""

    def take(self, pid: int, devices: Sequence[str]) -> None:
        """Out of the network namespace of a process."""

    def give(self, pid: int, devices: Sequence[str]) -> None:
        """Into it, up."""

    def remove(self) -> None: ...


class NamespaceParking:
    """A named network namespace. Raises `HostError` with iproute2's words."""

    def __init__(self, name: str) -> None:
        if os.geteuid() != 0:
            raise HostError("links between containers can only be moved by root", code="needs-root")
        self._name = name
        self._ip("netns", "add", name)

    def take(self, pid: int, devices: Sequence[str]) -> None:
        for device in devices:
            _run("nsenter", f"--net=/proc/{pid}/ns/net", "--", "ip", "link", "set", device, "netns", self._name)

    def give(self, pid: int, devices: Sequence[str]) -> None:
        for device in devices:
            self._ip("-n", self._name, "link", "set", device, "netns", str(pid))
            _run("nsenter", f"--net=/proc/{pid}/ns/net", "--", "ip", "link", "set", device, "up")

    def remove(self) -> None:
        self._ip("netns", "delete", self._name)

    @staticmethod
    def _ip(*words: str) -> None:
        _run("ip", *words)


def _run(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{argv[0]}: {error}", code="links-not-moved") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise HostError(f"{' '.join(argv)}: {words}", code="links-not-moved")


def _start(docker: DockerHost, container: str) -> Container:
    """Start it, and wait until it runs. Raises `DeadlinePassed` with its state."""
    docker.start(container)

    def runs() -> Container | NotYet:
        now = docker.container(container)
        return now if now is not None and now.running else NotYet(now.state if now else "gone")

    return wait_for(runs, Deadline(paced(START_LIMIT)), every=0.2)


class Replacement:
    """Replaces containers of one lab."""

    def __init__(
        self, docker: DockerHost, paths: HostPaths, parking: Callable[[str], Parking] = NamespaceParking
    ) -> None:
        self._docker = docker
        self._paths = paths
        self._parking = parking

    def replace(self, old: Container, devices: Sequence[str], progress: Progress) -> Container:
        """A new container with the old one's name, configuration and ``devices``. Raises `HostError` or `LabError`.

        When the new one does not start, the old one is started again with its links.
        """
        parking = self._parking(f"{PARKED}{old.name}")
        progress(f"{len(devices)} links of {old.name} wait in a namespace of their own")
        parking.take(old.pid, devices)
        new = None
        try:
            self._docker.stop(old.id)
            self._docker.rename(old.id, f"{old.name}{OLD}")
            new = self._docker.create_like(old.id, old.name)
            progress(f"starting a new {old.name}")
            made = self._started(new)
            parking.give(made.pid, devices)
        except BaseException:
            self._back(old, new, devices, parking, progress)
            raise
        self._docker.remove(old.id)
        parking.remove()
        self._link(made)
        return made

    def _started(self, container: str) -> Container:
        try:
            return _start(self._docker, container)
        except DeadlinePassed as passed:
            raise LabError(f"the new container does not run: it is {passed.reason}", code="not-rebuilt") from None

    def _back(
        self, old: Container, new: str | None, devices: Sequence[str], parking: Parking, progress: Progress
    ) -> None:
        progress(f"{old.name} could not be made anew: the old one is started again")
        try:
            if new is not None:
                self._docker.remove(new)
            self._docker.rename(old.id, old.name)
            again = self._started(old.id)
            parking.give(again.pid, devices)
            parking.remove()
            self._link(again)
        except LabctlError as trouble:
            progress(f"nor could the old one be started: {trouble.message}")

    def _link(self, container: Container) -> None:
        """``/run/netns/NAME`` is a link to the container's namespace, as containerlab makes it."""
        path = self._paths.namespaces / container.name
        if path.is_symlink():
            path.unlink()
            path.symlink_to(Path("/proc") / str(container.pid) / "ns" / "net")


RELINK = "/etc/tc-tap-ifup"
"""vrnetlab's script that joins a VM's port to its interface; QEMU runs it once, at start, for each port (not checked
against its source: where it is not there, `repair` says so and names `--rebuild`)."""

Nodes = Callable[[], Mapping[str, Container]]


class Repair:
    """One lab's repairs. ``nodes`` reads the lab's containers anew."""

    def __init__(self, plan: Plan, clab: Clab, docker: DockerHost, programs: Programs, nodes: Nodes) -> None:
        self._plan = plan
        self._clab = clab
        self._docker = docker
        self._programs = programs
        self._nodes = nodes

    def recover(self, node: Node, progress: Progress) -> None:
        """Start the node's container if it does not run, and make its lost links again."""
        self._running(node, progress)
        made = self._links(node, progress)
        for link in made:
            for end in (link.a, link.b):
                self._replug(self._plan.at(end[0]), end[1], progress)
        if not made:
            progress(f"{node.name} has all of its links")

    def rebuild(self, node: Node, replacement: Replacement, progress: Progress) -> None:
        """Replace a switch's container; a stopped one is started first, and lost links are made again."""
        self._running(node, progress)
        self._links(node, progress)
        replacement.replace(self._nodes()[node.container], node.links, progress)
        if trouble := missing(self._plan, self._nodes(), self._programs):
            raise LabError(
                f"{node.name} is new, but: {'; '.join(trouble)}",
                code="rebuilt-without-links",
                hint=f"labctl repair {self._plan.lab} makes lost links again",
                next_command=f"labctl status {self._plan.lab}",
            )

    def _running(self, node: Node, progress: Progress) -> None:
        container = self._nodes().get(node.container)
        if container is None:
            raise LabError(
                f"{node.name}: its container {node.container} is gone, and its links with it",
                code="cannot-recover",
                hint="containerlab would make its neighbours anew too: take the lab down and up again",
                next_command=f"labctl down {self._plan.lab}",
            )
        if container.running:
            return
        progress(f"starting container {node.container}, which is {container.state}")
        try:
            _start(self._docker, container.id)
        except DeadlinePassed as passed:
            raise LabError(
                f"container {node.container} does not run: it is {passed.reason}",
                code="cannot-recover",
                next_command=f"labctl logs {self._plan.lab} {node.name}",
            ) from None

    def _links(self, node: Node, progress: Progress) -> list[Link]:
        """Make the node's lost links again. Raises `LabError` for half a link, and one that did not come."""
        made = []
        for link in self._plan.links:
            if node.topology not in (link.a[0], link.b[0]):
                continue
            there = [self._there(end) for end in (link.a, link.b)]
            if all(there):
                continue
            if any(there):
                raise LabError(
                    f"half of the link {link} is there: that is no link of containerlab's",
                    code="cannot-recover",
                    hint="take the lab down and up again",
                    next_command=f"labctl down {self._plan.lab}",
                )
            progress(f"making the link {link} again")
            self._clab.veth(link, progress=progress)
            if not all(self._there(end) for end in (link.a, link.b)):
                raise LabError(
                    f"containerlab made the link {link}, and it is not there",
                    code="cannot-recover",
                    next_command=f"labctl logs {self._plan.lab}",
                )
            made.append(link)
        return made

    def _there(self, end: tuple[str, str]) -> bool:
        node = self._plan.at(end[0])
        container = self._docker.container(node.container)
        if container is None or not container.running:
            raise LabError(
                f"{node.name} does not run, so its links cannot be made",
                code="cannot-recover",
                next_command=f"labctl status {self._plan.lab}",
            )
        return kernel_name(end[1]) in self._programs.interfaces(container)

    def _replug(self, node: Node, interface: str, progress: Progress) -> None:
        """A VM's port forwards to the interface that was there when it started: join it to the new one.

        Inferred from how vrnetlab joins them (connection mode tc); not yet run with a Cisco image.
        """
        if node.kind != "switch" or self._plan.switch == "standin":
            return
        container = self._nodes()[node.container]
        number = kernel_name(interface).removeprefix("eth")
        tap = f"tap{number}"
        if tap not in self._programs.interfaces(container):
            return  # macvtap, or the VM is not started yet
        self._programs.exec(container, ["tc", "qdisc", "del", "dev", tap, "ingress"])
        done = self._programs.exec(container, [RELINK, tap])
        if done.code != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise LabError(
                f"{interface} of {node.name} is wired again, but its virtual machine is not joined to it: {words}",
                code="cannot-recover",
                next_command=f"labctl repair {self._plan.lab} --rebuild {node.name}",
            )
        progress(f"{interface} of {node.name} is joined to its virtual machine again")
