"""Switches: the SSH gate, and the push of ``nxos/<switch>.cfg`` to all of them at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labctl.engine.actions.booting import Booting
from labctl.engine.actions.profile import STANDIN, Profile
from labctl.errors import GateMissed, InconclusiveError
from labctl.nxos.push import PushResult, push, raise_if_refused
from labctl.nxos.session import LoginRefused, NxosSession, SwitchUnreachable, Tap
from labctl.pace import bounded, paced
from labctl.runtime.api import Endpoints
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

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

    def one(switch: str) -> NxosSession | str:
        refused = Deadline(paced(LOGIN_PATIENCE))

        def question() -> NxosSession | NotYet:
            nonlocal refused
            try:
                session = open_session(switch, endpoints, profile=profile, timeout=max(1.0, deadline.remaining))
            except LoginRefused as error:
                if refused.passed:
                    raise
                booting.waits(switch, error.message)
                return NotYet(error.message)
            except SwitchUnreachable as error:
                refused = Deadline(paced(LOGIN_PATIENCE))
                booting.waits(switch, error.message)
                return NotYet(error.message)
            booting.ready(switch)
            return session

        try:
            try:
                return wait_for(question, deadline.at_most(OFTEN_FOR), every=OFTEN, cancel=cancel)
            except DeadlinePassed:
                return wait_for(question, deadline, every=SELDOM, cancel=cancel)
        except DeadlinePassed as passed:
            return passed.reason
        except LoginRefused as error:
            return f"{error.message} (for {LOGIN_PATIENCE:.0f} s)"
        except Cancelled:
            return f"{switch}: stopped"

    with ThreadPoolExecutor(max(1, len(switches))) as pool:
        answers = dict(zip(switches, pool.map(one, switches), strict=True))
    reasons = [answer for answer in answers.values() if isinstance(answer, str)]
    if reasons:
        close_sessions(answer for answer in answers.values() if isinstance(answer, NxosSession))
        raise GateMissed(f"no SSH login: {'; '.join(reasons)}", code="ssh-gate")
    return {name: answer for name, answer in answers.items() if isinstance(answer, NxosSession)}


def push_all(folder: Path, sessions: Mapping[str, NxosSession], *, timeout: float) -> str:
    """Push and read back, in parallel. Raises `RejectedError` with every refused line of every switch at once."""

    def one(name: str) -> PushResult:
        file = f"nxos/{name}.cfg"
        return push(sessions[name], file, (folder / file).read_text(), timeout=timeout)

    with ThreadPoolExecutor(max(1, len(sessions))) as pool:
        futures = {name: pool.submit(one, name) for name in sessions}
        results, silent = [], []
        for future in futures.values():
            try:
                results.append(future.result())
            except SwitchUnreachable as error:
                silent.append(error.message)
    raise_if_refused(results)
    if silent:
        raise InconclusiveError(f"a switch stopped answering: {'; '.join(silent)}", code="switch-unreachable")
    return f"{sum(result.lines for result in results)} lines on {len(results)} switches, read back and equal"


def close_sessions(sessions: object) -> None:
    """Log out."""
    for session in sessions:  # type: ignore[attr-defined]
        session.close()
