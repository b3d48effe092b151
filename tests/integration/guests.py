"""A guest for a test alone: booted, spoken to, powered off in any case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.guest.client import AgentClient, connect
from labctl.guest.hub import Hub
from labctl.guest.image import GuestImage
from labctl.guest.launch import Machine, await_agent, start_guest
from labctl.waiting import Deadline
from tests.integration.patience import patient


@contextmanager
def booted(
    launcher: str, image: GuestImage, machine: Machine, work: Path, seconds: float = 120.0
) -> Iterator[AgentClient]:
    """Its agent, once it answers; console and socket are in ``work``."""
    guest = start_guest(launcher, image, machine, workdir=work, console=work / "console.log")
    hub = Hub(guest.channel, work / "agent.sock", window=guest.window)
    hub.start()
    try:
        await_agent(guest, hub.open.is_set, Deadline(patient(seconds)), threading.Event())
        yield connect(work / "agent.sock")
    finally:
        hub.stop()
        hub.ended.wait(patient(5.0))
        guest.power_off()
