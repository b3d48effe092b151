"""``labctl save``."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json


@click.command(cls=OnLab)
@lab_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: ./LAB-configs")
@json_option
def command(lab: str, output: Path | None, as_json: bool) -> None:
    """Save the running configuration of LAB's switches: as startup on each, and a copy of each as a file (0600).

    \b
    labctl save whitepaper -o configs
    """
    from labctl.engine.actions.manner import manner_of
    from labctl.engine.actions.switches import open_session
    from labctl.engine.saving import save_all
    from labctl.folder import load_folder

    opened = open_lab(lab)
    endpoints, folder = opened.endpoints(), load_folder(opened.folder)
    manner = manner_of(folder.lab.target)
    target = output or Path(f"{lab}-configs")
    saved = save_all(folder.lab.switches, lambda switch: open_session(switch, endpoints, manner=manner), target)
    if as_json:
        rows = [{"switch": row.switch, "file": str(row.file), "lines": row.lines} for row in saved]
        result_json({"schema": "labctl.save/v1", "lab": lab, "folder": str(target), "switches": rows})
        return
    for row in saved:
        result(f"{row.switch}: saved, {row.lines} lines in {row.file}")
