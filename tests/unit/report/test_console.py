"""Both looks of the console, seen through a small terminal, with many threads, and with hostile words."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import struct
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from labctl.events import Event
from labctl.report.console import JsonLines, LiveReporter, PlainReporter, Reporter, progress

T0 = 1_750_000_000.0


def event(at: float, kind: Any, name: str, message: str = "", **data: Any) -> Event:
    """``elapsed`` is nonsense on purpose: a verification's counts from its own beginning."""
    return Event(kind, "whitepaper", name, message, 77.0 if kind in ("check", "scenario") else at + 3.0, T0 + at, data)


STORY = (
    event(0.0, "message", "up", "leaf2101.cfg differs from what was rendered: it is used as it is"),
    event(0.04, "step-started", "create", "nodes and links"),
    event(0.1, "step-progress", "create", "guest starts on uml with 1400 MB"),
    event(0.2, "step-progress", "create", "guest starts on uml with 1400 MB"),
    event(2.9, "step-done", "create", "8 nodes, 14 links", seconds=2.86, title="nodes and links"),
    event(2.91, "step-started", "nodes", "bonds and addresses of nodes"),
    event(2.92, "step-started", "push", "NX-OS configurations"),
    event(3.0, "step-skipped", "calico", "Calico: done before"),
    event(4.2, "step-done", "push", "812 lines on 5 switches, read back and equal", seconds=1.4,
          title="NX-OS configurations"),
    event(4.3, "step-failed", "nodes", "node02: bond0 has no member that distributes", seconds=1.39, code="bond-gate",
          title="bonds and addresses of nodes"),
    event(5.0, "step-started", "verify", "the scenarios"),
    event(5.01, "scenario", "ping", "pod ping", state="started"),
    event(5.02, "scenario", "bgp", "BGP between fabric and Calico", state="started"),
    event(6.0, "check", "ping.a.route", "node01: 10.244.2.0/26 via 10.2.1.1", verdict="PASS"),
    event(6.1, "check", "ping.a.answered", "node01 to node02 (10.244.2.3): 0 of 5 answered", verdict="FAIL"),
    event(6.2, "check", "ping.a.fabric", "leaf2101: no capture", verdict="INCONCLUSIVE"),
    event(6.3, "check", "bgp.evpn.spine1", "spine1: neighbor 10.0.0.1 is Established", verdict="PASS"),
    event(7.0, "scenario", "bgp", "38 checks passed", state="done", verdict="PASS", seconds=1.98),
    event(9.9, "scenario", "ping", "node01 to node02 (10.244.2.3): 0 of 5 answered", state="done", verdict="FAIL",
          seconds=4.89),
    event(10.0, "step-done", "verify", "1 PASS, 1 FAIL", seconds=5.0, title="the scenarios"),
    event(10.1, "step-started", "last", "a step that is interrupted"),
)  # fmt: skip


def tell(reporter: Reporter, story: Sequence[Event] = STORY) -> None:
    for fact in story:
        reporter(fact)
    reporter.close()


def live(stream: Any, columns: int = 100, lines: int = 24, **more: Any) -> LiveReporter:
    """Without a spinner thread of its own: what it paints is the same every time."""
    size = os.terminal_size((columns, lines))
    return LiveReporter(stream, size=lambda: size, now=lambda: T0 + 12.0, interval=600.0, **more)


@pytest.mark.parametrize("verbose", [False, True])
def test_plain_golden(verbose: bool, golden: Callable[[str, str], None]) -> None:
    stream = io.StringIO()
    tell(PlainReporter(stream, verbose=verbose, now=lambda: T0 + 12.0))
    golden(f"report/plain{'-verbose' if verbose else ''}.txt", stream.getvalue())
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(("columns", "verbose"), [(100, False), (60, False), (100, True)])
def test_transcript_golden(
    columns: int, verbose: bool, golden: Callable[[str, str], None], terminal: Callable[..., Any]
) -> None:
    stream = io.StringIO()
    tell(live(stream, columns, verbose=verbose))
    screen = terminal(columns).feed(stream.getvalue())
    golden(f"report/live-{columns}{'-verbose' if verbose else ''}.txt", screen.text)
    assert screen.wrapped == 0
    assert screen.cursor


