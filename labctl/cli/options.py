"""Options that several verbs have."""

from __future__ import annotations

import re

import click

from labctl.errors import UsageError


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in click 8.2 and newer alone
    """A duration as people type it, in seconds."""

    name = "duration"
    UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002
        """``90s``, ``30m``, ``6h``, ``2d``; a bare number is seconds. Raises `UsageError`."""
        match = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value))
        if match is None:
            raise UsageError(f"{str(value)!r} is no duration", code="bad-duration", hint="write 90s, 30m, 6h or 2d")
        return float(int(match[1]) * self.UNITS[match[2]])


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
