"""``labctl list``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict

import click

from labctl.cli.app import json_option, lab_nodes, result, result_json
from labctl.state import LabState, all_labs

if TYPE_CHECKING:
    from labctl.runtime.api import Observation


class Row(TypedDict):
    """One lab, as it is printed."""

    name: str
    state: str
    runtime: str
    launcher: str | None
    nodes: int
    age: float


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Every lab of this user, and whether it runs."""
    rows = [_row(state) for state in all_labs()]
    if as_json:
        result_json(rows)
        return
    if not rows:
        result("no labs")
        return
    from labctl.report.table import table

    result(
        table(
            ("LAB", "STATE", "RUNTIME", "LAUNCHER", "NODES", "AGE"),
            [
                (
                    row["name"],
                    row["state"],
                    row["runtime"],
                    row["launcher"] or "-",
                    str(row["nodes"]),
                    age(row["age"]),
                )
                for row in rows
            ],
        )
    )


def _row(state: LabState) -> Row:
    from labctl.runtime.select import runtime_of

    observation = runtime_of(state).observe()
    started = state.root.stat().st_mtime if not state.runtime_file.exists() else state.runtime_file.stat().st_mtime
    return {
        "name": state.name,
        "state": state_of(observation),
        "runtime": observation.runtime,
        "launcher": observation.launcher,
        "nodes": len(lab_nodes(state)),
        "age": round(time.time() - started, 1),
    }


def state_of(observation: Observation) -> str:
    """``running``, ``broken`` when a box has lost its wires, ``unknown`` when nobody can tell, else ``dead``."""
    states = {node.state for node in observation.nodes.values()}
    if not observation.alive:
        return "unknown" if states == {"unknown"} else "dead"
    return "broken" if "broken" in states else "running"


def age(seconds: float) -> str:
    """``42s``, ``7m``, ``3h``, ``2d``."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // divisor)}{unit}"
    return f"{int(seconds // 86400)}d"
