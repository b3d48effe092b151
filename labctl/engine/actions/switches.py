"""Switches: the SSH gate, and the push of ``nxos/<switch>.cfg`` to all of them at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labctl.errors import InconclusiveError
from labctl.nxos.push import PushResult, push, raise_if_refused
from labctl.nxos.session import NxosSession, SwitchUnreachable
from labctl.runtime.api import Endpoints
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

LOGIN_LIMIT = 10.0


def open_session(switch: str, endpoints: Endpoints, *, timeout: float = LOGIN_LIMIT) -> NxosSession:
    """Log in. Raises `SwitchUnreachable`."""
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
        timeout=timeout,
    )


def await_ssh(
    switches: Sequence[str], endpoints: Endpoints, deadline: Deadline, cancel: threading.Event
) -> dict[str, NxosSession]:
    """The gate: every switch takes a login. Raises `InconclusiveError` naming those that do not."""

    def one(switch: str) -> NxosSession | str:
        def question() -> NxosSession | NotYet:
            try:
                return open_session(switch, endpoints, timeout=min(LOGIN_LIMIT, max(1.0, deadline.remaining)))
            except SwitchUnreachable as error:
                return NotYet(error.message)

        try:
            return wait_for(question, deadline, every=0.05, cancel=cancel)
        except DeadlinePassed as passed:
            return passed.reason
        except Cancelled:
            return f"{switch}: stopped"

    with ThreadPoolExecutor(max(1, len(switches))) as pool:
        answers = dict(zip(switches, pool.map(one, switches), strict=True))
    reasons = [answer for answer in answers.values() if isinstance(answer, str)]
    if reasons:
        close_sessions(answer for answer in answers.values() if isinstance(answer, NxosSession))
        raise InconclusiveError(f"no SSH login: {'; '.join(reasons)}", code="ssh-gate")
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
