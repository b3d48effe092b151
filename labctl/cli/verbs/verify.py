"""``labctl verify``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace

import click
from click.shell_completion import CompletionItem

from labctl.cli.labs import OnLab, lab_argument, open_lab, typed_lab
from labctl.cli.reporting import Reports, Telling, exit_code, report_options, tell_report, telling_options
from labctl.errors import UsageError


def complete_scenarios(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: scenario names, and the failures of the lab that was typed before."""
    from labctl.verify import scenarios
    from labctl.verify.scenarios import ALWAYS, SCENARIOS

    lab = typed_lab(context)
    failures = scenarios.names(lab.folder) if lab else []
    return [CompletionItem(name) for name in (ALWAYS.name, *SCENARIOS, *failures) if name.startswith(incomplete)]


def complete_rows(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: rows of the white paper's catalogue that have checks."""
    from labctl.paper.catalogue import ROWS

    return [CompletionItem(row.id) for row in ROWS if row.checks and row.id.startswith(incomplete)]


@click.command(cls=OnLab)
@lab_argument
@click.option("--scenario", "scenarios", multiple=True, shell_complete=complete_scenarios, metavar="S",
              help="Only this one (and the link checks), by name, or a scenario FILE; may be given again.")  # fmt: skip
@click.option("--failures", is_flag=True, help="All failure scenarios of the lab; alone: no others.")
@click.option("--figure", metavar="N|ROW", shell_complete=complete_rows,
              help="Only the checks of a row of the white paper, see labctl report --paper.")  # fmt: skip
@click.option("--disruptive", is_flag=True, help="Also scenarios that change the lab for a while.")
@click.option("--wait/--no-wait", "wait", default=True,
              help="Wait for what is not there yet, or judge what is there now.  [default: wait]")  # fmt: skip
@report_options
@telling_options
def command(
    lab: str,
    scenarios: tuple[str, ...],
    failures: bool,
    figure: str | None,
    disruptive: bool,
    wait: bool,
    reports: Reports,
    telling: Telling,
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

    reports.check()
    only = EVERY
    if figure is not None:
        from labctl.paper.catalogue import find_row, scenarios_of

        if scenarios:
            raise UsageError("--figure and --scenario do not go together", code="figure-and-scenario")
        row = find_row(figure)
        only, scenarios = Wanted(row.checks), tuple(scenarios_of(row))
    opened = open_lab(lab)
    state, endpoints = opened.state_folder, opened.endpoints()
    # a file was asked for by its path, failures by their option: that is consent
    disruptive = disruptive or failures or any(is_file(name) for name in scenarios)
    now = opened.runtime.observe()
    # what an earlier labctl left is healed first, and only by one that holds the lab: the other may still run
    held = disruptive or bool(open_changes(state.journal))
    with telling.listening() as listener, state.lock() if held else nullcontext():
        request = verify_request(state, endpoints, now, listener, disruptive=disruptive)
        wanted = scenarios if scenarios or failures else None
        report = verify(replace(request, scenarios=wanted, failures=failures, only=only, wait=wait))
    reports.write(state.evidence)
    telling.tell(
        lambda: report.as_dict() | {"evidence": str(state.evidence)}, lambda: tell_report(report, state.evidence)
    )
    sys.exit(int(exit_code(report)))
