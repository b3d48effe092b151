"""The end table: golden files, and that it fits, is safe, and says what matters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from labctl.report.text import cells
from labctl.report.verdicts import differing, render_verdicts
from tests.unit.report.conftest import whole

EVIDENCE = "/home/trainer/.local/state/labctl/labs/whitepaper/evidence"


@pytest.mark.parametrize(
    ("name", "width", "colour"),
    [
        ("mixed", 110, False),
        ("mixed", 60, False),
        ("mixed", 100, True),
        ("green", 80, False),
        ("empty", 80, False),
        ("hostile", 80, True),
    ],
)
def test_golden(
    name: str, width: int, colour: bool, golden: Callable[[str, str], None], request: pytest.FixtureRequest
) -> None:
    text = render_verdicts(request.getfixturevalue(name), colour=colour, width=width, evidence=EVIDENCE)
    golden(f"report/verdicts-{name}-{width}{'-colour' if colour else ''}.txt", text + "\n")


@pytest.mark.parametrize("width", [40, 60, 61, 80, 100, 200])
@pytest.mark.parametrize("name", ["green", "mixed", "empty", "hostile"])
def test_no_line_is_wider_than_asked(name: str, width: int, request: pytest.FixtureRequest) -> None:
    text = render_verdicts(request.getfixturevalue(name), colour=True, width=width)
    assert max(cells(line) for line in text.splitlines()) == width


@pytest.mark.parametrize("colour", [True, False])
def test_colour_changes_no_word(colour: bool, mixed: dict[str, Any]) -> None:
    text = render_verdicts(mixed, colour=colour, width=100)
    assert ("\x1b[" in text) is colour
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == render_verdicts(mixed, colour=False, width=100)


def test_hostile_text_steers_nothing(hostile: dict[str, Any]) -> None:
    text = render_verdicts(hostile, colour=False, width=80, evidence="/tmp/\x1b[2Jx")
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    assert "evidence: /tmp/x" in text


def test_last_line_has_verdict_and_whole_path(mixed: dict[str, Any], green: dict[str, Any]) -> None:
    assert render_verdicts(green, colour=False, width=80, evidence="/e").splitlines()[-1] == (
        " PASS  whitepaper: 2 PASS in 3.5 s  evidence: /e"
    )
    *_, verdict, path = render_verdicts(mixed, colour=False, width=60, evidence=EVIDENCE).splitlines()
    assert verdict == " FAIL  whitepaper: 2 PASS, 2 FAIL, 1 INCONCLUSIVE in 14.2 s"
    assert path == f" evidence: {EVIDENCE}"  # wider than the screen, but whole


def test_passed_checks_are_not_listed(mixed: dict[str, Any]) -> None:
    text = render_verdicts(mixed, colour=False, width=100)
    assert "bgp.session.1" not in text
    assert "ping.node01-node02.answered" in text


def test_many_failures_are_all_named_and_few_are_told_in_full() -> None:
    checks = [
        {"id": f"bgp.{n}", "verdict": "FAIL" if n else "INCONCLUSIVE", "sentence": f"sentence {n}.", "expected": n}
        for n in range(60)
    ]
    text = render_verdicts(whole({"id": "bgp", "checks": checks}), colour=False, width=80)
    assert all(f" sentence {n}." in text for n in range(60))
    assert text.count("expected") == 5
    assert text.index("sentence 59.") < text.index("sentence 0.")  # failures first


def test_false_zero_and_nothing_are_shown() -> None:
    check = {"id": "a.b", "verdict": "FAIL", "sentence": "s", "expected": 0, "seen": False}
    lost = {"id": "a.c", "verdict": "FAIL", "sentence": "s", "expected": 2, "seen": None}
    body = whole({"id": "a", "checks": [check, lost]})
    lines = [line.split() for line in render_verdicts(body, colour=False, width=80).splitlines()]
    assert ["expected", "0"] in lines
    assert ["seen", "false"] in lines
    assert ["seen", "nothing"] in lines


def test_differing() -> None:
    assert differing({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == ({"b": 2}, {"b": 3, "c": 4})
    assert differing({"a": 1}, {"a": 1}) == ({"a": 1}, {"a": 1})
    assert differing({"a": 1}, {"b": 1}) == ({"a": 1}, {"b": 1})
    assert differing([1], {"a": 1}) == ([1], {"a": 1})
