"""What the node agent's functions have in common: a thread that acts when something changed, a log, an end."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from labctl.errors import LabError

log = logging.getLogger(__name__)
LOG_LINES = 2000


class Log:
    """The last lines of a function, for ``kubectl logs``, and for the process' own log."""

    def __init__(self, prefix: str) -> None:
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._prefix = prefix

    def __call__(self, text: str) -> None:
        self._lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} {text}")
        log.info("%s: %s", self._prefix, text)

    def data(self) -> bytes:
        return "".join(f"{line}\n" for line in self._lines).encode()


class Loop:
    """Calls ``act`` after every wake-up, and again after ``retry`` seconds as long as it raises a `LabError`.

    ``act`` returns the seconds until it wants to be called again without a wake-up, or None.
    """

    def __init__(
        self, name: str, act: Callable[[], float | None], log: Log, *, retry: float = 0.3, settle: float = 0.02
    ) -> None:
        self.wake = threading.Event()
        self._act = act
        self._log = log
        self._retry = retry
        self._settle = settle
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.trouble: str | None = None

    def start(self) -> None:
        self.wake.set()
        self._thread.start()

    def stop(self) -> None:
        """Waits until a running ``act`` is over."""
        self._stopping.set()
        self.wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(10.0)

    def _run(self) -> None:
        pause: float | None = None
        while not self._stopping.is_set():
            self.wake.wait(pause)
            if self._stopping.wait(self._settle):  # several changes that come together are one
                return
            self.wake.clear()
            try:
                pause = self._act()
                self.trouble = None
            except LabError as error:
                if str(error) != self.trouble:
                    self.trouble = str(error)
                    self._log(self.trouble)
                pause = self._retry
