"""Findings: what a table of the doctor's rows comes to, and the page that is printed of it.

The tables (`labctl.doctor.embedded`, `labctl.doctor.containerlab`) are pure functions of facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "warning", "error"]
Answer = tuple[Severity, str, str | None]
"""How bad it is, the sentence, and the command that repairs it."""

GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about this host; ``fix`` is the command that repairs it."""

    id: str
    severity: Severity
    sentence: str
    fix: str | None = None


def answer(when: object, severity: Severity, sentence: str, fix: str | None = None) -> Answer | None:
    """What is said when that holds."""
    return (severity, sentence, fix) if when else None


def error(when: object, sentence: str, fix: str | None = None) -> Answer | None:
    """What keeps a lab from running here."""
    return answer(when, "error", sentence, fix)


def warning(when: object, sentence: str, fix: str | None = None) -> Answer | None:
    """What a lab can run with."""
    return answer(when, "warning", sentence, fix)


def row(name: str, fine: str | None, *answers: Answer | None) -> Finding | None:
    """A row: the first answer that holds, else that it is ``fine``; None says nothing then."""
    found = next((one for one in answers if one is not None), None)
    if found is not None:
        return Finding(name, *found)
    return None if fine is None else Finding(name, "ok", fine)


def size(number: int) -> str:
    """Bytes, for a person."""
    return f"{number / GB:.1f} GB"


def can_run(found: Sequence[Finding]) -> bool:
    """Whether labs can run here: warnings are allowed."""
    return all(finding.severity != "error" for finding in found)


def page(found: Sequence[Finding], subject: str, *, width: int | None = None, colour: bool = False) -> str:
    """The table, the repairs, and one line of summary: "``subject`` can run here". ``width``: of a terminal."""
    from labctl.report.style import Paint
    from labctl.report.table import table
    from labctl.report.text import wrap

    paint = Paint(colour)
    rows = [(one.id, one.severity, one.sentence) for one in found]
    repairs = [f"{one.id}: {one.fix}" for one in found if one.fix and one.severity != "ok"]
    counts = Counter(one.severity for one in found)
    told = [f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in ("error", "warning") if counts[name]]
    able = can_run(found)
    verdict = f"{subject} {'can' if able else 'cannot'} run here" + (f" ({', '.join(told)})" if told else "")
    lines = [table(("FINDING", "SEVERITY", "WHAT"), rows, width=width, paint=paint)]
    lines += [line for text in repairs for line in (wrap(text, width, "  ", whole=True) if width else [text])]
    return "\n".join([*lines, paint("PASS" if able else "FAIL", verdict)])
