"""``labctl doctor``."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from labctl.cli.options import json_option
from labctl.cli.output import answer
from labctl.cli.sources import found, spec_argument
from labctl.errors import ExitCode
from labctl.runtime.select import RUNTIMES, host_of


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option("--runtime", type=click.Choice(list(RUNTIMES)), default=next(iter(RUNTIMES)), show_default=True)
@json_option
def command(source: str | None, runtime: str) -> None:
    """What this host can and cannot do, and the command that repairs it.

    With `--runtime containerlab` for one lab, too: of SPEC, with the target that it names, or of an artifact folder.

    Exit 0 when the runtime can run here (warnings are allowed), else 4. Nothing is changed or downloaded.

    \b
    labctl doctor
    labctl doctor whitepaper --runtime containerlab
    """
    from labctl.doctor.findings import can_run, page
    from labctl.report.style import wants_colour
    from labctl.report.table import width_of

    seen = host_of(runtime).examine(found(source) if source else None)
    able = can_run(seen.findings)
    body = {"can_run": able, **seen.more, "findings": [asdict(finding) for finding in seen.findings]}
    answer(body, page(seen.findings, seen.subject, width=width_of(sys.stdout), colour=wants_colour(sys.stdout)))
    if not able:
        raise SystemExit(ExitCode.HOST)
