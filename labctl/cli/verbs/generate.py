"""``labctl generate``."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.configured import image_option, image_wishes, parse_target, target_option
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json, say
from labctl.cli.sources import found, spec_argument
from labctl.errors import UsageError


@click.command()
@spec_argument("[SPEC]")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: ./NAME.lab")
@target_option
@image_option
@click.option("--name", help="Another name for the lab.")
@json_option
def command(
    source: str | None,
    output: Path | None,
    target: str | None,
    images: tuple[str, ...],
    name: str | None,
    as_json: bool,
) -> None:
    """Render SPEC into an artifact folder: what containerlab, NX-OS, kind, Calico and labctl read.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.

    \b
    labctl generate whitepaper
    labctl generate lab.yaml -o lab --target switch=n9kv,cluster=kind
    """
    from labctl.cli.rendering import planned
    from labctl.labjson import edited_in
    from labctl.render.folder import render_folder, write_folder

    if str(output) == "-":
        raise UsageError(
            "a folder cannot go to standard output",
            code="folder-to-stdout",
            hint="-o DIR; ./- is a folder of that name",
        )
    given, reader = parse_target(target)
    wishes = image_wishes(images)
    design, warnings = planned(found(source), target=given, containerlab=reader, name=name, wishes=wishes)
    folder = output or Path(f"{design.name}.lab")
    if folder.exists() and any(folder.iterdir()) and not (folder / "lab.json").is_file():
        raise UsageError(
            f"{folder} is not empty and no artifact folder",
            code="not-empty",
            next_command="labctl generate SPEC -o DIR",
        )
    for edited in edited_in(folder):
        say(f"note: {folder / edited} was edited and is rendered anew")
    changed = write_folder(render_folder(design), folder)
    if as_json:
        rows = [warning.as_dict() for warning in warnings]
        result_json({"folder": str(folder), "changed": changed, "name": design.name, "warnings": rows})
    else:
        result(f"{folder}: {len(changed)} files written" if changed else f"{folder}: nothing changed")
