"""The one loop of every way back: read, compare, apply, read back, until nothing differs or nothing comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from labctl.errors import CheckFailed, InconclusiveError, LabctlError, RejectedError
from labctl.restore.part import ROUNDS, Entry, Kind, Part, Restored, each, look, restore


class Shelf(Part[str]):
    """Things that are wrong at each look; the last answer stays."""

    kind: Kind = "node"

    def __init__(self, name: str, *answers: list[str] | LabctlError) -> None:
        self.name = name
        self.answers = list(answers)
        self.done: list[str] = []

    def differences(self) -> list[str]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, LabctlError):
            raise answer
        return answer

    def apply(self, left: Sequence[str]) -> None:
        self.done.append(f"apply {' '.join(left)}")

    def entries(self, found: Sequence[str]) -> list[Entry]:
        return [Entry("change", what) for what in found]

    def error(self, left: Sequence[str]) -> LabctlError:
        return CheckFailed(f"{self.name}: {' '.join(left)} stays", code="stays")

    def settle(self) -> None:
        self.done.append("settle")

    def close(self) -> None:
        self.done.append("close")


def test_it_goes_on_until_nothing_differs_and_tells_what_did_at_first() -> None:
    part = Shelf("a", ["x", "y"], ["y"], [])
    assert restore(part) == Restored("node", "a", (Entry("change", "x"), Entry("change", "y")))
    assert part.done == ["apply x y", "apply y", "settle", "close"]


def test_nothing_is_done_where_nothing_differs() -> None:
    part = Shelf("a", [])
    assert restore(part) == Restored("node", "a")
    assert part.done == ["close"]


def test_looking_does_nothing() -> None:
    part = Shelf("a", ["x"])
    assert look(part).entries == (Entry("change", "x"),)
    assert part.done == ["close"]


@pytest.mark.parametrize(
    ("answers", "rounds"),
    [([["x"], ["x"]], 1), ([[f"x{number}"] for number in range(9)], ROUNDS)],
    ids=["a round without progress is the last", "rounds have an end"],
)
def test_what_stays_is_an_error(answers: list[list[str]], rounds: int) -> None:
    part = Shelf("a", *answers)
    with pytest.raises(CheckFailed, match="stays"):
        restore(part)
    assert [row.split()[0] for row in part.done] == ["apply"] * rounds + ["close"]


def test_who_is_stopped_applies_nothing_more() -> None:
    part = Shelf("a", ["x"])
    with pytest.raises(CheckFailed):
        restore(part, lambda: True)
    assert part.done == ["close"]


def test_each_is_done_whatever_becomes_of_the_others() -> None:
    silent = InconclusiveError("b does not answer", code="silent")
    good, bad, mute = Shelf("a", ["x"], []), Shelf("c", ["y"]), Shelf("b", silent)
    with pytest.raises(RejectedError) as caught:
        each([mute, good, bad], restore)
    assert [row.message for row in caught.value.problems] == ["b does not answer", "c: y stays"]
    assert good.done == ["apply x", "settle", "close"]
    with pytest.raises(InconclusiveError, match="b does not answer"):
        each([Shelf("a", ["x"], []), mute], restore)
    assert [row.name for row in each([Shelf("z", []), Shelf("a", [])], restore)] == ["z", "a"], "in their order"
