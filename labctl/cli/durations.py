"""Durations as people type them."""

from __future__ import annotations

import re

from labctl.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """``90s``, ``30m``, ``6h``, ``2d`` in seconds; a bare number is seconds. Raises `UsageError`."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text)
    if match is None:
        raise UsageError(f"{text!r} is no duration", code="bad-duration", hint="write 90s, 30m, 6h or 2d")
    return float(int(match.group(1)) * _UNITS[match.group(2) or "s"])
