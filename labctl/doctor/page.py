"""Findings → the page that ``labctl doctor`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.doctor.findings import Finding, can_run
from labctl.report.table import table


def page(found: Sequence[Finding], subject: str) -> str:
    """The table, the repairs, and one line of summary: "``subject`` can run here"."""
    rows = [(one.id, one.severity, one.sentence) for one in found]
    repairs = [f"{one.id}: {one.fix}" for one in found if one.fix and one.severity != "ok"]
    counts = {name: sum(one.severity == name for one in found) for name in ("error", "warning")}
    told = ", ".join(f"{count} {name}{'s' if count != 1 else ''}" for name, count in counts.items() if count)
    verdict = f"{subject} {'can' if can_run(found) else 'cannot'} run here" + (f" ({told})" if told else "")
    return "\n".join([table(("FINDING", "SEVERITY", "WHAT"), rows), *repairs, verdict])
