"""The summary for a pull request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from labctl.report.markdown import MOST, code, escape, markdown
from tests.unit.report.conftest import whole


def test_golden(golden: Callable[[str, str], None], mixed: dict[str, Any]) -> None:
    golden("report/mixed.md", markdown(mixed))


def test_all_passed_is_short(green: dict[str, Any]) -> None:
    text = markdown(green)
    assert text.startswith("## PASS: whitepaper\n\n2 PASS in 3.5 s (switch standin")
    assert "expected" not in text.partition("<details>")[0]
    assert "<details><summary>52 checks passed</summary>" in text


def test_nothing_ran(empty: dict[str, Any]) -> None:
    text = markdown(empty)
    assert text.startswith("## INCONCLUSIVE: whitepaper\n\nnothing ran")
    assert "No scenario ran." in text


def test_failures_come_first_and_are_counted() -> None:
    checks = [
        {"id": f"x.{n}", "verdict": "INCONCLUSIVE" if n < 3 else "FAIL", "sentence": f"no {n}"} for n in range(14)
    ]
    text = markdown(whole({"id": "x", "checks": checks}))
    assert re.findall(r"\*\*(FAIL|INCONCLUSIVE)\*\*", text) == ["FAIL"] * MOST
    assert "… and 4 more that did not pass." in text


def test_hostile_text_is_no_markup(hostile: dict[str, Any], hostile_text: str) -> None:
    text = markdown(hostile)
    assert "\x1b" not in text
    outside = re.sub(r"(`+)[^`].*?\1", "", text)
    assert "<&" not in outside
    assert [line for line in text.splitlines() if "\x00" in line or "\u202e" in line] == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("a | b", r"a \| b"), ("<b>", "&lt;b&gt;"), ("@team #12", "&#64;team &#35;12"), ("*x* _y_", r"\*x\* \_y\_"),
        ("[a](b)", r"\[a\](b)"), ("https://x", "https:&#47;/x"), ("`c`", r"\`c\`"), ("a\nb", "a b"), ("$x$", r"\$x\$"),
    ],
)  # fmt: skip
def test_escaped(given: str, told: str) -> None:
    assert escape(given) == told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`a`", "`` `a` ``"),
        ("a|b", r"<code>a\|b</code>"),
        ("", ""),
        ("a\nb", "`a b`"),
    ],
)
def test_code(given: str, told: str) -> None:
    assert code(given) == told
