"""Options that several verbs have. How a result is told is read where it is told: no command function hands it on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from labctl.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


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


def kept(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that no command function takes: `given` tells what it says."""

    def keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
        context.meta[f"labctl.{parameter.name}"] = value

    return click.option(*names, expose_value=False, callback=keep, **more)


def given(name: str) -> Any:
    """What a `kept` option says; None for one that the command has not."""
    context = click.get_current_context(silent=True)
    return context.meta.get(f"labctl.{name}") if context else None


def completing(names: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Shell completion: those of the names that begin with what was typed."""
    return lambda context, _parameter, typed: [name for name in names(context) if name.startswith(typed)]


def refuse(when: object, message: str, *, code: str = "usage", **more: Any) -> None:
    """What was typed does not go together. Raises `UsageError` when that holds."""
    if when:
        raise UsageError(message, code=code, **more)


json_option = kept("--json", "as_json", is_flag=True, help="Print JSON.")
