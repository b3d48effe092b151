"""A lifecycle as a list of named steps with what each needs; run as soon as its needs are done.

The list is data (see `labctl.engine.up`), the order of start follows the list, and independent steps run side by
side. The first failure cancels what has not started and asks what runs to stop at its next poll.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import TimeoutExpired
from typing import Any

from labctl.errors import GateMissed, InconclusiveError, LabctlError
from labctl.events import Event, Listener
from labctl.journal import Journal
from labctl.troubles import told
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, all_over, first_over, reasons_to


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a running step may use: the shared deadline, the cancel flag, and a voice."""

    deadline: Deadline
    cancel: threading.Event
    say: Callable[[str], None]
    tick: Callable[[str], None]
    """Says how a wait goes: the newest of these replaces the one before, and a log shows one now and then only."""


@dataclass(frozen=True, slots=True)
class Step:
    """One named step. ``run`` returns a short sentence of what it did; it raises a `LabctlError` on failure."""

    name: str
    title: str
    run: Callable[[StepContext], str]
    needs: tuple[str, ...] = ()
    resumable: bool = True
    """Whether a second ``up`` may skip it when the journal says that it was done."""


class StepFailed(Exception):
    """A step failed; ``name`` says which, the cause is the error."""

    def __init__(self, name: str, error: LabctlError) -> None:
        super().__init__(f"{name}: {error}")
        self.name = name
        self.error = error


def check_plan(steps: Sequence[Step]) -> None:
    """A plan may only need steps that stand before. Raises ValueError: a mistake in labctl itself."""
    seen: set[str] = set()
    for step in steps:
        missing = [need for need in step.needs if need not in seen]
        if missing or step.name in seen:
            raise ValueError(f"step {step.name}: needs {missing} before it, or is there twice")
        seen.add(step.name)


class StepRunner:
    """Runs a plan, tells events, keeps the journal."""

    def __init__(self, lab: str, journal: Journal, listener: Listener, deadline: Deadline) -> None:
        self._lab = lab
        self._journal = journal
        self._listener = listener
        self._deadline = deadline
        self.cancel = threading.Event()
        self.timings: dict[str, tuple[float, float]] = {}
        """Start and end of each step, seconds since the command began."""
        self.begun: set[str] = set()
        """Steps that were started."""

    def run(
        self,
        steps: Sequence[Step],
        *,
        done: frozenset[str] = frozenset(),
        interrupted: Callable[[], None] | None = None,
    ) -> None:
        """Run the plan; steps named in ``done`` are skipped where resumable. Raises `StepFailed` for the first failure.

        ``interrupted`` is called on Ctrl-C and its like, before the steps that run are waited for.
        """
        check_plan(steps)
        finished: set[str] = set()
        pending = list(steps)
        running: dict[Future[str], Step] = {}
        failure: StepFailed | None = None
        with ThreadPoolExecutor(max(1, len(steps)), thread_name_prefix="step") as pool:
            try:
                while pending or running:
                    for step in self._startable(pending, finished, failure):
                        pending.remove(step)
                        if step.name in done and step.resumable:
                            # only now: what needs it must wait for what it needs
                            finished.add(step.name)
                            self._tell("step-skipped", step.name, f"{step.title}: done before")
                        else:
                            running[pool.submit(self._one, step)] = step
                    if self._startable(pending, finished, failure):
                        continue  # what was skipped lets others begin
                    if not running:
                        break
                    for future in first_over(running):
                        step = running.pop(future)
                        try:
                            future.result()
                            finished.add(step.name)
                        except StepFailed as failed:
                            failure = failure or failed
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
        except StepFailed as failed:
            self._journal.write("run", word, "failed", step=failed.name, code=failed.error.code)
            raise
        except BaseException:
            self._journal.write("run", word, "interrupted")
            raise
        self._journal.write("run", word, "done", seconds=round(self._deadline.elapsed, 3))

    @staticmethod
    def _startable(pending: Sequence[Step], finished: set[str], failure: StepFailed | None) -> list[Step]:
        return [step for step in pending if failure is None and finished.issuperset(step.needs)]

    def _one(self, step: Step) -> str:
        began = self._deadline.elapsed
        self.begun.add(step.name)
        self._journal.step(step.name, "started")
        self._tell("step-started", step.name, step.title)
        context = StepContext(
            self._deadline,
            self.cancel,
            lambda message: self._tell("step-progress", step.name, message),
            lambda message: self._tell("step-progress", step.name, message, {"waiting": True}),
        )
        try:
            with reasons_to(context.tick):
                sentence = step.run(context)
        except DeadlinePassed as passed:
            raise self._failed(step, began, GateMissed(passed.reason, code="deadline")) from None
        except Cancelled:
            raise self._failed(
                step, began, InconclusiveError("stopped, because another step failed", code="cancelled")
            ) from None
        except LabctlError as error:
            raise self._failed(step, began, error) from error
        except (OSError, TimeoutExpired) as error:
            known = told(error) if isinstance(error, OSError) else None
            known = known or InconclusiveError(f"{type(error).__name__}: {error}", code="io")
            raise self._failed(step, began, known) from error
        ended = self._deadline.elapsed
        self.timings[step.name] = (began, ended)
        self._journal.step(step.name, "done", seconds=round(ended - began, 3), message=sentence)
        self._tell("step-done", step.name, sentence, {"seconds": round(ended - began, 3), "title": step.title})
        return sentence

    def _failed(self, step: Step, began: float, error: LabctlError) -> StepFailed:
        seconds = round(self._deadline.elapsed - began, 3)
        self.timings[step.name] = (began, self._deadline.elapsed)
        self._journal.step(step.name, "failed", code=error.code, message=error.message, seconds=seconds)
        if not (error.code == "cancelled" and self.cancel.is_set()):
            self._tell(
                "step-failed", step.name, error.message, {"code": error.code, "seconds": seconds, "title": step.title}
            )
        return StepFailed(step.name, error)

    def _tell(self, kind: Any, name: str, message: str, data: Mapping[str, Any] | None = None) -> None:
        self._listener(Event(kind, self._lab, name, message, self._deadline.elapsed, data=data or {}))
