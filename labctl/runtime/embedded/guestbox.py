"""The guest of one lab: image, launcher, channel and hub."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from labctl.cache import cache_dir
from labctl.errors import HostError, UsageError
from labctl.guest.api import Agent
from labctl.guest.client import connect
from labctl.guest.hub import Hub
from labctl.guest.image import find_image
from labctl.guest.launch import Machine, RunningGuest, await_agent, choose_launcher, start_guest
from labctl.state import LabState
from labctl.waiting import Deadline

MEMORY_BASE_MB = 300
MEMORY_PER_BOX_MB = 40
"""Measured in the white paper's lab: 255 MB in use of 9 boxes, FRR 30 MB a leaf. What a guest has it touches sooner or
later, and what UML has touched stays taken from the host, so it gets little more than twice what it needs."""
MEMORY_VARIABLE = "LABCTL_GUEST_MEMORY_MB"
"""For labs whose workloads are scaled up: a pod of nginx takes about 5 MB."""


class GuestBox:
    """A started guest and the way to its agent."""

    def __init__(self, state: LabState, guest: RunningGuest) -> None:
        self._guest = guest
        self._socket = state.root / "agent.sock"
        self._hub = Hub(guest.channel, self._socket, window=guest.window)
        self._hub.start()

    @property
    def launcher(self) -> str:
        return self._guest.launcher

    @property
    def pids(self) -> Mapping[str, int]:
        return self._guest.pids

    def ready(self, deadline: Deadline, cancel: threading.Event) -> Agent:
        """Wait for the guest's agent. Raises `InconclusiveError` with the console's end."""
        await_agent(self._guest, self._hub.open.is_set, deadline, cancel)
        return connect(self._socket)

    def exited(self) -> bool:
        return self._guest.exited()

    def power_off(self) -> None:
        """End the hub, and with it the guest."""
        self._hub.stop()
        self._hub.ended.wait(2.0)
        self._guest.power_off()


def guest_memory(boxes: int, wanted: str | None) -> int:
    """MB for a lab of so many boxes; more when a person says so. Raises `UsageError`."""
    least = MEMORY_BASE_MB + MEMORY_PER_BOX_MB * boxes
    if wanted is None:
        return least
    if not wanted.isdecimal() or int(wanted) < least:
        raise UsageError(f"{MEMORY_VARIABLE}={wanted}: a number of MB, {least} at least", code="bad-guest-memory")
    return int(wanted)


def boot(state: LabState, launcher: str, boxes: int, say: Callable[[str], None]) -> GuestBox:
    """Start a guest that is big enough. Must run on a thread that lives as long as the guest. Raises `HostError`."""
    cache = cache_dir()
    image = find_image(cache)
    if image is None:
        raise HostError("the guest image is not on this host", code="no-image", next_command="labctl setup")
    name, reasons = choose_launcher(launcher, image, cache)
    for reason in reasons:
        say(f"not {reason}")
    workdir = state.root / "guest"
    workdir.mkdir(mode=0o700, exist_ok=True)
    memory = guest_memory(boxes, os.environ.get(MEMORY_VARIABLE))
    guest = start_guest(name, image, Machine(memory), workdir=workdir, console=state.logs / "console.log")
    say(f"guest starts on {name} with {memory} MB")
    return GuestBox(state, guest)
