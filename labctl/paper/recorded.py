"""The last recorded run of each row: a small JSON file that a real verification writes and the documentation reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labctl.errors import UsageError

SCHEMA = "labctl.whitepaper-run/v1"


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Row id → its last run; nothing when there is no file yet. Raises `UsageError` for a file of something else."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", code="unreadable-run") from None
    if not isinstance(body, dict) or body.get("schema") != SCHEMA or not isinstance(body.get("rows"), dict):
        raise UsageError(f"{path} is no record of the white paper's rows ({SCHEMA})", code="unreadable-run")
    return dict(body["rows"])


def merged(
    known: Mapping[str, dict[str, Any]], evidence: Mapping[str, Any], labs: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The record with the rows that a verification ran (``evidence.json``); those that it did not stay as they are.

    ``labs``: row id → the lab that it is about. The run of another lab does not take the place of that one's.
    """
    environment = evidence.get("environment") or {}
    run = {
        "lab": evidence.get("lab"),
        "date": str(environment.get("time", "")).partition("T")[0],
        "labctl": environment.get("labctl"),
        "target": environment.get("target"),
        "versions": environment.get("versions"),
        "runtime": environment.get("runtime"),
        "launcher": environment.get("launcher"),
    }
    ran = {row["id"]: {"verdict": row["verdict"], **run} for row in evidence.get("catalogue") or () if row["verdict"]}
    if run["lab"] is not None:
        own = {name for name, row in known.items() if row.get("lab") == labs.get(name) != run["lab"]}
        ran = {name: row for name, row in ran.items() if name not in own}
    return dict(sorted({**known, **ran}.items()))


def write(path: Path, rows: Mapping[str, dict[str, Any]]) -> None:
    """Replace the file."""
    path.write_text(json.dumps({"schema": SCHEMA, "rows": rows}, indent=1) + "\n", encoding="utf-8")
