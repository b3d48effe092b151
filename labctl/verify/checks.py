"""A check is an identity, the commands that it needs, and a pure judge. `poll` asks many of them until a deadline.

A positive check may fail for a while and pass later; its last judgement counts. Every node is asked in turn, so a slow
one does not hide the others. A negative check (a leaf must *not* know a route) proves nothing before convergence and
nothing by one look: `hold` asks again and again over a window, and one look that fails decides. Which checks of a
verification are asked at all says `Wanted`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from labctl.kube.api import Resource
from labctl.pace import within
from labctl.verify.expectation import view
from labctl.verify.observer import Command, Observer, Unanswered, listing
from labctl.verify.verdict import CheckResult, Judgement, in_brief, troubles
from labctl.waiting import LONGEST_PAUSE, Cancelled, Deadline, tell_reason

WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """``patterns``: shell patterns of check ids (``*`` matches dots too); None: every check."""

    patterns: tuple[str, ...] | None = None

    def check(self, identity: str) -> bool:
        """Whether a check is wanted."""
        return self.patterns is None or any(fnmatchcase(identity, pattern) for pattern in self.patterns)

    def flow(self, prefix: str) -> bool:
        """Whether a check may be wanted whose id begins with ``prefix`` and a dot: those of a flow come together."""
        if self.patterns is None:
            return True
        return any(_meet(f"{prefix}.", pattern) for pattern in self.patterns)

    def scenario(self, name: str) -> bool:
        """Whether a scenario has anything that may be wanted."""
        return self.flow(name)

    def scenarios(self, known: Iterable[str]) -> Sequence[str]:
        """Those of the known ones that have."""
        return [name for name in known if self.scenario(name)]


def _meet(prefix: str, pattern: str) -> bool:
    """Whether some id that begins with ``prefix`` may fit the pattern: they agree up to the first wildcard."""
    wild = WILD.search(pattern)
    fixed = pattern[: wild.start()] if wild else pattern
    if len(fixed) <= len(prefix):
        return prefix.startswith(fixed) if wild else False
    return fixed.startswith(prefix)


EVERY = Wanted()
PAUSE = 0.15
"""Seconds between two rounds, at the least: a pause is as long as the round took, so that questions do not keep a slow
host from becoming what is waited for."""
CUT = "the verification was cut short"
"""The cause of all that was still waited for."""
Judge = Callable[..., Judgement]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


@dataclass(frozen=True, slots=True)
class Check:
    """``judge`` gets the commands' observations in their order."""

    id: str
    title: str
    commands: tuple[Command, ...]
    judge: Judge


@dataclass(slots=True)
class _State:
    judgement: Judgement
    attempts: int = 0
    seconds: float | None = None
    files: tuple[str, ...] = ()


def poll(
    checks: Sequence[Check],
    observer: Observer,
    deadline: Deadline,
    cancel: threading.Event,
    told: Callable[[CheckResult], None],
) -> list[CheckResult]:
    """Ask until every check passes or the deadline is there; results in the checks' order."""
    states = {check.id: _State(Judgement("INCONCLUSIVE", "was not asked")) for check in checks}
    pending = list(checks)
    watch, answers = Stopwatch(), _Held(observer, states)
    while pending:
        asked = watch.seconds
        with within(lambda: deadline.remaining):
            answers.newest(_round(pending, states, observer, watch, cancel))
        for check in list(pending):
            if states[check.id].judgement.verdict == "PASS":
                pending.remove(check)
                told(_result(check, states[check.id]))
        if not pending or deadline.passed:
            break
        tell_reason(_waits(pending, states))
        took = min(watch.seconds - asked, LONGEST_PAUSE)
        if cancel.wait(min(max(PAUSE, took), deadline.remaining)):
            for check in pending:
                told(_cut_short(check, states[check.id]))
            raise Cancelled(CUT)
    for check in pending:
        told(_result(check, states[check.id]))
    return [_result(check, states[check.id]) for check in checks]


def hold(
    checks: Sequence[Check],
    observer: Observer,
    window: float,
    cancel: threading.Event,
    told: Callable[[CheckResult], None],
) -> list[CheckResult]:
    """Ask over ``window`` seconds: PASS is what passed every time, FAIL what failed once.

    A node that did not answer at some time leaves its check INCONCLUSIVE, for it may have failed just then. Call it
    when the lab has converged. Results are in the checks' order.
    """
    states = {check.id: _State(Judgement("INCONCLUSIVE", "was not asked")) for check in checks}
    kept: dict[str, Judgement] = {}
    pending = list(checks)
    end, watch, answers = Deadline(window), Stopwatch(), _Held(observer, states)
    while pending:
        answers.newest(_round(pending, states, observer, watch, cancel))
        for check in list(pending):
            judgement = states[check.id].judgement
            if judgement.verdict == "FAIL":
                pending.remove(check)
                kept[check.id] = replace(
                    judgement, sentence=f"{judgement.sentence} (after {end.elapsed:.1f} s of {window:g} s)"
                )
            elif judgement.verdict == "INCONCLUSIVE":
                kept.setdefault(check.id, judgement)  # decides unless it fails later
        if end.passed:
            break
        if cancel.wait(min(PAUSE, end.remaining)):
            raise Cancelled(CUT)
    results = []
    for check in checks:
        state = states[check.id]
        held = f"{state.judgement.sentence}, {state.attempts} times in {window:g} s"
        state.judgement = kept.get(check.id) or replace(state.judgement, sentence=held)
        results.append(_result(check, state))
        told(results[-1])
    return results


