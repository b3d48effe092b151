"""Something done to every switch of a lab at once, with all failures told together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from labctl.errors import InconclusiveError, LabctlError, Problem, RejectedError

T = TypeVar("T")


def on_every_switch(switches: Sequence[str], work: Callable[[str], T]) -> tuple[dict[str, T], dict[str, LabctlError]]:
    """(what came of it, what went wrong) by switch, in their order. Only a `LabctlError` counts as gone wrong."""

    def one(switch: str) -> T | LabctlError:
        try:
            return work(switch)
        except LabctlError as error:
            return error

    with ThreadPoolExecutor(max(1, len(switches))) as pool:
        answers = dict(zip(switches, pool.map(one, switches), strict=True))
    good = {name: answer for name, answer in answers.items() if not isinstance(answer, LabctlError)}
    return good, {name: answer for name, answer in answers.items() if isinstance(answer, LabctlError)}


def raise_all(wrong: dict[str, LabctlError], code: str) -> None:
    """One error for all: exit 1 when a switch answered and refused, 3 when none of them answered."""
    if not wrong:
        return
    refused = [error for error in wrong.values() if not isinstance(error, InconclusiveError)]
    if refused:
        raise RejectedError([Problem(error.code, _said(name, error)) for name, error in wrong.items()])
    raise InconclusiveError("; ".join(_said(name, error) for name, error in wrong.items()), code=code)


def _said(switch: str, error: LabctlError) -> str:
    return error.message if error.message.startswith(f"{switch}") else f"{switch}: {error.message}"
