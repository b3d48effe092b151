"""A plan runs as its needs allow; the first failure stops the rest; all is told and kept."""

from __future__ import annotations

import errno
import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.engine.steps import Step, StepContext, StepRunner, plan
from labctl.errors import CheckFailed, ExitCode, InconclusiveError, LabctlError
from labctl.events import Event
from labctl.journal import Journal
from labctl.waiting import Deadline, NotYet, wait_for

Work = Callable[[StepContext], str]


class Run:
    """A runner with everything that it said."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.journal = Journal(path / "journal.jsonl")
        self.runner = StepRunner("paper", self.journal, self.events.append, Deadline(30))

    def told(self) -> list[tuple[str, str]]:
        return [(event.kind, event.name) for event in self.events]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def step(name: str, *needs: str, work: Work | None = None, resumable: bool = True) -> Step:
    return Step(name, f"title of {name}", work or (lambda _context: f"{name} is done"), needs, resumable)


def failing(error: Exception) -> Work:
    def work(_context: StepContext) -> str:
        raise error

    return work


def test_a_step_is_told_and_kept(run: Run) -> None:
    run.runner.run([step("create")])
    assert run.told() == [("step-started", "create"), ("step-done", "create")]
    assert run.events[1].message == "create is done"
    assert [(entry.name, entry.state) for entry in run.journal.entries()] == [("create", "started"), ("create", "done")]
    began, ended = run.runner.timings["create"]
    assert 0 <= began <= ended


@pytest.mark.parametrize("error", [TimeoutError("timed out"), subprocess.TimeoutExpired("kubectl", 60)])
def test_a_program_or_a_socket_that_is_late_is_inconclusive(run: Run, error: Exception) -> None:
    with pytest.raises(InconclusiveError) as failed:
        run.runner.run([step("calico", work=failing(error))])
    assert failed.value.exit_code is ExitCode.INCONCLUSIVE
    assert str(error) in failed.value.message


def test_a_step_waits_for_its_needs(run: Run) -> None:
    order: list[str] = []

    def note(name: str) -> Work:
        return lambda _context: order.append(name) or name

    steps = [
        step(name, *needs, work=note(name))
        for name, needs in (("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c")))
    ]
    run.runner.run(steps)
    assert order[0] == "a"
    assert order[3] == "d"


def test_independent_steps_run_side_by_side(run: Run) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(_context: StepContext) -> str:
        both.wait()
        return "met"

    run.runner.run([step("left", work=meet), step("right", work=meet)])
    assert {name for kind, name in run.told() if kind == "step-done"} == {"left", "right"}


def test_a_step_may_tell_how_far_it_is(run: Run) -> None:
    def work(context: StepContext) -> str:
        context.say("3 of 5 switches")
        return "pushed"

    run.runner.run([step("push", work=work)])
    assert [event.message for event in run.events if event.kind == "step-progress"] == ["3 of 5 switches"]


def test_what_was_done_before_is_skipped_where_it_can_be(run: Run) -> None:
    steps = [step("create"), step("push", "create", resumable=False), step("apply", "push")]
    run.runner.run(steps, done=frozenset({"create", "push"}))
    assert [name for kind, name in run.told() if kind == "step-skipped"] == ["create"]
    assert [name for kind, name in run.told() if kind == "step-done"] == ["push", "apply"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckFailed("pod does not answer"), "check-failed"),
        (InconclusiveError("no prompt", code="switch-unreachable"), "switch-unreachable"),
        (ConnectionResetError("gone"), "io"),
        (OSError(errno.ENOSPC, "No space left on device", "/full/x"), "host-full"),
    ],
)
def test_a_failure_is_told_kept_and_raised(run: Run, error: Exception, code: str) -> None:
    with pytest.raises(LabctlError) as caught:
        run.runner.run([step("create", work=failing(error)), step("push", "create")])
    assert caught.value.code == code
    assert run.told() == [("step-started", "create"), ("step-failed", "create")]
    assert run.journal.done_steps() == set()
    last = list(run.journal.entries())[-1]
    assert (last.state, last.data["code"]) == ("failed", code)


def test_a_missed_deadline_tells_the_last_reason(run: Run) -> None:
    def work(_context: StepContext) -> str:
        return wait_for(lambda: NotYet("bgp is Idle"), Deadline(0.01), every=0.005)

    with pytest.raises(InconclusiveError) as caught:
        run.runner.run([step("converge", work=work)])
    assert (caught.value.code, caught.value.message) == ("deadline", "bgp is Idle")


def test_the_first_failure_stops_what_waits_and_is_the_one_told(run: Run) -> None:
    waiting = threading.Event()

    def wait(context: StepContext) -> str:
        waiting.set()
        return wait_for(lambda: NotYet("never"), Deadline(20), cancel=context.cancel)

    def fail(_context: StepContext) -> str:
        assert waiting.wait(10)
        raise CheckFailed("wrong")

    with pytest.raises(CheckFailed, match="wrong"), run.runner.journalled("up"):
        run.runner.run([step("slow", work=wait), step("bad", work=fail), step("after", "slow")])
    assert [name for kind, name in run.told() if kind == "step-failed"] == ["bad"], "a cancelled step is no news"
    states = {entry.name: (entry.state, entry.data.get("code")) for entry in run.journal.entries()}
    failed = ("failed", "check-failed")
    assert states == {"slow": ("failed", "cancelled"), "bad": failed, "up": failed}
    assert list(run.journal.entries())[-1].data["step"] == "bad"


def test_a_mistake_of_ours_is_not_dressed_up(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        run.runner.run([step("create", work=failing(ZeroDivisionError()))])
    assert run.runner.cancel.is_set()


def test_a_plan_is_of_what_is_wanted_and_needs_nothing_else() -> None:
    found = plan((True, step("a")), (False, step("b", "a")), (True, step("c", "a", "b")))
    assert [(row.name, row.needs) for row in found] == [("a", ()), ("c", ("a",))]


def test_an_empty_plan(run: Run) -> None:
    run.runner.run([])
    assert run.events == []


def test_events_are_lines_of_json(run: Run) -> None:
    with pytest.raises(LabctlError, match="no"):
        run.runner.run([step("create"), step("push", "create", work=failing(LabctlError("no")))])
    for event in run.events:
        row = json.loads(event.as_json())
        assert (row["schema"], row["lab"]) == ("labctl.event/v1", "paper")
        assert "\n" not in event.as_json()


def test_a_skipped_step_does_not_let_others_begin_before_what_it_needs(run: Run) -> None:
    """A second up: the nodes must be found again before a step that needs only skipped ones begins."""
    order: list[str] = []

    def noting(name: str) -> Work:
        def work(_context: StepContext) -> str:
            order.append(name)
            return name

        return work

    steps = [
        step("create", work=noting("create"), resumable=False),
        step("push", "create", work=noting("push")),
        step("bonds", "push", work=noting("bonds"), resumable=False),
    ]
    run.runner.run(steps, done=frozenset({"create", "push"}))
    assert order == ["create", "bonds"]


def test_a_step_that_waits_says_for_what_each_time_that_it_is_something_else(run: Run) -> None:
    answers = iter([NotYet("no bond"), NotYet("no bond"), NotYet("no partner"), "up"])
    run.runner.run([step("nodes", work=lambda _context: wait_for(lambda: next(answers), Deadline(30), every=0.001))])
    waits = [event.message for event in run.events if event.data.get("waiting")]
    assert waits == ["no bond", "no partner"]
