"""Evidence that a person takes away: a folder with all of it and the page; pages rendered again from such a folder.

Files get the modes that the user's umask says: what is published is meant to be read.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from labctl.errors import UsageError
from labctl.report.evidencefolder import NAME, read_evidence
from labctl.report.page import html
from labctl.troubles import unwritten

PAGE = "index.html"
PARTS = (NAME, "summary.txt", "commands", "captures", "lab")
"""Of an evidence folder: what is copied, and what of an older copy is removed."""


def check_target(target: Path) -> None:
    """Whether a report may be written there: before anything runs. Raises `UsageError`."""
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is no folder", code="report-folder", hint="--report takes a folder")
    if target.is_dir() and any(target.iterdir()) and not (target / NAME).is_file():
        raise UsageError(
            f"{target} holds something else: it is not empty, and no report of an earlier verification",
            code="report-folder",
            hint="give a folder that is empty or not there yet",
        )


def check_file(path: Path) -> None:
    """Whether a file may be written there: before anything runs. Raises `UsageError`."""
    try:
        if path.exists():
            path.open("a").close()
        else:
            tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-").close()
    except OSError as error:
        raise unwritten(path, error) from None


def publish(evidence: Path, target: Path) -> Path:
    """Copy an evidence folder and write its page; an older report there is replaced. Returns the page.

    Raises `UsageError`, and what `read_evidence` raises.
    """
    check_target(target)
    try:
        for old in (target / name for name in (*PARTS, PAGE)):
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted(evidence.rglob("*")):
            name = source.relative_to(evidence)
            if name.parts[0] in PARTS and source.is_dir():
                (target / name).mkdir()
            elif name.parts[0] in PARTS:
                shutil.copyfile(source, target / name)
    except OSError as error:
        raise unwritten(target, error) from None
    write_text(target / PAGE, html(read_evidence(target)))
    return target / PAGE


def write_text(path: Path, text: str) -> None:
    """All of it or nothing. Raises `UsageError`."""
    new = path.with_name(f".new-{path.name}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise unwritten(path, error) from None


def append_text(path: Path, text: str) -> None:
    """Behind what is there, as a job's summary wants it. Raises `UsageError`."""
    try:
        with path.open("a", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        raise unwritten(path, error) from None
