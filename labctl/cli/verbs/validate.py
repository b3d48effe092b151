"""``labctl validate``."""

from __future__ import annotations

import click

from labctl.cli.configured import parse_target, target_option
from labctl.cli.options import given, json_option
from labctl.cli.output import answer, json_text, painted, result
from labctl.cli.sources import found, spec_argument
from labctl.errors import ExitCode, Problem, SpecError


@click.command()
@spec_argument("[SPEC|DIR]")
@target_option(
    "Judge for this target: switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas."
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a spec, for editors.")
@json_option
def command(source: str | None, target: str | None, schema: bool) -> None:
    """Check SPEC (or an artifact folder) and say everything that is wrong with it at once.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.

    \b
    labctl validate
    labctl validate whitepaper
    labctl init - | labctl validate -
    """
    if schema:
        from labctl.spec.reference import json_schema

        result(json_text(json_schema()))
        return
    from labctl.cli.rendering import planned
    from labctl.folder import load_folder
    from labctl.spec.textfile import label

    spec = found(source)
    warnings: tuple[Problem, ...] = ()
    try:
        if (spec / "lab.json").is_file():
            name = load_folder(spec).lab.name
        else:
            nodes, reader = parse_target(target)
            design, read = planned(spec, target=nodes, containerlab=reader)
            name, warnings = design.name, read.warnings
    except SpecError as error:
        if not given("as_json"):
            raise
        result(json_text(_body(error.problems, error.warnings)))
        raise SystemExit(ExitCode.USAGE) from None
    answer(_body((), warnings) | {"name": name}, painted("PASS", f"{label(spec)}: a valid lab, {name}"))


def _body(problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> dict[str, object]:
    rows = {"problems": [one.as_dict() for one in problems], "warnings": [one.as_dict() for one in warnings]}
    return {"valid": not problems, **rows}
