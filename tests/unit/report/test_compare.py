"""Two runs compared: what is worse, what is better, what is only said otherwise."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from labctl.report.compare import compare, comparison_markdown, conclusion, render_comparison
from labctl.verify.verdict import CheckResult, Report, ScenarioResult


def body(**verdicts: str) -> dict[str, Any]:
    """Checks ``s.a`` and so on of one scenario."""
    checks = tuple(CheckResult(f"s.{key}", key, verdict, f"{key} is {verdict}") for key, verdict in verdicts.items())  # type: ignore[arg-type]
    return Report("lab", (ScenarioResult("s", "S", 1.0, checks),), 1.0, {"time": "2025-06-01T10:00:20Z"}).as_dict()


@pytest.mark.parametrize(
    ("a", "b", "change"),
    [
        ("PASS", "PASS", None), ("FAIL", "FAIL", None), ("PASS", "FAIL", "worse"), ("PASS", "INCONCLUSIVE", "worse"),
        ("INCONCLUSIVE", "FAIL", "worse"), ("FAIL", "INCONCLUSIVE", "better"), ("FAIL", "PASS", "better"),
        ("INCONCLUSIVE", "PASS", "better"), (None, "PASS", None), (None, "FAIL", "worse"),
        (None, "INCONCLUSIVE", "worse"), ("PASS", None, "worse"), ("FAIL", None, None), ("INCONCLUSIVE", None, None),
    ],
)  # fmt: skip
def test_changes_of_a_verdict(a: str | None, b: str | None, change: str | None) -> None:
    before, after = (body(other="PASS", **({"x": verdict} if verdict else {})) for verdict in (a, b))
    found = compare(before, after)
    assert [(row.id, row.change, row.a, row.b) for row in found.verdicts] == ([("s.x", change, a, b)] if change else [])


def test_what_one_run_was_not_asked_for_is_told_and_no_worse(mixed: dict[str, Any]) -> None:
    """``up`` runs ping-ipip, ``verify`` does not unless it is asked to: that is not worse."""
    less = copy.deepcopy(mixed)
    less["scenarios"] = [row for row in less["scenarios"] if row["id"] != "bgp"]
    for one, other, sides in (
        (mixed, less, ("asked for", "not asked for")),
        (less, mixed, ("not asked for", "asked for")),
    ):
        found = compare(one, other)
        assert found.verdicts == ()
        assert [(row.id, row.a, row.b) for row in found.others["unasked"]] == [("bgp", *sides)]


def test_a_run_of_one_figure_is_compared_by_its_checks_alone() -> None:
    whole, part = body(a="PASS", b="PASS"), body(a="FAIL") | {"only": ["s.a"]}
    found = compare(whole, part)
    assert [(row.id, row.change) for row in found.verdicts] == [("s.a", "worse")]
    assert [(row.a, row.b) for row in found.others["unasked"]] == [("1 asked for", "not asked for")]


def test_a_scenario_that_was_asked_for_and_did_not_begin_is_worse() -> None:
    cut = body(a="PASS")
    cut["scenarios"][0]["checks"] = [{"id": "s.ran", "verdict": "INCONCLUSIVE", "sentence": "did not begin"}]
    assert {(row.id, row.change) for row in compare(body(a="PASS"), cut).verdicts} == {
        ("s.a", "worse"), ("s.ran", "worse"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("no copy, 3 times in 3 s", "no copy, 2 times in 3 s", False),
        ("no copy, 3 times in 3 s", "a copy, 3 times in 3 s", True),
        ("a copy (after 0.3 s of 3 s)", "a copy (after 2.1 s of 3 s)", False),
        ("no copy, 12 times in 1.5 s; cannot be told while x is FAIL", "no copy, 9 times in 1.5 s", True),
    ],
)
def test_how_often_a_window_looked_is_no_difference(before: str, after: str, told: bool) -> None:
    a, b = body(x="PASS"), body(x="PASS")
    a["scenarios"][0]["checks"][0]["sentence"], b["scenarios"][0]["checks"][0]["sentence"] = before, after
    assert bool(compare(a, b).others["sentences"]) is told


def test_the_same_run_twice(mixed: dict[str, Any]) -> None:
    found = compare(mixed, mixed)
    assert (found.verdicts, list(found.titled)) == ((), [])
    assert conclusion(found) == "no verdict changed"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1.0, 2.9, False),
        (1.0, 3.1, True),
        (10.0, 14.0, False),
        (10.0, 16.0, True),
        (16.0, 10.0, True),
        (100.0, 140.0, False),
    ],
)
def test_timings_beyond_noise(before: float, after: float, told: bool) -> None:
    a, b = body(x="PASS"), body(x="PASS")
    a["scenarios"][0]["seconds"], b["scenarios"][0]["seconds"] = before, after
    assert bool(compare(a, b).others["timings"]) is told


@pytest.fixture
def pair(mixed: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run, and one in which something of everything changed."""
    after = copy.deepcopy(mixed)
    checks = {check["id"]: check for row in after["scenarios"] for check in row["checks"]}
    checks["links.3"] |= {"verdict": "FAIL", "sentence": "thing 3 is not so"}
    checks["ping.node01-node02.answered"] |= {"verdict": "PASS", "sentence": "5 of 5 answered"}
    checks["links.4"]["sentence"] = "links 4 is still so"
    after["scenarios"] = [row for row in after["scenarios"] if row["id"] != "bgp"]
    after["scenarios"][0]["seconds"] = 60.0
    after["environment"]["versions"]["calico"] = "3.31.0"
    after["files"] = {"checks.yaml": {"sha256": "1" * 64, "rendered": None}}
    mixed["files"] = {"checks.yaml": {"sha256": "0" * 64, "rendered": None}}
    return mixed, after


def test_golden(pair: tuple[dict[str, Any], dict[str, Any]], golden: Callable[[str, str], None]) -> None:
    found = compare(*pair)
    golden("report/comparison.txt", render_comparison(found, colour=False, width=80) + "\n")
    golden("report/comparison.md", comparison_markdown(found))
    golden("report/comparison.json", json.dumps(found.as_dict(), indent=2) + "\n")


def test_hostile(hostile: dict[str, Any], mixed: dict[str, Any]) -> None:
    for found in (compare(hostile, mixed), compare(mixed, hostile)):
        for text in (render_comparison(found, colour=False, width=80), comparison_markdown(found)):
            assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_a_narrow_terminal(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    lines = render_comparison(compare(*pair), colour=False, width=40).splitlines()
    assert max(map(len, lines)) <= 40
