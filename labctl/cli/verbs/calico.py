"""``labctl calico``."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import OnLab, complete_nodes, lab_argument, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json, say
from labctl.errors import ExitCode


@click.group()
def command() -> None:
    """Calico as it runs on a lab's nodes."""


@command.command(cls=OnLab)
@lab_argument
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@json_option
def status(lab: str, nodes: tuple[str, ...], as_json: bool) -> None:
    """BGP sessions as each NODE's BIRD has them, laid out as calicoctl node status; without a NODE those of all.

    Exit 3 when a node could not be asked.

    \b
    labctl calico status whitepaper node01
    """
    from dataclasses import asdict

    from labctl.engine.calicostatus import calico_status
    from labctl.report.calicotable import node_status

    opened = open_lab(lab)
    found = calico_status(opened.folder, opened.endpoints(), opened.state_folder.secrets, nodes)
    silent = {name: sessions for name, sessions in found.items() if isinstance(sessions, str)}
    if as_json:
        result_json(
            {
                name: {"error": sessions} if isinstance(sessions, str) else [asdict(session) for session in sessions]
                for name, sessions in found.items()
            }
        )
    else:
        for name, sessions in found.items():
            if not isinstance(sessions, str):
                result(f"{name}: Calico process is running.\n\n{node_status(sessions)}\n")
    for name, why in silent.items():
        say(f"{name}: {why}")
    sys.exit(int(ExitCode.INCONCLUSIVE if silent else ExitCode.OK))
