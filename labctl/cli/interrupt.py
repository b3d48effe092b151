"""Ctrl-C and its like: the first one unwinds, and says at once what is being ended; the second one ends the process.

Where a command has much to undo it says so by itself, as an event (`labctl.events.interruption`); where it has a
reporter, that is closed before the process ends, so that no spinner is left.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from labctl.errors import ExitCode
from labctl.events import interruption

_endings: list[tuple[str, Callable[[], None]]] = []
"""What is said at the first signal (empty: the command says it), and what gives the terminal back at the second."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOCKS = ("threading", "concurrent.futures._base")
"""Modules whose functions take locks by Python code, all but ``wait`` for a moment: an exception that came between a
lock and its ``with`` would leave the lock taken for ever, and whoever has a result would wait for it."""


@contextmanager
def unwinding(ending: str = "", close: Callable[[], None] = lambda: None) -> Iterator[None]:
    """As long as it lasts, the first signal says ``ending`` and raises KeyboardInterrupt; a second one exits."""
    _endings.append((ending, close))
    try:
        yield
    finally:
        _endings.pop()


@contextmanager
def once_interrupted() -> Iterator[None]:
    """They interrupt once: what is put back then is not interrupted itself, up to the end."""
    interrupted = False

    def only() -> None:
        nonlocal interrupted
        interrupted = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen(only)
    try:
        yield
    finally:
        if not interrupted:  # else the process ends now, and an impatient second one may come late
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(ended: Callable[[], None] | None = None) -> None:
    """SIGINT, SIGTERM and SIGHUP alike; the command's entry point calls it. ``ended`` may raise: it is not called
    between a lock and what gives it back, but a moment later."""

    def handle(_number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_globals.get("__name__") in LOCKS and frame.f_code.co_name != "wait":
            signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        else:
            (ended or _first)()

    for number in SIGNALS:
        signal.signal(number, handle)


def _first() -> None:
    listen(_second)
    if _endings and _endings[-1][0]:
        _say(interruption(_endings[-1][0]))
    raise KeyboardInterrupt


def _second() -> None:
    if not _endings:
        raise KeyboardInterrupt
    for _, close in reversed(_endings):
        with suppress(RuntimeError):  # the signal came in the middle of a write to the same stream
            close()
    _say("ended at once")
    os._exit(int(ExitCode.INTERRUPTED))  # threads that wait for a silent node would be waited for


def _say(text: str) -> None:
    """Past all buffers: they may be in the middle of a write."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())
