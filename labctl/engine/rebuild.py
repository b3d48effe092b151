"""``labctl rebuild``: one switch made anew and configured, the rest of the lab as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

from labctl.engine.actions import switches
from labctl.errors import UsageError, did_you_mean
from labctl.folder import load_folder
from labctl.runtime.api import Runtime
from labctl.state import LabState
from labctl.waiting import Deadline

DEFAULT_LIMIT = 60.0


def rebuild(state: LabState, runtime: Runtime, switch: str, say: Callable[[str], None]) -> str:
    """A new box, then its SSH gate, then the push of its configuration, read back; returns what was pushed.

    Raises `UsageError` for what is no switch, what the runtime raises when it cannot, and what gate and push raise.
    """
    with state.lock():
        folder = load_folder(state.folder)
        if switch not in folder.lab.switches:
            raise UsageError(
                f"{switch} is no switch of lab {state.name}",
                code="no-such-switch",
                hint=did_you_mean(switch, folder.lab.switches, f"it has {', '.join(folder.lab.switches)}"),
            )
        runtime.rebuild(switch, progress=say)
        limits = folder.lab.deadlines
        say(f"waiting for {switch} to take logins")
        sessions = switches.await_ssh(
            [switch], runtime.endpoints(), Deadline(limits.get("ssh", DEFAULT_LIMIT)), threading.Event()
        )
        try:
            say(f"pushing nxos/{switch}.cfg")
            return switches.push_all(folder.path, sessions, timeout=limits.get("push", DEFAULT_LIMIT))
        finally:
            switches.close_sessions(sessions.values())
