"""``labctl down``."""

from __future__ import annotations

import time

import click

from labctl.cli.interrupt import unwinding
from labctl.cli.labs import complete_labs, name_of, the_lab
from labctl.cli.options import Duration, json_option
from labctl.cli.output import result, result_json, say
from labctl.errors import UsageError


@click.command()
@click.argument("lab", required=False, shell_complete=complete_labs, metavar="[LAB|SPEC]")
@click.option("--all", "everything", is_flag=True, help="All labs of this user.")
@click.option(
    "--older-than", type=Duration(), metavar="T", help="With --all: only labs older than T (90s, 30m, 6h, 2d)."
)
@json_option
def command(lab: str | None, everything: bool, older_than: float | None, as_json: bool) -> None:
    """Remove a lab: processes, guest, files. Twice is fine. LAB may be left out while one alone runs.

    Evidence, journal and logs are kept: `labctl status --past` shows them.

    \b
    labctl down whitepaper
    labctl down --all --older-than 2d
    """
    from labctl.engine.down import take_down
    from labctl.state import all_labs, lab_state

    if lab is not None and everything:
        raise UsageError("name one lab, or --all", code="which-lab", next_command="labctl status --all")
    if older_than is not None and not everything:
        raise UsageError("--older-than goes with --all", code="usage")
    if not everything:
        states = [lab_state(name_of(lab or the_lab()))]
    else:
        states = [state for state in all_labs() if time.time() - state.root.stat().st_mtime >= (older_than or 0.0)]
    rows = []
    for state in states:
        with unwinding(f"lab {state.name} is removed in part, labctl down {state.name} goes on"):
            record = take_down(state, say)
        rows.append(
            {
                "lab": state.name,
                "record": str(record.archive) if record.archive else None,
                "removed": record.existed,
                "seconds": record.seconds,
            }
        )
        if not as_json:
            if record.existed:
                kept = f"; record in {record.archive}" if record.archive else ""
                result(f"lab {state.name} is down ({record.seconds:.1f} s){kept}")
            else:
                result(f"lab {state.name} is not there")
    if as_json:
        result_json(rows)
    elif not states:
        result("no labs")
