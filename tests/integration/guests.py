"""A guest for a test alone: booted, spoken to, powered off in any case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.errors import HostError
from labctl.guest.client import Agent
from labctl.guest.hub import GuestBox
from labctl.guest.image import GuestImage
from labctl.guest.launchers import start_guest
from labctl.guest.machine import Machine
from labctl.guest.trial import first_word
from tests.integration.patience import patient


def await_agent(guest: GuestBox, seconds: float) -> None:
    """Wait for a guest's first word. Raises `HostError` with what the console tells."""
    verdict = first_word(guest, patient(seconds), threading.Event())
    if not verdict.good:
        raise HostError(verdict.reason, code="guest-does-not-boot")


@contextmanager
def booted(launcher: str, image: GuestImage, machine: Machine, work: Path, seconds: float = 120.0) -> Iterator[Agent]:
    """Its agent, once it answers; console and socket are in ``work``."""
    guest = GuestBox(
        start_guest(launcher, image, machine, workdir=work, console=work / "console.log"), work / "agent.sock"
    )
    try:
        await_agent(guest, seconds)
        yield guest.connect()
    finally:
        guest.power_off()
