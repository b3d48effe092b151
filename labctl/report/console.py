"""The story on stderr, for a terminal or for a log; or every event as a line of JSON."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
"""Causes that are told under a scenario on a terminal; all of them are in the table at the end."""
GLUE = "\u00a0"
"""Stands for a blank at which a line is not broken; ``clean`` leaves none of it in a text."""


def _scenario_of(check: Event) -> str:
    """Which scenario a check belongs to: the first part of its id."""
    return check.name.partition(".")[0]


def _seconds_of(event: Event) -> str:
    """``1.4 s``, or nothing when the event does not say."""
    seconds = event.data.get("seconds")
    return f"{seconds:.1f} s" if isinstance(seconds, int | float) else ""


class Reporter(ABC):
    """A listener that has an end. Events may come from several threads; those after the end are dropped."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, now: Callable[[], float] = time.time) -> None:
        self._sink = Sink(stream)
        self._marks = self._sink.marks
        self._verbose = verbose
        self._now = now
        self._lock = threading.RLock()
        self._closed = False

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

    @abstractmethod
    def _end(self) -> None:
        """Say what did not finish."""


class JsonLines(Reporter):
    """``--events json``. A reader that goes away stops nothing but the writing."""

    def _tell(self, event: Event) -> None:
        self._sink.write(event.as_json() + "\n")

    def _end(self) -> None:
        """Nothing is left to write."""


class Teller(Reporter):
    """For a person: steps and scenarios run, and are over; what did not pass is told by cause when they are."""

    def __init__(self, stream: TextIO, **more: Any) -> None:
        super().__init__(stream, **more)
        self._proven: list[Verdict] = []
        """Of the scenarios that are over."""
        self._failed: dict[str, list[Event]] = {}
        """Scenario → its checks that did not pass, until it is over: many may have one cause."""

    def _tell(self, event: Event) -> None:
        match event.kind:
            case "step-started" | "step-progress":
                self._runs(event)
            case "step-done":
                of_scenarios = event.name == PROOF and self._proven
                self._over(event, combine(self._proven) if of_scenarios else "PASS", event.message)
            case "step-failed":
                code = event.data.get("code")
                self._over(event, "FAIL", f"{event.message} [{clean(code)}]" if code else event.message)
            case "check":
                if verdict_of(event.data) != "PASS":
                    self._failed.setdefault(_scenario_of(event), []).append(event)
                self._checked(event)
            case "scenario" if event.data.get("state") in ("started", "waiting"):
                self._runs(event)
            case "scenario":
                self._proven.append(verdict_of(event.data))
                self._over(event, verdict_of(event.data), event.message, self._causes(event.name))
            case _:
                self._note(event)

    def _causes(self, scenario: str) -> list[Trouble]:
        checks = self._failed.pop(scenario, [])
        return troubles({"id": check.name, "sentence": check.message, **check.data} for check in checks)

    @abstractmethod
    def _runs(self, event: Event) -> None: ...

    @abstractmethod
    def _over(self, event: Event, verdict: Verdict, sentence: str, causes: Sequence[Trouble] = ()) -> None: ...

    @abstractmethod
    def _checked(self, event: Event) -> None: ...

    @abstractmethod
    def _note(self, event: Event) -> None:
        """A step that was skipped, or a message."""


class PlainReporter(Teller):
    """For logs: ``  3.2 s  ok    push: 812 lines on 5 switches (1.4 s)``; no escape sequence, ever."""

    def __init__(self, stream: TextIO, **more: Any) -> None:
        super().__init__(stream, **more)
        self._began: float | None = None
        self._running: dict[str, str] = {}
        """Step → what it said last."""
        self._said: dict[str, float] = {}
        """Step or scenario → when."""

    def _tell(self, event: Event) -> None:
        if self._began is None:
            self._began = event.time  # ``elapsed`` counts from different beginnings in ``up`` and ``verify``
        super()._tell(event)

    def _runs(self, event: Event) -> None:
        """Of who only waits a line now and then."""
        scenario = event.kind == "scenario"
        waiting = event.data.get("state") == "waiting" if scenario else event.data.get("waiting")
        if not scenario and self._running.get(event.name) == event.message:
            return
        if waiting and event.time - self._said.get(event.name, 0.0) < PATIENCE:
            return
        self._said[event.name] = event.time
        if not scenario:
            self._running[event.name] = event.message
        if waiting or not scenario or self._verbose:
            self._fact(event, self._marks.dots, f"waits: {event.message}" if scenario and waiting else event.message)

    def _over(self, event: Event, verdict: Verdict, sentence: str, causes: Sequence[Trouble] = ()) -> None:
        if event.kind != "scenario":
            self._running.pop(event.name, None)
        self._because(event.name, event.time, causes, sentence)
        words = {"step-failed": "fail", "step-done": "ok" if verdict == "PASS" else verdict}
        self._fact(event, words.get(event.kind, verdict), sentence)

    def _checked(self, event: Event) -> None:
        if self._verbose and verdict_of(event.data) == "PASS":
            self._fact(event, "PASS", event.message)

    def _note(self, event: Event) -> None:
        self._fact(event, "skip" if event.kind == "step-skipped" else "note", event.message)

    def _end(self) -> None:
        for name in tuple(self._failed):
            self._because(name, self._now(), self._causes(name))
        for name in self._running:
            self._line(self._now(), "stop", name, "did not finish")

    def _because(self, scenario: str, moment: float, causes: Sequence[Trouble], sentence: str = "") -> None:
        """But for the cause that is the scenario's own ``sentence``, which follows."""
        for trouble in causes:
            if len(trouble.checks) == 1:
                self._line(moment, trouble.verdict, trouble.checks[0]["id"], trouble.sentence)
            elif trouble.sentence != sentence:
                self._line(moment, trouble.verdict, scenario, trouble.sentence)

    def _fact(self, event: Event, word: str, text: str) -> None:
        self._line(event.time, word, event.name, text, _seconds_of(event))

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


