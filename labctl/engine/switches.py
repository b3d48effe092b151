"""Switches: the gates before the push (logins, ports), and the push of ``nxos/<switch>.cfg`` to all of them at once.

A 9000v takes logins about a minute before its line card is there; lines for ports that it does not have yet would be
refused. The same is asked of every switch of every runtime.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from labctl.engine.proving import Running, is_real, open_session
from labctl.engine.steps import StepContext
from labctl.errors import GateMissed, InconclusiveError, LabctlError
from labctl.folder import Folder
from labctl.nxos import inventory
from labctl.nxos.push import PushResult, push, raise_if_refused
from labctl.nxos.session import LoginRefused, NxosSession, SwitchRefused, SwitchUnreachable
from labctl.pace import paced
from labctl.parallel import at_once, tried
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

T = TypeVar("T")
FIRST_PORT = "Ethernet1/1"
OFTEN, OFTEN_FOR, SELDOM = 0.05, 10.0, 2.0
"""A switch is asked every 0.05 s for 10 s (a stand-in is there by then), afterwards every 2 s (a 9000v boots)."""
LOGIN_PATIENCE = 180.0
"""Seconds for which a switch may answer and refuse the login: a 9000v makes its users minutes after its SSH server."""


def estimate(folder: Folder) -> str:
    """How long the lab's switches take to boot; empty when that is not worth a word."""
    return "a 9000v takes 5 to 15 min" if is_real(folder.lab.target) else ""


def await_ssh(lab: Running, context: StepContext, switches: Sequence[str] = ()) -> str:
    """The gate: every switch takes a login, kept in ``lab.sessions``. Raises `GateMissed` naming those that do not."""
    known = lab.folder.lab
    names, deadline = switches or known.switches, context.deadline.at_most(known.limit("ssh"))
    refused: dict[str, Deadline] = {}

    def login(switch: str) -> NxosSession | NotYet:
        try:
            return open_session(switch, lab.endpoints, known.target, timeout=max(1.0, deadline.remaining))
        except LoginRefused as error:
            if refused.setdefault(switch, Deadline(paced(LOGIN_PATIENCE))).passed:
                raise
            return NotYet(error.message)
        except SwitchUnreachable as error:
            refused.pop(switch, None)
            return NotYet(error.message)

    sessions, reasons = _gate(lab, context, "switches take logins", names, login)
    if reasons:
        close_sessions(sessions.values())
        raise GateMissed(f"no SSH login: {'; '.join(reasons)}", code="ssh-gate")
    lab.sessions.update(sessions)
    return f"{len(names)} switches"


def _gate(
    lab: Running, context: StepContext, what: str, switches: Iterable[str], ask: Callable[[str], T | NotYet]
) -> tuple[dict[str, T], list[str]]:
    """(what came by switch, why something did not come) of a wait for each of them, all at once."""
    names = list(switches)
    deadline = context.deadline.at_most(lab.folder.lab.limit("ssh"))
    booting = Booting(len(names), what, context.tick, lab.runtime.last_line, estimate=estimate(lab.folder))

    def one(switch: str) -> T | NotYet:
        def question() -> T | NotYet:
            answer = ask(switch)
            booting.heard(switch, answer.reason if isinstance(answer, NotYet) else None)
            return answer

        try:
            try:
                return wait_for(question, deadline.at_most(OFTEN_FOR), every=OFTEN, cancel=context.cancel)
            except DeadlinePassed:
                return wait_for(question, deadline, every=SELDOM, cancel=context.cancel)
        except DeadlinePassed as passed:
            return NotYet(passed.reason)
        except LoginRefused as error:
            return NotYet(f"{error.message} (for {LOGIN_PATIENCE:.0f} s)")
        except Cancelled:
            return NotYet(f"{switch}: stopped")

    answers = at_once(names, one)
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


