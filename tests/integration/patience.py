"""How patient a test is where a guest answers: a limit ends a run that hangs, it measures nothing."""

from __future__ import annotations

import time

REFERENCE = 0.05
"""Seconds that `_work` takes on the idle machine where the tests' limits were chosen."""
EMULATED = 4.0
"""An emulated guest on another processor of that kind was seen to take 2 to 3 times as long as there."""


def _work() -> float:
    began, number = time.perf_counter(), 0
    for count in range(500_000):
        number = (number * 31 + count) % 65521
    return time.perf_counter() - began


PATIENCE = EMULATED * max(1.0, _work() / REFERENCE)
"""By how much every limit is longer here: for a guest that is emulated, and for this host's speed while others work."""


def patient(seconds: float) -> float:
    """A limit that was chosen on the reference machine, as it is here."""
    return seconds * PATIENCE
