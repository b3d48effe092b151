"""``labctl verify``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from labctl.cli.app import json_option, lab_argument, open_lab, result_json, say


def complete_scenarios(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: scenario names."""
    from labctl.verify.scenarios import ALWAYS, SCENARIOS

    return [CompletionItem(name) for name in (ALWAYS.name, *SCENARIOS) if name.startswith(incomplete)]


@click.command()
@lab_argument
@click.option("--scenario", "scenarios", multiple=True, shell_complete=complete_scenarios, metavar="S",
              help="Only this one (and the link checks); may be given again.")  # fmt: skip
@click.option("--disruptive", is_flag=True, help="Also scenarios that change the lab for a while.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML.")
@click.option("--report", "published", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Copy the evidence to DIR and write DIR/index.html, a page that needs no network.")  # fmt: skip
@click.option("--summary", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Append a summary in Markdown, as for $GITHUB_STEP_SUMMARY.")  # fmt: skip
@click.option("--events", type=click.Choice(["json"]), help="Events as JSON lines on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show checks that pass, too.")
@json_option
def command(
    lab: str,
    scenarios: tuple[str, ...],
    disruptive: bool,
    junit: Path | None,
    published: Path | None,
    summary: Path | None,
    events: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run the scenarios on running LAB and say PASS, FAIL or INCONCLUSIVE, with evidence."""
    from labctl.cli.reporting import check_report, exit_code, listening, tell_report, write_report
    from labctl.engine.proving import verify_request
    from labctl.verify.run import verify

    check_report(published)
    opened = open_lab(lab)
    state, endpoints = opened.state_folder, opened.endpoints()
    now = opened.runtime.observe()
    with listening(events=events, verbose=verbose) as listener, state.lock() if disruptive else nullcontext():
        request = verify_request(state, endpoints, now, listener, disruptive=disruptive)
        report = verify(replace(request, scenarios=scenarios or None))
    if junit is not None:
        from labctl.report.junit import junit as junit_text

        junit.write_text(junit_text(report.as_dict()), encoding="utf-8")
        say(f"JUnit XML in {junit}")
    write_report(state.evidence, published, summary)
    if as_json and events is None:
        result_json(report.as_dict() | {"evidence": str(state.evidence)})
    elif events is None:
        tell_report(report, state.evidence)
    sys.exit(int(exit_code(report)))
