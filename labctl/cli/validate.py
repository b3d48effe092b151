"""``labctl validate``."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.app import json_option, result, result_json
from labctl.cli.configured import complete_targets
from labctl.cli.sources import found, spec_argument
from labctl.errors import ExitCode, SpecError


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option(
    "--target", shell_complete=complete_targets, help="Judge for this target: switch=n9kv|standin,cluster=kind|standin."
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
        from labctl.spec.schema import json_schema

        result_json(json_schema())
        return
    spec = found(source)
    from labctl.spec.textfile import label

    try:
        name = _check(spec, target)
    except SpecError as error:
        if not as_json:
            raise
        result_json({"valid": False, "problems": [_row(problem) for problem in error.problems]})
        raise SystemExit(ExitCode.USAGE) from None
    if as_json:
        result_json({"valid": True, "name": name, "problems": []})
    else:
        result(f"{label(spec)}: a valid lab, {name}")


def _check(path: Path, target: str | None) -> str:
    from labctl.cli.generate import parse_target
    from labctl.cli.rendering import design_of

    if (path / "lab.json").is_file():
        from labctl.folder import load_folder

        return load_folder(path).lab.name
    return design_of(path, target=parse_target(target)).name


def _row(problem: object) -> dict[str, object]:
    from labctl.errors import Problem

    assert isinstance(problem, Problem)  # noqa: S101
    place = problem.place
    return {
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
