"""What a person hears while switches boot: how many are there, how long it takes, what the others print last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from labctl.errors import LabctlError

QUIET = 5.0
"""Seconds after which a wait is worth telling: what is ready sooner is told by its end alone."""
EVERY = 2.0
"""Seconds between two sentences (a reporter may tell fewer)."""
FRESH = 5.0
"""Seconds for which a console's last line is not asked for again: that costs a look into its container."""
NAMED = 3
"""Switches that are told by name at once."""
LONGEST = 70
"""Characters of a console's line that are told."""


class Booting:
    """Collects what each switch still waits for, and tells it. Thread-safe.

    ``last_line`` gives the newest line of a switch's console; ``estimate`` says how long such a switch takes.
    """

    def __init__(
        self,
        switches: int,
        what: str,
        tell: Callable[[str], None],
        last_line: Callable[[str], str],
        *,
        estimate: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._of = f"of {switches} {what} after"
        self._tell = tell
        self._last_line = last_line
        self._estimate = f", {estimate}" if estimate else ""
        self._now = now
        self._began = now()
        self._told = self._began + QUIET - EVERY
        self._waiting: dict[str, str] = {}
        self._lines: dict[str, tuple[float, str]] = {}
        """When a console was asked last, and what it said."""
        self._ready = 0
        self._lock = threading.Lock()

    def heard(self, switch: str, reason: str | None) -> None:
        """Why a switch is not ready yet; None: it is."""
        with self._lock:
            if reason is None:
                self._waiting.pop(switch, None)
                self._ready += 1
                return
            self._waiting[switch] = reason.removeprefix(f"{switch}: ")
            if self._now() - self._told < EVERY:
                return
            self._told = self._now()
            waiting, ready = dict(self._waiting), self._ready
        head = f"{ready} {self._of} {_spoken(self._now() - self._began)}{self._estimate}"
        told = [f"{name}: {self._console(name) or why}" for name, why in list(waiting.items())[:NAMED]]
        more = len(waiting) - NAMED
        self._tell("; ".join([head, *told, *([f"and {more} more"] if more > 0 else [])]))

    def _console(self, switch: str) -> str:
        asked, line = self._lines.get(switch, (float("-inf"), ""))
        if self._now() - asked >= FRESH:
            try:
                line = self._last_line(switch).strip()
            except (LabctlError, OSError) as error:
                line = f"(its console cannot be read: {error})"
            self._lines[switch] = (self._now(), line)
        return line if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()}…"


def _spoken(seconds: float) -> str:
    """``45 s``, ``4 min 10 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
