"""How checks make a scenario, and scenarios a report."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labctl.verify.verdict import CheckResult, Report, ScenarioResult, combine


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], "INCONCLUSIVE"),
        (["PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "FAIL", "PASS"], "FAIL"),
    ],
)
def test_one_failure_fails_all_and_nothing_proves_nothing(verdicts: Any, whole: str) -> None:
    assert combine(verdicts) == whole


def scenario(*rows: tuple[str, str]) -> ScenarioResult:
    checks = tuple(CheckResult(f"c{n}", "t", verdict, message) for n, (verdict, message) in enumerate(rows))  # type: ignore[arg-type]
    return ScenarioResult("bgp", "BGP", 1.0, checks)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "no check ran"),
        ([("PASS", "a"), ("PASS", "b")], "2 checks passed"),
        ([("PASS", "a")] * 3, "3 checks passed"),
        ([("PASS", "a"), ("FAIL", "b"), ("FAIL", "c"), ("INCONCLUSIVE", "d")], "b (and 1 more)"),
        ([("PASS", "a"), ("INCONCLUSIVE", "d")], "d"),
    ],
)
def test_sentences_of_scenarios(rows: list[tuple[str, str]], sentence: str) -> None:
    assert scenario(*rows).sentence == sentence


def test_a_report_counts() -> None:
    report = Report("lab", (scenario(("PASS", "a")), scenario(("FAIL", "b")), scenario(("PASS", "c"))), 3.0)
    assert (report.verdict, report.sentence) == ("FAIL", "2 PASS, 1 FAIL")
    assert Report("lab", (), 0.0).sentence == "nothing ran"
    assert json.loads(json.dumps(report.as_dict()))["scenarios"][1]["checks"][0]["sentence"] == "b"
