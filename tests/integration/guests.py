"""A guest for a test alone: booted, spoken to, powered off in any case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.guest.client import Agent
from labctl.guest.hub import GuestBox
from labctl.guest.image import GuestImage
from labctl.guest.launchers import start_guest
from labctl.guest.machine import Machine
from labctl.guest.trial import await_agent
from tests.integration.patience import patient


@contextmanager
def booted(launcher: str, image: GuestImage, machine: Machine, work: Path, seconds: float = 120.0) -> Iterator[Agent]:
    """Its agent, once it answers; console and socket are in ``work``."""
    guest = GuestBox(
        start_guest(launcher, image, machine, workdir=work, console=work / "console.log"), work / "agent.sock"
    )
    try:
        await_agent(guest, patient(seconds), threading.Event())
        yield guest.connect()
    finally:
        guest.power_off()
