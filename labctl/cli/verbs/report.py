"""``labctl report``: of a verification, of two, or by the white paper's figures."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.labs import complete_labs, known_lab
from labctl.cli.output import result, say, told
from labctl.errors import ExitCode, InconclusiveError, UsageError, did_you_mean

if TYPE_CHECKING:
    from labctl.report.evidencefolder import EvidenceFolder

FORMATS = ("html", "markdown", "junit", "json", "text")


@click.command()
@click.argument("folder", metavar="[DIR|LAB]", required=False, shell_complete=complete_labs)
@click.argument("other", metavar="[DIR|LAB]", required=False, shell_complete=complete_labs)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: html; of two: text.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to, - is stdout; default: DIR/index.html for html, else stdout.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option("--paper", is_flag=True,
              help="The white paper's figures, tables and claims, each with LAB's last verdict.")  # fmt: skip
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="With --paper: put the results of LAB into a record of the white paper's rows.")  # fmt: skip
def command(
    folder: str | None,
    other: str | None,
    form: str | None,
    output: Path | None,
    as_json: bool,
    paper: bool,
    record: Path | None,
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
    if paper:
        if other is not None or output is not None or form not in (None, "json", "text"):
            raise UsageError("--paper is a table or JSON of one LAB", code="usage")
        _paper(folder, record, as_json=as_json or form == "json")
        return
    if record is not None:
        raise UsageError("--record goes with --paper", code="usage")
    if folder is None:
        raise click.UsageError("Missing argument 'DIR|LAB'.")
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} do not go together", code="format")
    form = "json" if as_json else form
    if other is None:
        _one(_evidence_of(folder), form or "html", output)
    else:
        sys.exit(int(_two(_evidence_of(folder), _evidence_of(other), form or "text", output)))


def _paper(lab: str | None, record: Path | None, *, as_json: bool) -> None:
    from labctl.paper.catalogue import ROWS

    if record is not None and lab is None:
        raise UsageError("--record needs a LAB whose results it is to hold", code="no-lab")
    evidence = _last_verification(lab) if lab is not None else {}
    verdicts = {row["id"]: row for row in evidence.get("catalogue") or ()}
    if record is not None:
        from labctl.paper.reference import merged, read, write

        write(record, merged(read(record), evidence, {row.id: row.lab for row in ROWS}))
        say(f"{sum(row['verdict'] is not None for row in verdicts.values())} rows recorded in {record}")
    rows: list[dict[str, Any]] = [
        {
            "id": row.id, "kind": row.kind, "title": row.title, "place": row.place, "mode": row.mode, "lab": row.lab,
            "patterns": list(row.checks), "prints": list(row.prints), "note": row.note,
            "verdict": verdicts.get(row.id, {}).get("verdict"), "checks": verdicts.get(row.id, {}).get("checks", []),
        }
        for row in ROWS
    ]  # fmt: skip
    texts = [
        (row["id"], row["verdict"] or ("-" if row["patterns"] else "no check"), row["mode"], row["title"])
        for row in rows
    ]
    told(rows, ("ROW", "RESULT", "MODE", "WHAT THE WHITE PAPER SHOWS"), texts, as_json=as_json)


def _last_verification(lab: str) -> dict[str, Any]:
    """Its evidence. Raises `InconclusiveError` when there is none."""
    try:
        text = (known_lab(lab).evidence / "evidence.json").read_text(encoding="utf-8")
        body: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        raise InconclusiveError(
            f"lab {lab} has no verification yet", code="no-evidence", next_command=f"labctl verify {lab}"
        ) from None
    return body


def _evidence_of(given: str) -> Path:
    """A folder, or that of a lab of this name. Raises `UsageError` for a lab that was never verified."""
    from labctl.state import all_labs

    path = Path(given)
    if path.exists():
        return path
    labs = {lab.name: lab for lab in all_labs()}
    if given not in labs:
        hint = did_you_mean(given, labs, "give the folder that labctl verify --report wrote, or the name of a lab")
        raise UsageError(
            f"there is no folder and no lab {given}", code="no-evidence", hint=hint, next_command="labctl status --all"
        )
    evidence = labs[given].evidence
    if not evidence.is_dir() or not any(evidence.iterdir()):
        raise UsageError(f"lab {given} was never verified", code="no-evidence", next_command=f"labctl verify {given}")
    return evidence


def _one(path: Path, form: str, output: Path | None) -> None:
    from labctl.report.evidencefolder import read_evidence
    from labctl.report.page import html, links_from
    from labctl.report.publish import PAGE

    folder = read_evidence(path)
    for name in folder.missing:
        say(f"missing in {path}: {name}")
    if form == "html":
        page = output or path / PAGE
        _put(html(folder, links=links_from(Path("page") if str(page) == "-" else page, path)), page)
        if str(page) != "-":
            result(str(page))
        return
    _put(_text(folder, form, terminal=output is None), output)


def _text(folder: EvidenceFolder, form: str, *, terminal: bool) -> str:
    if form == "markdown":
        from labctl.report.markdown import markdown

        return markdown(folder.body)
    if form == "junit":
        from labctl.report.junit import junit

        return junit(folder.body)
    if form == "json":
        return _json(json.loads(folder.read("evidence.json") or "{}"))  # as it was written
    from labctl.report.verdicts import render_verdicts

    colour, width = _look(terminal)
    return render_verdicts(folder.body, colour=colour, width=width, evidence=folder.path) + "\n"


def _two(one: Path, other: Path, form: str, output: Path | None) -> ExitCode:
    from labctl.report.compare import compare
    from labctl.report.evidencefolder import read_evidence

    found = compare(read_evidence(one).body, read_evidence(other).body)
    if form == "json":
        text = _json(found.as_dict())
    elif form == "markdown":
        from labctl.report.compare import comparison_markdown

        text = comparison_markdown(found)
    elif form == "text":
        from labctl.report.compare import render_comparison

        colour, width = _look(output is None)
        text = render_comparison(found, colour=colour, width=width) + "\n"
    else:
        raise UsageError(f"two runs are not compared as {form}", code="format", hint="--format text, json or markdown")
    _put(text, output)
    return ExitCode.FAILED if found.worse else ExitCode.OK


def _look(terminal: bool) -> tuple[bool, int]:
    from labctl.report.style import wants_colour

    return terminal and wants_colour(sys.stdout), shutil.get_terminal_size((100, 24)).columns


def _json(body: object) -> str:
    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def _put(text: str, output: Path | None) -> None:
    """A file, or stdout."""
    from labctl.report.publish import write_text
    from labctl.report.text import encodable

    if output is None or str(output) == "-":
        click.echo(encodable(text, sys.stdout.encoding), nl=False)
    else:
        write_text(output, text)