def test_what_runs_stands_below_what_is_over(golden: Callable[[str, str], None], terminal: Callable[..., Any]) -> None:
    """The picture after each event, at 60 columns."""
    stream, pictures = io.StringIO(), []
    reporter = live(stream, 60)
    for fact in STORY[:-2]:
        reporter(fact)
        screen = terminal(60).feed(stream.getvalue())
        assert screen.wrapped == 0
        pictures.append(f"=== {fact.kind} {fact.name}\n{screen.text.rstrip()}\n")
    assert not screen.cursor
    reporter.close()
    golden("report/live-pictures-60.txt", "".join(pictures))


def test_a_terminal_of_three_lines(terminal: Callable[..., Any]) -> None:
    """More runs than there are lines: the terminal asserts that the cursor never leaves the window."""
    stream = io.StringIO()
    reporter = live(stream, 60, 3)
    for number in range(9):
        reporter(event(1, "step-started", f"s{number}", f"step {number}"))
    reporter(event(2, "step-done", "s3", "it is done", title="step 3"))
    screen = terminal(60, 3).feed(stream.getvalue())
    assert screen.text.splitlines()[0] == " ✓ step 3  it is done"
    assert len(screen.text.splitlines()) == 3
    reporter.close()


def test_a_window_made_narrower_leaves_no_rests() -> None:
    """A terminal that reflows shows one line of 50 cells on two rows of 30: both are painted over."""
    stream, size = io.StringIO(), [os.terminal_size((60, 24))]
    reporter = LiveReporter(stream, size=lambda: size[0], now=lambda: T0, interval=600.0)
    reporter(event(0, "step-started", "a", "x" * 44))
    size[0] = os.terminal_size((30, 24))
    reporter(event(0, "step-progress", "a", "more"))
    assert "\x1b[2A" in stream.getvalue()
    reporter.close()


@pytest.mark.parametrize(("value", "coloured"), [(None, True), ("", True), ("1", False)])
def test_no_color(
    value: str | None, coloured: bool, monkeypatch: pytest.MonkeyPatch, terminal: Callable[..., Any]
) -> None:
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    stream = io.StringIO()
    tell(live(stream))
    screen = terminal(100).feed(stream.getvalue())
    assert screen.coloured is coloured
    assert " ✗ the scenarios  1 PASS, 1 FAIL  (5.0 s)" in screen.text  # never a green mark over a failure


def test_a_wait_is_told_every_15_seconds_in_a_log_and_always_at_a_terminal() -> None:
    plain, painted = io.StringIO(), io.StringIO()
    events = [Event("step-started", "paper", "ssh", "switches take logins", time=T0)]
    events += [
        Event("step-progress", "paper", "ssh", f"{second} s", time=T0 + second, data={"waiting": True})
        for second in range(2, 40, 2)
    ]
    events.append(Event("step-progress", "paper", "ssh", "a fact", time=T0 + 39))
    reporter, screen = PlainReporter(plain), live(painted)
    for event in events:
        reporter(event)
        screen(event)
    screen.close()
    told = [line.split(": ")[1] for line in plain.getvalue().splitlines()]
    assert told == ["switches take logins", "16 s", "32 s", "a fact"]
    assert all(f"{second} s" in painted.getvalue() for second in range(2, 40, 2))


def test_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(progress(io.StringIO(), terminal=True), LiveReporter)
    assert isinstance(progress(io.StringIO(), terminal=False), PlainReporter)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress(io.StringIO(), terminal=True), PlainReporter)


def hostile_story(text: str) -> Iterator[Event]:
    yield event(0, "message", text, text)
    yield event(0, "step-started", text, text)
    yield event(0, "step-progress", text, text)
    yield event(0, "step-started", "short", "s")
    yield event(0, "step-progress", "short", text)
    yield event(0, "step-failed", text, text, title=text, code=text, seconds=text)
    yield event(0, "step-skipped", text, text)
    yield event(0, "step-started", "verify", text)
    yield event(0, "scenario", text, text, state="started")
    yield event(0, "check", f"{text}.x", text, verdict=text)
    yield event(0, "check", "other.x", text, verdict="FAIL")
    yield event(0, "scenario", text, text, state="done", verdict=text, seconds=text)
    yield event(0, "step-done", "verify", text, title=text)
    yield event(0, "step-started", "last", text)


