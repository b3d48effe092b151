"""A lifecycle as a list of named steps with what each needs; run as soon as its needs are done.

The list is data (see `labctl.engine.up`), the order of start follows the list, and independent steps run side by
side. The first failure cancels what has not started and asks what runs to stop at its next poll.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from subprocess import TimeoutExpired
from typing import Any, TypeVar

from labctl.errors import GateMissed, InconclusiveError, LabctlError
from labctl.events import Event, EventKind, Listener
from labctl.journal import Journal
from labctl.troubles import told
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, all_over, first_over, reasons_to, wait_for

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a running step may use: the shared deadline, the cancel flag, and a voice."""

    deadline: Deadline
    cancel: threading.Event
    say: Callable[[str], None]
    tick: Callable[[str], None]
    """Says how a wait goes: the newest of these replaces the one before, and a log shows one now and then only."""

    def wait(self, question: Callable[[], T | NotYet], seconds: float, *, every: float = 0.1) -> T:
        """`wait_for` within the deadline, and no longer than ``seconds``."""
        return wait_for(question, self.deadline.at_most(seconds), every=every, cancel=self.cancel)


@dataclass(frozen=True, slots=True)
class Step:
    """One named step. ``run`` returns a short sentence of what it did; it raises a `LabctlError` on failure."""

    name: str
    title: str
    run: Callable[[StepContext], str]
    needs: tuple[str, ...] = ()
    resumable: bool = True
    """Whether a second ``up`` may skip it when the journal says that it was done."""


def plan(*rows: tuple[object, Step]) -> list[Step]:
    """The steps that are wanted (the first of each row), each with those of its needs that are."""
    names = {step.name for wanted, step in rows if wanted}
    return [replace(step, needs=tuple(need for need in step.needs if need in names)) for wanted, step in rows if wanted]


class StepRunner:
    """Runs a plan, tells events, keeps the journal."""

    def __init__(self, lab: str, journal: Journal, listener: Listener, deadline: Deadline) -> None:
        self._lab = lab
        self._journal = journal
        self._listener = listener
        self.deadline = deadline
        self.cancel = threading.Event()
        self.timings: dict[str, list[float]] = {}
        """Start and end of each step, seconds since the command began."""
        self.begun: set[str] = set()
        """Steps that were started."""
        self._failed: str | None = None
        """The step that failed first."""
        self.finished: set[str] = set()
        """Steps that are done, also by an earlier run."""

    def run(
        self,
        steps: Sequence[Step],
        *,
        done: frozenset[str] = frozenset(),
        interrupted: Callable[[], None] | None = None,
    ) -> None:
        """Run the plan; steps named in ``done`` are skipped where resumable. Raises the error of the first failure.

        ``interrupted`` is called on Ctrl-C and its like, before the steps that run are waited for.
        """
        pending = list(steps)
        running: dict[Future[None], Step] = {}
        failure: LabctlError | None = None
        with ThreadPoolExecutor(max(1, len(steps)), thread_name_prefix="step") as pool:
            try:
                while True:
                    startable = [step for step in pending if self.finished.issuperset(step.needs) and not failure]
                    for step in startable:
                        pending.remove(step)
                        # also what is skipped waits for what it needs: so does then what needs it
                        skipped = step.name in done and step.resumable
                        running[pool.submit(self._skip if skipped else self._one, step)] = step
                    if not running:
                        break
                    for future in first_over(running):
                        step = running.pop(future)
                        try:
                            future.result()
                            self.finished.add(step.name)
                        except LabctlError as error:
                            if failure is None:
                                failure, self._failed = error, step.name
                            self.cancel.set()
            except BaseException:
                self.cancel.set()
                if interrupted:
                    interrupted()
                all_over(running)
                raise
        if failure:
            raise failure

    @contextmanager
    def journalled(self, word: str, **facts: Any) -> Iterator[None]:
        """A run of the command ``word`` in the journal: begun with ``facts``, and how it ended."""
        self._journal.write("run", word, "started", **facts)
        try:
            yield
        except LabctlError as error:
            self._journal.write("run", word, "failed", step=self._failed, code=error.code)
            raise
        except BaseException:
            self._journal.write("run", word, "interrupted")
            raise
        self._journal.write("run", word, "done", seconds=round(self.deadline.elapsed, 3))

    def _skip(self, step: Step) -> None:
        self.tell("step-skipped", step.name, f"{step.title}: done before")

    def _one(self, step: Step) -> None:
        began = self.deadline.elapsed
        self.begun.add(step.name)
        self._journal.step(step.name, "started")
        self.tell("step-started", step.name, step.title)
        context = StepContext(
            self.deadline,
            self.cancel,
            lambda message: self.tell("step-progress", step.name, message),
            lambda message: self.tell("step-progress", step.name, message, waiting=True),
        )
        raised: Exception | None = None
        try:
            with reasons_to(context.tick):
                message = step.run(context)
        except (LabctlError, DeadlinePassed, Cancelled, OSError, TimeoutExpired) as caught:
            raised = caught
        ended = self.deadline.elapsed
        self.timings[step.name], seconds = [round(began, 3), round(ended, 3)], round(ended - began, 3)
        if raised is None:
            self._journal.step(step.name, "done", seconds=seconds, message=message)
            self.tell("step-done", step.name, message, seconds=seconds, title=step.title)
            return
        error = _told(raised)
        self._journal.step(step.name, "failed", code=error.code, message=error.message, seconds=seconds)
        if not (error.code == "cancelled" and self.cancel.is_set()):
            self.tell("step-failed", step.name, error.message, code=error.code, seconds=seconds, title=step.title)
        if error is raised:
            raise error
        raise error from raised

    def tell(self, kind: EventKind, name: str, message: str, **data: Any) -> None:
        """An event of the command's, at its own time."""
        self._listener(Event(kind, self._lab, name, message, self.deadline.elapsed, data=data))


def _told(raised: Exception) -> LabctlError:
    """What a step raises, for a person."""
    match raised:
        case LabctlError():
            return raised
        case DeadlinePassed():
            return GateMissed(raised.reason, code="deadline")
        case Cancelled():
            return InconclusiveError("stopped, because another step failed", code="cancelled")
    known = told(raised) if isinstance(raised, OSError) else None
    return known or InconclusiveError(f"{type(raised).__name__}: {raised}", code="io")
