"""Errors as a person reads them."""

from __future__ import annotations

import pytest

from labctl.errors import (
    CheckFailed,
    GateMissed,
    HostError,
    InconclusiveError,
    LabctlError,
    LabError,
    Place,
    Problem,
    RejectedError,
    SpecError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (LabctlError("x"), "internal", 5),
        (UsageError("x"), "usage", 2),
        (SpecError([]), "spec", 2),
        (RejectedError([]), "rejected", 1),
        (CheckFailed("x"), "check-failed", 1),
        (InconclusiveError("x"), "inconclusive", 3),
        (GateMissed("x"), "gate-missed", 3),
        (HostError("x"), "host", 4),
        (LabError("x"), "lab", 5),
    ],
)
def test_codes_are_stable(error: LabctlError, code: str, exit_code: int) -> None:
    assert (error.code, error.exit_code) == (code, exit_code)


def test_a_code_of_its_own_does_not_change_the_class() -> None:
    assert UsageError("x", code="lab-locked").code == "lab-locked"
    assert UsageError.code == "usage"


def test_host_errors_send_to_the_doctor() -> None:
    assert HostError("no /dev/kvm").render() == "no /dev/kvm [host]\n  next: labctl doctor"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("a.yaml"), "a.yaml"),
        (Place("a.yaml", 3), "a.yaml:3"),
        (Place("a.yaml", 3, 7), "a.yaml:3:7"),
        (Place("a.yaml", 0, 7), "a.yaml"),
    ],
)
def test_places(place: Place, text: str) -> None:
    assert str(place) == text


def test_problem_with_everything() -> None:
    problem = Problem("unknown-key", "unknown key x", Place("a.yaml", 12, 3, "  x: 1"), "did you mean y?")
    assert problem.render() == (
        "a.yaml:12:3: unknown key x [unknown-key]\n  12 |   x: 1\n     |   ^\n  hint: did you mean y?"
    )


def test_caret_stands_under_its_word_behind_a_tab() -> None:
    lines = Problem("c", "m", Place("a.cfg", 1, 2, "\tword")).render().splitlines()
    assert lines[2].removeprefix("    | ") == "\t^"


def test_caret_may_stand_behind_the_line() -> None:
    assert Problem("c", "m", Place("a.cfg", 1, 3, "ab")).render().endswith("|   ^")


def test_no_caret_without_a_column() -> None:
    assert "^" not in Problem("c", "m", Place("a.cfg", 1, 0, "ab")).render()


def test_all_problems_at_once_and_what_to_do_next() -> None:
    error = SpecError([Problem("a", "one"), Problem("b", "two")], next_command="labctl init")
    assert error.render() == "one [a]\ntwo [b]\n2 problems\n  next: labctl init"
    assert SpecError([Problem("a", "one")]).render() == "one [a]\n1 problem"
