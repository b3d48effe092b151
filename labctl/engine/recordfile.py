"""A recording on disk: ``transcript.json`` and a README that says what is in it and what was taken out."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

from labctl.engine.recording import Recording
from labctl.errors import UsageError
from labctl.troubles import unwritten

TAKEN = """\
Passwords, hashes, keys, SNMP communities and serial numbers are `<redacted>`. MAC addresses of makers, public addresses
that are not in the lab's folder, users and names of other machines are replaced by others, the same ones everywhere.
Private addresses, names of the lab and banners are as they were: **read it before you send it.**"""


def write(recording: Recording, target: Path) -> Path:
    """As a folder, or as an archive when the name ends in ``.tar.gz``. Raises `UsageError` for what is there."""
    files = {
        "transcript.json": json.dumps(recording.body, indent=1, ensure_ascii=False) + "\n",
        "README.md": _readme(recording),
    }
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already", code="not-empty", hint="-o says another place")
    try:
        if target.name.endswith((".tar.gz", ".tgz")):
            _archive(files, target)
        else:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, text in files.items():
                _create(target / name, text.encode())
    except OSError as error:
        raise unwritten(target, error) from None
    return target


def _archive(files: Mapping[str, str], target: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            row = tarfile.TarInfo(f"{target.name.partition('.')[0]}/{name}")
            row.size, row.mode, row.mtime = len(text.encode()), 0o600, int(time.time())
            archive.addfile(row, io.BytesIO(text.encode()))
    _create(target, data.getvalue())


def _create(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)


def _readme(recording: Recording) -> str:
    body = recording.body
    rows = [f"| {row['name']} | {row['role']} | {len(row['exchanges'])} |" for row in body["switches"]]
    taken = [f"- {what}: {count}" for what, count in recording.redacted.items()] or ["- nothing had to be"]
    wrong = [f"- {name}: {error.message}" for name, error in recording.wrong.items()]
    target = ", ".join(f"{key}={value}" for key, value in body["target"].items())
    what = (
        f"`transcript.json` ({body['schema']}, {body['generator']}) holds every line that labctl sent to each switch"
        f" ({target}), with the raw answer, the prompt behind it and seconds, and the configuration that the lab was"
        f" rendered with. Phases: login, gates, checks, {'push' if body['pushed'] else 'read-back'}."
    )
    parts = [
        "# A session with the switches of a lab, recorded by labctl",
        what,
        "\n".join(["| switch | role | lines |", "|---|---|---|", *rows]),
        "\n".join(["## What was taken out", "", *taken, "", TAKEN]),
    ]
    if wrong:
        parts.append("## What failed\n\n" + "\n".join(wrong))
    return "\n\n".join(parts) + "\n"
