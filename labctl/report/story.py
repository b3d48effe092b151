"""What both looks of the console read out of events."""

from __future__ import annotations

from typing import Any

from labctl.events import Event
from labctl.report.text import clean
from labctl.verify.verdict import Trouble, Verdict, combine
from labctl.verify.verdict import verdict_of as read_verdict

PROOF = "verify"
"""The step of ``up`` that the scenarios belong to: done is not passed, its mark is the scenarios' verdict."""


class Proof:
    """The verdicts of the scenarios that were told."""

    def __init__(self) -> None:
        self._verdicts: list[Verdict] = []

    def add(self, event: Event) -> None:
        """A scenario is done."""
        self._verdicts.append(verdict_of(event))

    def of_step(self, event: Event) -> Verdict:
        """How a step that is done is marked."""
        return combine(self._verdicts) if event.name == PROOF and self._verdicts else "PASS"


def verdict_of(event: Event) -> Verdict:
    """Of a check or a scenario; what cannot be read is no pass."""
    return read_verdict(event.data)


def gist_of(check: Event) -> dict[str, Any]:
    """As `troubles` reads it."""
    return {"id": check.name, "sentence": check.message, **check.data}


def told_of(trouble: Trouble) -> str:
    """A check under its id, many of one cause by that cause."""
    sentence = clean(trouble.sentence)
    return sentence if len(trouble.checks) > 1 else f"{clean(trouble.checks[0]['id'])}: {sentence}"


def seconds_of(event: Event) -> str:
    """``1.4 s``, or nothing when the event does not say."""
    seconds = event.data.get("seconds")
    return f"{seconds:.1f} s" if isinstance(seconds, int | float) else ""


def failure_of(event: Event) -> str:
    """The sentence of a failed step, with its stable code as errors show it."""
    code = event.data.get("code")
    return clean(event.message) + (f" [{clean(code)}]" if code else "")


def scenario_of(check: Event) -> str:
    """Which scenario a check belongs to: the first part of its id."""
    return check.name.partition(".")[0]


def starts(scenario: Event) -> bool:
    """Whether a scenario's event tells of its beginning."""
    return scenario.data.get("state") == "started"


def waits(scenario: Event) -> bool:
    """Whether it tells what the scenario waits for."""
    return scenario.data.get("state") == "waiting"
