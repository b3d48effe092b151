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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from labctl.pace import within
from labctl.verify.observer import Answer, Command, Observer, Unanswered
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
        """Whether a check may be wanted whose id begins with ``prefix`` and a dot: those of a flow, or of a scenario,
        come together.
        """
        return self.patterns is None or any(_meet(f"{prefix}.", pattern) for pattern in self.patterns)


def _meet(prefix: str, pattern: str) -> bool:
    """Whether some id that begins with ``prefix`` may fit the pattern: they agree up to the first wildcard."""
    wild = WILD.search(pattern)
    fixed = pattern[: wild.start()] if wild else pattern
    return fixed.startswith(prefix) or (wild is not None and prefix.startswith(fixed))


EVERY = Wanted()
PAUSE = 0.15
"""Seconds between two rounds, at the least: a pause is as long as the round took, so that questions do not keep a slow
host from becoming what is waited for."""
CUT = "the verification was cut short"
"""The cause of all that was still waited for."""


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
    judge: Callable[..., Judgement]


@dataclass(slots=True)
class _State:
    """How a check stands."""

    check: Check
    judgement: Judgement = field(default_factory=lambda: Judgement("INCONCLUSIVE", "was not asked"))
    attempts: int = 0
    seconds: float | None = None
    answers: Sequence[Answer] = ()

    @property
    def result(self) -> CheckResult:
        """Only what it was judged by becomes evidence."""
        paths = tuple(answer.path for answer in self.answers)
        more = {"attempts": self.attempts, "commands": paths, "seconds": self.seconds}
        return self.judgement.of(self.check.id, self.check.title, **more)

    def judge(self, answers: Mapping[Command, Answer | Unanswered], seconds: float) -> None:
        """By what was answered in a round."""
        found = [answers[command] for command in self.check.commands]
        silent = next((answer for answer in found if isinstance(answer, Unanswered)), None)
        if silent is not None and silent.cause == CUT:
            return  # what it was judged by before stands
        self.attempts += 1
        self.seconds = seconds
        try:
            if silent is not None:
                raise silent
            self.answers = [answer for answer in found if isinstance(answer, Answer)]
            self.judgement = self.check.judge(*(answer.value for answer in self.answers))
        except Unanswered as unanswered:
            self.judgement = unanswered_by(unanswered)


def unanswered_by(silent: Unanswered) -> Judgement:
    """What a check is whose node did not answer."""
    return Judgement("INCONCLUSIVE", str(silent), cause=silent.cause, node=silent.node)


def poll(
    checks: Sequence[Check],
    observer: Observer,
    deadline: Deadline,
    cancel: threading.Event,
    told: Callable[[CheckResult], None],
) -> list[CheckResult]:
    """Ask until every check passes or the deadline is there; results in the checks' order."""
    states = [_State(check) for check in checks]
    pending, watch = states, Stopwatch()
    while pending:
        asked = watch.seconds
        with within(lambda: deadline.remaining):
            _round(pending, observer, watch, cancel)
        for state in pending:
            if state.judgement.verdict == "PASS":
                told(state.result)
        pending = [state for state in pending if state.judgement.verdict != "PASS"]
        if not pending or deadline.passed:
            break
        tell_reason(in_brief(troubles(state.judgement.of(state.check.id, "").gist for state in pending)))
        took = min(watch.seconds - asked, LONGEST_PAUSE)
        if cancel.wait(min(max(PAUSE, took), deadline.remaining)):
            for state in pending:  # whether it would have passed is not known
                last = state.judgement.sentence
                state.judgement = Judgement("INCONCLUSIVE", f"{CUT}, last: {last}", cause=CUT)
                told(state.result)
            raise Cancelled(CUT)
    for state in pending:
        told(state.result)
    return [state.result for state in states]


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
    states = [_State(check) for check in checks]
    kept: dict[str, Judgement] = {}
    pending, end, watch = states, Deadline(window), Stopwatch()
    while pending:
        _round(pending, observer, watch, cancel)
        for state in pending:
            judgement = state.judgement
            if judgement.verdict == "FAIL":
                when = f"(after {end.elapsed:.1f} s of {window:g} s)"
                kept[state.check.id] = replace(judgement, sentence=f"{judgement.sentence} {when}")
            elif judgement.verdict == "INCONCLUSIVE":
                kept.setdefault(state.check.id, judgement)  # decides unless it fails later
        pending = [state for state in pending if state.judgement.verdict != "FAIL"]
        if end.passed:
            break
        if cancel.wait(min(PAUSE, end.remaining)):
            raise Cancelled(CUT)
    for state in states:
        sentence = f"{state.judgement.sentence}, {state.attempts} times in {window:g} s"
        state.judgement = kept.get(state.check.id) or replace(state.judgement, sentence=sentence)
        told(state.result)
    return [state.result for state in states]


def _round(states: Sequence[_State], observer: Observer, watch: Stopwatch, cancel: threading.Event) -> None:
    """Each command once, targets side by side. Cut short, it asks nothing more."""
    by_target: dict[str, dict[Command, None]] = {}
    for command in (command for state in states for command in state.check.commands):
        by_target.setdefault(command.target, {})[command] = None
    answers: dict[Command, Answer | Unanswered] = {}

    def ask_all(commands: Sequence[Command]) -> None:
        trouble: Unanswered | None = None
        for command in commands:
            if cancel.is_set():
                trouble = Unanswered(CUT, cause=CUT)
            try:
                answers[command] = trouble or observer.answer(command)
            except Unanswered as unanswered:
                answers[command] = trouble = unanswered  # a node that is silent now is not asked again in this round

    with ThreadPoolExecutor(max(1, len(by_target))) as pool:
        for asked in [pool.submit(copy_context().run, ask_all, list(rows)) for rows in by_target.values()]:
            asked.result()
    for state in states:
        state.judge(answers, watch.seconds)
