"""Joining this terminal to a program that runs inside a lab, or to a switch's console."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from labctl.cli.output import say
from labctl.guest.api import AgentGone, ExecStream, TtySize

if TYPE_CHECKING:
    from labctl.guest.api import ByteStream
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
def ended_by_key() -> Iterator[None]:
    """On a terminal q ends a command as Ctrl-C does."""
    over = threading.Event()

    def listen() -> None:
        if any(data in (b"q", b"") for data in _typed(over, 1)):
            os.kill(os.getpid(), signal.SIGINT)

    with raw_terminal(tty.setcbreak, enabled=sys.stdin.isatty()):
        if sys.stdin.isatty():
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


def join_console(endpoints: Endpoints, switch: str) -> None:
    """Copy both ways between this terminal and a switch's serial console, until one of the two ends it."""
    with_tty = terminal_size() is not None
    with closing(endpoints.console(switch)) as stream:
        say(f"console of {switch}; {'Enter ~. leaves it' if with_tty else 'Ctrl-C ends it'}")
        with suppress(KeyboardInterrupt), raw_terminal(enabled=with_tty):  # the way to end it without a terminal
            if with_tty:
                threading.Thread(target=_type, args=(stream,), daemon=True).start()
            while data := stream.recv(4096):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
    say(f"console of {switch} closed")


def _type(stream: ByteStream) -> None:
    """Keys to the console until the escape is typed or there are no more."""
    escape, over = Escape(), False
    while not over and (data := os.read(sys.stdin.fileno(), 256)):
        text, over = escape.pass_on(data)
        if text:
            stream.sendall(text)
    stream.close()


class Escape:
    """ssh's escape: a tilde at the beginning of a line is held back; with a dot it ends, twice it is one tilde."""

    def __init__(self) -> None:
        self._last = b"\n"
        """The last byte that was passed on, and a tilde that is held back."""

    def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """What goes to the console, and whether the user wants to leave."""
        text = self._last + data
        over = re.search(rb"(?<=[\r\n])~\.", text)
        text = text[: over.start()] if over else text
        held = b"~" if re.search(rb"[\r\n]~\Z", text) else b""
        text = text.removesuffix(held)
        self._last = text[-1:] + held
        return re.sub(rb"(?<=[\r\n])~~", b"~", text)[1:], over is not None
