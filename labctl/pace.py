"""How fast the guest of a lab is, and so how long labctl waits for one of its answers.

Figures are seconds that leave `ROOM`: a guest of an eighth of the reference speed (`labctl.guest.agent.speed` says how
it was taken) still gets them as they are, a slower one gets more, up to `LONGEST` times as many. QEMU without KVM has
0.13 of the reference on the same machine, and was what the figures were found on. A process works on one lab, so there
is one pace a process; it is set by whoever measures, or reaches a lab that was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal

Kind = Literal["call", "script", "batch", "vty", "prompt", "lines", "login", "api", "connect", "page", "end", "start"]

LIMITS: Final[Mapping[Kind, float]] = {
    "call": 30.0,  # a verb of the agent, a program in a node, a command in a pod
    "script": 60.0,  # the script of a node
    "batch": 120.0,  # one `ip -batch` or iptables-restore
    "vty": 300.0,  # a command or a whole configuration of an FRR daemon
    "prompt": 30.0,  # a switch's, after one line
    "lines": 120.0,  # a switch's, after a configuration
    "login": 30.0,  # a try to log in; the profile of a platform may be more patient
    "api": 30.0,  # one answer of the Kubernetes API
    "connect": 20.0,  # to it, with the TLS handshake: a busy emulated host was seen to need more than 5 s
    "page": 4.0,  # one page, by curl
    "end": 15.0,  # what is left of a capture, or of a program's output, once it was told to end
    "start": 40.0,  # a program that was started, until it answers
}
ROOM = 8.0
LONGEST = 8.0
LEAST = 5.0
"""What a call gets at the least of a whole whose time is over: it is asked once all the same."""


class _Known:
    """The speed of this process' lab; None: not measured."""

    speed: float | None = None


def know(speed: float | None) -> None:
    """From now on figures are those of a guest of this speed (1.0 is the reference)."""
    _Known.speed = speed


def speed() -> float | None:
    """The speed that was told."""
    return _Known.speed


def paced(seconds: float) -> float:
    """Seconds of a quick enough guest as seconds of this one: never fewer, at the most `LONGEST` times as many."""
    if _Known.speed is None:
        return seconds
    return seconds * min(LONGEST, max(1.0, 1 / (ROOM * max(_Known.speed, 1e-6))))


_REMAINING: ContextVar[Callable[[], float] | None] = ContextVar("remaining", default=None)


@contextmanager
def within(remaining: Callable[[], float]) -> Iterator[None]:
    """Inside, in this thread and where its context is copied to, no answer is waited for longer than the whole has."""
    token = _REMAINING.set(remaining)
    try:
        yield
    finally:
        _REMAINING.reset(token)


def limit(kind: Kind) -> float:
    """How long one answer of a kind may take, in seconds of this guest."""
    return bounded(LIMITS[kind])


def bounded(seconds: float) -> float:
    """As `paced`, but no more than the whole that it is part of has left."""
    remaining = _REMAINING.get()
    return paced(seconds) if remaining is None else min(paced(seconds), max(paced(LEAST), remaining()))
