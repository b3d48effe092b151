"""What ``up`` and ``verify`` show: events while they run, verdicts at the end, and the exit code of a verdict."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.interrupt import unwinding
from labctl.cli.options import Command, given, json_option, kept
from labctl.cli.output import FILE, is_terminal, say
from labctl.errors import ExitCode
from labctl.events import INTERRUPTED

if TYPE_CHECKING:
    from labctl.events import Event, Listener
    from labctl.verify.verdict import Report


def _options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options at once, in this order of help."""
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


telling_options = _options(
    kept("--events", type=click.Choice(["json"]), help="Events as JSON lines on stdout."),
    kept("-v", "--verbose", is_flag=True, help="Show checks that pass, too."),
    json_option,
)
"""Of every verb that takes its time."""
report_options = _options(
    kept("--report", "page", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
         help="Copy the evidence to DIR and write DIR/index.html, a page that needs no network."),
    kept("--junit", type=FILE, metavar="FILE", help="Write JUnit XML."),
    kept("--summary", type=FILE, metavar="FILE", help="Append a summary in Markdown, as for $GITHUB_STEP_SUMMARY."),
)  # fmt: skip
"""Of every verb that verifies."""


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener for the time of a command; the terminal is whole again afterwards."""
    import logging

    from labctl.cli.logfile import EVENTS
    from labctl.report.console import JsonLines, progress

    # a maintainer's words go to stderr, too: no picture is painted over them
    pictures, verbose = is_terminal() and not given("verbosity"), bool(given("verbose"))
    lines = JsonLines(sys.stdout) if given("events") else None
    reporter = lines or progress(sys.stderr, terminal=pictures, verbose=verbose)
    log = logging.getLogger(EVENTS)

    def listener(event: Event) -> None:  # the lab's log has, too, what came when
        level = logging.DEBUG if event.kind in ("check", "step-progress") else logging.INFO
        log.log(level, "%s %s: %s", event.kind, event.name, event.message)
        reporter(event)

    with closing(reporter), unwinding(close=reporter.close):
        yield listener


def check_reports() -> bool:
    """Whether any is wanted; that they can be written, before anything runs. Raises `UsageError`."""
    from labctl.report.publish import check_file, check_target

    files = [path for path in (given("junit"), given("summary")) if path]
    for path in files:
        check_file(path)
    if given("page"):
        check_target(given("page"))
    return bool(files or given("page"))


def write_reports(evidence: Path) -> None:
    """The page with its evidence into a folder, JUnit, the Markdown summary behind a file's end."""
    from labctl.report import publish
    from labctl.report.evidencefolder import read_evidence
    from labctl.report.junit import junit
    from labctl.report.markdown import markdown

    written = []
    if given("page"):
        written.append(f"report: {publish.publish(evidence, given('page'))}")
    if given("junit"):
        publish.write_text(given("junit"), junit(read_evidence(evidence).body))
        written.append(f"JUnit XML in {given('junit')}")
    if given("summary"):
        publish.append_text(given("summary"), markdown(read_evidence(evidence).body))
    for message in written:  # all is there before a terminal that is gone can break it
        say(message)


def verdicts(report: Report, evidence: Path | None) -> str:
    """The verdicts for a person."""
    from labctl.report.verdicts import render_verdicts

    return render_verdicts(report.as_dict(), **look(), evidence=evidence)


def look(*, coloured: bool = True) -> dict[str, Any]:
    """Colours and width of standard output, as what is rendered for it takes them."""
    from labctl.report.style import wants_colour

    width = shutil.get_terminal_size((100, 24)).columns
    return {"colour": coloured and wants_colour(sys.stdout), "width": width}


def exit_code(report: Report | None) -> ExitCode:
    """0 all passed or nothing was judged, 1 something failed, 3 it could not be judged, 130 the user ended it."""
    if report is None:
        return ExitCode.OK
    if report.cut == INTERRUPTED:
        return ExitCode.INTERRUPTED
    codes = {"PASS": ExitCode.OK, "FAIL": ExitCode.FAILED, "INCONCLUSIVE": ExitCode.INCONCLUSIVE}
    return codes[report.verdict]
