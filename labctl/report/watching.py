"""``labctl status --watch``: look after look, painted in place on a terminal, or as one table, or as JSON lines.

What is wrong and what has changed since the last look is marked; the table is fitted to a terminal's window.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from types import FrameType, TracebackType
from typing import Any, Literal, Self, TextIO

from labctl.nxos.normal import short_name
from labctl.report.console import line_of
from labctl.report.screen import Screen, Sink, size_of
from labctl.report.style import Marks, Paint, wants_colour
from labctl.report.text import cells, clean, fit, wrap
from labctl.verify.livestate import CLUSTER, LiveState

SCHEMA = "labctl.watch/v1"
SLOW = 2.0
"""Seconds after which a look is said to go on."""
DEAF = 0.2
"""Seconds for which a Ctrl-C may go unheard at most."""
Mark = Literal["", "changed", "gone", "silent"]
NO_ANSWER = "no answer"
CLOCK = "SINCE"
"""The column that runs by itself."""
QUIET_PORTS = ("lo", "tunl0", "mgmt0", "eth0", "Vlan1")
"""Interfaces whose state says nothing of the fabric."""
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
GAP = 2
"""Blanks between two columns."""
MARKED = 3
"""Columns that the marks take."""
Wired = Mapping[str, Collection[str]]
"""Switch → ports that have a link; of the others nobody expects to be up."""


# --- the table, pure --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """``cells`` are what is shown, ``told`` those of them by which a change is known (a clock that runs is none)."""

    key: tuple[str, ...]
    node: str
    cells: tuple[str, ...]
    good: bool
    told: tuple[str, ...]
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the table."""

    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    hidden: int = 0
    """Rows that are left out for want of room."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the lab. ``unanswered``: node → why."""

    read_at: str
    sections: tuple[Section, ...]
    unanswered: Mapping[str, str]

    @property
    def changed(self) -> int:
        """Rows that differ from the look before."""
        return sum(row.mark in ("changed", "gone") for section in self.sections for row in section.rows)

    @property
    def wrong(self) -> int:
        """Rows that are not as they should be."""
        return sum(
            not row.good for section in self.sections for row in section.rows if row.mark not in ("gone", "silent")
        )


def looked(state: LiveState, wired: Wired, before: Look | None = None) -> Look:
    """The table of a state, marked by what differs from the look before."""
    sections = (
        Section("Kubernetes nodes and bonds", ("NODE", "READY", "BOND", "MEMBERS"), tuple(_nodes(state))),
        Section("vPC", ("SWITCH", "PEER", "KEEPALIVE", "CONSISTENCY", "VPCS"), tuple(_vpc(state))),
        Section("BGP sessions", ("SWITCH", "NEIGHBOR", "FAMILY", "STATE", "PREFIXES", CLOCK), tuple(_sessions(state))),
        Section("Pods", ("POD", "NODE", "STATE", "ADDRESS"), tuple(_pods(state))),
        Section("Links", ("NODE", "UP", "DOWN"), tuple(_links(state, wired))),
    )
    known = {section.title: section for section in before.sections} if before else {}
    marked = tuple(_marked(section, known.get(section.title), state.unanswered) for section in sections)
    return Look(state.read_at, tuple(section for section in marked if section.rows), state.unanswered)


def _marked(section: Section, before: Section | None, silent: Mapping[str, str]) -> Section:
    """Rows of a node that is silent stay as they were last seen, marked so; others that are not there any more go."""
    if before is None:
        return section
    there = {row.key for row in section.rows}
    known = {row.key: row for row in before.rows if row.mark != "gone"}
    as_before = {(row.key, row.told, row.good) for row in known.values()}
    rows = [row if (row.key, row.told, row.good) in as_before else replace(row, mark="changed") for row in section.rows]
    rows += [
        replace(row, mark="silent" if row.node in silent else "gone") for key, row in known.items() if key not in there
    ]
    place = {row.key: number for number, row in enumerate(before.rows)}
    return replace(section, rows=tuple(sorted(rows, key=lambda row: (place.get(row.key, len(place)), row.key))))


def _row(key: Iterable[str], node: str, texts: Sequence[object], *, good: bool, clocks: int = 0) -> Row:
    """``clocks``: how many cells at the end run by themselves."""
    shown = tuple(map(clean, texts))
    return Row(tuple(key), node, shown, good, shown[: len(shown) - clocks])


