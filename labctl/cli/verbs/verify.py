"""``labctl verify``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace

import click

from labctl.cli import reporting
from labctl.cli.labs import Lab, OnLab, lab_argument, typed_lab
from labctl.cli.options import completing, refuse
from labctl.cli.output import answer


def _scenarios(context: click.Context) -> list[str]:
    """Scenario names, and the failures of the lab that was typed before."""
    from labctl.verify import scenarios

    lab = typed_lab(context)
    return [scenarios.ALWAYS.name, *scenarios.SCENARIOS, *(scenarios.names(lab.folder) if lab else [])]


def _rows(_context: click.Context) -> list[str]:
    """Rows of the white paper's catalogue that have checks."""
    from labctl.paper.catalogue import ROWS

    return [row.id for row in ROWS if row.checks]


@click.command(cls=OnLab)
@lab_argument
@click.option("--scenario", "scenarios", multiple=True, shell_complete=completing(_scenarios), metavar="S",
              help="Only this one (and the link checks), by name, or a scenario FILE; may be given again.")  # fmt: skip
@click.option("--failures", is_flag=True, help="All failure scenarios of the lab; alone: no others.")
@click.option("--figure", metavar="N|ROW", shell_complete=completing(_rows),
              help="Only the checks of a row of the white paper, see labctl report --paper.")  # fmt: skip
@click.option("--disruptive", is_flag=True, help="Also scenarios that change the lab for a while.")
@click.option("--wait/--no-wait", "wait", default=True,
              help="Wait for what is not there yet, or judge what is there now.  [default: wait]")  # fmt: skip
@reporting.report_options
@reporting.telling_options
def command(
    lab: Lab, scenarios: tuple[str, ...], failures: bool, figure: str | None, disruptive: bool, wait: bool
) -> None:
    """Run the scenarios on running LAB and say PASS, FAIL or INCONCLUSIVE, with evidence.

    What is not as expected is waited for, up to the limits of the lab's target, and what was changed since `up` is told
    meanwhile. Ctrl-C ends the checks: what was judged is written, a second one ends at once.

    \b
    labctl verify whitepaper
    labctl verify whitepaper --scenario ping --report out
    labctl verify whitepaper --failures
    """
    from labctl.engine.proving import verify_request
    from labctl.restore.changes import open_changes
    from labctl.verify.checks import EVERY, Wanted
    from labctl.verify.run import verify
    from labctl.verify.scenarios import is_file

    reporting.check_reports()
    only = EVERY
    if figure is not None:
        from labctl.paper.catalogue import find_row, scenarios_of

        refuse(scenarios, "--figure and --scenario do not go together", code="figure-and-scenario")
        row = find_row(figure)
        only, scenarios = Wanted(row.checks), tuple(scenarios_of(row))
    state, endpoints = lab.state_folder, lab.endpoints()
    # a file was asked for by its path, failures by their option: that is consent
    disruptive = disruptive or failures or any(is_file(name) for name in scenarios)
    now = lab.runtime.observe()
    # what an earlier labctl left is healed first, and only by one that holds the lab: the other may still run
    held = disruptive or bool(open_changes(state.journal))
    with reporting.listening() as listener, state.lock() if held else nullcontext():
        request = verify_request(state, endpoints, now, listener, disruptive=disruptive)
        wanted = scenarios if scenarios or failures else None
        report = verify(replace(request, scenarios=wanted, failures=failures, only=only, wait=wait))
    reporting.write_reports(state.evidence)
    answer(report.as_dict() | {"evidence": str(state.evidence)}, reporting.verdicts(report, state.evidence))
    sys.exit(int(reporting.exit_code(report)))
