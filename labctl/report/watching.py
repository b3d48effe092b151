"""``labctl status --watch``: look after look, painted in place on a terminal, or as one table, or as JSON lines.

What is wrong and what has changed since the last look is marked; the table is fitted to a terminal's window.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Literal, Self, TextIO

from labctl.nxos.normal import short_name
from labctl.report.screen import Screen, Sink
from labctl.report.style import Marks, Paint, wants_colour
from labctl.report.text import cells, clean, fit, wrap
from labctl.verify.livestate import CLUSTER, LiveState

SCHEMA = "labctl.watch/v1"
SLOW = 2.0
"""Seconds after which a look is said to go on."""
DEAF = 0.2
"""Seconds for which a Ctrl-C may go unheard at most."""
NO_ANSWER = "no answer"
CLOCK = "SINCE"
"""The column that runs by itself; it is the last one."""
QUIET_PORTS = ("lo", "tunl0", "mgmt0", "eth0", "Vlan1")
"""Interfaces whose state says nothing of the fabric."""
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
UNBOUNDED = 10**6
"""Columns or lines, where there is no window."""
Wired = Mapping[str, Collection[str]]
"""Switch → ports that have a link; of the others nobody expects to be up."""


# --- the table, pure --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """``good``: it is as it should be; ``mark``: since the look before."""

    cells: tuple[str, ...]
    good: bool
    mark: Literal["", "changed", "gone", "silent"] = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the table."""

    title: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    names: int = 1
    """So many cells at the beginning say which row it is."""
    node: str = ""
    """Who tells all of its rows; empty: of each row the node in its first cell."""
    hidden: int = 0
    """Rows that are left out for want of room."""

    def told(self, row: Row) -> tuple[object, ...]:
        """By what a change is known: a clock that runs is none."""
        return (*row.cells[: -1 if self.header[-1] == CLOCK else None], row.good)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the lab. ``unanswered``: node → why."""

    read_at: str
    sections: tuple[Section, ...]
    unanswered: Mapping[str, str]

    @property
    def rows(self) -> list[Row]:
        return [row for section in self.sections for row in section.rows]

    @property
    def changed(self) -> int:
        """Rows that differ from the look before."""
        return sum(row.mark in ("changed", "gone") for row in self.rows)

    @property
    def wrong(self) -> int:
        """Rows that are not as they should be."""
        return sum(not row.good and row.mark not in ("gone", "silent") for row in self.rows)


def looked(state: LiveState, wired: Wired, before: Look | None = None) -> Look:
    """The table of a state, marked by what differs from the look before."""
    parts = (
        ("Kubernetes nodes and bonds", "NODE READY BOND MEMBERS", 1, "", _nodes(state)),
        ("vPC", "SWITCH PEER KEEPALIVE CONSISTENCY VPCS", 1, "", _vpc(state)),
        ("BGP sessions", f"SWITCH NEIGHBOR FAMILY STATE PREFIXES {CLOCK}", 3, "", _sessions(state)),
        ("Pods", "POD NODE STATE ADDRESS", 1, CLUSTER, _pods(state)),
        ("Links", "NODE UP DOWN", 1, "", _links(state, wired)),
    )
    sections = [
        Section(title, tuple(header.split()), tuple(Row(tuple(map(clean, it)), good) for good, it in told), names, node)
        for title, header, names, node, told in parts
    ]
    known = {section.title: section for section in before.sections} if before else {}
    marked = [_marked(section, known[section.title], state.unanswered) if section.title in known
              else section for section in sections]  # fmt: skip
    return Look(state.read_at, tuple(section for section in marked if section.rows), state.unanswered)


Told = tuple[bool, tuple[object, ...]]
"""Whether a row is good, and its cells."""


def _marked(section: Section, before: Section, silent: Mapping[str, str]) -> Section:
    """Rows of a node that is silent stay as they were last seen, marked so; others that are not there any more go."""
    known = {row.cells[: section.names]: row for row in before.rows if row.mark != "gone"}
    rows = {}
    for row in section.rows:
        was = known.pop(row.cells[: section.names], None)
        same = was is not None and section.told(was) == section.told(row)
        rows[row.cells[: section.names]] = row if same else replace(row, mark="changed")
    for name, row in known.items():
        rows[name] = replace(row, mark="silent" if (section.node or name[0]) in silent else "gone")
    place = {row.cells[: section.names]: number for number, row in enumerate(before.rows)}
    names = sorted(rows, key=lambda name: (place.get(name, len(place)), name))
    return replace(section, rows=tuple(rows[name] for name in names))


def _nodes(state: LiveState) -> Iterator[Told]:
    ready = {row.name: row.ready for row in state.nodes}
    bonds = {row.node: row for row in state.lacp}
    unknown = NO_ANSWER if CLUSTER in state.unanswered else "unknown"
    for name in dict.fromkeys((*ready, *bonds)):
        bond = bonds.get(name)
        word = ("ready" if ready[name] else "not ready") if name in ready else unknown
        members, whole = NO_ANSWER if name in state.unanswered else "-", True
        if bond is not None:
            told = [m if m in bond.distributing else f"{m} (not distributing)" for m in bond.members]
            members, whole = ", ".join(told) or "no members", bool(told) and {*bond.members} == {*bond.distributing}
        yield ready.get(name, True) and whole, (name, word, bond.bond if bond else "-", members)


def _vpc(state: LiveState) -> Iterator[Told]:
    for row in state.vpc:
        down = [str(number) for number, up in row.vpcs if not up]
        vpcs = f"{len(row.vpcs) - len(down)} up" + (f", down: {', '.join(down)}" if down else "")
        good = row.peer == "peer-ok" and row.consistency == "consistent" and not down
        yield good, (row.switch, row.peer, row.keepalive, row.consistency, vpcs)


def _sessions(state: LiveState) -> Iterator[Told]:
    for row in state.sessions:
        good = row.state == "Established"
        yield good, (row.switch, row.neighbor, row.family, row.state, row.prefixes if good else "-", clock(row.since))


def clock(text: str) -> str:
    """``PT1H2M3S`` (ISO 8601, as NX-OS writes it in JSON) as its tables have it: ``01:02:03``; else as it is."""
    found = DURATION.fullmatch(text)
    if found is None:
        return text or "-"
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return f"{days}d{hours:02}h" if days else f"{hours:02}:{minutes:02}:{seconds:02}"


def _pods(state: LiveState) -> Iterator[Told]:
    for row in sorted(state.pods, key=lambda pod: (pod.namespace, pod.name)):
        word = row.phase if row.ready or row.phase != "Running" else "not ready"
        good = row.ready or row.phase == "Succeeded"
        yield good, (f"{row.namespace}/{row.name}", row.node or "-", word, row.ip or "-")


def _links(state: LiveState, wired: Wired) -> Iterator[Told]:
    """One row a node: names of ports that are up, and of those that are down with the reason."""
    flags = {(row.switch, short_name(row.interface)): f" ({row.flag})" for row in state.channels if row.flag != "P"}
    for node, ports in groupby(sorted(state.ports, key=lambda port: port.node), key=lambda port: port.node):
        up: list[str] = []
        down: list[str] = []
        for port in ports:
            name = short_name(port.interface)
            unwired = name.startswith("Eth") and port.interface not in wired.get(node, (port.interface,))
            if unwired or name in QUIET_PORTS or name.startswith("cali"):
                continue
            told = name + flags.get((node, name), "")
            # a tunnel or a loopback of Linux has no carrier to speak of: its state is ``unknown``
            if port.up or port.state == "unknown":
                up.append(told)
            else:
                down.append(f"{told} {port.reason}".rstrip())
        good = not down and not any("(" in name for name in up)
        yield good, (node, " ".join(up) or "-", ", ".join(down) or "-")


# --- as text --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """How looks are shown; ``columns`` and ``lines``: of the window."""

    lab: str
    paint: Paint
    marks: Marks
    columns: int = UNBOUNDED
    lines: int = UNBOUNDED

    def shown(self, look: Look) -> list[str]:
        """Where there is no room, rows that are good and as before are left out and counted."""
        head, sections = self._head(look), list(look.sections)
        shown = [*head, *self._body(sections)]
        # from below: the links say what LACP, vPC and sessions say more shortly
        for number in reversed(range(len(sections))):
            if len(shown) > self.lines:
                sections[number] = _shorter(sections[number], len(shown) - self.lines)
                shown = [*head, *self._body(sections)]
        if len(shown) <= self.lines:
            return shown
        cut = f"{self.marks.dots} {len(shown) - self.lines + 1} more lines: a larger window shows them"
        return [*shown[: self.lines - 1], fit(cut, self.columns, self.marks.dots)]

    def _head(self, look: Look) -> list[str]:
        counts = (("FAIL", look.wrong, "wrong"), ("INCONCLUSIVE", len(look.unanswered), "without an answer"),
                  ("busy", look.changed, "changed"))  # fmt: skip
        told = [] if look.wrong or look.unanswered else [self.paint("PASS", "all well")]
        told += [self.paint(style, f"{count} {word}") for style, count, word in counts if count]
        lab = self.paint("bold", fit(self.lab, self.columns))
        lines = wrap(f"{lab}  {look.read_at}  {', '.join(told)}", self.columns)
        for node, why in look.unanswered.items():
            row = f"{self.marks.unsure} {clean(node)}: no answer: {clean(why)}"
            lines.append(self.paint("INCONCLUSIVE", fit(row, self.columns, self.marks.dots)))
        return lines

    def _body(self, sections: list[Section]) -> list[str]:
        lines: list[str] = []
        for section in sections:
            more = self.paint("dim", f"  {section.hidden} more, well and as before") if section.hidden else ""
            lines.append(self.paint("bold", section.title) + more)
            columns = zip(section.header, *(row.cells for row in section.rows), strict=True)
            widths = [max(map(cells, column)) for column in columns]
            rows = [("   ", "dim", section.header), *((*self._mark(row), row.cells) for row in section.rows)]
            for mark, style, texts in rows if section.rows else ():
                padded = [f"{text}{' ' * (width - cells(text))}" for text, width in zip(texts, widths, strict=True)]
                folded = wrap(f"{mark}{'  '.join(padded)}", self.columns, " " * 6)
                lines += [self.paint(style, line) for line in folded]
        return lines

    def _mark(self, row: Row) -> tuple[str, str]:
        """Whether it is well, whether it has changed, and its style."""
        if row.mark == "silent":
            return f"{self.marks.unsure}  ", "INCONCLUSIVE"
        if row.mark == "gone":
            return " - ", "dim"
        changed = row.mark == "changed"
        mark = f"{' ' if row.good else self.marks.failed}{'*' if changed else ' '} "
        return mark, "FAIL" if not row.good else "busy" if changed else ""


def _shorter(section: Section, excess: int) -> Section:
    """Without so many of its last rows that are good and as before."""
    gone = [row for row in section.rows if row.good and not row.mark][-excess:]
    rows = tuple(row for row in section.rows if row not in gone)
    return replace(section, rows=rows, hidden=len(section.rows) - len(rows))


def table(stream: TextIO, lab: str, state: LiveState, wired: Wired) -> str:
    """One look, as wide as it is."""
    return "\n".join(View(lab, Paint(wants_colour(stream)), Sink(stream).marks).shown(looked(state, wired)))


# --- look after look --------------------------------------------------------------------------------------------------


def repeat(look: Callable[[], bool], interval: float) -> None:
    """Until ``look`` says False; a look that takes longer than ``interval`` seconds is followed by the next at once."""
    pause, began = threading.Event(), time.monotonic()
    while look():
        pause.wait(max(0.0, began + interval - time.monotonic()))
        began = time.monotonic()


class Apart:
    """Reads in a thread of its own: Ctrl-C is not kept waiting by a node that is silent."""

    def __init__(self, read: Callable[[], LiveState], meanwhile: Callable[[float], None] | None = None) -> None:
        """``meanwhile`` is called again and again with the seconds for which a look goes on."""
        self._read = read
        self._meanwhile = meanwhile or (lambda _seconds: None)
        self._pool = ThreadPoolExecutor(1, "look")
        self._look: Future[LiveState] | None = None

    def __call__(self) -> LiveState:
        """One look. Raises what reading raises."""
        began = time.monotonic()
        self._look = self._pool.submit(self._read)
        while not self.over(DEAF):  # a wait without end is deaf to a Ctrl-C that came just before it began
            self._meanwhile(time.monotonic() - began)
        return self._look.result()

    def over(self, patience: float) -> bool:
        """Whether the look that was begun last has ended, within so many seconds."""
        return self._look is None or bool(wait((self._look,), patience).done)


def json_looks(stream: TextIO, lab: str) -> Callable[[LiveState], bool]:
    """Writes a state as ``labctl.watch/v1``, one line, and says whether somebody still reads."""
    sink = Sink(stream)

    def tell(state: LiveState) -> bool:
        body = {"schema": SCHEMA, "lab": lab, **asdict(state), "unanswered": dict(state.unanswered)}
        sink.write(json.dumps(body, sort_keys=True) + "\n")
        return not sink.broken

    return tell


class TerminalLooks:
    """Paints each look over the one before; the last one stays. A context: the cursor is given back in any case."""

    def __init__(
        self, stream: TextIO, lab: str, wired: Wired, size: Callable[[], os.terminal_size] | None = None
    ) -> None:
        self._screen = Screen(Sink(stream), size)
        self._view = View(lab, Paint(wants_colour(stream)), self._screen.sink.marks)
        self._wired = wired
        self._before: Look | None = None

    def __call__(self, state: LiveState) -> bool:
        """Whether the terminal is still there."""
        self._before = looked(state, self._wired, self._before)
        self._show("")
        return not self._screen.sink.broken

    def looking(self, seconds: float) -> None:
        """Nodes are slow to answer: the picture says so, as it may be old."""
        if self._before is None or seconds >= SLOW:
            self._show(f"looking {self._view.marks.dots} {seconds:.0f} s")

    def _show(self, note: str) -> None:
        view = replace(self._view, columns=self._screen.columns, lines=self._screen.lines)
        lines = view.shown(self._before) if self._before else [view.paint("bold", view.lab)]
        if note and cells(lines[0]) + len(note) + 2 <= view.columns:
            lines[0] += f"  {view.paint('dim', note)}"
        self._screen.show([], lines)

    def __enter__(self) -> Self:
        self.looking(0.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is KeyboardInterrupt:
            self._screen.sink.write("\r\x1b[K")  # what the terminal echoed for Ctrl-C
        self._screen.restore()
