"""``labctl reset``."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.options import Duration, events_option, json_option, verbose_option
from labctl.cli.output import result, result_json
from labctl.cli.words import WAYS_BACK
from labctl.errors import ExitCode


@click.command(cls=OnLab, epilog=WAYS_BACK)
@lab_argument
@click.option("--dry-run", is_flag=True, help="Only say what would be changed back; exit 6 when something would be.")
@click.option("--verify/--no-verify", "prove", default=True,
              help="End with the checks of links and BGP.  [default: verify]")  # fmt: skip
@click.option("--timeout", type=Duration(), metavar="T", help="Limit of the whole command; default: 10m.")
@events_option
@verbose_option
@json_option
def command(
    lab: str, dry_run: bool, prove: bool, timeout: float | None, events: str | None, verbose: bool, as_json: bool
) -> None:
    """Bring LAB back to what its `up` left, in seconds and without a new boot.

    Configurations of switches, links, addresses and static routes of nodes, and objects of the cluster are compared
    with those that `up` kept: what was changed is changed back, what was added is removed, namespaces and pods of the
    user too. Counters, logs, files, processes and firewall rules of nodes are left alone.

    \b
    labctl reset --dry-run
    labctl reset whitepaper
    """
    from labctl.cli.reporting import exit_code, listening, tell_report
    from labctl.engine.reset.model import ResetRequest
    from labctl.engine.reset.run import reset
    from labctl.report.style import wants_colour
    from labctl.report.turned import render_turned

    opened = open_lab(lab)
    with listening(events=events, verbose=verbose) as listener:
        prove = prove and not dry_run
        done = reset(ResetRequest(opened.state_folder, opened.runtime, listener, prove, dry_run, timeout))
    body = done.as_dict()
    if as_json and events is None:
        result_json(body)
    elif events is None:
        result(render_turned(body, colour=wants_colour(sys.stdout)))
        if done.report:
            tell_report(done.report, opened.state_folder.evidence)
    if dry_run:
        sys.exit(int(ExitCode.PENDING if body["changes"] else ExitCode.OK))
    sys.exit(int(exit_code(done.report)) if done.report else int(ExitCode.OK))
