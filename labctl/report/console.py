"""The story on stderr, for a terminal or for a log; or every event as a line of JSON."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TextIO

from labctl.events import Event
from labctl.report.screen import Screen, Sink
from labctl.report.style import Paint, no_colour
from labctl.report.text import cells, clean, fit, wrap
from labctl.verify.verdict import Trouble, Verdict, combine, troubles, verdict_of

PROOF = "verify"
"""The step of ``up`` that the scenarios belong to: done is not passed, its mark is the scenarios' verdict."""
PATIENCE = 15.0
"""Seconds between two lines of a log on who only waits."""
INTERVAL = 0.1
"""Seconds between two pictures of the spinner."""
TOLD = 8
"""Checks that are told under a scenario on a terminal; all of them are in the table at the end."""
GLUE = "\u00a0"
"""Stands for a blank at which a line is not broken; ``clean`` leaves none of it in a text."""


def _scenario_of(check: Event) -> str:
    """Which scenario a check belongs to: the first part of its id."""
    return check.name.partition(".")[0]


def _seconds_of(event: Event) -> str:
    """``1.4 s``, or nothing when the event does not say."""
    seconds = event.data.get("seconds")
    return f"{seconds:.1f} s" if isinstance(seconds, int | float) else ""


def _failure_of(event: Event) -> str:
    """The sentence of a failed step, with its stable code as errors show it."""
    code = event.data.get("code")
    return clean(event.message) + (f" [{clean(code)}]" if code else "")


def _troubles(checks: Iterable[Event]) -> list[Trouble]:
    """What did not pass, by cause."""
    return troubles({"id": check.name, "sentence": check.message, **check.data} for check in checks)


class Reporter(ABC):
    """A listener that has an end. Events may come from several threads; those after the end are dropped."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, now: Callable[[], float] = time.time) -> None:
        self._sink = Sink(stream)
        self._marks = self._sink.marks
        self._verbose = verbose
        self._now = now
        self._lock = threading.RLock()
        self._closed = False
        self._proven: list[Verdict] = []
        """Of the scenarios that are over."""

    def __call__(self, event: Event) -> None:
        with self._lock:
            if not self._closed:
                self._tell(event)

    def close(self) -> None:
        """Leave a clean transcript. May be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._end()

    @abstractmethod
    def _tell(self, event: Event) -> None: ...

    def _end(self) -> None:  # noqa: B027 - who writes each event at once has nothing to say at the end
        """Say what did not finish."""

    def _of_step(self, event: Event) -> Verdict:
        """How a step that is done is marked."""
        return combine(self._proven) if event.name == PROOF and self._proven else "PASS"


class PlainReporter(Reporter):
    """For logs: ``  3.2 s  ok    push: 812 lines on 5 switches (1.4 s)``; no escape sequence, ever."""

    def __init__(self, stream: TextIO, **more: Any) -> None:
        super().__init__(stream, **more)
        self._began: float | None = None
        self._running: dict[str, str] = {}
        """Step → what it said last."""
        self._said: dict[str, float] = {}
        """Step or scenario → when."""
        self._held: dict[str, list[Event]] = {}
        """Scenario → its checks that did not pass, until it is over: many may have one cause."""

    def _tell(self, event: Event) -> None:
        if self._began is None:
            self._began = event.time  # ``elapsed`` counts from different beginnings in ``up`` and ``verify``
        match event.kind:
            case "step-started" | "step-progress":
                if self._running.get(event.name) != event.message and self._due(event, event.data.get("waiting")):
                    self._running[event.name] = event.message
                    self._fact(event, self._marks.dots)
            case "step-done":
                self._running.pop(event.name, None)
                verdict = self._of_step(event)
                self._fact(event, "ok" if verdict == "PASS" else verdict)
            case "step-failed":
                self._running.pop(event.name, None)
                self._fact(event, "fail", _failure_of(event))
            case "step-skipped":
                self._fact(event, "skip")
            case "check":
                if verdict_of(event.data) != "PASS":
                    self._held.setdefault(_scenario_of(event), []).append(event)
                elif self._verbose:
                    self._fact(event, "PASS")
            case "scenario":
                self._scenario(event)
            case _:
                self._fact(event, "note")

    def _scenario(self, event: Event) -> None:
        state = event.data.get("state")
        if state == "waiting":
            if self._due(event, waiting=True):
                self._fact(event, self._marks.dots, f"waits: {event.message}")
        elif state == "started":
            self._due(event)
            if self._verbose:
                self._fact(event, self._marks.dots)
        else:
            self._tell_held(event.name, event.time, event.message)
            self._proven.append(verdict_of(event.data))
            self._fact(event, verdict_of(event.data))

    def _due(self, event: Event, waiting: object = None) -> bool:
        """Whether it is told: of who only waits a line now and then."""
        if waiting and event.time - self._said.get(event.name, 0.0) < PATIENCE:
            return False
        self._said[event.name] = event.time
        return True

    def _end(self) -> None:
        for name in tuple(self._held):
            self._tell_held(name, self._now())
        for name in self._running:
            self._line(self._now(), "stop", name, "did not finish")

    def _tell_held(self, scenario: str, moment: float, sentence: str = "") -> None:
        """But for the cause that is the scenario's own ``sentence``, which follows."""
        for trouble in _troubles(self._held.pop(scenario, [])):
            if len(trouble.checks) == 1:
                self._line(moment, trouble.verdict, trouble.checks[0]["id"], trouble.sentence)
            elif trouble.sentence != sentence:
                self._line(moment, trouble.verdict, scenario, trouble.sentence)

    def _fact(self, event: Event, word: str, text: str | None = None) -> None:
        self._line(event.time, word, event.name, event.message if text is None else text, _seconds_of(event))

    def _line(self, moment: float, word: str, name: str, text: str, seconds: str = "") -> None:
        elapsed = max(0.0, moment - (self._began or 0.0))
        took = f" ({seconds})" if seconds else ""
        self._sink.write(f"{elapsed:5.1f} s  {word:<4}  {clean(name)}: {clean(text)}{took}\n")


