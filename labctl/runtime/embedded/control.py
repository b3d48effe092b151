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
from labctl.errors import InconclusiveError, LabctlError, LabError
from labctl.pace import limit
from labctl.waiting import Late

_ERRORS: dict[str, type[LabctlError]] = {
    kind.__name__: kind
    for kind in (
        errors.UsageError,
        errors.GateMissed,
        errors.InconclusiveError,
        errors.HostError,
        errors.LabError,
        errors.CheckFailed,
    )
}


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
    except TimeoutError:
        raise DaemonLate(f"the lab's daemon said nothing for {timeout:.0f} s") from None
    except OSError as error:
        raise DaemonGone(f"the lab's daemon does not answer: {error}") from None
    raise DaemonGone("the lab's daemon closed the connection")


def describe(error: LabctlError) -> dict[str, Any]:
    """An error as it travels."""
    body: dict[str, Any] = {"code": error.code, "next": error.next_command}
    if isinstance(error, errors.SpecError):
        rejected = isinstance(error, errors.RejectedError)
        return body | {
            "type": "RejectedError" if rejected else "SpecError",
            "message": error.render(),
            "problems": [
                {
                    "code": problem.code,
                    "message": problem.message,
                    "hint": problem.hint,
                    "place": _place(problem.place),
                }
                for problem in error.problems
            ],
        }
    kind = next(
        (kind for kind in _ERRORS.values() if isinstance(error, kind) and kind.exit_code == error.exit_code),
        LabctlError,
    )
    return body | {"type": kind.__name__, "message": error.message, "hint": error.hint, "place": _place(error.place)}


def _place(place: errors.Place | None) -> list[Any] | None:
    return None if place is None else [place.file, place.line, place.column, place.text]


def rebuild(data: dict[str, Any]) -> LabctlError:
    """The error on this side."""
    if data["type"] in ("SpecError", "RejectedError"):
        problems = [
            errors.Problem(
                row["code"], row["message"], errors.Place(*row["place"]) if row["place"] else None, row["hint"]
            )
            for row in data["problems"]
        ]
        many = errors.RejectedError if data["type"] == "RejectedError" else errors.SpecError
        return many(problems, next_command=data.get("next"))
    kind = _ERRORS.get(data["type"], LabError)
    place = errors.Place(*data["place"]) if data.get("place") else None
    return kind(data["message"], code=data["code"], place=place, hint=data.get("hint"), next_command=data.get("next"))
