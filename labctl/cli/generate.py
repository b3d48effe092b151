"""``labctl generate``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from labctl.cli.app import json_option, result, result_json, say
from labctl.cli.configured import image_option, image_wishes, target_option
from labctl.cli.sources import found, spec_argument
from labctl.errors import UsageError
from labctl.peers import CONTAINERLAB_OLDEST, WRITTEN_FOR, dotted, numbers


def parse_target(text: str | None) -> tuple[str, str] | None:
    """``switch=n9kv,cluster=kind`` as a pair; of one that says either of them, the other is a stand-in."""
    said = _parts(text)
    said.pop("containerlab", None)
    return (said.get("switch", "standin"), said.get("cluster", "standin")) if said else None


def parse_containerlab(text: str | None) -> str | None:
    """The containerlab that a target names: the version of the one that will read the folder."""
    return _parts(text).get("containerlab")


def _parts(text: str | None) -> dict[str, str]:
    known = {"switch": r"n9kv|standin", "cluster": r"kind|standin", "containerlab": r"\d+\.\d+(\.\d+)?"}
    found: dict[str, str] = {}
    for part in text.split(",") if text is not None else ():
        key, _, value = part.partition("=")
        if key not in known or not re.fullmatch(known[key], value):
            hint = f"switch=n9kv|standin,cluster=kind|standin,containerlab={WRITTEN_FOR}"
            raise UsageError(f"{part!r} is no part of a target", code="bad-target", hint=hint)
        found[key] = value
    oldest = CONTAINERLAB_OLDEST
    if "containerlab" in found and numbers(found["containerlab"]) < oldest[: len(numbers(found["containerlab"]))]:
        why = f"labctl needs containerlab {dotted(oldest)} or newer, not {found['containerlab']}"
        raise UsageError(why, code="bad-target")
    return found


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
    from labctl.folder import edited_in
    from labctl.render.folder import render_folder, write_folder

    if str(output) == "-":
        raise UsageError(
            "a folder cannot go to standard output",
            code="folder-to-stdout",
            hint="-o DIR; ./- is a folder of that name",
        )
    design, warnings = planned(
        found(source), target=parse_target(target), containerlab=parse_containerlab(target), name=name,
        wishes=image_wishes(images),
    )  # fmt: skip
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