def _nodes(state: LiveState) -> Iterator[Row]:
    ready = {row.name: row.ready for row in state.nodes}
    bonds = {row.node: row for row in state.lacp}
    for name in dict.fromkeys((*ready, *bonds)):
        bond = bonds.get(name)
        word = {True: "ready", False: "not ready", None: NO_ANSWER if CLUSTER in state.unanswered else "unknown"}[
            ready.get(name)
        ]
        members = "-"
        if bond is not None:
            words = [m if m in bond.distributing else f"{m} (not distributing)" for m in bond.members]
            members = ", ".join(words) or "no members"
        elif name in state.unanswered:
            members = NO_ANSWER
        whole = bond is None or (bool(bond.members) and set(bond.members) == set(bond.distributing))
        good = ready.get(name, True) and whole
        yield _row((name,), name, (name, word, bond.bond if bond else "-", members), good=good)


def _vpc(state: LiveState) -> Iterator[Row]:
    for row in state.vpc:
        down = [str(number) for number, up in row.vpcs if not up]
        vpcs = f"{len(row.vpcs) - len(down)} up" + (f", down: {', '.join(down)}" if down else "")
        good = row.peer == "peer-ok" and row.consistency == "consistent" and not down
        yield _row((row.switch,), row.switch, (row.switch, row.peer, row.keepalive, row.consistency, vpcs), good=good)


def _sessions(state: LiveState) -> Iterator[Row]:
    for row in state.sessions:
        good = row.state == "Established"
        shown = (row.switch, row.neighbor, row.family, row.state, row.prefixes if good else "-", clock(row.since))
        yield _row(shown[:3], row.switch, shown, good=good, clocks=1)


def clock(text: str) -> str:
    """``PT1H2M3S`` (ISO 8601, as NX-OS writes it in JSON) as its tables have it: ``01:02:03``; else as it is."""
    found = DURATION.fullmatch(text)
    if found is None:
        return text or "-"
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def _pods(state: LiveState) -> Iterator[Row]:
    for row in sorted(state.pods, key=lambda pod: (pod.namespace, pod.name)):
        name = f"{row.namespace}/{row.name}"
        word = row.phase if row.ready or row.phase != "Running" else "not ready"
        good = row.ready or row.phase == "Succeeded"
        yield _row((name,), CLUSTER, (name, row.node or "-", word, row.ip or "-"), good=good)


def _links(state: LiveState, wired: Wired) -> Iterator[Row]:
    """One row a node: names of ports that are up, and of those that are down with the reason."""
    flags = {(row.switch, short_name(row.interface)): f" ({row.flag})" for row in state.channels if row.flag != "P"}
    for node, ports in groupby(sorted(state.ports, key=lambda port: port.node), key=lambda port: port.node):
        up: list[str] = []
        down: list[str] = []
        for port in ports:
            name = short_name(port.interface)
            if name in QUIET_PORTS or name.startswith("cali"):
                continue
            if name.startswith("Eth") and port.interface not in wired.get(node, (port.interface,)):
                continue
            told = name + flags.get((node, name), "")
            # a tunnel or a loopback of Linux has no carrier to speak of: its state is ``unknown``
            if port.up or port.state == "unknown":
                up.append(told)
            else:
                down.append(f"{told} {port.reason}".rstrip())
        shown = (node, " ".join(up) or "-", ", ".join(down) or "-")
        yield _row((node,), node, shown, good=not down and not any("(" in name for name in up))


# --- as text --------------------------------------------------------------------------------------------------------


def plain(lab: str, look: Look, paint: Paint, marks: Marks) -> str:
    """All of it, as wide as it is."""
    view = _View(paint, marks, None)
    return "\n".join([*view.head(lab, look), *view.body(look.sections)])


def fitted(lab: str, look: Look, paint: Paint, marks: Marks, columns: int, lines: int) -> list[str]:
    """So many lines at most: where there is no room, rows that are good and as before are left out and counted."""
    view = _View(paint, marks, columns)
    head, sections = view.head(lab, look), list(look.sections)
    excess = len(head) + len(view.body(sections)) - lines
    # from below: the links say what LACP, vPC and sessions say more shortly
    for number in reversed(range(len(sections))):
        while excess > 0 and (shorter := _shorter(sections[number], excess)) != sections[number]:
            sections[number] = shorter
            excess = len(head) + len(view.body(sections)) - lines
    shown = [*head, *view.body(sections)]
    if excess <= 0:
        return shown
    cut = f"{marks.dots} {excess + 1} more lines: a larger window shows them"
    return [*shown[: lines - 1], fit(cut, columns, marks.dots)]


