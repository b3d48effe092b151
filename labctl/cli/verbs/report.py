"""``labctl report``: of a verification, of two, or by the white paper's figures."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labctl.cli.labs import complete_labs, known_lab
from labctl.cli.options import FILE, given, kept, refuse
from labctl.cli.output import columns, json_text, result, say
from labctl.errors import ExitCode, InconclusiveError, UsageError, did_you_mean

FORMATS = ("html", "markdown", "junit", "json", "text")


@click.command()
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
def command(
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
    elif other is None:
        _one(_evidence_of(folder), form or "html", output)
    else:
        sys.exit(int(_two(_evidence_of(folder), _evidence_of(other), form or "text", output)))


def _paper(lab: str | None, record: Path | None, *, as_json: bool) -> None:
    from labctl.paper.catalogue import ROWS

    refuse(record and lab is None, "--record needs a LAB whose results it is to hold", code="no-lab")
    evidence = _last_verification(lab) if lab is not None else {}
    verdicts = {row["id"]: row for row in evidence.get("catalogue") or ()}
    if record is not None:
        from labctl.paper.recorded import merged, read, write

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
        text = (known_lab(lab).evidence / "evidence.json").read_text(encoding="utf-8")
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


def _one(path: Path, form: str, output: Path | None) -> None:
    from labctl.report.evidencefolder import read_evidence
    from labctl.report.junit import junit
    from labctl.report.markdown import markdown
    from labctl.report.page import html, links_from
    from labctl.report.publish import PAGE
    from labctl.report.verdicts import render_verdicts

    folder = read_evidence(path)
    for name in folder.missing:
        say(f"missing in {path}: {name}")
    if form == "html":
        output = output or path / PAGE
        base = Path("page") if str(output) == "-" else output
        _put(html(folder, links=links_from(base, path)), output)
        if str(output) != "-":
            result(str(output))
        return
    forms: dict[str, Callable[[], str]] = {
        "markdown": lambda: markdown(folder.body),
        "junit": lambda: junit(folder.body),
        "json": lambda: json_text(folder.body) + "\n",
        "text": lambda: render_verdicts(folder.body, **_look(output), evidence=folder.path) + "\n",
    }
    _put(forms[form](), output)


def _two(one: Path, other: Path, form: str, output: Path | None) -> ExitCode:
    from labctl.report.compare import compare, comparison_markdown, render_comparison
    from labctl.report.evidencefolder import read_evidence

    found = compare(read_evidence(one).body, read_evidence(other).body)
    forms: dict[str, Callable[[], str]] = {
        "markdown": lambda: comparison_markdown(found),
        "json": lambda: json_text(found.as_dict()) + "\n",
        "text": lambda: render_comparison(found, **_look(output)) + "\n",
    }
    hint = "--format text, json or markdown"
    refuse(form not in forms, f"two runs are not compared as {form}", code="format", hint=hint)
    _put(forms[form](), output)
    return ExitCode.FAILED if found.worse else ExitCode.OK


def _look(output: Path | None) -> dict[str, Any]:
    from labctl.report.style import wants_colour

    width = shutil.get_terminal_size((100, 24)).columns
    return {"colour": output is None and wants_colour(sys.stdout), "width": width}


def _put(text: str, output: Path | None) -> None:
    """A file, or stdout."""
    from labctl.report.publish import write_text
    from labctl.report.text import encodable

    if output is None or str(output) == "-":
        click.echo(encodable(text, sys.stdout.encoding), nl=False)
    else:
        write_text(output, text)