@dataclass(slots=True)
class _Running:
    """A step or a scenario that runs. Its texts are clean."""

    title: str
    began: float
    message: str = ""
    passed: int = 0
    held: list[Event] = field(default_factory=list)
    """Checks that are told under their scenario once it is over."""

    @property
    def bad(self) -> int:
        """How many of them did not pass."""
        return sum(verdict_of(check.data) != "PASS" for check in self.held)


def _begun(event: Event, title: str = "") -> _Running:
    return _Running(clean(title) or clean(event.name), event.time)


class LiveReporter(Reporter):
    """For a person at a terminal, as kind shows its steps: what runs has a spinner below, what is over stays above.

    ``close`` gives the cursor back.
    """

    def __init__(
        self,
        stream: TextIO,
        size: Callable[[], os.terminal_size] | None = None,
        interval: float = INTERVAL,
        **more: Any,
    ) -> None:
        super().__init__(stream, **more)
        self._screen = Screen(self._sink, size)
        self._paint = Paint(not no_colour())
        self._interval = interval
        self._steps: dict[str, _Running] = {}
        self._scenarios: dict[str, _Running] = {}
        self._turn = 0
        self._stop = threading.Event()
        self._spinner: threading.Thread | None = None

    def close(self) -> None:
        self._stop.set()
        if self._spinner is not None:
            self._spinner.join(1.0)
        super().close()

    def _tell(self, event: Event) -> None:
        self._screen.show(self._above(event), self._below())
        if self._spinner is None and (self._steps or self._scenarios):
            self._spinner = threading.Thread(target=self._spin, name="spinner", daemon=True)
            self._spinner.start()

    def _end(self) -> None:
        above: list[str] = []
        for row in (*self._scenarios.values(), *self._steps.values()):
            above += self._over(self._marks.stopped, "dim", row.title, "did not finish")
            above += self._held(row)
        self._screen.show(above, [])
        self._screen.restore()

    def _spin(self) -> None:
        while not self._stop.wait(self._interval):
            with self._lock:
                if self._closed:
                    return
                self._turn += 1
                if self._steps or self._scenarios:
                    self._screen.show([], self._below())

    def _above(self, event: Event) -> list[str]:
        """Take an event in; the lines of it that stay."""
        lines: list[str] = []
        sentence = clean(event.message)
        match event.kind:
            case "step-started":
                self._steps[event.name] = _begun(event, event.message)
            case "step-progress":
                self._steps.setdefault(event.name, _begun(event)).message = sentence
            case "step-done":
                verdict = self._of_step(event)
                lines = self._step_over(event, self._marks.of(verdict), verdict, sentence)
            case "step-failed":
                lines = self._step_over(event, self._marks.failed, "FAIL", _failure_of(event))
            case "step-skipped":
                lines = self._over(self._marks.stopped, "dim", "", sentence)
            case "check":
                lines = self._checked(event)
            case "scenario":
                lines = self._scenario(event)
            case _:
                lines = wrap(f"   {sentence}", self._screen.columns, "   ")
        return lines

    def _step_over(self, event: Event, mark: str, style: str, sentence: str) -> list[str]:
        row = self._steps.pop(event.name, None) or _begun(event)
        return self._over(mark, style, clean(event.data.get("title") or "") or row.title, sentence, _seconds_of(event))

    def _checked(self, event: Event) -> list[str]:
        row, verdict = self._scenarios.get(_scenario_of(event)), verdict_of(event.data)
        told = verdict != "PASS" or self._verbose
        if row is None:
            return self._check(event) if told else []
        row.passed += verdict == "PASS"
        if told:
            row.held.append(event)
        row.message = f"{row.passed} passed{f', {row.bad} did not' if row.bad else ''}: {clean(event.message)}"
        return []

    def _scenario(self, event: Event) -> list[str]:
        state = event.data.get("state")
        if state == "waiting":
            running = self._scenarios.setdefault(event.name, _begun(event))
            running.message = f"{running.passed} passed; waits: {clean(event.message)}"
            return []
        if state == "started":
            self._scenarios[event.name] = _begun(event, event.message)
            return []
        verdict, sentence = verdict_of(event.data), clean(event.message)
        self._proven.append(verdict)
        row = self._scenarios.pop(event.name, None) or _begun(event)
        bad = row.bad
        if [clean(trouble.sentence) for trouble in _troubles(row.held)] == [sentence]:
            row.held = [
                check for check in row.held if verdict_of(check.data) == "PASS"
            ]  # its sentence is the scenario's
        elif bad > 1:
            sentence = f"{bad} checks did not pass"  # their sentences follow
        told = sentence if verdict == "PASS" else f"{verdict}: {sentence}"
        return self._over(self._marks.of(verdict), verdict, row.title, told, _seconds_of(event)) + self._held(row)

    # --- lines ----------------------------------------------------------------------------------------------------

    def _below(self) -> list[str]:
        """A line for each step and each scenario that runs."""
        picture = self._marks.spinner[self._turn % len(self._marks.spinner)]
        columns, now = self._screen.columns, self._now()
        lines = []
        for row in (*self._steps.values(), *self._scenarios.values()):
            took = f"  ({max(0.0, now - row.began):.0f} s)"
            text = fit(f"{row.title}  {row.message}".rstrip(), columns - 3 - cells(took), self._marks.dots)
            lines.append(f" {self._paint('busy', picture)} {text}{self._paint('dim', took)}")
        return lines

    def _over(
        self, mark: str, style: str, title: str, sentence: str, seconds: str = "", indent: str = " "
    ) -> list[str]:
        """`` ✓ title  sentence  (1.4 s)``, wrapped under the title. The texts are clean."""
        took = f"({seconds})".replace(" ", GLUE) if seconds else ""
        text = "  ".join(part for part in (title, sentence, took) if part)
        hang = " " * (len(indent) + len(mark) + 1)
        first, *rest = wrap(f"{indent}{mark} {text}", self._screen.columns, hang)
        lines = [indent + self._paint(style, mark) + first[len(indent) + len(mark) :], *rest]
        if took and lines[-1].endswith(took):
            lines[-1] = lines[-1].removesuffix(took) + self._paint("dim", took)
        return [line.replace(GLUE, " ") for line in lines]

    def _under(self, verdict: Verdict, text: str) -> list[str]:
        return self._over(self._marks.of(verdict), verdict, text, "", indent="   ")

    def _check(self, check: Event) -> list[str]:
        return self._under(verdict_of(check.data), f"{clean(check.name)}: {clean(check.message)}")

    def _held(self, row: _Running) -> list[str]:
        """Of a scenario that is over: those that passed where they are told, then what did not, by cause."""
        lines = [line for check in row.held if verdict_of(check.data) == "PASS" for line in self._check(check)]
        found = _troubles(row.held)
        most = len(found) if self._verbose else TOLD
        for trouble in found[:most]:
            name = f"{clean(trouble.checks[0]['id'])}: " if len(trouble.checks) == 1 else ""
            lines += self._under(trouble.verdict, f"{name}{clean(trouble.sentence)}")
        more = sum(len(trouble.checks) for trouble in found[most:])
        return [*lines, f"   {self._marks.dots} and {more} more"] if more else lines


class JsonLines(Reporter):
    """``--events json``. A reader that goes away stops nothing but the writing."""

    def _tell(self, event: Event) -> None:
        self._sink.write(event.as_json() + "\n")


def progress(stream: TextIO, *, terminal: bool, verbose: bool = False) -> Reporter:
    """Steps with spinners on a terminal, else one line a fact; ``verbose`` tells checks that passed, too."""
    if terminal and os.environ.get("TERM") != "dumb":
        return LiveReporter(stream, verbose=verbose)
    return PlainReporter(stream, verbose=verbose)
