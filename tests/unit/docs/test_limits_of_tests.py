"""No limit of a test is a fixed second where a guest answers: it is `patient`, in seconds of this host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

INTEGRATION = Path(__file__).parents[2] / "integration"
FIXED = re.compile(r"\bDeadline\(\s*[\d.]|\bmark\.timeout\(\s*\d|\.wait\(\s*[\d.]|--timeout=\d")


@pytest.mark.parametrize("path", sorted(INTEGRATION.rglob("*.py")), ids=lambda path: path.name)
def test_limits_are_patient(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line}" for number, line in enumerate(lines, 1) if FIXED.search(line)] == []
