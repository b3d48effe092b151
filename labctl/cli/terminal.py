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
from collections.abc import Iterator
from contextlib import contextmanager

from labctl.guest.api import AgentGone, ExecStream, TtySize


def terminal_size() -> TtySize | None:
    """The size when both ends are a terminal, else None: then the program gets pipes."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    size = shutil.get_terminal_size()
    return TtySize(size.lines, size.columns)


@contextmanager
def raw_terminal(*, enabled: bool) -> Iterator[None]:
    """Every key goes to the program; the terminal is put back in any case."""
    if not enabled:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextmanager
def ended_by_key(key: bytes = b"q") -> Iterator[None]:
    """On a terminal a key ends a command as Ctrl-C does; the terminal is put back in any case."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    over = threading.Event()

    def listen() -> None:
        while not over.is_set():
            if select.select([sys.stdin], [], [], 0.2)[0] and os.read(sys.stdin.fileno(), 1) in (key, b""):
                os.kill(os.getpid(), signal.SIGINT)
                return

    try:
        tty.setcbreak(sys.stdin)
        threading.Thread(target=listen, name="keys", daemon=True).start()
        yield
    finally:
        over.set()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def join(stream: ExecStream, *, with_tty: bool) -> int:
    """Copy both ways until the program ends; returns its exit code (128 + n for a signal n)."""
    over = threading.Event()
    feeder = threading.Thread(target=_feed, args=(stream, over), daemon=True)
    if with_tty:

        def resized(_number: int, _frame: object) -> None:
            size = terminal_size()
            if size:
                stream.resize(size)

        signal.signal(signal.SIGWINCH, resized)
    with raw_terminal(enabled=with_tty):
        feeder.start()
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
    handle = sys.stdin.fileno()
    try:
        while not over.is_set():
            readable, _, _ = select.select([handle], [], [], 0.2)
            if not readable:
                continue
            data = os.read(handle, 2048)
            if not data:
                stream.close_stdin()
                return
            stream.write(data)
    except (AgentGone, OSError):
        return  # the program ended while we were writing: its exit code is the answer
