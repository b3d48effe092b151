"""A switch brought back to an earlier running configuration, line by line.

Both sides are ``show running-config`` of the same switch, so that what it hides and how it spells does not matter.
``configure replace`` and ``rollback`` are not used: they want files on the switch, and are not complete on a 9000v.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from labctl.errors import Place, Problem, RejectedError
from labctl.nxos.normal import canonical_line, head, spread
from labctl.nxos.push import save
from labctl.nxos.redact import Redactor
from labctl.nxos.remediation import Spot, commands
from labctl.nxos.session import NxosSession, SwitchUnreachable
from labctl.nxos.tree import Difference, changed, normalise, parse
from labctl.parallel import raise_all, tried
from labctl.restore.client import Login
from labctl.restore.part import Entry, Part

RUNNING = "show running-config"


def read(switches: Sequence[str], login: Login, timeout: float, open_ones: Mapping[str, NxosSession]) -> dict[str, str]:
    """Running configurations, all at once, over sessions that are open where they still are.

    Raises `InconclusiveError` naming those that do not answer.
    """

    def one(switch: str) -> str:
        try:
            if switch in open_ones:
                return open_ones[switch].show(RUNNING, timeout=timeout)
        except SwitchUnreachable:
            pass  # a scenario may have restarted the switch: a new login tells
        session = login(switch)
        try:
            return session.show(RUNNING, timeout=timeout)
        finally:
            session.close()

    good, wrong = tried(switches, one)
    raise_all(wrong)
    return good


class SwitchPart(Part[Difference]):
    """``first``: its running configuration then; ``folder``: where the file is that was pushed to it."""

    kind = "switch"

    def __init__(self, name: str, first: str, login: Login, folder: Path, timeout: float) -> None:
        self.name = name
        self._first = parse(first)
        self._login = login
        self._folder = folder
        self._timeout = timeout
        self._refused: dict[Spot, str] = {}

    @cached_property
    def _session(self) -> NxosSession:
        return self._login(self.name)

    def close(self) -> None:
        if "_session" in self.__dict__:
            self._session.close()

    def differences(self) -> list[Difference]:
        return changed(self._first, parse(self._session.show(RUNNING, timeout=self._timeout)))

    def apply(self, left: Sequence[Difference]) -> None:
        lines = commands(left)
        refused = self._session.configure([(at, row.line) for at, row in enumerate(lines)], timeout=self._timeout)
        self._refused |= {lines[row.number].serves: f"{row.line}: {row.words}" for row in refused}

    def settle(self) -> None:
        """Also the startup configuration. Raises `RejectedError`."""
        unsaved = save(self._session)
        if unsaved is not None:
            words = f"{self.name} did not save its configuration: {unsaved}"
            raise RejectedError([Problem("not-saved", words)])

    def entries(self, found: Sequence[Difference]) -> list[Entry]:
        return [
            Entry(
                "add" if row.kind == "missing" else "remove",
                told(row) + (f" (and {row.lines - 1} below)" if row.lines > 1 else ""),
                row.lines,
            )
            for row in found
        ]

    def error(self, left: Sequence[Difference]) -> RejectedError:
        """With its place in the folder's file where a line of that is meant."""
        file = f"nxos/{self.name}.cfg"
        text = (self._folder / file).read_text()
        problems = []
        for row in left:
            number = _line_of(text, row) if row.kind == "missing" else 0
            place = Place(file, number, 0, text.splitlines()[number - 1]) if number else None
            words = self._refused.get((row.path, row.line))
            what = "brought back" if row.kind == "missing" else "taken away"
            sentence = f"{self.name}: {told(row)} was not {what}" + (f" ({words})" if words else "")
            problems.append(Problem("line-refused" if words else "line-not-turned-back", sentence, place))
        return RejectedError(problems)


def told(row: Difference) -> str:
    """A difference as a person reads it, without secrets: ``router bgp 65102 / neighbor 10.0.0.1``."""
    return " / ".join(Redactor().secrets(line) for line in (*row.path, row.line))


def _line_of(text: str, row: Difference) -> int:
    """Number of the line in a file that says the same; 0: none does."""
    sections, number = normalise(parse(text).sections, ()), 0
    path: tuple[str, ...] = ()
    for line in (*row.path, row.line):
        fact = next(iter(spread(head(canonical_line(line))[0], path)))
        found = next((section for section in sections if section.line == fact), None)
        if found is None:
            return 0
        sections, path, number = found.children, (*path, fact), found.number
    return number