def _shorter(section: Section, excess: int) -> Section:
    """Without so many of its last rows that are good and as before."""
    gone = {row.key for row in [row for row in section.rows if row.good and not row.mark][-excess:]}
    rows = tuple(row for row in section.rows if row.key not in gone)
    return replace(section, rows=rows, hidden=section.hidden + len(section.rows) - len(rows))


@dataclass(frozen=True, slots=True)
class _View:
    """``columns``: of the window; None where there is none."""

    paint: Paint
    marks: Marks
    columns: int | None

    def head(self, lab: str, look: Look) -> list[str]:
        wrong, silent = look.wrong, len(look.unanswered)
        words = [self.paint("PASS", "all well")] if not wrong and not silent else []
        counts = (("FAIL", wrong, "wrong"), ("INCONCLUSIVE", silent, "without an answer"),
                  ("busy", look.changed, "changed"))  # fmt: skip
        words += [self.paint(style, f"{count} {word}") for style, count, word in counts if count]
        line = f"{self.paint('bold', clean(lab))}  {look.read_at}  {', '.join(words)}"
        rows = [f"{self.marks.unsure} {clean(node)}: no answer: {clean(why)}" for node, why in look.unanswered.items()]
        if self.columns is not None:
            rows = [fit(row, self.columns, self.marks.dots) for row in rows]
            if cells(line) > self.columns:
                line = f"{self.paint('bold', fit(clean(lab), 20))}  {', '.join(words)}"
        return [line, *(self.paint("INCONCLUSIVE", row) for row in rows)]

    def body(self, sections: Iterable[Section]) -> list[str]:
        lines: list[str] = []
        for section in sections:
            more = self.paint("dim", f"  {section.hidden} more, well and as before") if section.hidden else ""
            lines.append(self.paint("bold", section.title) + more)
            lines += self._section(section) if section.rows else []
        return lines

    def _section(self, section: Section) -> list[str]:
        columns = list(zip(section.header, *(row.cells for row in section.rows), strict=True))
        widths = [max(map(cells, column)) for column in columns]
        widths, gap = self._shape(section, widths)
        lines = [self.paint("dim", line) for line in self._line("   ", section.header, widths, gap)]
        for row in section.rows:
            mark, style = self._marked(row)
            lines += [self.paint(style, line) for line in self._line(mark, row.cells, widths, gap)]
        return lines

    def _shape(self, section: Section, widths: list[int]) -> tuple[list[int], int]:
        """(widths of columns, blanks between them): in a narrow window closer together, then without the clock."""
        short = widths[:-1] if section.header[-1] == CLOCK else widths
        for found, gap in ((widths, GAP), (widths, 1), (short, 1)):
            if self.columns is None or MARKED + sum(found) + gap * (len(found) - 1) <= self.columns:
                return found, gap
        return widths, GAP

    def _line(self, mark: str, texts: Sequence[str], widths: Sequence[int], gap: int) -> list[str]:
        """One line; where the window is too narrow, what does not fit goes to lines below."""
        texts = texts[: len(widths)]
        padded = [f"{text}{' ' * (width - cells(text))}" for text, width in zip(texts, widths, strict=True)]
        line = f"{mark}{(' ' * gap).join(padded)}".rstrip()
        if self.columns is None or cells(line) <= self.columns:
            return [line]
        return wrap(f"{mark}{(' ' * gap).join(texts)}", self.columns, " " * 2 * MARKED)

    def _marked(self, row: Row) -> tuple[str, str]:
        """Whether it is well, whether it has changed, and its style."""
        if row.mark == "silent":
            return f"{self.marks.unsure}  ", "INCONCLUSIVE"
        if row.mark == "gone":
            return " - ", "dim"
        changed = row.mark == "changed"
        mark = f"{' ' if row.good else self.marks.failed}{'*' if changed else ' '} "
        return mark, "FAIL" if not row.good else "busy" if changed else ""


