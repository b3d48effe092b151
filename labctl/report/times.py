"""What each check took of a run's time: checks are asked side by side, and the time in which several are is shared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any


def own_times(body: Mapping[str, Any]) -> list[list[float]]:
    """Seconds of each check of each scenario of ``labctl.evidence/v1``; together no more than the run took. Pure.

    A check runs from its first question to the answer that decided; one that does not say when, as long as its
    scenario, and so does the one that stands for a scenario without checks. At each moment the checks that run have
    equal parts.
    """
    whole, alone = number(body.get("seconds")), list[Mapping[str, Any]]([{}])
    spans = [
        [_span(scenario, check, whole) for check in scenario.get("checks") or alone]
        for scenario in body.get("scenarios") or ()
    ]
    steps: dict[float, int] = {}
    for begin, end in (span for row in spans for span in row):
        steps[begin] = steps.get(begin, 0) + 1
        steps[end] = steps.get(end, 0) - 1
    share, running, shares = 0.0, 0, dict.fromkeys(sorted(steps)[:1], 0.0)
    for moment, following in pairwise(sorted(steps)):
        running += steps[moment]
        share += (following - moment) / running if running else 0.0
        shares[following] = share
    return [[shares[end] - shares[begin] for begin, end in row] for row in spans]


def _span(scenario: Mapping[str, Any], check: Mapping[str, Any], whole: float) -> tuple[float, float]:
    began = number(check.get("started") if check.get("started") is not None else scenario.get("started"))
    own = check.get("seconds")
    ended = (
        began + number(own) if own is not None else number(scenario.get("started")) + number(scenario.get("seconds"))
    )
    return min(began, whole), min(max(began, ended), whole)


def number(value: Any) -> float:
    """Of what somebody wrote; no time is negative or endless."""
    return max(0.0, float(value)) if isinstance(value, int | float) and math.isfinite(value) else 0.0
