"""What somebody changed since ``up``: read once, beside the checks, as soon as one of them is not as expected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from labctl.waiting import SLICE

SHOWN = 5
"""Changes that are told while the checks run; all of them are in the report."""


class Drift:
    """``look`` reads the running lab (None: there is nothing to compare with); ``told`` hears of what it found."""

    def __init__(self, look: Callable[[], Sequence[str]] | None, told: Callable[[str], None]) -> None:
        self._look, self._told = look, told
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None
        self._found: tuple[str, ...] = ()

    def begin(self) -> None:
        """In a thread of its own; a second time it is nothing."""
        with self._lock:
            if self._look is None or self._reader is not None:
                return
            self._reader = threading.Thread(target=self._read, args=(self._look,), name="drift", daemon=True)
            self._reader.start()

    def over(self) -> None:
        """Until a look that was begun is over."""
        while self._reader is not None and self._reader.is_alive():
            self._reader.join(SLICE)  # in slices, so that Ctrl-C is seen

    @property
    def found(self) -> tuple[str, ...]:
        """What was changed, as far as it was looked for."""
        return self._found

    def _read(self, look: Callable[[], Sequence[str]]) -> None:
        self._found = tuple(look())
        for change in self._found[:SHOWN]:
            self._told(f"changed since up: {change}")
        if self._found[SHOWN:]:
            self._told(f"changed since up: {len(self._found) - SHOWN} more things")
