"""Colours and marks of verdicts, in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TextIO

CODES = {
    "PASS": "1;32", "FAIL": "1;31", "INCONCLUSIVE": "1;33", "dim": "2", "bold": "1", "busy": "36",
    "badge PASS": "1;97;42", "badge FAIL": "1;97;41", "badge INCONCLUSIVE": "1;30;43",
}  # fmt: skip
"""Style → parameters of SGR (ECMA-48)."""


@dataclass(frozen=True, slots=True)
class Paint:
    """Puts a style around a text, or does not."""

    colour: bool

    def __call__(self, style: str, text: str) -> str:
        code = CODES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands in front of a line on a terminal."""

    passed: str
    failed: str
    unsure: str
    stopped: str
    dots: str
    spinner: str

    def of(self, verdict: str) -> str:
        """The mark of a verdict."""
        return {"PASS": self.passed, "FAIL": self.failed}.get(verdict, self.unsure)


UNICODE = Marks("✓", "✗", "?", "•", "…", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
ASCII = Marks("+", "x", "?", "-", "...", "|/-\\")


def no_colour() -> bool:
    """NO_COLOR (no-color.org): set, and not empty."""
    return bool(os.environ.get("NO_COLOR"))


def wants_colour(stream: TextIO) -> bool:
    """Whether what is printed there may have colours."""
    return stream.isatty() and not no_colour() and os.environ.get("TERM") != "dumb"
