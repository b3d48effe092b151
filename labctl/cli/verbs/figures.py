"""``labctl figures``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from labctl.cli.labs import complete_labs
from labctl.cli.options import json_option
from labctl.cli.output import result_json, result_table, say
from labctl.errors import InconclusiveError, UsageError


@click.command()
@click.argument("lab", required=False, shell_complete=complete_labs)
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Put the results of LAB's last verification into a record of the white paper's rows.")  # fmt: skip
@json_option
def command(lab: str | None, record: Path | None, as_json: bool) -> None:
    """The white paper's figures, tables and claims, with what LAB's last verification says of each.

    `labctl verify LAB --figure ROW` runs the checks of one.

    \b
    labctl figures
    labctl figures whitepaper
    labctl verify whitepaper --figure 15
    """
    from labctl.paper.catalogue import ROWS

    if record is not None and lab is None:
        raise UsageError("--record needs a LAB whose results it is to hold", code="no-lab")
    evidence = _evidence(lab) if lab is not None else {}
    verdicts = {row["id"]: row for row in evidence.get("catalogue") or ()}
    if record is not None:
        from labctl.paper.recorded import merged, read, write

        write(record, merged(read(record), evidence, {row.id: row.lab for row in ROWS}))
        say(f"{sum(row['verdict'] is not None for row in verdicts.values())} rows recorded in {record}")
    rows: list[dict[str, Any]] = [
        {
            "id": row.id, "kind": row.kind, "title": row.title, "place": row.place, "mode": row.mode, "lab": row.lab,
            "patterns": list(row.checks), "prints": list(row.prints), "note": row.note,
            "verdict": verdicts.get(row.id, {}).get("verdict"), "checks": verdicts.get(row.id, {}).get("checks", []),
        }
        for row in ROWS
    ]  # fmt: skip
    if as_json:
        result_json(rows)
        return
    shown = [
        (row["id"], row["verdict"] or ("-" if row["patterns"] else "no check"), row["mode"], row["title"])
        for row in rows
    ]
    result_table(("ROW", "RESULT", "MODE", "WHAT THE WHITE PAPER SHOWS"), shown)


def _evidence(lab: str) -> dict[str, Any]:
    """Of the lab's last verification. Raises `InconclusiveError` when there is none."""
    from labctl.state import all_labs, lab_state

    state = lab_state(lab)
    if not state.exists:
        from labctl.errors import did_you_mean

        hint = did_you_mean(lab, [known.name for known in all_labs()])
        raise UsageError(f"there is no lab {lab}", code="no-such-lab", hint=hint, next_command="labctl list")
    try:
        body: dict[str, Any] = json.loads((state.evidence / "evidence.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InconclusiveError(
            f"lab {lab} has no verification yet", code="no-evidence", next_command=f"labctl verify {lab}"
        ) from None
    return body
