"""``labctl status --watch``: look after look, painted in place on a terminal, or as one table, or as JSON lines."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType, TracebackType
from typing import Any, Self, TextIO

from labctl.report.console import line_of
from labctl.report.livetable import Look, Wired, fitted, looked, plain
from labctl.report.screen import Screen, Sink, size_of
from labctl.report.style import Paint, wants_colour
from labctl.report.text import cells
from labctl.verify.livestate import LiveState

SCHEMA = "labctl.watch/v1"
SLOW = 2.0
"""Seconds after which a look is said to go on."""
DEAF = 0.2
"""Seconds for which a Ctrl-C may go unheard at most."""


def repeat(look: Callable[[], bool], interval: float, now: Callable[[], float] = time.monotonic) -> None:
    """Until ``look`` says False; a look that takes longer than ``interval`` seconds is followed by the next at once."""
    pause = threading.Event()
    while True:
        began = now()
        if not look():
            return
        pause.wait(max(0.0, began + interval - now()))


@contextmanager
def once_interrupted() -> Iterator[None]:
    """Ctrl-C (SIGTERM, SIGHUP) interrupts once: what is put back then is not interrupted itself, up to the end."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    interrupted = threading.Event()

    def first(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, first) for number in numbers}
    try:
        yield
    finally:
        if not interrupted.is_set():  # else the process ends now, and an impatient second one may come late
            for number, handler in before.items():
                signal.signal(number, handler)


class Apart:
    """Reads in a thread of its own: Ctrl-C is not kept waiting by a box that is silent."""

    def __init__(self, read: Callable[[], LiveState], meanwhile: Callable[[float], None] | None = None) -> None:
        """``meanwhile`` is called again and again with the seconds for which a look goes on."""
        self._read = read
        self._meanwhile = meanwhile or (lambda _seconds: None)
        self._pool = ThreadPoolExecutor(1, "look")
        self._look: Future[LiveState] = Future()
        self._look.cancel()

    def __call__(self) -> LiveState:
        """One look. Raises what reading raises."""
        began = time.monotonic()
        self._look = self._pool.submit(self._read)
        while not self.over(DEAF):  # a wait without end is deaf to a Ctrl-C that came just before it began
            self._meanwhile(time.monotonic() - began)
        return self._look.result()

    def over(self, patience: float) -> bool:
        """Whether the look that was begun last has ended, within so many seconds."""
        return bool(wait((self._look,), patience).done)


def as_dict(lab: str, state: LiveState) -> dict[str, Any]:
    """Schema ``labctl.watch/v1``: what the boxes said, unmarked."""
    return {"schema": SCHEMA, "lab": lab, **asdict(state), "unanswered": dict(state.unanswered)}


class JsonLooks:
    """One JSON document a look, one line each."""

    def __init__(self, stream: TextIO, lab: str) -> None:
        self._sink = Sink(stream)
        self._lab = lab

    def __call__(self, state: LiveState) -> bool:
        """Whether somebody still reads."""
        self._sink.write(line_of(as_dict(self._lab, state)))
        return not self._sink.broken


def table(stream: TextIO, lab: str, state: LiveState, wired: Wired) -> str:
    """One look, plain."""
    return plain(lab, looked(state, wired), Paint(wants_colour(stream)), Sink(stream).marks)


class TerminalLooks:
    """Paints each look over the one before; the last one stays. A context: the cursor is given back in any case."""

    def __init__(
        self, stream: TextIO, lab: str, wired: Wired, size: Callable[[], os.terminal_size] | None = None
    ) -> None:
        self._sink = Sink(stream)
        self._screen = Screen(self._sink, size or size_of(stream))
        self._paint, self._marks = Paint(wants_colour(stream)), self._sink.marks
        self._lab = lab
        self._wired = wired
        self._before: Look | None = None

    def __call__(self, state: LiveState) -> bool:
        """Whether the terminal is still there."""
        self._before = looked(state, self._wired, self._before)
        self._show("")
        return not self._sink.broken

    def looking(self, seconds: float) -> None:
        """Boxes are slow to answer: the picture says so, as it may be old."""
        if self._before is None or seconds >= SLOW:
            self._show(f"looking {self._marks.dots} {seconds:.0f} s")

    def _show(self, note: str) -> None:
        columns = self._screen.columns
        head = [self._paint("bold", self._lab)]
        lines = (
            fitted(self._lab, self._before, self._paint, self._marks, columns, self._screen.lines)
            if self._before
            else head
        )
        if note and cells(lines[0]) + len(note) + 2 <= columns:
            lines[0] += f"  {self._paint('dim', note)}"
        self._screen.show([], lines)

    def __enter__(self) -> Self:
        self.looking(0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt:
            self._sink.write("\r\x1b[K")  # what the terminal echoed for Ctrl-C
        self._screen.restore()
