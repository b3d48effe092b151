"""A maintainer's words, by Python's logging: what a user is told are events (`labctl.events`), not these.

A module says ``log = logging.getLogger(__name__)``; where its words go is decided here, once a process. The command
line's are in `labctl.cli.logfile`.
"""

from __future__ import annotations

import logging
import time
from typing import TextIO

ROOT = logging.getLogger("labctl")
ROOT.addHandler(logging.NullHandler())  # where nobody listens, Python would print warnings itself


class Lines(logging.Formatter):
    """``12:00:00.123 words``, UTC: `labctl logs NODE` finds a node's lines by the word after the time."""

    converter = staticmethod(time.gmtime)  # a function of the class would be bound

    def __init__(self, form: str = "%(asctime)s.%(msecs)03d %(message)s", date: str = "%H:%M:%S") -> None:
        super().__init__(form, date)


def to_stream(stream: TextIO, level: int = logging.INFO) -> logging.Handler:
    """For a process whose standard output or error is a log, or is read by a maintainer."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    add(handler, level)
    return handler


def add(handler: logging.Handler, level: int) -> None:
    """What labctl's own modules say from this level on; libraries keep to their warnings."""
    handler.setLevel(level)
    ROOT.addHandler(handler)
    ROOT.setLevel(min(level, ROOT.level or level))
