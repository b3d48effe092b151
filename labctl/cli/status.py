"""``labctl status``."""

from __future__ import annotations

import click

from labctl.cli.app import json_option, lab_argument, open_lab, result, result_json


@click.command()
@lab_argument
@json_option
def command(lab: str, as_json: bool) -> None:
    """What the boxes of LAB are doing, read from the running lab. Exit 0 whenever it could be told."""
    opened = open_lab(lab)
    observation = opened.runtime.observe()
    pids: dict[str, int] = getattr(opened.runtime, "pids", dict)()
    if as_json:
        result_json(
            {
                "lab": opened.name,
                "runtime": observation.runtime,
                "launcher": observation.launcher,
                "alive": observation.alive,
                "detail": observation.detail,
                "folder": str(opened.folder),
                "nodes": [
                    {
                        "name": node.name,
                        "kind": node.kind,
                        "state": node.state,
                        "management": node.management,
                        "detail": node.detail,
                    }
                    for node in observation.nodes.values()
                ],
                "processes": pids,
            }
        )
        return
    from labctl.cli.list import state_of
    from labctl.report.table import table

    result(
        f"lab {opened.name}: {state_of(observation)} ({observation.runtime}, {observation.launcher or 'no launcher'})"
    )
    if observation.detail:
        result(observation.detail)
    if observation.nodes:
        result(
            table(
                ("NODE", "KIND", "STATE", "ADDRESS", "DETAIL"),
                [
                    (node.name, node.kind, node.state, node.management or "-", node.detail or "-")
                    for node in observation.nodes.values()
                ],
            )
        )
    if state_of(observation) == "dead":
        result(f"next: labctl down {opened.name}")
