"""Waiting with a deadline and a reason."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from labctl.waiting import AGAIN, Cancelled, Deadline, DeadlinePassed, Late, NotYet, reasons_to, tell_reason, wait_for


def after(count: int) -> Callable[[], int | NotYet]:
    """Answers at the ``count``-th question."""
    asked = 0

    def question() -> int | NotYet:
        nonlocal asked
        asked += 1
        return asked if asked >= count else NotYet(f"asked {asked} times")

    return question


def test_the_value_comes_through() -> None:
    assert wait_for(after(3), Deadline(5), every=0.001) == 3


def test_falsy_values_are_values() -> None:
    assert wait_for(lambda: 0, Deadline(5)) == 0


def test_a_passed_deadline_still_asks_once() -> None:
    assert wait_for(after(1), Deadline(0)) == 1


def test_the_last_reason_is_what_one_reads() -> None:
    with pytest.raises(DeadlinePassed) as caught:
        wait_for(lambda: NotYet("bgp is Idle"), Deadline(0.02), every=0.005)
    assert caught.value.reason == "bgp is Idle"
    assert caught.value.elapsed >= 0.02
    assert str(caught.value).startswith("bgp is Idle (waited 0.0")


def test_cancel_ends_the_wait_at_once() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled, match="not there"):
        wait_for(lambda: NotYet("not there"), Deadline(60), every=30, cancel=cancel)


def test_an_error_of_the_question_is_not_swallowed() -> None:
    def broken() -> int | NotYet:
        raise KeyError("x")

    with pytest.raises(KeyError):
        wait_for(broken, Deadline(1))


def test_a_part_of_a_deadline_is_never_later_than_the_whole() -> None:
    whole = Deadline(10)
    assert whole.at_most(3).remaining <= 3
    assert whole.at_most(100).remaining <= 10
    assert not whole.passed
    assert Deadline(0).passed
    assert Deadline(-5).remaining == 0


def test_an_answer_that_comes_late_is_asked_for_again() -> None:
    said = iter([Late("no answer within 30 s"), Late("no answer within 30 s"), 7])

    def question() -> int:
        found = next(said)
        if isinstance(found, Late):
            raise found
        return found

    assert wait_for(question, Deadline(5), every=0.001) == 7
    said = iter([Late("no answer within 30 s")])
    with pytest.raises(DeadlinePassed, match="no answer within 30 s"):
        wait_for(question, Deadline(0))


def test_who_listens_hears_what_is_waited_for_when_it_changes_and_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard = [0.0], list[tuple[float, str]]()
    monkeypatch.setattr("labctl.waiting.time.monotonic", lambda: clock[0])
    with reasons_to(lambda reason: heard.append((clock[0], reason))):
        for moment, reason in ((0, "a"), (1, "a"), (2, "b"), (3, "b"), (2 + AGAIN, "b"), (3 + AGAIN, "b")):
            clock[0] = moment
            tell_reason(reason)
    tell_reason("nobody listens")
    assert heard == [(0, "a"), (2, "b"), (2 + AGAIN, "b")]


def test_an_inner_listener_hears_alone() -> None:
    outer, inner = list[str](), list[str]()
    with reasons_to(outer.append):
        with reasons_to(inner.append):
            tell_reason("a")
        tell_reason("b")
    assert (outer, inner) == (["b"], ["a"])
