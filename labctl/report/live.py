"""The story for a person at a terminal: what runs has a spinner below, what is over stays in the scrollback."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from labctl.events import Event
from labctl.report.screen import Screen, size_of
from labctl.report.sink import Sink
from labctl.report.story import (
    Proof,
    failure_of,
    gist_of,
    scenario_of,
    seconds_of,
    starts,
    told_of,
    verdict_of,
    waits,
)  # fmt: skip
from labctl.report.style import ASCII, UNICODE, Paint, no_colour
from labctl.report.text import cells, clean, fit, wrap
from labctl.verify.verdict import troubles

INTERVAL = 0.1
"""Seconds between two pictures of the spinner."""
TOLD = 8
"""Checks that are told under a scenario; all of them are in the table at the end."""
GLUE = "\u00a0"
"""Stands for a blank at which a line is not broken; ``clean`` leaves none of it in a text."""


@dataclass(slots=True)
class _Row:
    """A step or a scenario that runs."""

    title: str
    began: float
    message: str = ""
    passed: int = 0
    held: list[Event] = field(default_factory=list)
    """Checks that are told under their scenario once it is over."""


class LiveReporter:
    """Named steps as kind shows them, several at once. ``close`` gives the cursor back."""

    def __init__(
        self,
        stream: TextIO,
        *,
        verbose: bool = False,
        size: Callable[[], os.terminal_size] | None = None,
        now: Callable[[], float] = time.time,
        interval: float = INTERVAL,
    ) -> None:
        sink = Sink(stream)
        self._screen = Screen(sink, size or size_of(stream))
        self._marks = UNICODE if sink.unicode else ASCII
        self._paint = Paint(not no_colour())
        self._verbose = verbose
        self._now = now
        self._interval = interval
        self._lock = threading.RLock()
        self._steps: dict[str, _Row] = {}
        self._scenarios: dict[str, _Row] = {}
        self._proof = Proof()
        self._tick = 0
        self._stop = threading.Event()
        self._spinner: threading.Thread | None = None
        self._closed = False
        self._tellers: dict[str, Callable[[Event], list[str]]] = {
            "step-started": self._started,
            "step-progress": self._progress,
            "step-done": self._done,
            "step-failed": self._failed,
            "step-skipped": self._skipped,
            "check": self._checked,
            "scenario": self._scenario,
        }
        """Each takes an event in and returns the lines that stay."""

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._closed:
                return
            above = self._tellers.get(event.kind, self._note)(event)
            self._screen.show(above, self._below())
            if self._spinner is None and (self._steps or self._scenarios):
                self._spinner = threading.Thread(target=self._spin, name="spinner", daemon=True)
                self._spinner.start()

    def close(self) -> None:
        """Say what did not finish, clear the spinners away, give the cursor back; what comes later is dropped."""
        self._stop.set()
        if self._spinner is not None:
            self._spinner.join(1.0)
        with self._lock:
            if self._closed:
                return
            self._closed = True
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
                self._tick += 1
                if self._steps or self._scenarios:
                    self._screen.show([], self._below())

    def _below(self) -> list[str]:
        """A line for each step and each scenario that runs."""
        picture = self._marks.spinner[self._tick % len(self._marks.spinner)]
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

    def _check(self, check: Event) -> list[str]:
        verdict = verdict_of(check)
        text = f"{clean(check.name)}: {clean(check.message)}"
        return self._over(self._marks.of(verdict), verdict, text, "", indent="   ")

    def _held(self, row: _Row) -> list[str]:
        """Of a scenario that is over: those that passed where they are told, then what did not, by cause."""
        lines = [line for check in row.held if verdict_of(check) == "PASS" for line in self._check(check)]
        found = troubles(map(gist_of, row.held))
        most = len(found) if self._verbose else TOLD
        for trouble in found[:most]:
            lines += self._over(self._marks.of(trouble.verdict), trouble.verdict, told_of(trouble), "", indent="   ")
        more = sum(len(trouble.checks) for trouble in found[most:])
        return [*lines, f"   {self._marks.dots} and {more} more"] if more else lines

    def _started(self, event: Event) -> list[str]:
        self._steps[event.name] = _Row(clean(event.message) or clean(event.name), event.time)
        return []

    def _progress(self, event: Event) -> list[str]:
        row = self._steps.setdefault(event.name, _Row(clean(event.name), event.time))
        row.message = clean(event.message)
        return []

    def _done(self, event: Event) -> list[str]:
        verdict = self._proof.of_step(event)
        return self._step_over(event, self._marks.of(verdict), verdict, clean(event.message))

    def _failed(self, event: Event) -> list[str]:
        return self._step_over(event, self._marks.failed, "FAIL", failure_of(event))

    def _skipped(self, event: Event) -> list[str]:
        return self._over(self._marks.stopped, "dim", "", clean(event.message))

    def _note(self, event: Event) -> list[str]:
        return wrap(f"   {clean(event.message)}", self._screen.columns, "   ")

    def _step_over(self, event: Event, mark: str, style: str, sentence: str) -> list[str]:
        row = self._steps.pop(event.name, None)
        title = clean(event.data.get("title") or "") or (row.title if row else clean(event.name))
        return self._over(mark, style, title, sentence, seconds_of(event))

    def _checked(self, event: Event) -> list[str]:
        row = self._scenarios.get(scenario_of(event))
        told = verdict_of(event) != "PASS" or self._verbose
        if row is None:
            return self._check(event) if told else []
        row.passed += verdict_of(event) == "PASS"
        if told:
            row.held.append(event)
        bad = sum(verdict_of(check) != "PASS" for check in row.held)
        row.message = f"{row.passed} passed{f', {bad} did not' if bad else ''}: {clean(event.message)}"
        return []

    def _scenario(self, event: Event) -> list[str]:
        if waits(event):
            running = self._scenarios.setdefault(event.name, _Row(clean(event.name), event.time))
            running.message = f"{running.passed} passed; waits: {clean(event.message)}"
            return []
        if starts(event):
            self._scenarios[event.name] = _Row(clean(event.message) or clean(event.name), event.time)
            return []
        self._proof.add(event)
        row = self._scenarios.pop(event.name, None) or _Row(clean(event.name), event.time)
        verdict, sentence = verdict_of(event), clean(event.message)
        bad = sum(verdict_of(check) != "PASS" for check in row.held)
        causes = [clean(trouble.sentence) for trouble in troubles(map(gist_of, row.held))]
        if causes == [sentence]:
            row.held = [check for check in row.held if verdict_of(check) == "PASS"]  # its sentence is the scenario's
        elif bad > 1:
            sentence = f"{bad} checks did not pass"  # their sentences follow
        words = sentence if verdict == "PASS" else f"{verdict}: {sentence}"
        return self._over(self._marks.of(verdict), verdict, row.title, words, seconds_of(event)) + self._held(row)
