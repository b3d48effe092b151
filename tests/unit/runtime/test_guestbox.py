"""How much memory a lab's guest gets, and where its daemon looks for what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.errors import UsageError
from labctl.runtime.embedded import runtime
from labctl.runtime.embedded.daemon import guest_memory


def test_it_grows_with_the_boxes() -> None:
    assert guest_memory(9, None) < guest_memory(10, None) < 1000


def test_a_person_may_give_more() -> None:
    assert guest_memory(9, "2000") == 2000


@pytest.mark.parametrize("wanted", ["", "much", "-5", "100", "1.5"])
def test_what_is_no_number_or_too_little_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="LABCTL_GUEST_MEMORY_MB"):
        guest_memory(9, wanted)


def test_the_daemon_works_elsewhere_and_finds_folders_that_were_named_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABCTL_CACHE_DIR", "own/cache")
    monkeypatch.delenv("LABCTL_STATE_DIR", raising=False)
    assert runtime._places() == {"LABCTL_CACHE_DIR": str(tmp_path / "own" / "cache")}
