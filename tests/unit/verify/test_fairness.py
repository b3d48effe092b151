"""A failure on an overloaded host is none that may be called one."""

from __future__ import annotations

import pytest

from labctl.host import Look
from labctl.verify.run import Fair
from labctl.verify.verdict import CheckResult

LATE = CheckResult("ping.a.answered", "a to b", "FAIL", "pod pingtest-x is Pending", "a pod", "none")


def fair(monkeypatch: pytest.MonkeyPatch, waited: float) -> Fair:
    looks = iter([Look(0, 0, 0, 0, 0, 0, 0), *[Look(60, 60, 0, 0, 12000, 10, waited)] * 3])
    monkeypatch.setattr("labctl.verify.run.look", lambda _guest: next(looks))
    return Fair(4711)


def test_overloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = fair(monkeypatch, 40)
    found = judge.judged(LATE)
    assert found.verdict == "INCONCLUSIVE"
    assert found.sentence == (
        "not judged: the host was overloaded (the guest waited 80% of the time for a processor); "
        "last: pod pingtest-x is Pending"
    )
    assert (found.id, found.expected, found.seen) == (LATE.id, LATE.expected, LATE.seen)
    assert judge.judged(LATE) == found
    assert judge.load().guest_waited == 0.8


def test_a_quiet_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fair(monkeypatch, 4).judged(LATE) is LATE


def test_what_passed_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CheckResult("a", "a", "PASS", "well")
    assert fair(monkeypatch, 40).judged(done) is done
