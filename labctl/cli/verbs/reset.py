"""``labctl reset``."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.options import Duration
from labctl.cli.output import result
from labctl.cli.reporting import Telling, exit_code, tell_report, telling_options
from labctl.cli.words import WAYS_BACK
from labctl.errors import ExitCode


@click.command(cls=OnLab, epilog=WAYS_BACK)
@lab_argument
@click.option("--dry-run", is_flag=True, help="Only say what would be changed back; exit 6 when something would be.")
@click.option("--verify/--no-verify", "prove", default=True,
              help="End with the checks of links and BGP.  [default: verify]")  # fmt: skip
@click.option("--timeout", type=Duration(), metavar="T", help="Limit of the whole command; default: 10m.")
@telling_options
def command(lab: str, dry_run: bool, prove: bool, timeout: float | None, telling: Telling) -> None:
    """Bring LAB back to what its `up` left, in seconds and without a new boot.

    Configurations of switches, links, addresses and static routes of nodes, and objects of the cluster are compared
    with those that `up` kept: what was changed is changed back, what was added is removed, namespaces and pods of the
    user too. Counters, logs, files, processes and firewall rules of nodes are left alone.

    \b
    labctl reset --dry-run
    labctl reset whitepaper
    """
    from labctl.engine.reset import reset
    from labctl.report.compare import render_restored
    from labctl.report.style import wants_colour

    opened = open_lab(lab)
    with telling.listening() as listener:
        body, report = reset(opened.state_folder, opened.runtime, listener, prove=prove, look=dry_run, limit=timeout)

    def text() -> None:
        result(render_restored(body, colour=wants_colour(sys.stdout)))
        if report:
            tell_report(report, opened.state_folder.evidence)

    telling.tell(lambda: body, text)
    if dry_run:
        sys.exit(int(ExitCode.PENDING if body["changes"] else ExitCode.OK))
    sys.exit(int(exit_code(report)) if report else int(ExitCode.OK))
