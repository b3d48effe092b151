"""The story on stderr, for a terminal or for a log."""

from __future__ import annotations

import os
from typing import Protocol, TextIO

from labctl.events import Event
from labctl.report.jsonlines import JsonLines
from labctl.report.live import LiveReporter
from labctl.report.plain import PlainReporter

__all__ = ["JsonLines", "LiveReporter", "PlainReporter", "Reporter", "progress"]


class Reporter(Protocol):
    """A listener that has an end. Events may come from several threads; those after ``close`` are dropped."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None:
        """Leave a clean transcript. May be called twice."""


def progress(stream: TextIO, *, terminal: bool, verbose: bool = False) -> Reporter:
    """Steps with spinners on a terminal, else one line a fact; ``verbose`` tells checks that passed, too."""
    if terminal and os.environ.get("TERM") != "dumb":
        return LiveReporter(stream, verbose=verbose)
    return PlainReporter(stream, verbose=verbose)
