"""``logs/labctl.log`` of a lab, and ``labctl -v``: a maintainer's words, redacted, in a file that does not grow on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import cached_property
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from labctl import __version__
from labctl.cli.options import given
from labctl.logs import ROOT, Lines, add, to_stream
from labctl.state import LabState

LIMIT = 1_000_000
"""Bytes; what is beyond goes to ``labctl.log.1``, and what was there is gone."""
EVENTS = "labctl.events"
"""The logger of what a user is told anyway."""


def _level() -> int:
    return logging.DEBUG if (given("verbosity") or 0) > 1 else logging.INFO


def log_to_stderr() -> None:
    """``-v``: what labctl does; ``-vv``: also each line to a switch and each request to the cluster's API."""
    handler = to_stream(sys.stderr, _level())
    handler.setFormatter(_Redacted())
    handler.addFilter(lambda record: record.name != EVENTS)


def log_to(state: LabState) -> None:
    """The lab's log, from now on: where the lab has a folder for it. Nothing is opened before there is a word."""
    path = str((state.logs / "labctl.log").absolute())
    if not any(isinstance(one, _LogFile) and one.baseFilename == path for one in ROOT.handlers):
        add(_LogFile(path), _level())


class _LogFile(RotatingFileHandler):
    """For its owner alone. A log must never break what it logs: a lab without a folder, a full disk lose a line."""

    def __init__(self, path: str) -> None:
        super().__init__(path, maxBytes=LIMIT, backupCount=1, encoding="utf-8", errors="replace", delay=True)
        self._lines = _Redacted("%(asctime)s.%(msecs)03dZ %(process)d %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.setFormatter(self._lines)

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).touch(0o600)
        stream = super()._open()
        stream.write(self._lines.secrets(f"--- labctl {__version__}: {' '.join(sys.argv[1:])}\n"))
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass


class _Redacted(Lines):
    """Passwords, hashes, keys and serial numbers are taken out, as of what ``labctl save --test-case`` writes."""

    @cached_property
    def secrets(self) -> Callable[[str], str]:
        from labctl.nxos.redact import Redactor

        return Redactor().secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets."""
        return self.secrets(super().format(record))
