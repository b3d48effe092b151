"""Switches: the gates before the push (logins, ports), and the push of ``nxos/<switch>.cfg`` to all of them at once.

A 9000v takes logins about a minute before its line card is there; lines for ports that it does not have yet would be
refused. The same is asked of every switch of every runtime.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from labctl.engine.actions.booting import Booting
from labctl.engine.actions.profile import STANDIN, Profile
from labctl.errors import GateMissed, InconclusiveError
from labctl.folder import Folder
from labctl.nxos import inventory
from labctl.nxos.push import PushResult, push, raise_if_refused
from labctl.nxos.session import LoginRefused, NxosSession, SwitchRefused, SwitchUnreachable, Tap
from labctl.pace import bounded, paced
from labctl.parallel import at_once, tried
from labctl.runtime.api import Endpoints
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

T = TypeVar("T")
FIRST_PORT = "Ethernet1/1"
OFTEN, OFTEN_FOR, SELDOM = 0.05, 10.0, 2.0
"""A login is tried every 0.05 s for 10 s (a stand-in is there by then), afterwards every 2 s (a 9000v boots)."""
LOGIN_PATIENCE = 180.0
"""Seconds for which a switch may answer and refuse the login: a 9000v makes its users minutes after its SSH server."""


def open_session(
    switch: str,
    endpoints: Endpoints,
    *,
    profile: Profile = STANDIN,
    timeout: float | None = None,
    tap: Tap | None = None,
) -> NxosSession:
    """Log in. ``tap`` is told every exchange. Raises `SwitchUnreachable`."""
    endpoint = endpoints.ssh(switch)
    known = endpoint.config_file.parent / "known_hosts" if endpoint.config_file else None
    return NxosSession(
        endpoint.host,
        endpoint.port,
        endpoint.username,
        endpoint.password,
        name=switch,
        known_hosts=known,
        first_keys=endpoint.first_keys,
        timeout=min(bounded(profile.login), timeout or float("inf")),
        window=profile.window,
        tap=tap,
    )


def await_ssh(
    switches: Sequence[str],
    endpoints: Endpoints,
    deadline: Deadline,
    cancel: threading.Event,
    *,
    booting: Booting | None = None,
    profile: Profile = STANDIN,
) -> dict[str, NxosSession]:
    """The gate: every switch takes a login. Raises `GateMissed` naming those that do not."""
    booting = booting or Booting.unheard(len(switches))

    def one(switch: str) -> NxosSession:
        refused = Deadline(paced(LOGIN_PATIENCE))

        def question() -> NxosSession | NotYet:
            nonlocal refused
            try:
                session = open_session(switch, endpoints, profile=profile, timeout=max(1.0, deadline.remaining))
            except SwitchUnreachable as error:
                if not isinstance(error, LoginRefused):
                    refused = Deadline(paced(LOGIN_PATIENCE))
                elif refused.passed:
                    raise
                booting.waits(switch, error.message)
                return NotYet(error.message)
            booting.ready(switch)
            return session

        try:
            return wait_for(question, deadline.at_most(OFTEN_FOR), every=OFTEN, cancel=cancel)
        except DeadlinePassed:
            return wait_for(question, deadline, every=SELDOM, cancel=cancel)

    sessions, reasons = _gate(switches, one)
    if reasons:
        close_sessions(sessions.values())
        raise GateMissed(f"no SSH login: {'; '.join(reasons)}", code="ssh-gate")
    return sessions


def _gate(switches: Iterable[str], wait: Callable[[str], T]) -> tuple[dict[str, T], list[str]]:
    """(what came by switch, why something did not come) of a wait for each of them, all at once."""

    def one(switch: str) -> T | NotYet:
        try:
            return wait(switch)
        except DeadlinePassed as passed:
            return NotYet(passed.reason)
        except LoginRefused as error:
            return NotYet(f"{error.message} (for {LOGIN_PATIENCE:.0f} s)")
        except Cancelled:
            return NotYet(f"{switch}: stopped")

    answers = at_once(switches, one)
    there = {name: answer for name, answer in answers.items() if not isinstance(answer, NotYet)}
    return there, [answer.reason for answer in answers.values() if isinstance(answer, NotYet)]


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

    def one(switch: str) -> bool:
        def question() -> bool | NotYet:
            try:
                reason = trouble(sessions[switch], wanted[switch])
            except SwitchUnreachable as gone:
                reason = gone.message
                sessions[switch].close()
                try:
                    sessions[switch] = login(switch)
                except SwitchUnreachable as still:
                    reason = still.message
            if reason is None:
                booting.ready(switch)
                return True
            booting.waits(switch, reason)
            return NotYet(f"{switch}: {reason.removeprefix(f'{switch}: ')}")

        return wait_for(question, deadline, every=0.5, cancel=cancel)

    _, reasons = _gate(wanted, one)
    if reasons:
        hint = "a module that stays pwr-cycld or powered-dn lacks memory or processors: QEMU_MEMORY, QEMU_SMP"
        raise GateMissed(
            f"not ready for a configuration: {'; '.join(reasons)}",
            code="ports-gate",
            hint=hint if any("module" in reason for reason in reasons) else None,
        )
    return f"{sum(map(len, wanted.values()))} wired ports on {len(wanted)} switches are there, modules ok"


def push_all(folder: Path, sessions: Mapping[str, NxosSession], *, timeout: float) -> str:
    """Push and read back, in parallel. Raises `RejectedError` with every refused line of every switch at once."""

    def one(name: str) -> PushResult:
        file = f"nxos/{name}.cfg"
        return push(sessions[name], file, (folder / file).read_text(), timeout=timeout)

    results, silent = tried(sessions, one)
    raise_if_refused(list(results.values()))
    if silent:
        reasons = "; ".join(error.message for error in silent.values())
        raise InconclusiveError(f"a switch stopped answering: {reasons}", code="switch-unreachable")
    return f"{sum(result.lines for result in results.values())} lines on {len(results)} switches, read back and equal"


def close_sessions(sessions: Iterable[NxosSession]) -> None:
    """Log out."""
    for session in sessions:
        session.close()
