"""``labctl recover``."""

from __future__ import annotations

import click

from labctl.cli.labs import OnLab, complete_nodes, lab_argument, open_lab
from labctl.cli.output import result, say


@click.command(cls=OnLab)
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
def command(lab: str, node: str | None) -> None:
    """Give boxes of LAB that were restarted their wires and bond0 back: NODE, or all that `status` calls broken.

    \b
    labctl recover whitepaper
    """
    from labctl.engine.recover import recover

    opened = open_lab(lab)
    done = recover(opened.state_folder, opened.runtime, node, say)
    result(f"recovered {', '.join(done)}" if done else f"nothing of lab {lab} is broken")