@pytest.mark.parametrize("verbose", [False, True])
def test_hostile_words_never_reach_the_terminal_raw(
    verbose: bool, hostile_text: str, terminal: Callable[..., Any]
) -> None:
    stream = io.StringIO()
    tell(live(stream, 60, verbose=verbose), list(hostile_story(hostile_text)))
    screen = terminal(60).feed(stream.getvalue())  # asserts that there is no sequence but labctl's own
    assert screen.wrapped == 0
    assert screen.cursor
    assert "red" in screen.text
    assert "owned" not in screen.text
    plain = io.StringIO()
    tell(PlainReporter(plain, verbose=verbose), list(hostile_story(hostile_text)))
    assert [c for c in plain.getvalue() if not c.isprintable() and c != "\n"] == []
    assert len(plain.getvalue().splitlines()) == plain.getvalue().count("\n")


@pytest.mark.parametrize(("make", "words"), [(live, b"+\x1b[0m NX-OS"), (PlainReporter, b" s  ...   create: nodes")])
def test_a_stream_that_takes_ascii_only(make: Callable[..., Reporter], words: bytes, hostile_text: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    tell(make(stream))
    assert words in raw.getvalue()
    tell(make(stream), list(hostile_story(hostile_text)))


def both(stream: Any) -> list[tuple[str, Any]]:
    return [("plain", PlainReporter(stream)), ("live", live(stream)), ("json", JsonLines(stream))]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_reader_that_went_away_breaks_nothing(which: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with io.TextIOWrapper(io.FileIO(writing, "w"), write_through=True) as stream:
        tell(both(stream)[which][1])
    closed = io.StringIO()
    closed.close()
    tell(both(closed)[which][1])


def from_many_threads(reporter: Callable[[Event], None], threads: int = 8, each: int = 25) -> None:
    gate = threading.Barrier(threads)
    troubles: list[BaseException] = []

    def work(number: int) -> None:
        try:
            gate.wait()
            name = f"step{number}"
            reporter(event(1, "step-started", name, f"title {number}"))
            for turn in range(each):
                reporter(event(1, "step-progress", name, f"turn {turn}"))
                reporter(event(1, "message", name, f"<{number}:{turn}>"))
            reporter(event(2, "step-done", name, "all told", seconds=1.0, title=f"title {number}"))
        except BaseException as trouble:  # noqa: BLE001 - told below, by the thread that asserts
            troubles.append(trouble)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert troubles == []


class Dribble(io.StringIO):
    """Gives way to other threads in the middle of every write: unlocked writers would mix."""

    def write(self, text: str) -> int:
        for start in range(0, len(text), 20):
            super().write(text[start : start + 20])
            threading.Event().wait(0.00001)
        return len(text)


def test_many_threads_plain() -> None:
    stream = Dribble()
    from_many_threads(reporter := PlainReporter(stream))
    reporter.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 8 * (1 + 2 * 25 + 1)
    assert sorted(line.split(": ", 1)[1] for line in lines if "note" in line) == sorted(
        f"<{n}:{turn}>" for n in range(8) for turn in range(25)
    )


def test_many_threads_live_with_its_spinner(terminal: Callable[..., Any]) -> None:
    stream = Dribble()
    reporter = LiveReporter(stream, size=lambda: os.terminal_size((60, 24)), now=lambda: T0 + 3, interval=0.001)
    from_many_threads(reporter, 8, 6)
    reporter.close()
    screen = terminal(60).feed(stream.getvalue())
    lines = screen.text.splitlines()
    assert sorted(lines) == sorted(
        [f"   <{n}:{turn}>" for n in range(8) for turn in range(6)]
        + [f" ✓ title {n}  all told  (1.0 s)" for n in range(8)]
    )
    assert screen.cursor


def test_a_step_that_does_not_say_its_title_has_that_of_its_beginning(terminal: Callable[..., Any]) -> None:
    stream = io.StringIO()
    tell(live(stream), [STORY[1], event(1, "step-done", "create", "done"), event(1, "step-done", "other", "done")])
    assert terminal(100).feed(stream.getvalue()).text.split("\n")[:2] == [" ✓ nodes and links  done", " ✓ other  done"]


def test_close_twice_and_late_events() -> None:
    for name, reporter in both(stream := io.StringIO()):
        reporter(event(0, "step-started", "a", "a step"))
        reporter.close()
        told = stream.getvalue()
        reporter.close()
        if name != "json":
            reporter(event(1, "message", "a", "late"))
        assert stream.getvalue() == told


def test_close_tells_checks_of_a_scenario_that_was_interrupted(terminal: Callable[..., Any]) -> None:
    stream = io.StringIO()
    tell(live(stream), STORY[10:15])
    assert "✗ ping.a.answered: node01 to node02" in terminal(100).feed(stream.getvalue()).text


@pytest.mark.parametrize(("verbose", "told"), [(False, 8), (True, 60)])
def test_a_scenario_of_many_failures_does_not_flood(verbose: bool, told: int, terminal: Callable[..., Any]) -> None:
    stream = io.StringIO()
    story = [event(0, "check", f"bgp.{n}", f"sentence {n}", verdict="FAIL") for n in range(60)]
    end = event(1, "scenario", "bgp", "sentence 0 (and 59 more)", state="done", verdict="FAIL", seconds=1)
    tell(live(stream, verbose=verbose), [event(0, "scenario", "bgp", "BGP", state="started"), *story, end])
    lines = terminal(100).feed(stream.getvalue()).text.splitlines()
    assert lines[0] == " ✗ BGP  FAIL: 60 checks did not pass  (1.0 s)"
    assert lines[1 : told + 1] == [f"   ✗ bgp.{n}: sentence {n}" for n in range(told)]
    assert lines[told + 1 :] == ([] if verbose else ["   … and 52 more"])


def test_the_spinner_turns_and_close_ends_it() -> None:
    painted = threading.Event()

    class Watched(io.StringIO):
        def write(self, text: str) -> int:
            if "⠹" in text:
                painted.set()
            return super().write(text)

    reporter = LiveReporter(Watched(), size=lambda: os.terminal_size((60, 24)), interval=0.001)
    reporter(event(0, "step-started", "a", "a step"))
    assert painted.wait(5.0)
    reporter.close()
    assert "spinner" not in [thread.name for thread in threading.enumerate()]


def test_the_size_of_a_real_terminal_is_asked_for() -> None:
    controller, inner = pty.openpty()
    try:
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 33, 0, 0))
        with os.fdopen(inner, "w", encoding="utf-8") as stream:
            reporter = progress(stream, terminal=True)
            reporter(event(0, "message", "up", "word " * 12))
            reporter.close()
            shown = ""
            while shown.count("\n") < 2:  # one read takes what the terminal's line has passed on by then
                shown += os.read(controller, 4096).decode()
    finally:
        os.close(controller)
    assert shown.split("\r\n") == ["   word word word word word word", "   word word word word word word", ""]


def test_json_lines(golden: Callable[[str, str], None]) -> None:
    stream = io.StringIO()
    tell(JsonLines(stream))
    golden("report/events.jsonl", stream.getvalue())


def test_json_lines_of_many_threads_do_not_mix() -> None:
    stream = Dribble()
    from_many_threads(JsonLines(stream), 6, 5)
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(events) == 6 * (2 + 2 * 5)
    assert {body["schema"] for body in events} == {"labctl.event/v1"}


def test_json_lines_are_flushed_at_once(hostile_text: str) -> None:
    raw = io.BytesIO()
    reporter = JsonLines(io.TextIOWrapper(io.BufferedWriter(raw, 1 << 20), encoding="ascii"))  # type: ignore[type-var]
    reporter(event(3, "message", "up", hostile_text))
    assert json.loads(raw.getvalue())["message"] == hostile_text  # nobody closed or flushed it
