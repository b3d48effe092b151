"""Something done to several nodes of a lab at once, with all failures told together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from labctl.errors import InconclusiveError, LabctlError, Problem, RejectedError, SpecError

T = TypeVar("T")


def at_once(nodes: Iterable[str], work: Callable[[str], T]) -> dict[str, T]:
    """What came of it by node, in their order. Raises the first error once all are done."""
    names = list(nodes)
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return dict(zip(names, pool.map(work, names), strict=True))


def tried(nodes: Iterable[str], work: Callable[[str], T]) -> tuple[dict[str, T], dict[str, LabctlError]]:
    """(what came of it, what went wrong) by node, in their order. Only a `LabctlError` counts as gone wrong."""

    def one(node: str) -> T | LabctlError:
        try:
            return work(node)
        except LabctlError as error:
            return error

    answers = at_once(nodes, one)
    good = {name: answer for name, answer in answers.items() if not isinstance(answer, LabctlError)}
    return good, {name: answer for name, answer in answers.items() if isinstance(answer, LabctlError)}


def raise_all(wrong: Mapping[str, LabctlError]) -> None:
    """One error for all: exit 1 when a node answered and it was wrong, 3 when none of them answered."""
    errors = list(wrong.values())
    if any(not isinstance(error, InconclusiveError) for error in errors):
        raise RejectedError([problem for name, error in wrong.items() for problem in _problems(name, error)])
    if errors:
        raise InconclusiveError("; ".join(_said(*row) for row in wrong.items()), code=errors[0].code)


def _problems(node: str, error: LabctlError) -> Iterable[Problem]:
    if isinstance(error, SpecError):
        return error.problems
    return [Problem(error.code, _said(node, error), error.place, error.hint)]


def _said(node: str, error: LabctlError) -> str:
    return error.message if error.message.startswith(node) else f"{node}: {error.message}"
