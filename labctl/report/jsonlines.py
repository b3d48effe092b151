"""``--events json``: every event as one line of JSON, as it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, TextIO

from labctl.events import Event
from labctl.report.sink import Sink


def line_of(body: Mapping[str, Any]) -> str:
    """One document, one line."""
    return json.dumps(body, sort_keys=True) + "\n"


class JsonLines:
    """A listener. Lines of several threads never mix; a reader that goes away stops nothing but the writing."""

    def __init__(self, stream: TextIO) -> None:
        self._sink = Sink(stream)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        line = event.as_json() + "\n"
        with self._lock:
            self._sink.write(line)

    @property
    def broken(self) -> bool:
        """Whether the reader went away."""
        return self._sink.broken

    def close(self) -> None:
        """Nothing is left to write."""
