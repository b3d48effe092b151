"""The gate before the push: a switch lists every port that is wired, and its modules are up.

A 9000v takes logins about a minute before its line card is there; lines for ports that it does not have yet would be
refused. The same is asked of every switch of every runtime.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from labctl.engine.actions.booting import Booting
from labctl.errors import GateMissed
from labctl.folder import Folder
from labctl.nxos import inventory
from labctl.nxos.session import NxosSession, SwitchRefused, SwitchUnreachable
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

FIRST_PORT = "Ethernet1/1"


def wired_ports(folder: Folder) -> dict[str, tuple[str, ...]]:
    """Switch → ports with a link, as NX-OS names them; the first port where it has none."""
    return {name: folder.lab.interfaces(name) or (FIRST_PORT,) for name in folder.lab.switches}


def trouble(session: NxosSession, wanted: Sequence[str]) -> str | None:
    """Why a switch is not ready for its configuration; None: it is. Raises `SwitchUnreachable`."""
    try:
        modules = inventory.module_trouble(session.show_json(inventory.MODULES))
        listed = inventory.ports(session.show_json(inventory.PORTS))
    except SwitchRefused:  # it may print no JSON yet, or none that can be read
        try:
            modules = inventory.module_trouble_of_text(session.show(inventory.MODULES))
            listed = inventory.ports_of_text(session.show(inventory.PORTS))
        except SwitchRefused as refused:
            return refused.message.removeprefix(f"{session.name}: ")
    missing = [port for port in wanted if port not in listed]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"it does not list {missing[0]}{more}" + (f", {modules}" if modules else "")
    return modules


def await_ports(
    wanted: Mapping[str, Sequence[str]],
    sessions: dict[str, NxosSession],
    login: Callable[[str], NxosSession],
    deadline: Deadline,
    cancel: threading.Event,
    *,
    booting: Booting | None = None,
) -> str:
    """The gate. A session that ended (the switch restarted) is opened anew, in ``sessions``. Raises `GateMissed`."""
    booting = booting or Booting.unheard(len(wanted))

    def one(switch: str) -> str | None:
        def question() -> bool | NotYet:
            try:
                reason = trouble(sessions[switch], wanted[switch])
                if reason is None:
                    booting.ready(switch)
                    return True
            except SwitchUnreachable as gone:
                reason = gone.message
                sessions[switch].close()
                try:
                    sessions[switch] = login(switch)
                except SwitchUnreachable as still:
                    reason = still.message
            booting.waits(switch, reason)
            return NotYet(f"{switch}: {reason.removeprefix(f'{switch}: ')}")

        try:
            wait_for(question, deadline, every=0.5, cancel=cancel)
        except DeadlinePassed as passed:
            return passed.reason
        except Cancelled:
            return f"{switch}: stopped"
        return None

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        reasons = [reason for reason in pool.map(one, wanted) if reason]
    if reasons:
        hint = "a module that stays pwr-cycld or powered-dn lacks memory or processors: QEMU_MEMORY, QEMU_SMP"
        raise GateMissed(
            f"not ready for a configuration: {'; '.join(reasons)}",
            code="ports-gate",
            hint=hint if any("module" in reason for reason in reasons) else None,
        )
    return f"{sum(map(len, wanted.values()))} wired ports on {len(wanted)} switches are there, modules ok"
