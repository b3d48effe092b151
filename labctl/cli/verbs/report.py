"""``labctl report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.labs import complete_labs
from labctl.cli.output import result, say
from labctl.errors import ExitCode, UsageError, did_you_mean

if TYPE_CHECKING:
    from labctl.report.evidencefolder import EvidenceFolder

FORMATS = ("html", "markdown", "junit", "json", "text")


@click.command()
@click.argument("folder", metavar="DIR|LAB", shell_complete=complete_labs)
@click.argument("other", metavar="[DIR|LAB]", required=False, shell_complete=complete_labs)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: html; of two: text.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to, - is stdout; default: DIR/index.html for html, else stdout.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
def command(folder: str, other: str | None, form: str | None, output: Path | None, as_json: bool) -> None:
    """Render the report of a verification again, from its evidence in DIR (or LAB's newest) alone.

    With two, compare them: what got worse from the first to the second, then what else changed. Exit code 1 when
    something got worse: a check's verdict fell, or one that passed is not there any more.
    """
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} do not go together", code="format")
    form = "json" if as_json else form
    if other is None:
        _one(_evidence_of(folder), form or "html", output)
    else:
        sys.exit(int(_two(_evidence_of(folder), _evidence_of(other), form or "text", output)))


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
            f"there is no folder and no lab {given}", code="no-evidence", hint=hint, next_command="labctl list"
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
        return _json(folder.body)
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
        from labctl.report.comparison import comparison_markdown

        text = comparison_markdown(found)
    elif form == "text":
        from labctl.report.comparison import render_comparison

        colour, width = _look(output is None)
        text = render_comparison(found, colour=colour, width=width) + "\n"
    else:
        raise UsageError(f"two runs are not compared as {form}", code="format", hint="--format text, json or markdown")
    _put(text, output)
    return ExitCode.FAILED if found.worse else ExitCode.OK


def _look(terminal: bool) -> tuple[bool, int]:
    import shutil

    from labctl.report.style import wants_colour

    return terminal and wants_colour(sys.stdout), shutil.get_terminal_size((100, 24)).columns


def _json(body: object) -> str:
    import json

    return json.dumps(body, indent=2, sort_keys=True) + "\n"


def _put(text: str, output: Path | None) -> None:
    """A file, or stdout."""
    from labctl.report.publish import write_text
    from labctl.report.text import encodable

    if output is None or str(output) == "-":
        click.echo(encodable(text, sys.stdout.encoding), nl=False)
    else:
        write_text(output, text)
