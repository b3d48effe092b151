"""The guest of one lab: its image, its size, its place."""

from __future__ import annotations

import os
from collections.abc import Callable

from labctl.cache import look
from labctl.errors import HostError, UsageError
from labctl.guest.box import GuestBox
from labctl.guest.image import GuestImage, find_image
from labctl.guest.launch import Machine, start_guest
from labctl.state import LabState

MEMORY_BASE_MB = 300
MEMORY_PER_BOX_MB = 40
"""Measured in the white paper's lab: 255 MB in use of 9 boxes, FRR 30 MB a leaf. What a guest has it touches sooner or
later, and what UML has touched stays taken from the host, so it gets little more than twice what it needs."""
MEMORY_VARIABLE = "LABCTL_GUEST_MEMORY_MB"
"""For labs whose workloads are scaled up: a pod of nginx takes about 5 MB."""


def guest_memory(boxes: int, wanted: str | None) -> int:
    """MB for a lab of so many boxes; more when a person says so. Raises `UsageError`."""
    least = MEMORY_BASE_MB + MEMORY_PER_BOX_MB * boxes
    if wanted is None:
        return least
    if not wanted.isdecimal() or int(wanted) < least:
        raise UsageError(f"{MEMORY_VARIABLE}={wanted}: a number of MB, {least} at least", code="bad-guest-memory")
    return int(wanted)


def lab_image() -> GuestImage:
    """The image that labs boot. Raises `HostError`."""
    image = look(find_image)
    if image is None:
        raise HostError("the guest image is not on this host", code="no-image", next_command="labctl setup")
    return image


def start(state: LabState, image: GuestImage, launcher: str, boxes: int, say: Callable[[str], None]) -> GuestBox:
    """Start a guest that is big enough. Must run on a thread that lives as long as the guest. Raises `UsageError`."""
    workdir = state.root / "guest"
    workdir.mkdir(mode=0o700, exist_ok=True)
    console = state.logs / "console.log"
    if console.exists():  # of the launcher before: what it said stays apart
        console.rename(state.logs / "console-before.log")
    memory = guest_memory(boxes, os.environ.get(MEMORY_VARIABLE))
    guest = start_guest(launcher, image, Machine(memory), workdir=workdir, console=console)
    say(f"guest starts on {launcher} with {memory} MB")
    return GuestBox(guest, state.root / "agent.sock")
