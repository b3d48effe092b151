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


@contextmanager
def unwinding(ending: str = "", close: Callable[[], None] = lambda: None) -> Iterator[None]:
    """As long as it lasts, the first signal says ``ending`` and raises KeyboardInterrupt; a second one exits."""
    _endings.append((ending, close))
    try:
        yield
    finally:
        _endings.pop()


def listen(handler: Callable[[int, FrameType | None], None] | None = None) -> None:
    """SIGINT, SIGTERM and SIGHUP alike. Called once, by the command's entry point."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler or _first)


def _first(_number: int, _frame: FrameType | None) -> None:
    listen(_second)
    if _endings and _endings[-1][0]:
        _say(interruption(_endings[-1][0]))
    raise KeyboardInterrupt


def _second(_number: int, _frame: FrameType | None) -> None:
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
