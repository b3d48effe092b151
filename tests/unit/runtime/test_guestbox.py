"""How much memory a lab's guest gets."""

from __future__ import annotations

import pytest

from labctl.errors import UsageError
from labctl.runtime.embedded.guestbox import guest_memory


def test_it_grows_with_the_boxes() -> None:
    assert guest_memory(9, None) < guest_memory(10, None) < 1000


def test_a_person_may_give_more() -> None:
    assert guest_memory(9, "2000") == 2000


@pytest.mark.parametrize("wanted", ["", "much", "-5", "100", "1.5"])
def test_what_is_no_number_or_too_little_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="LABCTL_GUEST_MEMORY_MB"):
        guest_memory(9, wanted)
