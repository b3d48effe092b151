"""Waiting with a deadline and a reason: the only place in labctl where time is let pass.

Nothing in labctl sleeps as a gate. A caller polls a question that answers either a value or the reason why
there is none yet; when the deadline passes, the last reason is what the user reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotYet:
    """An answer of a polled question: not there yet, and why."""

    reason: str


LONGEST_PAUSE = 2.0
AGAIN = 5.0
"""Seconds after which somebody who waits for the same still says so again."""
SLICE = 0.05
"""Seconds after which Ctrl-C is seen, at the latest."""


class DeadlinePassed(Exception):
    """The deadline passed; ``reason`` is the last `NotYet`'s, ``elapsed`` seconds were waited."""

    def __init__(self, reason: str, elapsed: float) -> None:
        super().__init__(f"{reason} (waited {elapsed:.1f} s)")
        self.reason = reason
        self.elapsed = elapsed


class Late(Exception):
    """Somebody was asked and has not answered in time: he may the next time."""


class Cancelled(Exception):
    """Somebody else failed or the user pressed Ctrl-C, so waiting is over."""


class Deadline:
    """A point on the monotonic clock, shared by all the steps that must be over by then."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.seconds = seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.started

    @property
    def passed(self) -> bool:
        return self.remaining <= 0.0

    def at_most(self, seconds: float) -> Deadline:
        """A deadline no later than this one and at most ``seconds`` from now."""
        return Deadline(min(self.remaining, seconds))


_hears: ContextVar[Callable[[str], None] | None] = ContextVar("hears", default=None)


@contextmanager
def reasons_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Whoever waits in this thread tells ``listener`` what for: when it is something else, and now and then."""
    said, moment = "", float("-inf")

    def hear(reason: str) -> None:
        nonlocal said, moment
        now = time.monotonic()
        if reason != said or now - moment >= AGAIN:
            said, moment = reason, now
            listener(reason)

    token = _hears.set(hear)
    try:
        yield
    finally:
        _hears.reset(token)


def tell_reason(reason: str) -> None:
    """Somebody waits on: for this."""
    listener = _hears.get()
    if listener is not None:
        listener(reason)


def first_over(futures: Collection[Future[T]]) -> set[Future[T]]:
    """Those that are over, once one is: an empty set of none.

    In slices, so that Ctrl-C is seen at once: CPython runs no signal handler in a wait without end that began just when
    the signal came.
    """
    over: set[Future[T]] = set()
    while futures and not over:
        over, _ = wait(futures, timeout=SLICE, return_when=FIRST_COMPLETED)
    return over


def all_over(futures: Collection[Future[T]]) -> None:
    """Until all are; in slices, too."""
    left = set(futures)
    while left:
        left -= first_over(left)


def wait_for(
    question: Callable[[], T | NotYet],
    deadline: Deadline,
    *,
    every: float = 0.1,
    cancel: threading.Event | None = None,
) -> T:
    """Ask until a value comes. ``every`` is the pause in seconds between two questions, at the least: it is as long as
    the question took (2 s at the most), so that waiting on a slow host does not make it slower still.

    Raises `DeadlinePassed` with the last reason, or `Cancelled` when ``cancel`` is set. The question is
    always asked at least once, also with a deadline that has passed already; that it raises `Late` is a `NotYet`.
    """
    pause = threading.Event() if cancel is None else cancel
    while True:
        asked = time.monotonic()
        try:
            answer = question()
        except Late as late:
            answer = NotYet(str(late))
        if not isinstance(answer, NotYet):
            return answer
        tell_reason(answer.reason)
        if deadline.passed:
            raise DeadlinePassed(answer.reason, deadline.elapsed)
        took = min(time.monotonic() - asked, LONGEST_PAUSE)
        if pause.wait(min(max(every, took), deadline.remaining)):
            raise Cancelled(answer.reason)
