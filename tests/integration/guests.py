"""A guest for a test alone: booted, spoken to, powered off in any case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labctl.errors import HostError
from labctl.guest.client import Agent
from labctl.guest.image import GuestImage
from labctl.guest.launchers import start_guest
from labctl.guest.machine import Machine, RunningGuest
from labctl.guest.trial import first_word
from tests.integration.patience import patient


def await_agent(guest: RunningGuest, seconds: float) -> None:
    """Wait for a guest's first word. Raises `HostError` with what the console tells."""
    verdict = first_word(guest, patient(seconds), threading.Event())
    if not verdict.good:
        raise HostError(verdict.reason, code="guest-does-not-boot")


@contextmanager
def booted(
    launcher: str, image: GuestImage, memory_mb: int, work: Path, seconds: float = 120.0, **more: Any
) -> Iterator[Agent]:
    """Its agent, once it answers; console and socket are in ``work``. ``more``: of its `Machine`."""
    machine = Machine(memory_mb, work, work / "console.log", work / "agent.sock", **more)
    guest = start_guest(launcher, image, machine)
    try:
        await_agent(guest, seconds)
        yield guest.connect()
    finally:
        guest.power_off()
