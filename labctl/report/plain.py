"""The story for logs and pipelines: one line a fact, with the seconds since the first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

from labctl.events import Event
from labctl.report.sink import Sink
from labctl.report.story import Proof, failure_of, gist_of, scenario_of, seconds_of, starts, verdict_of, waits
from labctl.report.style import ASCII, UNICODE
from labctl.report.text import clean
from labctl.verify.verdict import troubles

PATIENCE = 15.0
"""Seconds between two lines on a step that only waits."""
Told = tuple[str, str] | None
"""The word and the sentence of a line; None for what is not told."""


def _note(event: Event) -> Told:
    return "note", event.message


class PlainReporter:
    """``  3.2 s  ok    push: 812 lines on 5 switches (1.4 s)``; no escape sequence, ever."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, now: Callable[[], float] = time.time) -> None:
        self._sink = Sink(stream)
        self._verbose = verbose
        self._now = now
        self._lock = threading.RLock()
        self._dots = (UNICODE if self._sink.unicode else ASCII).dots
        self._began: float | None = None
        self._running: dict[str, str] = {}
        """Step → what it said last."""
        self._said: dict[str, float] = {}
        """Step → when."""
        self._held: dict[str, list[Event]] = {}
        """Scenario → its checks that did not pass, until it is over: many may have one cause."""
        self._proof = Proof()
        self._closed = False
        self._tellers: dict[str, Callable[[Event], Told]] = {
            "step-started": self._step,
            "step-progress": self._step,
            "step-done": self._done,
            "step-failed": self._failed,
            "step-skipped": lambda event: ("skip", event.message),
            "check": self._check,
            "scenario": self._scenario,
        }

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._closed:
                return
            if self._began is None:
                self._began = event.time  # ``elapsed`` counts from different beginnings in ``up`` and ``verify``
            told = self._tellers.get(event.kind, _note)(event)
            if told is not None:
                word, text = told
                self._line(event.time, word, event.name, text, seconds_of(event))

    def close(self) -> None:
        """Name what did not finish; what comes later is dropped."""
        with self._lock:
            if not self._closed:
                for name in tuple(self._held):
                    self._tell_held(name, self._now())
                for name in self._running:
                    self._line(self._now(), "stop", name, "did not finish")
            self._closed = True

    def _line(self, moment: float, word: str, name: str, text: str, seconds: str = "") -> None:
        elapsed = max(0.0, moment - (self._began or 0.0))
        took = f" ({seconds})" if seconds else ""
        self._sink.write(f"{elapsed:5.1f} s  {word:<4}  {clean(name)}: {clean(text)}{took}\n")

    def _step(self, event: Event) -> Told:
        if self._running.get(event.name) == event.message:
            return None
        if event.data.get("waiting") and not self._due(event):
            return None
        self._running[event.name], self._said[event.name] = event.message, event.time
        return self._dots, event.message

    def _due(self, event: Event) -> bool:
        """Whether it is time for another line on who only waits."""
        return event.time - self._said.get(event.name, 0.0) >= PATIENCE

    def _done(self, event: Event) -> Told:
        self._running.pop(event.name, None)
        verdict = self._proof.of_step(event)
        return "ok" if verdict == "PASS" else verdict, event.message

    def _failed(self, event: Event) -> Told:
        self._running.pop(event.name, None)
        return "fail", failure_of(event)

    def _check(self, event: Event) -> Told:
        if verdict_of(event) == "PASS":
            return ("PASS", event.message) if self._verbose else None
        self._held.setdefault(scenario_of(event), []).append(event)
        return None

    def _tell_held(self, scenario: str, moment: float, sentence: str = "") -> None:
        """But for the cause that is the scenario's own ``sentence``, which follows."""
        for trouble in troubles(map(gist_of, self._held.pop(scenario, []))):
            if len(trouble.checks) == 1:
                self._line(moment, trouble.verdict, trouble.checks[0]["id"], trouble.sentence)
            elif trouble.sentence != sentence:
                self._line(moment, trouble.verdict, scenario, trouble.sentence)

    def _scenario(self, event: Event) -> Told:
        if waits(event):
            if not self._due(event):
                return None
            self._said[event.name] = event.time
            return self._dots, f"waits: {event.message}"
        if starts(event):
            self._said[event.name] = event.time
            return (self._dots, event.message) if self._verbose else None
        self._tell_held(event.name, event.time, event.message)
        self._proof.add(event)
        return verdict_of(event), event.message
