"""``labctl doctor``."""

from __future__ import annotations

from dataclasses import asdict

import click

from labctl.cli.app import json_option, result, result_json
from labctl.errors import ExitCode


@click.command()
@json_option
def command(as_json: bool) -> None:
    """What this host can and cannot do, and the command that repairs it.

    Exit 0 when the embedded runtime can run here (warnings are allowed), else 4. Nothing is changed or downloaded.
    """
    from labctl.cache import cache_dir
    from labctl.doctor.facts import collect
    from labctl.doctor.findings import can_run, chosen, findings

    facts = collect(cache_dir())
    found = findings(facts)
    able = can_run(found)
    if as_json:
        result_json({"can_run": able, "launcher": chosen(facts), "findings": [asdict(finding) for finding in found]})
    else:
        from labctl.report.table import table

        result(table(("FINDING", "SEVERITY", "WHAT"), [(one.id, one.severity, one.sentence) for one in found]))
        for one in found:
            if one.fix and one.severity != "ok":
                result(f"{one.id}: {one.fix}")
        counts = {name: sum(one.severity == name for one in found) for name in ("error", "warning")}
        told = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts.items() if count)
        result(f"the embedded runtime {'can' if able else 'cannot'} run here" + (f" ({told})" if told else ""))
    if not able:
        raise SystemExit(ExitCode.HOST)
