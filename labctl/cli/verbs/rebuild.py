"""``labctl rebuild``."""

from __future__ import annotations

import click

from labctl.cli.labs import OnLab, complete_switches, lab_argument, open_lab
from labctl.cli.output import result, say


@click.command(cls=OnLab)
@lab_argument
@click.argument("switch", shell_complete=complete_switches)
def command(lab: str, switch: str) -> None:
    """Make SWITCH of LAB anew and push its configuration; everything else stays as it is.

    \b
    labctl rebuild whitepaper leaf2101
    """
    from labctl.engine.rebuild import rebuild

    opened = open_lab(lab)
    pushed = rebuild(opened.state_folder, opened.runtime, switch, say)
    result(f"{switch} is new: {pushed}")
