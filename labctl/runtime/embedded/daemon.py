"""The daemon of one embedded lab: it holds the guest, the channel, the children; the CLI is its client.

``python -m labctl.runtime.embedded.daemon LAB``; started by ``labctl up``, owned by the user. When it ends, for
whatever reason, nothing of the lab runs any more: children have a parent-death signal and the guest powers
itself off when its channel closes.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from labctl.errors import LabctlError, LabError
from labctl.logs import to_stream
from labctl.runtime.embedded.boot import EmbeddedLab
from labctl.runtime.embedded.control import describe
from labctl.state import LabState, lab_state

log = logging.getLogger(__name__)


class Daemon:
    """Serves the control socket; the lab itself is an `EmbeddedLab`."""

    def __init__(self, state: LabState) -> None:
        self._state = state
        self._lab = EmbeddedLab(state)
        self._over = threading.Event()
        self._busy = threading.Lock()

    def serve(self, path: Path) -> None:
        """Accept requests until the lab is destroyed or a signal says so."""
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(16)
            listener.settimeout(0.2)
            while not self._over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    if not path.exists() and not self._over.is_set():
                        self.stop()  # the state folder was removed: nobody can reach this lab any more
                    continue
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the lab and the daemon (SIGTERM)."""
        self._destroy(lambda _message: None)
        self._over.set()

    def _destroy(self, progress: Callable[[str], None]) -> None:
        self._lab.cancel.set()
        with self._busy:
            self._lab.destroy(progress)

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:

            def send(**body: Any) -> None:
                try:
                    stream.write(json.dumps(body).encode() + b"\n")
                    stream.flush()
                except (OSError, ValueError):
                    return  # the client went away; the work goes on

            try:
                verb = json.loads(stream.readline() or b"{}").get("verb", "")
                send(result=self._do(verb, lambda message: send(progress=message)))
            except LabctlError as error:
                send(error=describe(error))
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                log.exception("the daemon broke")
                send(error=describe(LabError(f"the daemon broke: {error!r}", hint=str(self._state.logs))))
        if self._lab.destroyed:
            self._over.set()

    def _do(self, verb: str, progress: Callable[[str], None]) -> dict[str, Any]:
        match verb:
            case "observe":
                return self._lab.observe()
            case "create":
                with self._busy:
                    return self._lab.create(progress)
            case "destroy":
                self._destroy(progress)
                return {}
            case _:
                raise LabError(f"unknown verb {verb!r}")


def main(arguments: list[str]) -> int:
    """Run the daemon in the foreground of its own session."""
    os.umask(0o077)
    to_stream(sys.stderr)
    state = lab_state(arguments[0])
    daemon = Daemon(state)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=daemon.stop, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    daemon.serve(state.root / "daemon.sock")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
