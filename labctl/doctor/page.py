"""Findings → the page that ``labctl doctor`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.doctor.findings import Finding, can_run
from labctl.report.style import Paint
from labctl.report.table import table
from labctl.report.text import wrap


def page(found: Sequence[Finding], subject: str, *, width: int | None = None, colour: bool = False) -> str:
    """The table, the repairs, and one line of summary: "``subject`` can run here". ``width``: of a terminal."""
    paint = Paint(colour)
    rows = [(one.id, one.severity, one.sentence) for one in found]
    repairs = [f"{one.id}: {one.fix}" for one in found if one.fix and one.severity != "ok"]
    counts = {name: sum(one.severity == name for one in found) for name in ("error", "warning")}
    told = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts.items() if count)
    able = can_run(found)
    verdict = f"{subject} {'can' if able else 'cannot'} run here" + (f" ({told})" if told else "")
    lines = [table(("FINDING", "SEVERITY", "WHAT"), rows, width=width, paint=paint)]
    lines += [line for text in repairs for line in (wrap(text, width, "  ", whole=True) if width else [text])]
    return "\n".join([*lines, paint("PASS" if able else "FAIL", verdict)])
