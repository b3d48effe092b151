"""The daemon's control socket: JSON lines on a unix socket, one request a connection.

The client sends ``{"verb": …}``; the daemon answers any number of ``{"progress": "…"}`` and then exactly one
``{"result": …}`` or ``{"error": {"type", "message", "code", "hint"}}``.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labctl import errors
from labctl.errors import LabctlError, LabError

_ERRORS: dict[str, type[LabctlError]] = {
    kind.__name__: kind
    for kind in (
        errors.UsageError,
        errors.InconclusiveError,
        errors.GateMissed,
        errors.HostError,
        errors.LabError,
        errors.CheckFailed,
    )
}


class DaemonGone(LabError):
    """Nobody answers on the control socket."""

    code = "daemon-gone"


def request(
    path: Path, verb: str, *, progress: Callable[[str], None] | None = None, timeout: float = 10.0
) -> dict[str, Any]:
    """Ask the daemon and give its result. Raises the error that the daemon raised, or `DaemonGone`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "progress" in answer:
                        if progress:
                            progress(answer["progress"])
                    elif "error" in answer:
                        raise rebuild(answer["error"])
                    else:
                        result: dict[str, Any] = answer["result"]
                        return result
    except OSError as error:
        raise DaemonGone(f"the lab's daemon does not answer: {error}") from None
    raise DaemonGone("the lab's daemon closed the connection")


def describe(error: LabctlError) -> dict[str, Any]:
    """An error as it travels."""
    if isinstance(error, errors.SpecError):
        return {
            "type": "SpecError",
            "message": error.render(),
            "code": error.code,
            "problems": [
                {
                    "code": problem.code,
                    "message": problem.message,
                    "hint": problem.hint,
                    "place": None
                    if problem.place is None
                    else [problem.place.file, problem.place.line, problem.place.column, problem.place.text],
                }
                for problem in error.problems
            ],
        }
    kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _ERRORS or cls is LabctlError)
    return {
        "type": kind,
        "message": error.message,
        "code": error.code,
        "hint": error.hint,
        "next": error.next_command,
    }


def rebuild(data: dict[str, Any]) -> LabctlError:
    """The error on this side."""
    if data["type"] == "SpecError":
        problems = [
            errors.Problem(
                row["code"], row["message"], errors.Place(*row["place"]) if row["place"] else None, row["hint"]
            )
            for row in data["problems"]
        ]
        return errors.SpecError(problems)
    kind = _ERRORS.get(data["type"], LabError)
    return kind(data["message"], code=data["code"], hint=data.get("hint"), next_command=data.get("next"))
