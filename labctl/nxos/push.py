"""Pushing a file to a switch: every line answered, the running configuration read back and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.errors import Place, Problem, RejectedError
from labctl.nxos.session import NxosSession, Refused
from labctl.nxos.tree import Difference, compare, parse
from labctl.pace import paced

COPY = "copy running-config startup-config"
COPIED = "Copy complete"
COPY_LIMIT = 100.0


@dataclass(frozen=True, slots=True)
class PushResult:
    """What came of a push."""

    switch: str
    file: str
    lines: int
    refused: tuple[Refused, ...]
    missing: tuple[Difference, ...]
    """Lines that the switch took without a word, and does not have."""
    text: str = ""
    unsaved: str | None = None
    """What the switch said instead of having saved its startup configuration."""

    @property
    def ok(self) -> bool:
        return not self.refused and not self.missing and self.unsaved is None

    def problems(self) -> list[Problem]:
        """With file and line, and the switch's words."""
        source = self.text.splitlines()

        def place(number: int) -> Place:
            return Place(self.file, number, 0, source[number - 1] if 0 < number <= len(source) else None)

        found = [
            Problem("line-refused", f"{self.switch} refused: {row.line} ({row.message})", place(row.number))
            for row in self.refused
        ]
        numbers = {row.number for row in self.refused}
        found += [
            Problem(
                "line-not-there",
                f"{self.switch} took the line, and its running configuration lacks it: {row.line}",
                place(row.number),
            )
            for row in self.missing
            if row.number not in numbers
        ]
        if self.unsaved is not None:
            found.append(Problem("not-saved", f"{self.switch} did not do {COPY}: {self.unsaved}", Place(self.file)))
        return found


def config_lines(text: str) -> list[tuple[int, str]]:
    """(number, line) of what is sent: no comments, no blank lines, no indentation."""
    rows = [(number, raw.strip()) for number, raw in enumerate(text.splitlines(), 1)]
    return [(number, line) for number, line in rows if line and not line.startswith("!")]


def push(session: NxosSession, file: str, text: str, *, timeout: float) -> PushResult:
    """Push one file to one switch. Raises InconclusiveError when the switch stops answering."""
    lines = config_lines(text)
    refused = session.configure(lines, timeout=timeout)
    unsaved = None if refused else save(session)
    running = session.show("show running-config", timeout=timeout)
    missing = [row for row in compare(parse(text), parse(running)) if row.kind == "missing"]
    return PushResult(session.name, file, len(lines), tuple(refused), tuple(missing), text, unsaved)


def save(session: NxosSession) -> str | None:
    """`COPY`; None when it was completed, else the switch's last words. Raises InconclusiveError for silence."""
    answer = session.ask(COPY, timeout=paced(COPY_LIMIT))
    if COPIED in answer:
        return None
    return (answer.strip() or "no answer").splitlines()[-1]


def raise_if_refused(results: Sequence[PushResult]) -> None:
    """All problems of all switches at once."""
    problems = [problem for result in results for problem in result.problems()]
    if problems:
        raise RejectedError(problems)
