"""What a person hears while switches boot: how many are there, how long it takes, what the others print last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from labctl.errors import LabctlError

QUIET = 5.0
"""Seconds after which a wait is worth telling: what is ready sooner is told by its end alone."""
EVERY = 2.0
"""Seconds between two sentences (a reporter may tell fewer)."""
FRESH = 5.0
"""Seconds for which a console's last line is not asked for again."""
NAMED = 3
"""Switches that are told by name at once."""
LONGEST = 70
"""Characters of a console's line that are told."""


@dataclass(slots=True)
class _Line:
    text: str = ""
    asked: float = float("-inf")


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
        self._total = switches
        self._what = what
        self._tell = tell
        self._last_line = last_line
        self._estimate = estimate
        self._now = now
        self._began = now()
        self._told = self._began + QUIET - EVERY
        self._waiting: dict[str, str] = {}
        self._lines: dict[str, _Line] = {}
        self._ready = 0
        self._lock = threading.Lock()

    @classmethod
    def unheard(cls, switches: int) -> Booting:
        """One that nobody listens to."""
        return cls(switches, "switches", lambda _text: None, lambda _switch: "")

    def waits(self, switch: str, reason: str) -> None:
        """A switch is not ready yet."""
        with self._lock:
            self._waiting[switch] = reason.removeprefix(f"{switch}: ")
            due = self._now() - self._told >= EVERY
            if due:
                self._told = self._now()
        if due:
            self._tell(self._sentence())

    def ready(self, switch: str) -> None:
        """A switch is."""
        with self._lock:
            self._waiting.pop(switch, None)
            self._ready += 1

    def _sentence(self) -> str:
        with self._lock:
            waiting = dict(self._waiting)
        estimate = f", {self._estimate}" if self._estimate else ""
        head = f"{self._ready} of {self._total} {self._what} after {_spoken(self._now() - self._began)}{estimate}"
        told = [f"{name}: {self._console(name) or reason}" for name, reason in list(waiting.items())[:NAMED]]
        more = len(waiting) - NAMED
        return "; ".join([head, *told, *([f"and {more} more"] if more > 0 else [])])

    def _console(self, switch: str) -> str:
        """The switch's newest line, asked for now and then only: that costs a look into its container."""
        line = self._lines.setdefault(switch, _Line())
        if self._now() - line.asked >= FRESH:
            line.asked = self._now()
            try:
                line.text = self._last_line(switch).strip()
            except (LabctlError, OSError) as error:
                line.text = f"(its console cannot be read: {error})"
        return line.text if len(line.text) <= LONGEST else f"{line.text[:LONGEST].rstrip()}…"


def _spoken(seconds: float) -> str:
    """``45 s``, ``4 min 10 s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
