"""``labctl down``."""

from __future__ import annotations

import time

import click

from labctl.cli.interrupt import unwinding
from labctl.cli.labs import complete_labs, name_of, the_lab
from labctl.cli.options import Duration, json_option
from labctl.cli.output import result, result_json, say
from labctl.errors import UsageError
from labctl.state import LabState, all_labs, lab_state


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

    rows = []
    for state in _meant(lab, everything=everything, older_than=older_than):
        with unwinding(f"lab {state.name} is removed in part, labctl down {state.name} goes on"):
            gone = take_down(state, say)
        record = str(gone.archive) if gone.archive else None
        rows.append({"lab": state.name, "record": record, "removed": gone.existed, "seconds": gone.seconds})
        if not as_json and gone.existed:
            result(f"lab {state.name} is down ({gone.seconds:.1f} s)" + (f"; record in {record}" if record else ""))
        elif not as_json:
            result(f"lab {state.name} is not there")
    if as_json:
        result_json(rows)
    elif not rows:
        result("no labs")


def _meant(lab: str | None, *, everything: bool, older_than: float | None) -> list[LabState]:
    """The labs that are to go. Raises `UsageError`."""
    if lab is not None and everything:
        raise UsageError("name one lab, or --all", code="which-lab", next_command="labctl status --all")
    if older_than is not None and not everything:
        raise UsageError("--older-than goes with --all", code="usage")
    if not everything:
        return [lab_state(name_of(lab or the_lab()))]
    return [state for state in all_labs() if time.time() - state.root.stat().st_mtime >= (older_than or 0.0)]
