"""Switches: the running configuration turned back to the one that ``up`` left, line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from labctl.engine.atonce import on_every_switch, raise_all
from labctl.engine.reset.model import Row, Turned
from labctl.errors import Problem, RejectedError
from labctl.nxos.remedy import Turn
from labctl.nxos.session import NxosSession
from labctl.nxos.turnback import told, turn_back, turns_of

Login = Callable[[str], NxosSession]


def look(first: Mapping[str, str], login: Login, timeout: float) -> list[Turned]:
    """What is different on each switch. Raises `InconclusiveError` naming those that do not answer."""

    def one(switch: str) -> Turned:
        session = login(switch)
        try:
            return _turned(switch, turns_of(session, first[switch], timeout=timeout))
        finally:
            session.close()

    good, wrong = on_every_switch(list(first), one)
    raise_all(wrong, "switch-unreachable")
    return list(good.values())


def back(
    first: Mapping[str, str], login: Login, folder: Path, timeout: float, stopped: Callable[[], bool]
) -> list[Turned]:
    """Turn all back, at once. What can be turned back is.

    Raises `RejectedError` with every line that a switch refused (with its place in the folder's file), or
    `InconclusiveError` when a switch does not answer.
    """
    problems: list[Problem] = []

    def one(switch: str) -> Turned:
        session = login(switch)
        try:
            turns = turns_of(session, first[switch], timeout=timeout)
            done = turn_back(session, first[switch], turns, timeout=timeout, stopped=stopped)
        finally:
            session.close()
        file = f"nxos/{switch}.cfg"
        problems.extend(done.problems(file, (folder / file).read_text()))
        return _turned(switch, turns)

    good, wrong = on_every_switch(list(first), one)
    if problems:
        silent = [Problem(error.code, error.message) for error in wrong.values()]
        raise RejectedError([*problems, *silent])
    raise_all(wrong, "switch-unreachable")
    return list(good.values())


def _turned(switch: str, turns: list[Turn]) -> Turned:
    """A section that is brought back as a whole is one row, as one that is taken away is."""
    rows, whole = list[Row](), dict[tuple[str, ...], int]()
    for turn in turns:
        above = next((turn.path[:depth] for depth in range(1, len(turn.path) + 1) if turn.path[:depth] in whole), None)
        if turn.kind == "missing" and above is not None:
            place = whole[above]
            rows[place] = replace(rows[place], lines=rows[place].lines + 1)
            continue
        if turn.kind == "missing":
            whole[(*turn.path, turn.line)] = len(rows)
        rows.append(Row("add" if turn.kind == "missing" else "remove", told(turn), turn.lines))
    below = [f" (and {row.lines - 1} below)" if row.lines > 1 else "" for row in rows]
    return Turned(
        "switch", switch, tuple(replace(row, what=row.what + more) for row, more in zip(rows, below, strict=True))
    )
