"""The errors that a user of labctl can see.

::

    LabctlError                exit 5   code "internal" unless a subclass says otherwise
    ├── UsageError             exit 2   the command line is wrong
    ├── SpecError              exit 2   one or more problems in a spec or an edited folder (all at once)
    ├── RejectedError          exit 1   a switch refused configuration lines
    ├── CheckFailed            exit 1   the lab answered, and the answer is wrong
    ├── InconclusiveError      exit 3   it could not be judged: unreachable, deadline, nothing ran
    │   └── GateMissed         exit 3   a gate's deadline passed
    ├── HostError              exit 4   this machine cannot do it; ``labctl doctor`` says why
    ├── NotStarted             exit 127 the program of an ``exec`` is not there; 126 it cannot be executed
    └── LabError               exit 5   labctl or the lab's daemon broke

Every error has a stable ``code``, one sentence, an optional place, and the next command to type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class ExitCode(IntEnum):
    """What the ``labctl`` process returns. ``exec``, ``ssh`` and ``kubectl`` return the child's code instead."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    HOST = 4
    INTERNAL = 5
    PENDING = 6
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a text file: 1-based line and column, and the line's own text for the excerpt."""

    file: str
    line: int = 0
    column: int = 0
    text: str | None = None

    def __str__(self) -> str:
        spot = (self.line, self.column) if self.line else ()
        return ":".join([self.file, *(str(number) for number in spot if number)])


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of a `SpecError` or a `RejectedError`.

    ``code`` is stable and kebab-case (``unknown-key``); ``hint`` is a did-you-mean or what to write instead. A warning
    is about what works and is probably not meant: it is shown and stops nothing.
    """

    code: str
    message: str
    place: Place | None = None
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"

    def as_dict(self) -> dict[str, object]:
        """A row of ``--json``."""
        spot = (self.place.file, self.place.line, self.place.column) if self.place else (None, None, None)
        row: dict[str, object] = {"code": self.code, "message": self.message, "hint": self.hint}
        return row | dict(zip(("file", "line", "column"), spot, strict=True))

    def render(self) -> str:
        """The problem as text: place, sentence, the line with a caret, hint."""
        said = self.message if self.severity == "error" else f"warning: {self.message}"
        head = f"{self.place}: {said}" if self.place else said
        lines = [f"{head} [{self.code}]"]
        if self.place and self.place.text is not None:
            number = str(self.place.line)
            lines.append(f"  {number} | {self.place.text}")
            if self.place.column:
                before = "".join("\t" if c == "\t" else " " for c in self.place.text[: self.place.column - 1])
                lines.append(f"  {' ' * len(number)} | {before.ljust(self.place.column - 1)}^")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def did_you_mean(given: str, known: Iterable[str], otherwise: str | None = None, *, cutoff: float = 0.6) -> str | None:
    """``did you mean leaf2101?`` for a near miss, else ``otherwise``. ``cutoff`` is difflib's (0 anything, 1 equal)."""
    import difflib  # only needed once something is wrong

    near = difflib.get_close_matches(given, list(known), n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else otherwise


class LabctlError(Exception):
    """Base of every error that is meant for a person."""

    exit_code: ExitCode = ExitCode.INTERNAL
    code: str = "internal"
    next_command: str | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        place: Place | None = None,
        hint: str | None = None,
        next_command: str | None = "",
    ) -> None:
        """``next_command``: left out it is that of the class."""
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.place = place
        self.hint = hint
        if next_command != "":
            self.next_command = next_command

    def render(self) -> str:
        """The whole error as it is printed on stderr."""
        return "\n".join([*self._lines(), *([f"  next: {self.next_command}"] if self.next_command else [])])

    def _lines(self) -> list[str]:
        return [Problem(self.code, self.message, self.place, self.hint).render()]


class UsageError(LabctlError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = ExitCode.USAGE
    code = "usage"


class SpecError(LabctlError):
    """Everything that is wrong with a spec or a folder, at once."""

    exit_code = ExitCode.USAGE
    code = "spec"

    def __init__(
        self, problems: Sequence[Problem], *, warnings: Sequence[Problem] = (), next_command: str | None = None
    ) -> None:
        self.problems, self.warnings = tuple(problems), tuple(warnings)
        count = len(self.problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''}", next_command=next_command)

    def _lines(self) -> list[str]:
        return [*(problem.render() for problem in (*self.problems, *self.warnings)), self.message]


class RejectedError(SpecError):
    """A switch refused one or more configuration lines; each problem has file, line and the switch's words."""

    exit_code = ExitCode.FAILED
    code = "rejected"


class CheckFailed(LabctlError):
    """The lab answered and the answer is wrong."""

    exit_code = ExitCode.FAILED
    code = "check-failed"


class InconclusiveError(LabctlError):
    """Nothing can be said: a node did not answer, a deadline passed, or nothing ran."""

    exit_code = ExitCode.INCONCLUSIVE
    code = "inconclusive"


class GateMissed(InconclusiveError):
    """A gate (the least that the next step needs) was not reached by its deadline."""

    code = "gate-missed"


class HostError(LabctlError):
    """This machine lacks something; ``labctl doctor`` lists what."""

    exit_code = ExitCode.HOST
    code = "host"
    next_command = "labctl doctor"


class HostUnfit(HostError):
    """Everything that a lab misses on this machine; each problem's hint is the command that repairs it."""

    code = "host-unfit"

    def __init__(self, message: str, problems: Sequence[Problem], *, next_command: str) -> None:
        super().__init__(message, next_command=next_command)
        self.problems = tuple(problems)

    def _lines(self) -> list[str]:
        return [*super()._lines(), *(problem.render() for problem in self.problems)]


class NotStarted(LabctlError):
    """A node has no such program, or may not execute it: the codes that shells, docker and kubectl give."""

    code = "not-started"

    def __init__(self, message: str, exit_code: ExitCode, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class LabError(LabctlError):
    """The lab's own machinery broke (daemon, guest, channel)."""

    code = "lab"
