"""Which command of a mode a line means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.standin.switch.commands import Command
from labctl.standin.switch.grammar import Match, Mismatch, abbreviated_at, match, typed_in_full

AMBIGUOUS = -1


@dataclass(frozen=True, slots=True)
class Fit:
    """A line that fits a command."""

    command: Command
    match: Match


def best(commands: Sequence[Command], words: tuple[str, ...]) -> Fit | int:
    """The command that fits; else the index of the word that fits none, or `AMBIGUOUS` when two fit equally well.

    A word that one command has in full is no abbreviation of another's: ``ip`` never means ``ipv6``.
    """
    results = [(command, match(command.tokens, words)) for command in commands]
    fits = [(typed_in_full(c.tokens, words), Fit(c, result)) for c, result in results if isinstance(result, Match)]
    if not fits or any(abbreviated_at(fit.command.tokens, words) is not None for _, fit in fits):
        exact = max(typed_in_full(command.tokens, words) for command in commands)
        fits = [(full, fit) for full, fit in fits if _meant(fit.command, words, exact)]
        if not fits:
            mismatches = ((command, result) for command, result in results if isinstance(result, Mismatch))
            return max((result.index for c, result in mismatches if _meant(c, words, exact)), default=0)
    fits.sort(key=lambda row: -row[0])
    if len(fits) > 1 and fits[0][0] == fits[1][0] and fits[0][1].match.line != fits[1][1].match.line:
        return AMBIGUOUS
    return fits[0][1]


def _meant(command: Command, words: tuple[str, ...], exact: int) -> bool:
    """Whether no other command has in full (``exact`` words) what this one takes as an abbreviation."""
    short = abbreviated_at(command.tokens, words)
    return short is None or short >= exact


def best_prefix(commands: Sequence[Command], words: tuple[str, ...]) -> Fit | None:
    """For ``no``: a command whose line, or whose naming words, are there."""
    found = best(commands, words)
    if isinstance(found, Fit):
        return found
    for command in commands:
        if command.key:
            result = match(command.tokens[: command.key], words)
            if isinstance(result, Match):
                return Fit(command, result)
    return None
