"""``labctl list``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict

import click

from labctl.cli.labs import complete_labs, lab_nodes, last_verdict
from labctl.cli.options import json_option
from labctl.cli.output import age, result, result_json, result_table, short
from labctl.errors import UsageError
from labctl.state import LabState, all_labs, records

if TYPE_CHECKING:
    from labctl.runtime.api import Observation


class Row(TypedDict):
    """One lab, as it is printed."""

    name: str
    state: str
    runtime: str
    launcher: str | None
    nodes: int
    verdict: str | None
    age: float


@click.command()
@click.argument("lab", required=False, shell_complete=complete_labs, metavar="[LAB]")
@click.option("--past", is_flag=True, help="Records of runs that are over instead: the last 20 of a lab, for 30 days.")
@json_option
def command(lab: str | None, past: bool, as_json: bool) -> None:
    """Every lab of this user, and whether it runs; with --past the records of those that were taken down.

    \b
    labctl list
    labctl list --past whitepaper
    """
    if past:
        _past(lab, as_json=as_json)
        return
    if lab is not None:
        raise UsageError("LAB goes with --past", code="usage", next_command=f"labctl status {lab}")
    rows = [_row(state) for state in all_labs()]
    if as_json:
        result_json(rows)
        return
    if not rows:
        result("no labs")
        return
    result_table(
        ("LAB", "STATE", "RUNTIME", "LAUNCHER", "NODES", "VERDICT", "AGE"),
        [
            (
                row["name"],
                row["state"],
                row["runtime"],
                row["launcher"] or "-",
                str(row["nodes"]),
                row["verdict"] or "-",
                age(row["age"]),
            )
            for row in rows
        ],
    )


def _past(lab: str | None, *, as_json: bool) -> None:
    found = [(record, last_verdict(record.folder / "evidence")) for record in records(lab)]
    if as_json:
        result_json(
            {
                "schema": "labctl.records/v1",
                "records": [
                    {
                        "lab": record.lab,
                        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.ended)),
                        "verdict": verdict[0] if verdict else None,
                        "folder": str(record.folder),
                    }
                    for record, verdict in found
                ],
            }
        )
        return
    if not found:
        result("no records" + (f" of lab {lab}" if lab else ""))
        return
    result_table(
        ("LAB", "ENDED", "VERDICT", "RECORD"),
        [
            (
                record.lab,
                f"{age(time.time() - record.ended)} ago",
                verdict[0] if verdict else "-",
                short(record.folder),
            )
            for record, verdict in found
        ],
    )


def _row(state: LabState) -> Row:
    from labctl.runtime.select import runtime_of

    observation = runtime_of(state).observe()
    verdict = last_verdict(state.evidence)
    return {
        "name": state.name,
        "state": state_of(observation),
        "runtime": observation.runtime,
        "launcher": observation.launcher,
        "nodes": len(lab_nodes(state)),
        "verdict": verdict[0] if verdict else None,
        "age": round(time.time() - state.began, 1),
    }


def state_of(observation: Observation) -> str:
    """``running``, ``broken`` when a box has lost its wires, ``unknown`` when nobody can tell, else ``dead``."""
    states = {node.state for node in observation.nodes.values()}
    if not observation.alive:
        return "unknown" if states == {"unknown"} else "dead"
    return "broken" if "broken" in states else "running"
