"""``labctl reset``."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import Lab, OnLab, lab_argument
from labctl.cli.options import Duration
from labctl.cli.output import answer
from labctl.cli.reporting import exit_code, listening, telling_options, verdicts
from labctl.cli.words import WAYS_BACK
from labctl.errors import ExitCode


@click.command(cls=OnLab, epilog=WAYS_BACK)
@lab_argument
@click.option("--dry-run", is_flag=True, help="Only say what would be changed back; exit 6 when something would be.")
@click.option("--verify/--no-verify", "prove", default=True,
              help="End with the checks of links and BGP.  [default: verify]")  # fmt: skip
@click.option("--timeout", type=Duration(), metavar="T", help="Limit of the whole command; default: 10m.")
@telling_options
def command(lab: Lab, dry_run: bool, prove: bool, timeout: float | None) -> None:
    """Bring LAB back to what its `up` left, in seconds and without a new boot.

    Configurations of switches, links, addresses and static routes of nodes, and objects of the cluster are compared
    with those that `up` kept: what was changed is changed back, what was added is removed, namespaces and pods of the
    user too. Counters, logs, files, processes and firewall rules of nodes are left alone.

    \b
    labctl reset --dry-run
    labctl reset whitepaper
    """
    from labctl.engine.reset import ResetRequest, reset
    from labctl.report.compare import render_restored
    from labctl.report.style import wants_colour

    with listening() as listener:
        prove = prove and not dry_run
        done = reset(ResetRequest(lab.state_folder, lab.runtime, listener, prove, dry_run, timeout))
    body = done.as_dict()
    proof = [verdicts(done.report, lab.state_folder.evidence)] if done.report else []
    answer(body, render_restored(body, colour=wants_colour(sys.stdout)), *proof)
    if dry_run:
        sys.exit(int(ExitCode.PENDING if body["changes"] else ExitCode.OK))
    sys.exit(int(exit_code(done.report)))
