"""Joining this terminal to a program that runs inside a lab."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from labctl.guest.api import AgentGone, ExecStream, TtySize

if TYPE_CHECKING:
    from labctl.runtime.api import Endpoints


def terminal_size() -> TtySize | None:
    """The size when both ends are a terminal, else None: then the program gets pipes."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    size = shutil.get_terminal_size()
    return TtySize(size.lines, size.columns)


@contextmanager
def raw_terminal(change: Callable[[int], object] = tty.setraw, *, enabled: bool) -> Iterator[None]:
    """Every key goes to the program; the terminal is put back in any case."""
    if not enabled:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        change(sys.stdin.fileno())
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextmanager
def ended_by_key(key: bytes = b"q") -> Iterator[None]:
    """On a terminal a key ends a command as Ctrl-C does."""
    over = threading.Event()

    def listen() -> None:
        if any(data in (key, b"") for data in _typed(over, 1)):
            os.kill(os.getpid(), signal.SIGINT)

    there = sys.stdin.isatty()
    with raw_terminal(tty.setcbreak, enabled=there):
        if there:
            threading.Thread(target=listen, name="keys", daemon=True).start()
        try:
            yield
        finally:
            over.set()


def join(endpoints: Endpoints, node: str, argv: Sequence[str]) -> int:
    """Run a program in a node and copy both ways until it ends; returns its exit code (128 + n for a signal n)."""
    size, over = terminal_size(), threading.Event()
    with closing(endpoints.stream(node, argv, tty=size)) as stream, raw_terminal(enabled=size is not None):
        if size is not None:
            signal.signal(signal.SIGWINCH, lambda _number, _frame: stream.resize(terminal_size() or size))
        threading.Thread(target=_feed, args=(stream, over), daemon=True).start()
        while (piece := stream.read()) is not None:
            name, data = piece
            target = sys.stdout.buffer if name == "stdout" else sys.stderr.buffer
            target.write(data)
            target.flush()
        over.set()
        code = stream.code()
    return code if code >= 0 else 128 - code


def _feed(stream: ExecStream, over: threading.Event) -> None:
    """Standard input to the program, until its end or ours."""
    try:
        for data in _typed(over, 2048):
            if data:
                stream.write(data)
            else:
                stream.close_stdin()
    except (AgentGone, OSError):
        return  # the program ended while we were writing: its exit code is the answer


def _typed(over: threading.Event, size: int) -> Iterator[bytes]:
    """What comes from standard input until it is over; nothing at its end."""
    data = b"-"
    while data and not over.is_set():
        if select.select([sys.stdin], [], [], 0.2)[0]:
            data = os.read(sys.stdin.fileno(), size)
            yield data
