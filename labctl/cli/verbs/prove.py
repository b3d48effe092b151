"""Verbs that prove a lab, and report of it: a verification, two, or the white paper's figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from labctl.cli import reporting
from labctl.cli.labs import Lab, OnLab, complete_labs, lab_argument, open_lab, typed_lab
from labctl.cli.options import completing, given, kept, refuse
from labctl.cli.output import FILE, answer, columns, json_text, result, say
from labctl.errors import ExitCode, InconclusiveError, UsageError, did_you_mean

group = click.Group()


def _scenarios(context: click.Context) -> list[str]:
    """Scenario names, and the failures of the lab that was typed before."""
    from labctl.verify import scenarios

    lab = typed_lab(context)
    return [scenarios.ALWAYS.name, *scenarios.SCENARIOS, *(scenarios.names(lab.folder) if lab else [])]


def _rows(_context: click.Context) -> list[str]:
    """Rows of the white paper's catalogue that have checks."""
    from labctl.paper.catalogue import ROWS

    return [row.id for row in ROWS if row.checks]


@group.command(cls=OnLab)
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
def verify(
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


FORMATS = ("html", "markdown", "junit", "json", "text")
Forms = dict[str, Callable[[], str]]


@group.command()
@click.argument("folder", metavar="[DIR|LAB]", required=False, shell_complete=complete_labs)
@click.argument("other", metavar="[DIR|LAB]", required=False, shell_complete=complete_labs)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: html; of two: text.")
@click.option("-o", "--output", type=FILE, metavar="FILE",
              help="Where to, - is stdout; default: DIR/index.html for html, else stdout.")  # fmt: skip
@kept("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option("--paper", is_flag=True,
              help="The white paper's figures, tables and claims, each with LAB's last verdict.")  # fmt: skip
@click.option("--record", type=FILE, metavar="FILE",
              help="With --paper: put the results of LAB into a record of the white paper's rows.")  # fmt: skip
def report(
    folder: str | None, other: str | None, form: str | None, output: Path | None, paper: bool, record: Path | None
) -> None:
    """Render the report of a verification again, from its evidence in DIR (or LAB's newest) alone.

    With two, compare them: what got worse from the first to the second, then what else changed. Exit code 1 when
    something got worse: a check's verdict fell, or one that passed is not there any more.

    `labctl verify LAB --figure ROW` runs the checks of one row of --paper.

    \b
    labctl report whitepaper
    labctl report whitepaper --format markdown -o summary.md
    labctl report --paper whitepaper
    """
    other_form = given("as_json") and form not in (None, "json")
    refuse(other_form, f"--json and --format {form} do not go together", code="format")
    refuse(record and not paper, "--record goes with --paper")
    form = "json" if given("as_json") else form
    if paper:
        refuse(other or output or form not in (None, "json", "text"), "--paper is a table or JSON of one LAB")
        _paper(folder, record, as_json=form == "json")
    elif folder is None:
        raise click.UsageError("Missing argument 'DIR|LAB'.")
    else:
        _report(_evidence_of(folder), _evidence_of(other) if other else None, form, output)


def _paper(lab: str | None, record: Path | None, *, as_json: bool) -> None:
    from labctl.paper.catalogue import ROWS

    refuse(record and lab is None, "--record needs a LAB whose results it is to hold", code="no-lab")
    evidence = _last_verification(lab) if lab is not None else {}
    verdicts = {row["id"]: row for row in evidence.get("catalogue") or ()}
    if record is not None:
        from labctl.paper.reference import merged, read, write

        write(record, merged(read(record), evidence, {row.id: row.lab for row in ROWS}))
        say(f"{sum(row['verdict'] is not None for row in verdicts.values())} rows recorded in {record}")
    rows, table = list[dict[str, Any]](), []
    for row in ROWS:
        verdict = verdicts.get(row.id, {}).get("verdict")
        checks = verdicts.get(row.id, {}).get("checks", [])
        rows.append({
            "id": row.id, "kind": row.kind, "title": row.title, "place": row.place, "mode": row.mode, "lab": row.lab,
            "patterns": list(row.checks), "prints": list(row.prints), "note": row.note,
            "verdict": verdict, "checks": checks,
        })  # fmt: skip
        table.append((row.id, verdict or ("-" if row.checks else "no check"), row.mode, row.title))
    result(json_text(rows) if as_json else columns(("ROW", "RESULT", "MODE", "WHAT THE WHITE PAPER SHOWS"), table))


def _last_verification(lab: str) -> dict[str, Any]:
    """Its evidence. Raises `InconclusiveError` when there is none."""
    try:
        text = (open_lab(lab).state_folder.evidence / "evidence.json").read_text(encoding="utf-8")
        body: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        message = f"lab {lab} has no verification yet"
        raise InconclusiveError(message, code="no-evidence", next_command=f"labctl verify {lab}") from None
    return body


def _evidence_of(named: str) -> Path:
    """A folder, or that of a lab of this name. Raises `UsageError` for a lab that was never verified."""
    from labctl.state import all_labs

    if Path(named).exists():
        return Path(named)
    labs = {lab.name: lab for lab in all_labs()}
    if named not in labs:
        hint = did_you_mean(named, labs, "give the folder that labctl verify --report wrote, or the name of a lab")
        message = f"there is no folder and no lab {named}"
        raise UsageError(message, code="no-evidence", hint=hint, next_command="labctl status --all")
    evidence = labs[named].evidence
    if not evidence.is_dir() or not any(evidence.iterdir()):
        raise UsageError(f"lab {named} was never verified", code="no-evidence", next_command=f"labctl verify {named}")
    return evidence


def _report(path: Path, other: Path | None, form: str | None, output: Path | None) -> None:
    from labctl.report.publish import PAGE, write_text
    from labctl.report.text import encodable

    form = form or ("text" if other else "html")
    output = path / PAGE if form == "html" and output is None else output
    to_stdout = output is None or str(output) == "-"
    forms, worse = _of_two(path, other, output) if other else _of_one(path, output)
    hint = "--format text, json or markdown"
    refuse(form not in forms, f"two runs are not compared as {form}", code="format", hint=hint)
    text = forms[form]()
    if output is None or to_stdout:
        click.echo(encodable(text, sys.stdout.encoding), nl=False)
    else:
        write_text(output, text)
    if form == "html" and not to_stdout:
        result(str(output))
    sys.exit(int(ExitCode.FAILED if worse else ExitCode.OK))


def _of_one(path: Path, output: Path | None) -> tuple[Forms, bool]:
    from labctl.report.evidencefolder import read_evidence
    from labctl.report.junit import junit
    from labctl.report.markdown import markdown
    from labctl.report.page import html, links_from
    from labctl.report.verdicts import render_verdicts

    folder = read_evidence(path)
    for name in folder.missing:
        say(f"missing in {path}: {name}")
    page = Path("page") if output is None or str(output) == "-" else output
    look = reporting.look(coloured=output is None)
    return {
        "html": lambda: html(folder, links=links_from(page, path)),
        "markdown": lambda: markdown(folder.body),
        "junit": lambda: junit(folder.body),
        "json": lambda: json_text(json.loads(folder.read("evidence.json") or "{}")) + "\n",  # as it was written
        "text": lambda: render_verdicts(folder.body, **look, evidence=folder.path) + "\n",
    }, False


def _of_two(one: Path, other: Path, output: Path | None) -> tuple[Forms, bool]:
    from labctl.report.compare import compare, comparison_markdown, render_comparison
    from labctl.report.evidencefolder import read_evidence

    found = compare(read_evidence(one).body, read_evidence(other).body)
    return {
        "markdown": lambda: comparison_markdown(found),
        "json": lambda: json_text(found.as_dict()) + "\n",
        "text": lambda: render_comparison(found, **reporting.look(coloured=output is None)) + "\n",
    }, bool(found.worse)
