"""``labctl heal``."""

from __future__ import annotations

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json, say


@click.command(cls=OnLab)
@lab_argument
@json_option
def command(lab: str, as_json: bool) -> None:
    """Undo what a labctl that was killed left broken in LAB: every change that its journal has as begun.

    `up` and `verify` do the same before anything else.

    \b
    labctl heal whitepaper
    """
    from labctl.engine.healing import heal

    opened = open_lab(lab)
    with opened.state_folder.lock():
        done = heal(
            opened.state_folder, opened.endpoints(), opened.runtime.observe(), lambda name: say(f"healed {name}")
        )
    if as_json:
        result_json({"lab": lab, "healed": done})
    else:
        result(f"healed {', '.join(done)}" if done else f"nothing of lab {lab} is to be healed")
