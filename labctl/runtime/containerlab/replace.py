"""One container made anew, with its wires kept: they wait in a network namespace of their own meanwhile.

containerlab 0.79 parks wires in the same way, but only inside a ``deploy`` of the whole lab, which takes a cluster of
kind for a node that is missing and fails (core/topology_reconcile.go looks for a container of that name). So the
container is made out of its own configuration, as Docker has it, and the other ends see no more than a carrier that was
away.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from labctl.errors import HostError, LabctlError, LabError
from labctl.pace import paced
from labctl.runtime.api import Progress
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.places import HostPlaces
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

PARKED = "clab-park-"
"""containerlab's own prefix: what a labctl that was killed leaves is swept with the lab's other marks."""
OLD = "-labctl-old"
START_LIMIT = 60.0


class Parking(Protocol):
    """Where wires wait."""

    def take(self, pid: int, devices: Sequence[str]) -> None:
        """Out of the network namespace of a process."""

    def give(self, pid: int, devices: Sequence[str]) -> None:
        """Into it, up."""

    def remove(self) -> None: ...


class NamespaceParking:
    """A named network namespace. Raises `HostError` with iproute2's words."""

    def __init__(self, name: str) -> None:
        if os.geteuid() != 0:
            raise HostError("wires between containers can only be moved by root", code="needs-root")
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
        raise HostError(f"{argv[0]}: {error}", code="wires-not-moved") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise HostError(f"{' '.join(argv)}: {words}", code="wires-not-moved")


class Replacement:
    """Replaces containers of one lab."""

    def __init__(
        self, docker: DockerHost, places: HostPlaces, parking: Callable[[str], Parking] = NamespaceParking
    ) -> None:
        self._docker = docker
        self._places = places
        self._parking = parking

    def replace(self, old: Container, devices: Sequence[str], progress: Progress) -> Container:
        """A new container with the old one's name, configuration and ``devices``. Raises `HostError` or `LabError`.

        When the new one does not start, the old one is started again with its wires.
        """
        parking = self._parking(f"{PARKED}{old.name}")
        progress(f"{len(devices)} wires of {old.name} wait in a namespace of their own")
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
        self._docker.start(container)

        def runs() -> Container | NotYet:
            now = self._docker.container(container)
            return now if now is not None and now.running else NotYet(now.state if now else "gone")

        try:
            return wait_for(runs, Deadline(paced(START_LIMIT)), every=0.2)
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
        path = self._places.namespaces / container.name
        if path.is_symlink():
            path.unlink()
            path.symlink_to(Path("/proc") / str(container.pid) / "ns" / "net")
