"""A lab's live state as a table; what is wrong and what has changed since the last look is marked. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from labctl.nxos.normal import short_name
from labctl.report.text import clean
from labctl.verify.livestate import CLUSTER, LiveState, Port

Mark = Literal["", "changed", "gone", "silent"]
NO_ANSWER = "no answer"
CLOCK = "SINCE"
"""The column that runs by itself."""
QUIET_PORTS = ("lo", "tunl0", "mgmt0", "eth0", "Vlan1")
"""Interfaces whose state says nothing of the fabric."""
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
Wired = Mapping[str, Collection[str]]
"""Switch → ports that have a wire; of the others nobody expects to be up."""


@dataclass(frozen=True, slots=True)
class Row:
    """``cells`` are what is shown, ``told`` those of them by which a change is known (a clock that runs is none)."""

    key: tuple[str, ...]
    box: str
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
    """One look at the lab. ``unanswered``: box → why."""

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
        Section("Links", ("BOX", "UP", "DOWN"), tuple(_links(state, wired))),
    )
    known = {section.title: section for section in before.sections} if before else {}
    marked = tuple(_marked(section, known.get(section.title), state.unanswered) for section in sections)
    return Look(state.read_at, tuple(section for section in marked if section.rows), state.unanswered)


def _marked(section: Section, before: Section | None, silent: Mapping[str, str]) -> Section:
    """Rows of a box that is silent stay as they were last seen, marked so; others that are not there any more go."""
    if before is None:
        return section
    there = {row.key for row in section.rows}
    known = {row.key: row for row in before.rows if row.mark != "gone"}
    rows = [
        row
        if row.key in known and known[row.key].told == row.told and known[row.key].good == row.good
        else Row(row.key, row.box, row.cells, row.good, row.told, "changed")
        for row in section.rows
    ]
    for key, row in known.items():
        if key not in there:
            rows.append(Row(key, row.box, row.cells, row.good, row.told, "silent" if row.box in silent else "gone"))
    place = {row.key: number for number, row in enumerate(before.rows)}
    rows.sort(key=lambda row: (place.get(row.key, len(place)), row.key))
    return Section(section.title, section.header, tuple(rows))


def _row(key: Iterable[str], box: str, cells: Sequence[object], *, good: bool, clocks: int = 0) -> Row:
    """``clocks``: how many cells at the end run by themselves."""
    texts = tuple(clean(cell) for cell in cells)
    return Row(tuple(key), box, texts, good, texts[: len(texts) - clocks])


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
        cells = (row.switch, row.neighbor, row.family, row.state, row.prefixes if good else "-", clock(row.since))
        yield _row((row.switch, row.neighbor, row.family), row.switch, cells, good=good, clocks=1)


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
    """One row a box: names of ports that are up, and of those that are down with the reason."""
    bundled = {(row.switch, short_name(row.interface)): row for row in state.channels}
    for box, ports in groupby(sorted(state.ports, key=lambda port: port.box), key=lambda port: port.box):
        up: list[str] = []
        down: list[str] = []
        for port in ports:
            name = short_name(port.interface)
            if name in QUIET_PORTS or name.startswith("cali"):
                continue
            if name.startswith("Eth") and port.interface not in wired.get(box, (port.interface,)):
                continue
            member = bundled.get((box, name))
            flag = f" ({member.flag})" if member is not None and member.flag not in ("P",) else ""
            (up if _is_up(port) else down).append(
                f"{name}{flag}" + ("" if _is_up(port) or not port.reason else f" {port.reason}")
            )
        cells = (box, " ".join(up) or "-", ", ".join(down) or "-")
        yield _row((box,), box, cells, good=not down and not any("(" in name for name in up))


def _is_up(port: Port) -> bool:
    """A tunnel or a loopback of Linux has no carrier to speak of: its state is ``unknown``."""
    return port.up or port.state == "unknown"
