"""``labctl doctor``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.app import json_option, result, result_json
from labctl.cli.sources import found, spec_argument
from labctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from labctl.doctor.findings import Finding


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option("--runtime", type=click.Choice(["embedded", "containerlab"]), default="embedded", show_default=True)
@json_option
def command(source: str | None, runtime: str, as_json: bool) -> None:
    """What this host can and cannot do, and the command that repairs it.

    With `--runtime containerlab` for one lab, too: of SPEC, with the target that it names, or of an artifact folder.

    Exit 0 when the runtime can run here (warnings are allowed), else 4. Nothing is changed or downloaded.

    \b
    labctl doctor
    labctl doctor whitepaper --runtime containerlab
    """
    if runtime == "containerlab":
        _containerlab(found(source) if source else None, as_json=as_json)
        return
    if source is not None:
        raise UsageError(
            "a lab's own needs are judged for containerlab: the embedded runtime is the same for all",
            code="doctor-of-lab",
            next_command=f"labctl doctor --runtime containerlab {source}",
        )
    from labctl.cache import cache_dir, shared_caches
    from labctl.doctor.embedded import chosen, findings
    from labctl.doctor.facts import host_facts

    facts = host_facts(cache_dir(), shared_caches())
    taken = chosen(facts)
    _tell(findings(facts), "the embedded runtime", {"launcher": taken.name if taken else None}, as_json=as_json)


def _containerlab(source: Path | None, *, as_json: bool) -> None:
    from labctl.cli.preparing import containerlab_findings, needs_of_source

    needs = needs_of_source(source) if source else None
    subject = f"lab {needs.name} with containerlab" if needs else "containerlab's labs"
    more = {"runtime": "containerlab", "lab": needs.name if needs else None}
    _tell(containerlab_findings(needs), subject, more, as_json=as_json)


def _tell(seen: Sequence[Finding], subject: str, more: dict[str, Any], *, as_json: bool) -> None:
    from labctl.doctor.findings import can_run, page
    from labctl.report.style import wants_colour
    from labctl.report.table import width_of

    able = can_run(seen)
    if as_json:
        result_json({"can_run": able, **more, "findings": [asdict(finding) for finding in seen]})
    else:
        result(page(seen, subject, width=width_of(sys.stdout), colour=wants_colour(sys.stdout)))
    if not able:
        raise SystemExit(ExitCode.HOST)
