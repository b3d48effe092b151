"""``labctl validate``."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.configured import complete_targets, parse_target
from labctl.cli.options import json_option
from labctl.cli.output import painted, result, result_json
from labctl.cli.sources import found, spec_argument
from labctl.errors import ExitCode, Problem, SpecError


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option(
    "--target",
    shell_complete=complete_targets,
    metavar="PART=KIND,...",
    help="Judge for this target: switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas.",
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a spec, for editors.")
@json_option
def command(source: str | None, target: str | None, schema: bool, as_json: bool) -> None:
    """Check SPEC (or an artifact folder) and say everything that is wrong with it at once.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.

    \b
    labctl validate
    labctl validate whitepaper
    labctl init - | labctl validate -
    """
    if schema:
        from labctl.modelschema import json_schema_of
        from labctl.spec.keys import Spec

        result_json(json_schema_of(Spec, "labctl spec"))
        return
    spec = found(source)
    from labctl.spec.textfile import label

    try:
        name, warnings = _check(spec, target)
    except SpecError as error:
        if not as_json:
            raise
        _tell(error.problems, error.warnings)
        raise SystemExit(ExitCode.USAGE) from None
    if as_json:
        _tell((), warnings, name=name)
    else:
        result(painted("PASS", f"{label(spec)}: a valid lab, {name}"))


def _check(path: Path, target: str | None) -> tuple[str, tuple[Problem, ...]]:
    from labctl.cli.rendering import planned

    if (path / "lab.json").is_file():
        from labctl.folder import load_folder

        return load_folder(path).lab.name, ()
    given, reader = parse_target(target)
    design, warnings = planned(path, target=given, containerlab=reader)
    return design.name, warnings


def _tell(problems: tuple[Problem, ...], warnings: tuple[Problem, ...], **more: object) -> None:
    rows = {"problems": [p.as_dict() for p in problems], "warnings": [w.as_dict() for w in warnings]}
    result_json({"valid": not problems, **rows, **more})
