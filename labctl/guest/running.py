"""A guest that runs: its process, the channel into it, its console. The same for every launcher."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass
class RunningGuest:
    """A guest that was started: its process, the channel into it, the link window of the channel."""

    launcher: str
    process: subprocess.Popen[bytes]
    channel: socket.socket
    window: int
    console: Path
    _pump: threading.Thread | None = field(default=None, repr=False)

    @property
    def pids(self) -> dict[str, int]:
        return {"guest": self.process.pid}

    def exited(self) -> bool:
        return self.process.poll() is not None

    def power_off(self, grace: float = 2.0) -> None:
        """Close the channel, which makes the guest power itself off; kill it when it does not in time."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """At once."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def console_text(self) -> str:
        """What it has written to its console; all of it once its process has ended."""
        if self._pump and self.exited():
            self._pump.join(1.0)  # what is under way from a process that is gone
        try:
            return self.console.read_text(errors="replace")
        except OSError:
            return ""


def open_console(path: Path) -> int:
    """The console's log, for a process to append to; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