class _Held:
    """The answers that checks refer to; those of earlier rounds go back to the evidence when nobody does any more."""

    def __init__(self, observer: Observer, states: Mapping[str, _State]) -> None:
        self._observer = observer
        self._states = states
        self._paths: set[str] = set()

    def newest(self, paths: Sequence[str]) -> None:
        """Those of a round, each command's once."""
        self._observer.release(path for path in paths if path in self._paths)
        self._paths |= set(paths)
        needed = {path for state in self._states.values() for path in state.files}
        self._observer.release(self._paths - needed)
        self._paths &= needed


def _round(
    pending: Sequence[Check], states: dict[str, _State], observer: Observer, watch: Stopwatch, cancel: threading.Event
) -> list[str]:
    """Each command once, targets side by side; returns where the answers are. Cut short, it asks nothing more."""
    by_target: dict[str, list[Command]] = {}
    for check in pending:
        for command in check.commands:
            known = by_target.setdefault(command.target, [])
            if command not in known:
                known.append(command)
    answers: dict[Command, tuple[Any, str] | Unanswered] = {}

    def ask_all(commands: Sequence[Command]) -> None:
        trouble: Unanswered | None = None
        for command in commands:
            if cancel.is_set():
                trouble = Unanswered(CUT, cause=CUT)
            try:
                answers[command] = trouble or observer.ask(command)
            except Unanswered as unanswered:
                answers[command] = trouble = unanswered  # a node that is silent now is not asked again in this round

    with ThreadPoolExecutor(max(1, len(by_target))) as pool:
        for asked in [pool.submit(copy_context().run, ask_all, commands) for commands in by_target.values()]:
            asked.result()
    for check in pending:
        _judge(check, states[check.id], answers, watch)
    return [answer[1] for answer in answers.values() if not isinstance(answer, Unanswered)]


def _judge(
    check: Check, state: _State, answers: Mapping[Command, tuple[Any, str] | Unanswered], watch: Stopwatch
) -> None:
    found = [answers[command] for command in check.commands]
    silent = next((answer for answer in found if isinstance(answer, Unanswered)), None)
    if silent is not None and silent.cause == CUT:
        return  # what it was judged by before stands
    state.attempts += 1
    state.seconds = watch.seconds
    if silent is not None:
        state.judgement = unanswered_by(silent)
        return
    good = [answer for answer in found if not isinstance(answer, Unanswered)]
    state.files = tuple(path for _, path in good)
    try:
        state.judgement = check.judge(*(value for value, _ in good))
    except Unanswered as unanswered:
        state.judgement = unanswered_by(unanswered)


def unanswered_by(silent: Unanswered) -> Judgement:
    """What a check is whose node did not answer."""
    return Judgement("INCONCLUSIVE", str(silent), cause=silent.cause, node=silent.node)


def _result(check: Check, state: _State) -> CheckResult:
    more = {"attempts": state.attempts, "commands": state.files, "seconds": state.seconds}
    return state.judgement.of(check.id, check.title, **more)


def _cut_short(check: Check, state: _State) -> CheckResult:
    """It was still waited for: whether it would have passed is not known."""
    last = state.judgement.sentence
    state.judgement = Judgement("INCONCLUSIVE", f"{CUT}, last: {last}", cause=CUT)
    return _result(check, state)


def _waits(pending: Sequence[Check], states: Mapping[str, _State]) -> str:
    """Why a round was not the last one."""
    return in_brief(troubles(_result(check, states[check.id]).gist for check in pending))


def cluster_check(
    identity: str,
    title: str,
    commands: Sequence[Command],
    judge: Callable[..., Judgement],
    *,
    calico: str,
    kinds: Sequence[Resource],
) -> Check:
    """A check whose judge gets a `Cluster` of some kinds of object before the commands' observations."""
    listed = tuple(map(listing, kinds))

    def judged(*seen: Any) -> Judgement:
        asked, objects = seen[: len(commands)], seen[len(commands) :]
        return judge(view(calico, dict(zip(kinds, objects, strict=True))), *asked)

    return Check(identity, title, (*commands, *listed), judged)
