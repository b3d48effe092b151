"""Turning a switch back to an earlier running configuration, line by line, read back until nothing differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labctl.errors import Place, Problem
from labctl.nxos.normal import canonical_line, head, spread
from labctl.nxos.push import save
from labctl.nxos.redact import Redactor
from labctl.nxos.remedy import Turn, commands, differences
from labctl.nxos.session import NxosSession, Refused
from labctl.nxos.tree import ConfigTree, Section, parse

RUNNING = "show running-config"
ROUNDS = 4
"""Typing a line may wipe others (``vrf member``), and a feature must be on before its lines are known."""


@dataclass(frozen=True, slots=True)
class TurnedBack:
    """What came of it. ``turns`` were different at first, ``left`` are still; ``refused``: their words."""

    switch: str
    turns: tuple[Turn, ...]
    left: tuple[Turn, ...] = ()
    refused: tuple[tuple[Turn, str], ...] = ()
    unsaved: str | None = None

    def problems(self, file: str, text: str) -> list[Problem]:
        """What is wrong; ``file`` and ``text`` are what was pushed to the switch, where a line of it is meant."""
        words, numbers, source = dict(self.refused), _numbers(parse(text)), text.splitlines()
        found = []
        for turn in self.left:
            number = numbers.get((tuple(map(canonical_line, turn.path)), canonical_line(turn.line)), 0)
            place = Place(file, number, 0, source[number - 1]) if number and turn.kind == "missing" else None
            said = words.get(turn)
            what = "brought back" if turn.kind == "missing" else "taken away"
            sentence = f"{self.switch}: {told(turn)} was not {what}" + (f" ({said})" if said else "")
            found.append(Problem("line-refused" if said else "line-not-turned-back", sentence, place))
        if self.unsaved is not None:
            found.append(Problem("not-saved", f"{self.switch} did not save its configuration: {self.unsaved}"))
        return found


def told(turn: Turn) -> str:
    """A turn as a person reads it, without secrets: ``router bgp 65102 / neighbor 10.0.0.1``."""
    return " / ".join(Redactor().secrets(line) for line in (*turn.path, turn.line))


def _numbers(tree: ConfigTree) -> dict[tuple[tuple[str, ...], str], int]:
    """(canonical path, canonical line) → line of the file."""
    found: dict[tuple[tuple[str, ...], str], int] = {}

    def look(path: tuple[str, ...], sections: Sequence[Section]) -> None:
        for section in sections:
            line, below = head(canonical_line(section.line))
            for fact in dict.fromkeys((line, *spread(line, path))):
                found.setdefault((path, fact), section.number)
                if below is not None:
                    found.setdefault(((*path, fact), below), section.number)
                look((*path, fact), section.children)

    look((), tree.sections)
    return found


def turns_of(session: NxosSession, first: str, *, timeout: float) -> list[Turn]:
    """What is different now. Raises InconclusiveError when the switch does not answer."""
    return differences(parse(first), parse(session.show(RUNNING, timeout=timeout)))


def turn_back(
    session: NxosSession, first: str, turns: Sequence[Turn], *, timeout: float, stopped: Callable[[], bool]
) -> TurnedBack:
    """Type until the running configuration is ``first`` again, or a round brings nothing more.

    ``turns`` is what is different now; what was changed is saved as the startup configuration, too. Raises
    InconclusiveError when the switch stops answering.
    """
    left, refused = list(turns), dict[Turn, str]()
    for _ in range(ROUNDS):
        if not left or stopped():
            break
        lines = commands(left)
        answers = session.configure([(number, row.line) for number, row in enumerate(lines)], timeout=timeout)
        refused |= {lines[answer.number].turn: _words(answer) for answer in answers}
        before, left = left, turns_of(session, first, timeout=timeout)
        if left == before:
            break
    unsaved = save(session) if turns and not left else None
    return TurnedBack(
        session.name,
        tuple(turns),
        tuple(left),
        tuple((turn, refused[turn]) for turn in left if turn in refused),
        unsaved,
    )


def _words(answer: Refused) -> str:
    return f"{answer.line}: {answer.words}"
