"""What ``up`` and ``verify`` show: events while they run, verdicts at the end, and the exit code of a verdict."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.cli.app import is_terminal, result, say
from labctl.errors import ExitCode

if TYPE_CHECKING:
    from labctl.events import Listener
    from labctl.verify.verdict import Report


@contextmanager
def listening(*, events: str | None, verbose: bool) -> Iterator[Listener]:
    """A listener for the time of a command; the terminal is whole again afterwards."""
    if events == "json":
        from labctl.report.jsonlines import JsonLines

        yield JsonLines(sys.stdout)
        return
    from labctl.report.console import progress

    reporter = progress(sys.stderr, terminal=is_terminal(), verbose=verbose)
    try:
        yield reporter
    finally:
        reporter.close()


def check_report(target: Path | None) -> None:
    """A report can be written there: before anything runs. Raises `UsageError`."""
    if target is not None:
        from labctl.report.publish import check_target

        check_target(target)


def write_report(evidence: Path, target: Path | None, summary: Path | None = None) -> None:
    """The page with its evidence into a folder, the Markdown summary behind a file's end."""
    if target is not None:
        from labctl.report.publish import publish

        say(f"report: {publish(evidence, target)}")
    if summary is not None:
        from labctl.report.evidencefolder import read_evidence
        from labctl.report.markdown import markdown
        from labctl.report.publish import append_text

        append_text(summary, markdown(read_evidence(evidence).body))


def tell_report(report: Report, evidence: Path | None) -> None:
    """The verdicts: the result, on stdout."""
    from labctl.report.style import wants_colour
    from labctl.report.verdicts import render_verdicts

    width = shutil.get_terminal_size((100, 24)).columns
    body = report.as_dict()
    if evidence is not None:
        body["evidence"] = str(evidence)
    result(render_verdicts(body, colour=wants_colour(sys.stdout), width=width))


def exit_code(report: Report) -> ExitCode:
    """0 all passed, 1 something failed, 3 something could not be judged."""
    codes = {"PASS": ExitCode.OK, "FAIL": ExitCode.FAILED, "INCONCLUSIVE": ExitCode.INCONCLUSIVE}
    return codes[report.verdict]
