"""``labctl logs``."""

from __future__ import annotations

import click

from labctl.cli.app import complete_nodes, lab_argument, open_lab, result
from labctl.errors import InconclusiveError


@click.command()
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
def command(lab: str, node: str | None) -> None:
    """Logs of LAB: its daemon, guest, control plane and front ends, or those of one NODE (or process) alone."""
    opened = open_lab(lab)
    text = opened.runtime.logs(node)
    if not text:
        raise InconclusiveError(
            f"lab {lab} has no logs" + (f" of {node}" if node else ""),
            code="no-logs",
            next_command=f"labctl logs {lab}",
        )
    result(text.rstrip())
