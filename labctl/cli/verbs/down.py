"""``labctl down``."""

from __future__ import annotations

import time

import click

from labctl.cli.interrupt import unwinding
from labctl.cli.labs import complete_labs, the_lab
from labctl.cli.options import Duration, given, json_option, refuse
from labctl.cli.output import answer, result, say
from labctl.cli.sources import name_of
from labctl.state import all_labs, lab_state


@click.command()
@click.argument("lab", required=False, shell_complete=complete_labs, metavar="[LAB|SPEC]")
@click.option("--all", "everything", is_flag=True, help="All labs of this user.")
@click.option("--older-than", type=Duration(), default=0, metavar="T",
              help="With --all: only labs older than T (90s, 30m, 6h, 2d).")  # fmt: skip
@json_option
def command(lab: str | None, everything: bool, older_than: float) -> None:
    """Remove a lab: processes, guest, files. Twice is fine. LAB may be left out while one alone runs.

    Evidence, journal and logs are kept: `labctl status --past` shows them.

    \b
    labctl down whitepaper
    labctl down --all --older-than 2d
    """
    from labctl.engine.down import take_down

    refuse(lab and everything, "name one lab, or --all", code="which-lab", next_command="labctl status --all")
    refuse(older_than and not everything, "--older-than goes with --all")
    if everything:
        labs = [state for state in all_labs() if time.time() - state.root.stat().st_mtime >= older_than]
    else:
        labs = [lab_state(name_of(lab or the_lab()))]
    rows = []
    for state in labs:
        with unwinding(f"lab {state.name} is removed in part, labctl down {state.name} goes on"):
            gone = take_down(state, say)
        record = str(gone.archive) if gone.archive else None
        rows.append({"lab": state.name, "record": record, "removed": gone.existed, "seconds": gone.seconds})
        down = f"is down ({gone.seconds:.1f} s)" + (f"; record in {record}" if record else "")
        if not given("as_json"):  # each as soon as it is gone
            result(f"lab {state.name} {down if gone.existed else 'is not there'}")
    answer(rows, *([] if rows else ["no labs"]))