class LiveReporter(Teller):
    """For a person at a terminal, as kind shows its steps: what runs has a spinner below, what is over stays above.

    ``close`` gives the cursor back.
    """

    def __init__(self, stream: TextIO, *, size: Callable[[], os.terminal_size] | None = None,
                 interval: float = INTERVAL, **more: Any) -> None:  # fmt: skip
        super().__init__(stream, **more)
        self._screen = Screen(self._sink, size)
        self._paint = Paint(not no_colour())
        self._interval = interval
        self._running: dict[tuple[bool, str], _Running] = {}
        """By whether it is a scenario, and its name."""
        self._turn = 0
        self._stop = threading.Event()
        self._spinner: threading.Thread | None = None

    def close(self) -> None:
        self._stop.set()
        if self._spinner is not None:
            self._spinner.join(1.0)
        super().close()

    def _tell(self, event: Event) -> None:
        super()._tell(event)
        if self._spinner is None and self._running:
            self._spinner = threading.Thread(target=self._spin, name="spinner", daemon=True)
            self._spinner.start()

    def _end(self) -> None:
        above: list[str] = []
        for (_, name), row in sorted(self._running.items(), key=lambda item: not item[0][0]):
            above += self._lines(self._marks.stopped, "dim", row.title, "did not finish")
            above += self._because(self._causes(name))
        for name in tuple(self._failed):
            above += self._because(self._causes(name))
        self._screen.show(above, [])
        self._screen.restore()

    def _spin(self) -> None:
        while not self._stop.wait(self._interval):
            with self._lock:
                if self._closed:
                    return
                self._turn += 1
                if self._running:
                    self._show([])

    def _runs(self, event: Event) -> None:
        key, sentence = (event.kind == "scenario", event.name), clean(event.message)
        if event.kind == "step-started" or event.data.get("state") == "started":
            self._running[key] = _Running(sentence or clean(event.name), event.time)
        else:
            row = self._running.setdefault(key, _Running(clean(event.name), event.time))
            row.message = f"{row.passed} passed; waits: {sentence}" if key[0] else sentence
        self._show([])

    def _over(self, event: Event, verdict: Verdict, sentence: str, causes: Sequence[Trouble] = ()) -> None:
        scenario, sentence = event.kind == "scenario", clean(sentence)
        row = self._running.pop((scenario, event.name), None) or _Running(clean(event.name), event.time)
        bad = sum(len(cause.checks) for cause in causes)
        if [clean(cause.sentence) for cause in causes] == [sentence]:
            causes = ()  # its sentence is the scenario's
        elif bad > 1:
            sentence = f"{bad} checks did not pass"  # their sentences follow
        told = f"{verdict}: {sentence}" if scenario and verdict != "PASS" else sentence
        title = clean(event.data.get("title") or "") or row.title
        lines = self._lines(self._marks.of(verdict), verdict, title, told, _seconds_of(event))
        self._show([*lines, *self._because(causes)])

    def _checked(self, event: Event) -> None:
        scenario, passed = _scenario_of(event), verdict_of(event.data) == "PASS"
        row = self._running.get((True, scenario))
        if row is not None:
            row.passed += passed
            bad = f", {len(self._failed[scenario])} did not" if scenario in self._failed else ""
            row.message = f"{row.passed} passed{bad}: {clean(event.message)}"
        text = f"{clean(event.name)}: {clean(event.message)}"
        self._show(self._under("PASS", text) if passed and self._verbose else [])

    def _note(self, event: Event) -> None:
        sentence = clean(event.message)
        skipped = self._lines(self._marks.stopped, "dim", "", sentence)
        self._show(skipped if event.kind == "step-skipped" else wrap(f"   {sentence}", self._screen.columns, "   "))

    # --- lines ----------------------------------------------------------------------------------------------------

    def _show(self, above: Sequence[str]) -> None:
        """Lines that stay, and below them one for each step and each scenario that runs."""
        picture = self._marks.spinner[self._turn % len(self._marks.spinner)]
        columns, now = self._screen.columns, self._now()
        below = []
        for _, row in sorted(self._running.items(), key=lambda item: item[0][0]):
            took = f"  ({max(0.0, now - row.began):.0f} s)"
            text = fit(f"{row.title}  {row.message}".rstrip(), columns - 3 - cells(took), self._marks.dots)
            below.append(f" {self._paint('busy', picture)} {text}{self._paint('dim', took)}")
        self._screen.show(above, below)

    def _lines(
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
        return self._lines(self._marks.of(verdict), verdict, text, "", indent="   ")

    def _because(self, causes: Sequence[Trouble]) -> list[str]:
        lines: list[str] = []
        most = len(causes) if self._verbose else TOLD
        for cause in causes[:most]:
            name = f"{clean(cause.checks[0]['id'])}: " if len(cause.checks) == 1 else ""
            lines += self._under(cause.verdict, f"{name}{clean(cause.sentence)}")
        more = sum(len(cause.checks) for cause in causes[most:])
        return [*lines, f"   {self._marks.dots} and {more} more"] if more else lines


def progress(stream: TextIO, *, terminal: bool, verbose: bool = False) -> Reporter:
    """Steps with spinners on a terminal, else one line a fact; ``verbose`` tells checks that passed, too."""
    live = terminal and os.environ.get("TERM") != "dumb"
    return (LiveReporter if live else PlainReporter)(stream, verbose=verbose)
