"""A started guest and the way to its agent: launcher's process, channel and hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labctl.guest.client import AgentClient, connect
from labctl.guest.hub import Hub
from labctl.guest.running import RunningGuest


class GuestBox:
    """Owns a guest from its start on: what it says goes through a hub, whose socket is at ``path``."""

    def __init__(self, guest: RunningGuest, path: Path) -> None:
        self._guest = guest
        self._socket = path
        self._hub = Hub(guest.channel, path, window=guest.window)
        self._hub.start()

    @property
    def launcher(self) -> str:
        return self._guest.launcher

    @property
    def pids(self) -> Mapping[str, int]:
        return self._guest.pids

    def answers(self) -> bool:
        """Whether the guest's agent has said a word."""
        return self._hub.open.is_set()

    def connect(self) -> AgentClient:
        """The agent, of a guest that answers."""
        return connect(self._socket)

    def exited(self) -> bool:
        return self._guest.exited()

    def exit_code(self) -> int | None:
        """Of a guest whose process ended; negative for the signal that ended it."""
        return self._guest.process.poll()

    def console_text(self) -> str:
        """All that the guest has written to its console."""
        return self._guest.console_text()

    def power_off(self) -> None:
        """End the hub, and with it the guest."""
        self._hub.stop()
        self._hub.ended.wait(2.0)
        self._guest.power_off()
