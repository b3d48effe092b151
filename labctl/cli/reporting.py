"""What ``up`` and ``verify`` show: events while they run, verdicts at the end, and the exit code of a verdict."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.interrupt import unwinding
from labctl.cli.output import is_terminal, result, result_json, say
from labctl.errors import ExitCode
from labctl.events import INTERRUPTED

if TYPE_CHECKING:
    from labctl.events import Event, Listener
    from labctl.verify.verdict import Report


Command = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Telling:
    """How a long command tells what it does and what came of it."""

    events: bool
    """As JSON lines on stdout; then nothing else goes there."""
    verbose: bool
    as_json: bool

    @property
    def quiet(self) -> bool:
        """Nobody reads verdicts: a program gets its JSON."""
        return self.events or self.as_json

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """A listener for the time of a command; the terminal is whole again afterwards."""
        from labctl.cli.logfile import verbosity
        from labctl.report.console import JsonLines, progress

        # a maintainer's words go to stderr, too: no picture is painted over them
        reporter = (
            JsonLines(sys.stdout)
            if self.events
            else progress(sys.stderr, terminal=is_terminal() and not verbosity(), verbose=self.verbose)
        )
        try:
            with unwinding(close=reporter.close):
                yield _logged(reporter)
        finally:
            reporter.close()

    def tell(self, body: Callable[[], object], text: Callable[[], None]) -> None:
        """The result: as JSON, or as text for a person; nothing where events said it all."""
        if self.events:
            return
        if self.as_json:
            result_json(body())
        else:
            text()


def telling_options(command: Command) -> Command:
    """``--events``, ``--verbose`` and ``--json``, for every verb that takes its time; the command gets ``telling``."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("-v", "--verbose", is_flag=True, help="Show checks that pass, too."),
        click.option("--events", type=click.Choice(["json"]), help="Events as JSON lines on stdout."),
    ):
        command = option(command)

    @wraps(command)
    def with_telling(*arguments: Any, events: str | None, verbose: bool, as_json: bool, **more: Any) -> object:
        return command(*arguments, telling=Telling(events is not None, verbose, as_json), **more)

    return with_telling


def _logged(reporter: Listener) -> Listener:
    """Events are in the lab's log, too: what came when, beside a maintainer's words."""
    import logging

    from labctl.cli.logfile import EVENTS

    log = logging.getLogger(EVENTS)

    def listener(event: Event) -> None:
        level = logging.DEBUG if event.kind in ("check", "step-progress") else logging.INFO
        log.log(level, "%s %s: %s", event.kind, event.name, event.message)
        reporter(event)

    return listener


def report_options(command: Command) -> Command:
    """``--report``, ``--junit`` and ``--summary``, for every verb that verifies; the command gets ``reports``."""
    for option in (
        click.option("--summary", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                     help="Append a summary in Markdown, as for $GITHUB_STEP_SUMMARY."),
        click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                     help="Write JUnit XML."),
        click.option("--report", "page", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
                     help="Copy the evidence to DIR and write DIR/index.html, a page that needs no network."),
    ):  # fmt: skip
        command = option(command)

    @wraps(command)
    def with_reports(
        *arguments: Any, page: Path | None, junit: Path | None, summary: Path | None, **more: Any
    ) -> object:
        return command(*arguments, reports=Reports(page, junit, summary), **more)

    return with_reports


@dataclass(frozen=True, slots=True)
class Reports:
    """What is to be written of a verification, and where to."""

    page: Path | None
    junit: Path | None
    summary: Path | None

    def __bool__(self) -> bool:
        return any((self.page, self.junit, self.summary))

    def check(self) -> None:
        """They can be written: before anything runs. Raises `UsageError`."""
        from labctl.report.publish import check_file, check_target

        if self.page is not None:
            check_target(self.page)
        for path in (self.junit, self.summary):
            if path is not None:
                check_file(path)

    def write(self, evidence: Path) -> None:
        """The page with its evidence into a folder, JUnit, the Markdown summary behind a file's end."""
        from labctl.report import publish
        from labctl.report.evidencefolder import read_evidence
        from labctl.report.junit import junit
        from labctl.report.markdown import markdown

        written = []
        if self.page is not None:
            written.append(f"report: {publish.publish(evidence, self.page)}")
        if self.junit is not None:
            publish.write_text(self.junit, junit(read_evidence(evidence).body))
            written.append(f"JUnit XML in {self.junit}")
        if self.summary is not None:
            publish.append_text(self.summary, markdown(read_evidence(evidence).body))
        for words in written:  # all is there before a terminal that is gone can break it
            say(words)


def tell_report(report: Report, evidence: Path | None) -> None:
    """The verdicts: the result, on stdout."""
    from labctl.report.style import wants_colour
    from labctl.report.verdicts import render_verdicts

    width = shutil.get_terminal_size((100, 24)).columns
    result(render_verdicts(report.as_dict(), colour=wants_colour(sys.stdout), width=width, evidence=evidence))


def exit_code(report: Report) -> ExitCode:
    """0 all passed, 1 something failed, 3 something could not be judged, 130 the user ended it."""
    if report.cut == INTERRUPTED:
        return ExitCode.INTERRUPTED
    codes = {"PASS": ExitCode.OK, "FAIL": ExitCode.FAILED, "INCONCLUSIVE": ExitCode.INCONCLUSIVE}
    return codes[report.verdict]
