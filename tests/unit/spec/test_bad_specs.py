"""Every bad spec says all that is wrong with it, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import SpecError
from labctl.spec.load import loads

BAD = sorted((Path(__file__).parents[2] / "golden" / "spec" / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_message_of_a_bad_spec(path: Path, golden: Callable[[str, str], None]) -> None:
    with pytest.raises(SpecError) as caught:
        loads(path.name, path.read_text(encoding="utf-8"))
    golden(f"spec/bad/{path.stem}.txt", caught.value.render() + "\n")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_problem_has_a_place_inside_the_file(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    with pytest.raises(SpecError) as caught:
        loads(path.name, path.read_text(encoding="utf-8"))
    for problem in caught.value.problems:
        assert problem.place is not None
        assert problem.place.file == path.name
        if problem.place.line:
            assert problem.place.text == lines[problem.place.line - 1]
            assert 1 <= problem.place.column <= len(problem.place.text) + 1


def test_there_are_enough_bad_specs() -> None:
    assert len(BAD) >= 75