# --- look after look --------------------------------------------------------------------------------------------------


def repeat(look: Callable[[], bool], interval: float, now: Callable[[], float] = time.monotonic) -> None:
    """Until ``look`` says False; a look that takes longer than ``interval`` seconds is followed by the next at once."""
    pause = threading.Event()
    while True:
        began = now()
        if not look():
            return
        pause.wait(max(0.0, began + interval - now()))


@contextmanager
def once_interrupted() -> Iterator[None]:
    """Ctrl-C (SIGTERM, SIGHUP) interrupts once: what is put back then is not interrupted itself, up to the end."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    interrupted = threading.Event()

    def first(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, first) for number in numbers}
    try:
        yield
    finally:
        if not interrupted.is_set():  # else the process ends now, and an impatient second one may come late
            for number, handler in before.items():
                signal.signal(number, handler)


class Apart:
    """Reads in a thread of its own: Ctrl-C is not kept waiting by a node that is silent."""

    def __init__(self, read: Callable[[], LiveState], meanwhile: Callable[[float], None] | None = None) -> None:
        """``meanwhile`` is called again and again with the seconds for which a look goes on."""
        self._read = read
        self._meanwhile = meanwhile or (lambda _seconds: None)
        self._pool = ThreadPoolExecutor(1, "look")
        self._look: Future[LiveState] = Future()
        self._look.cancel()

    def __call__(self) -> LiveState:
        """One look. Raises what reading raises."""
        began = time.monotonic()
        self._look = self._pool.submit(self._read)
        while not self.over(DEAF):  # a wait without end is deaf to a Ctrl-C that came just before it began
            self._meanwhile(time.monotonic() - began)
        return self._look.result()

    def over(self, patience: float) -> bool:
        """Whether the look that was begun last has ended, within so many seconds."""
        return bool(wait((self._look,), patience).done)


def as_dict(lab: str, state: LiveState) -> dict[str, Any]:
    """Schema ``labctl.watch/v1``: what the nodes said, unmarked."""
    return {"schema": SCHEMA, "lab": lab, **asdict(state), "unanswered": dict(state.unanswered)}


class JsonLooks:
    """One JSON document a look, one line each."""

    def __init__(self, stream: TextIO, lab: str) -> None:
        self._sink = Sink(stream)
        self._lab = lab

    def __call__(self, state: LiveState) -> bool:
        """Whether somebody still reads."""
        self._sink.write(line_of(as_dict(self._lab, state)))
        return not self._sink.broken


def table(stream: TextIO, lab: str, state: LiveState, wired: Wired) -> str:
    """One look, plain."""
    return plain(lab, looked(state, wired), Paint(wants_colour(stream)), Sink(stream).marks)


class TerminalLooks:
    """Paints each look over the one before; the last one stays. A context: the cursor is given back in any case."""

    def __init__(
        self, stream: TextIO, lab: str, wired: Wired, size: Callable[[], os.terminal_size] | None = None
    ) -> None:
        self._sink = Sink(stream)
        self._screen = Screen(self._sink, size or size_of(stream))
        self._paint, self._marks = Paint(wants_colour(stream)), self._sink.marks
        self._lab = lab
        self._wired = wired
        self._before: Look | None = None

    def __call__(self, state: LiveState) -> bool:
        """Whether the terminal is still there."""
        self._before = looked(state, self._wired, self._before)
        self._show("")
        return not self._sink.broken

    def looking(self, seconds: float) -> None:
        """Nodes are slow to answer: the picture says so, as it may be old."""
        if self._before is None or seconds >= SLOW:
            self._show(f"looking {self._marks.dots} {seconds:.0f} s")

    def _show(self, note: str) -> None:
        columns = self._screen.columns
        head = [self._paint("bold", self._lab)]
        lines = (
            fitted(self._lab, self._before, self._paint, self._marks, columns, self._screen.lines)
            if self._before
            else head
        )
        if note and cells(lines[0]) + len(note) + 2 <= columns:
            lines[0] += f"  {self._paint('dim', note)}"
        self._screen.show([], lines)

    def __enter__(self) -> Self:
        self.looking(0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt:
            self._sink.write("\r\x1b[K")  # what the terminal echoed for Ctrl-C
        self._screen.restore()
