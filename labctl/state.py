"""Where a running lab lives on this machine: one folder a lab, 0700, under the user's state folder.

``LABCTL_STATE_DIR`` overrides the place. Nothing of a lab outlives ``labctl down`` but the record of its run: evidence,
journal and logs, under ``runs/<lab>/<time>``. Old records go when a new one comes.
"""

from __future__ import annotations

import calendar
import fcntl
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from labctl.errors import UsageError
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

STAMP = "%Y%m%dT%H%M%SZ"
KEPT = 20
"""Records that are kept of a lab."""
KEPT_DAYS = 30
"""How long a record is kept at most."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}[a-z0-9]")


def state_root() -> Path:
    """The folder that holds all labs of this user."""
    given = os.environ.get("LABCTL_STATE_DIR")
    if given:
        return Path(given)
    from platformdirs import user_state_path

    return user_state_path("labctl", appauthor=False)


class Part:
    """A path of a `LabState`, below its root."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, state: LabState, _owner: type[LabState]) -> Path:
        return state.root / self._name


@dataclass(frozen=True, slots=True)
class LabState:
    """The state folder of one lab: paths only, made by `make`."""

    name: str
    root: Path

    folder = Part("folder")
    """The artifact folder that runs."""
    journal = Part("journal.jsonl")
    runtime_file = Part("runtime.json")
    """Which runtime and launcher the lab was made with (JSON)."""
    evidence = Part("evidence")
    snapshot = Part("first-state.json")
    """What ``reset`` brings back: the lab as ``up`` left it."""
    logs = Part("logs")
    secrets = Part("secrets")
    ssh_config = Part("ssh_config")
    kubeconfig = Part("kubeconfig")
    processes = Part("processes.json")
    """Pids with start times of everything that runs for the lab (JSON)."""

    @property
    def began(self) -> float:
        """When the lab was made, in seconds since the epoch."""
        return (self.runtime_file if self.runtime_file.exists() else self.root).stat().st_mtime

    @property
    def exists(self) -> bool:
        return self.root.is_dir()

    def write(self, path: Path, text: str) -> None:
        """Write a file of the lab, readable by the owner alone."""
        path.touch(mode=0o600)
        path.write_text(text)

    def make(self) -> None:
        """Make the folders, readable by the owner alone."""
        for path in (self.root, self.logs, self.secrets, self.evidence):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.chmod(0o700)

    @contextmanager
    def lock(self, *, patience: float = 0.0) -> Iterator[None]:
        """Hold the lab: one labctl changes it at a time.

        Raises `UsageError` when another one does, and goes on doing so for ``patience`` seconds.
        """
        self.make()
        path = self.root / "lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                wait_for(lambda: _try_lock(handle), Deadline(patience), every=0.05)
            except DeadlinePassed:
                raise UsageError(
                    f"another labctl is working on lab {self.name}",
                    code="lab-locked",
                    next_command=f"labctl status {self.name}",
                ) from None
            yield
        finally:
            os.close(handle)

    def keep_record(self) -> Path | None:
        """Move evidence, journal and logs to ``runs/<lab>/<time>``; None when there is nothing to keep."""
        parts = (self.evidence, self.journal, self.logs)
        sources = [path for path in parts if path.is_file() or (path.is_dir() and any(path.iterdir()))]
        if not sources:
            return None
        stamp = time.strftime(STAMP, time.gmtime())
        names = chain([stamp], (f"{stamp}-{number}" for number in count(2)))
        archive = records_root() / self.name
        target = next(archive / name for name in names if not (archive / name).exists())
        target.mkdir(parents=True, mode=0o700)
        for source in sources:
            shutil.move(str(source), target / source.name)
        prune()
        return target

    def remove(self) -> None:
        """Remove the folder; a missing one is fine."""
        if self.root.exists():
            shutil.rmtree(self.root)


def write_private(path: Path, data: str | bytes) -> None:
    """A file that holds secrets: readable by its owner alone, whatever stood there before. Raises OSError."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


def _try_lock(handle: int) -> bool | NotYet:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return NotYet("another labctl holds it")
    return True


def lab_state(name: str) -> LabState:
    """The state of a lab by name. Raises `UsageError` for what cannot be a lab's name."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a lab's name",
            code="bad-lab-name",
            hint="2 to 32 of a-z, 0-9 and '-', not beginning or ending with '-'",
        )
    return LabState(name, state_root() / "labs" / name)


def all_labs() -> list[LabState]:
    """Every lab that has a state folder, by name."""
    labs = state_root() / "labs"
    if not labs.is_dir():
        return []
    return [LabState(path.name, path) for path in sorted(labs.iterdir()) if path.is_dir() and NAME.fullmatch(path.name)]


@dataclass(frozen=True, slots=True)
class Record:
    """What is left of a lab that was taken down. ``ended``: seconds since the epoch."""

    lab: str
    folder: Path
    ended: float


def records_root() -> Path:
    """Where records are, a folder a lab."""
    return state_root() / "runs"


def records(lab: str | None = None) -> list[Record]:
    """Of one lab or of all, the newest first."""
    found = []
    for folder in records_root().glob(f"{lab or '*'}/*"):
        try:
            ended = calendar.timegm(time.strptime(folder.name.partition("-")[0], STAMP))
        except ValueError:
            continue  # nothing of ours
        found.append(Record(folder.parent.name, folder, float(ended)))
    return sorted(found, key=lambda one: (one.ended, one.folder.name), reverse=True)


def prune(now: float | None = None) -> None:
    """Remove what is beyond the newest `KEPT` of a lab, or older than `KEPT_DAYS`."""
    oldest = (time.time() if now is None else now) - KEPT_DAYS * 86400
    seen = Counter[str]()
    for record in records():
        seen[record.lab] += 1
        if seen[record.lab] > KEPT or record.ended < oldest:
            shutil.rmtree(record.folder)
