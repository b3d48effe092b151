"""The catalogue of what the white paper shows (``rows.yaml``), and what a verification says of each row. Pure.

The paper: Cisco, "Extending Kubernetes Clusters with Cisco NX-OS VxLAN and Calico", updated 7 June 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from labctl.errors import UsageError, did_you_mean
from labctl.verify.verdict import Report, Verdict, combine


class Row(BaseModel):
    """Something that the white paper shows or says, and the checks that reproduce it. What a field means stands at the
    head of ``rows.yaml``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^(figure|table|claim)-[a-z0-9-]+$")
    title: str
    place: str
    checks: tuple[str, ...] = ()
    mode: Literal["routed", "ipip", "both"] = "routed"
    prints: tuple[str, ...] = ()
    note: str = ""
    lab: str = "whitepaper"

    @property
    def kind(self) -> str:
        """figure, table or claim."""
        return self.id.partition("-")[0]


ROWS = TypeAdapter(tuple[Row, ...]).validate_python(
    yaml.load(Path(__file__).with_name("rows.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
)
"""Figures first, then tables and listings, then claims, each in the paper's order."""


def as_evidence(report: Report) -> list[dict[str, Any]]:
    """Every row with its checks that ran and its verdict, as evidence holds it.

    A row passes when every pattern of it has checks and all passed. One that failed fails it, whatever else ran; one
    of which not all patterns were run has no verdict.
    """
    verdicts = {check.id: check.verdict for scenario in report.scenarios for check in scenario.checks}
    return [_result(row, verdicts) for row in ROWS]


def _result(row: Row, verdicts: dict[str, Verdict]) -> dict[str, Any]:
    ran = [name for name in verdicts if any(fnmatchcase(name, pattern) for pattern in row.checks)]
    missing = [pattern for pattern in row.checks if not any(fnmatchcase(name, pattern) for name in verdicts)]
    verdict: Verdict | None = combine(verdicts[name] for name in ran) if ran else None
    told = [row.note] if row.note else []
    told += [f"not run: {', '.join(missing)}"] if missing and ran else []
    return {
        "id": row.id, "kind": row.kind, "title": row.title, "place": row.place, "mode": row.mode, "checks": ran,
        "verdict": None if missing and verdict != "FAIL" else verdict, "note": "; ".join(told),
    }  # fmt: skip


def find_row(name: str) -> Row:
    """By figure number or id. Raises `UsageError`."""
    wanted = f"figure-{int(name)}" if name.isdecimal() else name
    found = next((row for row in ROWS if row.id == wanted), None)
    if found is None:
        hint = did_you_mean(wanted, [row.id for row in ROWS], "labctl report --paper lists them")
        raise UsageError(f"the white paper's catalogue has no row {name}", code="no-such-figure", hint=hint)
    if not found.checks:
        why = f"{found.id} cannot be shown: {found.note}"
        raise UsageError(why, code="no-checks", next_command="labctl report --paper")
    return found


def scenarios_of(row: Row) -> Sequence[str]:
    """The scenarios that its checks belong to: the ids' first word."""
    return tuple(dict.fromkeys(pattern.partition(".")[0] for pattern in row.checks))
