"""How long one answer of a guest is waited for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labctl import pace
from tests.unit.folder.labs import a_lab


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    yield
    pace.know(None)


@pytest.mark.parametrize(
    ("speed", "seconds"),
    [(None, 10), (5.0, 10), (1.0, 10), (0.125, 10), (0.1, 12.5), (0.05, 25), (0.02, 62.5), (0.01, 80), (0.0, 80)],
)
def test_a_slower_guest_gets_more_time_and_a_fast_one_none_less(speed: float | None, seconds: float) -> None:
    pace.know(speed)
    assert pace.paced(10) == pytest.approx(seconds)
    assert pace.limit("prompt") == pytest.approx(seconds * pace.LIMITS["prompt"] / 10)


def test_the_folders_deadlines_are_at_reference_speed() -> None:
    lab = a_lab(deadlines={"bond": 120})
    assert (lab.limit("bond"), lab.limit("unknown")) == (120, 60)
    pace.know(0.0625)
    assert (lab.limit("bond"), lab.limit("unknown")) == (240, 120)


def test_a_call_has_no_more_time_than_the_whole_that_it_is_part_of() -> None:
    left = 20.0
    with pace.within(lambda: left):
        assert (pace.limit("call"), pace.limit("page")) == (20, 4)
        left = 0.0
        assert (pace.limit("call"), pace.limit("page")) == (pace.LEAST, 4)
        pace.know(0.0625)
        assert (pace.limit("call"), pace.limit("page")) == (2 * pace.LEAST, 8)
    assert pace.limit("call") == 60
