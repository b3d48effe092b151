"""What the operating system refused, as a sentence with its path: one place for every verb.

A full disk, a missing right, a file that a person named and that is not there are no faults of labctl.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from traceback import walk_tb

from labctl.errors import HostError, LabctlError, UsageError

STDOUT = "standard output"
_FREE = "labctl setup status and labctl status --past name what labctl keeps"
_HOST = {
    errno.ENOSPC: ("{path}: no space is left on its disk", "host-full", f"df -h shows it; {_FREE}"),
    errno.EDQUOT: ("{path}: your quota on its disk is used up", "host-full", f"quota -s shows it; {_FREE}"),
    errno.EROFS: ("{path}: its file system is read-only", "host-read-only", "name another place, or mount it writable"),
    errno.EACCES: ("{path}: {user} has no right to do this", "host-no-right", "{owner}"),
    errno.EPERM: ("{path}: {user} has no right to do this", "host-no-right", "{owner}"),
}
_TYPED = {
    errno.ENOENT: "there is no {path}",
    errno.ENOTDIR: "{path}: a part of this path is no folder",
    errno.EISDIR: "{path} is a folder",
    errno.EEXIST: "{path} is there already",
    errno.ENAMETOOLONG: "{path}: the name is too long",
    errno.ELOOP: "{path}: its links lead in a circle",
}


def told(error: OSError, typed: Iterable[str] = ()) -> LabctlError | None:
    """The error for a person; None when it is a fault of ours. ``typed``: the words of the command line."""
    path = _path(error)
    if error.errno in _HOST:
        message, code, hint = _HOST[error.errno]
        facts = {"path": path or "a file", "user": _user(), "owner": _owner(path)}
        return HostError(message.format(**facts), code=code, hint=hint.format(**facts) or None, next_command=None)
    if error.errno in _TYPED and path and any(_same(path, word) for word in typed):
        return UsageError(_TYPED[error.errno].format(path=path), code="bad-path")
    return None


def unwritten(path: Path, error: OSError) -> LabctlError:
    """A file or folder that could not be made: the host's fault, or that of the path that was typed."""
    error.filename = str(path)
    message = f"{path} cannot be written: {error.strerror or error}"
    return told(error) or UsageError(message, code="unwritable")


def reader_gone(error: OSError) -> bool:
    """Whether who reads our output has closed it (``labctl status | head``); then nobody is to be told anything."""
    return error.errno == errno.EPIPE and _path(error) == STDOUT


def mute(error: OSError) -> None:
    """What standard output could not take goes nowhere: Python would try it once more at its end."""
    if _path(error) == STDOUT:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _path(error: OSError) -> str | None:
    """The file that it is about. An error of a write names none: the innermost function that held one does."""
    if error.filename is not None:
        return os.fsdecode(error.filename) if not isinstance(error.filename, int) else None
    for frame in reversed([frame for frame, _ in walk_tb(error.__traceback__)]):
        held = frame.f_locals
        if isinstance(held.get("self"), Path):
            return str(held["self"])
        for value in held.values():
            if isinstance(value, io.IOBase) and (name := getattr(value, "name", None)) is not None:
                return STDOUT if value in (sys.stdout, sys.stdout.buffer) or name in (1, "<stdout>") else str(name)
    return None


def _user() -> str:
    import getpass

    try:
        return f"user {getpass.getuser()}"
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _owner(path: str | None) -> str:
    """Whose the nearest folder is that is there, and its mode."""
    if path is None or path == STDOUT:
        return ""
    levels = (Path(path).absolute(), *Path(path).absolute().parents)
    there = next(level for level in levels if os.path.exists(level))  # noqa: PTH110 - pathlib's raises for no right
    owner = there.stat()
    try:
        name = there.owner()
    except KeyError:
        name = str(owner.st_uid)
    return f"{there} belongs to {name}, mode {owner.st_mode & 0o7777:04o}"


def _same(path: str, word: str) -> bool:
    word = word.partition("=")[2] if word.startswith("--") and "=" in word else word
    given, met = Path(word).absolute(), Path(path).absolute()
    return bool(word) and (met.is_relative_to(given) or given.is_relative_to(met))