def await_ports(lab: Running, context: StepContext) -> str:
    """The gate. A session of ``lab`` that ended (the switch restarted) is opened anew. Raises `GateMissed`."""
    wired = wired_ports(lab.folder)

    def listed(switch: str) -> bool | NotYet:
        try:
            reason = trouble(lab.sessions[switch], wired[switch])
        except SwitchUnreachable as gone:
            reason = gone.message
            lab.sessions[switch].close()
            try:
                lab.sessions[switch] = open_session(switch, lab.endpoints, lab.folder.lab.target)
            except SwitchUnreachable as still:
                reason = still.message
        return NotYet(f"{switch}: {reason.removeprefix(f'{switch}: ')}") if reason else True

    there, reasons = _gate(lab, context, "switches list their ports", lab.sessions, listed)
    if reasons:
        hint = "a module that stays pwr-cycld or powered-dn lacks memory or processors: QEMU_MEMORY, QEMU_SMP"
        raise GateMissed(
            f"not ready for a configuration: {'; '.join(reasons)}",
            code="ports-gate",
            hint=hint if any("module" in reason for reason in reasons) else None,
        )
    return f"{sum(len(wired[name]) for name in there)} wired ports on {len(there)} switches are there, modules ok"


def push_all(lab: Running, context: StepContext) -> str:
    """Push and read back, in parallel. Raises `RejectedError` with every refused line of every switch at once.

    A line that is on its way to a switch is not called back.
    """
    folder, deadline = lab.folder, context.deadline.at_most(lab.folder.lab.limit("push"))

    def one(name: str) -> PushResult:
        file = f"nxos/{name}.cfg"
        return push(lab.sessions[name], file, (folder.path / file).read_text(), timeout=deadline.remaining)

    results, silent = tried(lab.sessions, one)
    raise_if_refused(list(results.values()))
    if silent:
        reasons = "; ".join(error.message for error in silent.values())
        raise InconclusiveError(f"a switch stopped answering: {reasons}", code="switch-unreachable")
    return f"{sum(result.lines for result in results.values())} lines on {len(results)} switches, read back and equal"


def close_sessions(sessions: Iterable[NxosSession]) -> None:
    """Log out."""
    for session in sessions:
        session.close()


# --- what a person hears while switches boot -------------------------------------------------------------------------

TOLD_EVERY = 5.0
"""Seconds after which a wait is worth telling, and between two sentences: each costs looks into containers."""
NAMED = 3
"""Switches that are told by name at once."""
LONGEST = 70
"""Characters of a console's line that are told."""


class Booting:
    """Collects what each switch still waits for, and tells it. Thread-safe.

    ``last_line`` gives the newest line of a switch's console; ``estimate`` says how long such a switch takes.
    """

    def __init__(
        self,
        switches: int,
        what: str,
        tell: Callable[[str], None],
        last_line: Callable[[str], str],
        *,
        estimate: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._of = f"of {switches} {what} after"
        self._tell = tell
        self._last_line = last_line
        self._estimate = f", {estimate}" if estimate else ""
        self._now = now
        self._began = now()
        self._told = self._began
        self._waiting: dict[str, str] = {}
        self._ready = 0
        self._lock = threading.Lock()

    def heard(self, switch: str, reason: str | None) -> None:
        """Why a switch is not ready yet; None: it is."""
        with self._lock:
            if reason is None:
                self._waiting.pop(switch, None)
                self._ready += 1
                return
            self._waiting[switch] = reason.removeprefix(f"{switch}: ")
            if self._now() - self._told < TOLD_EVERY:
                return
            self._told = self._now()
            waiting, ready = dict(self._waiting), self._ready
        head = f"{ready} {self._of} {_spoken(self._now() - self._began)}{self._estimate}"
        told = [f"{name}: {self._console(name) or why}" for name, why in list(waiting.items())[:NAMED]]
        more = len(waiting) - NAMED
        self._tell("; ".join([head, *told, *([f"and {more} more"] if more > 0 else [])]))

    def _console(self, switch: str) -> str:
        try:
            line = self._last_line(switch).strip()
        except (LabctlError, OSError) as error:
            return f"(its console cannot be read: {error})"
        return line if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()}…"


def _spoken(seconds: float) -> str:
    """``45 s``, ``4 min 10 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
