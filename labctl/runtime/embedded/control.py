"""The daemon's control socket: JSON lines on a unix socket, one request a connection.

The client sends ``{"verb": …}``; the daemon answers any number of ``{"progress": "…"}`` and then exactly one
``{"result": …}`` or ``{"error": …}``, as `describe` has it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labctl import errors
from labctl.errors import InconclusiveError, LabctlError, LabError
from labctl.pace import limit
from labctl.waiting import Late

_KINDS: tuple[type[LabctlError], ...] = (
    errors.RejectedError, errors.SpecError, errors.UsageError, errors.GateMissed, errors.InconclusiveError,
    errors.HostError, errors.LabError, errors.CheckFailed,
)  # fmt: skip


class DaemonGone(LabError):
    """Nobody answers on the control socket."""

    code = "daemon-gone"


class DaemonLate(DaemonGone, InconclusiveError, Late):
    """It listens, and has not answered in time: nothing can be said (exit 3)."""

    code = "daemon-late"


def request(
    path: Path, verb: str, *, progress: Callable[[str], None] | None = None, timeout: float | None = None
) -> dict[str, Any]:
    """Ask the daemon and give its result. Raises the error that the daemon raised, or `DaemonGone`.

    ``timeout``: seconds between two of its words, None: as long as a call may take.
    """
    timeout = limit("call") if timeout is None else timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for answer in map(json.loads, lines):
                    if "error" in answer:
                        raise rebuild(answer["error"])
                    if "result" in answer:
                        result: dict[str, Any] = answer["result"]
                        return result
                    if progress:
                        progress(answer["progress"])
    except TimeoutError:
        raise DaemonLate(f"the lab's daemon said nothing for {timeout:.0f} s") from None
    except OSError as error:
        raise DaemonGone(f"the lab's daemon does not answer: {error}") from None
    raise DaemonGone("the lab's daemon closed the connection")


def describe(error: LabctlError) -> dict[str, Any]:
    """An error as it travels: as the nearest class that both sides know."""
    same = (kind for kind in _KINDS if isinstance(error, kind) and kind.exit_code == error.exit_code)
    return {
        "type": next(same, LabctlError).__name__,
        "message": error.message,
        "code": error.code,
        "place": error.place and asdict(error.place),
        "hint": error.hint,
        "next_command": error.next_command,
        "problems": [asdict(problem) for problem in error.problems] if isinstance(error, errors.SpecError) else [],
    }


def rebuild(data: dict[str, Any]) -> LabctlError:
    """The error on this side."""
    name = data.pop("type")
    kind = next((kind for kind in _KINDS if kind.__name__ == name), LabError)
    problems = [errors.Problem(**{**row, "place": _place(row["place"])}) for row in data.pop("problems")]
    if issubclass(kind, errors.SpecError):
        return kind(problems, next_command=data["next_command"])
    return kind(**{**data, "place": _place(data["place"])})


def _place(row: dict[str, Any] | None) -> errors.Place | None:
    return errors.Place(**row) if row else None
