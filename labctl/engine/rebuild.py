"""``labctl repair --rebuild``: one switch made anew and configured, the rest of the lab as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

from labctl.engine.actions import ports, switches
from labctl.engine.actions.profile import profile_of
from labctl.errors import UsageError, did_you_mean
from labctl.folder import load_folder
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Runtime
from labctl.state import LabState
from labctl.waiting import Deadline


def rebuild(state: LabState, runtime: Runtime, switch: str, say: Callable[[str], None]) -> str:
    """A new box, then its gates (SSH, ports), then the push of its configuration, read back; returns what was pushed.

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
        profile, never = profile_of(folder.lab.target), threading.Event()
        endpoints, deadline = runtime.endpoints(), Deadline(folder.lab.limit("ssh"))
        say(f"waiting for {switch} to take logins" + (f"; {profile.estimate}" if profile.estimate else ""))
        sessions = switches.await_ssh([switch], endpoints, deadline, never, profile=profile)

        def login(name: str) -> NxosSession:
            return switches.open_session(name, endpoints, profile=profile)

        try:
            ports.await_ports({switch: ports.wired_ports(folder)[switch]}, sessions, login, deadline, never)
            say(f"pushing nxos/{switch}.cfg")
            return switches.push_all(folder.path, sessions, timeout=folder.lab.limit("push"))
        finally:
            switches.close_sessions(sessions.values())
