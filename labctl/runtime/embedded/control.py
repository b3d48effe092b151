"""The daemon's control socket: JSON lines on a unix socket, one request a connection.

The client sends ``{"verb": …}``; the daemon answers any number of ``{"progress": "…"}`` and then exactly one
``{"result": …}`` or ``{"error": {"type", "message", "code", "hint"}}``.
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

_KINDS = (
    errors.UsageError, errors.GateMissed, errors.InconclusiveError, errors.HostError, errors.LabError,
    errors.CheckFailed,
)  # fmt: skip
_ERRORS: dict[str, type[LabctlError]] = {kind.__name__: kind for kind in _KINDS}


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
    """An error as it travels: as the nearest class that both sides know."""
    body = {"code": error.code, "next": error.next_command, "hint": error.hint, "place": _spot(error.place)}
    if isinstance(error, errors.SpecError):
        kind: type[LabctlError] = errors.RejectedError if isinstance(error, errors.RejectedError) else errors.SpecError
        problems = [{**asdict(problem), "place": _spot(problem.place)} for problem in error.problems]
        return {**body, "type": kind.__name__, "message": error.render(), "problems": problems}
    same = (kind for kind in _ERRORS.values() if isinstance(error, kind) and kind.exit_code == error.exit_code)
    return {**body, "type": next(same, LabctlError).__name__, "message": error.message}


def rebuild(data: dict[str, Any]) -> LabctlError:
    """The error on this side."""
    if "problems" in data:
        problems = [errors.Problem(**{**row, "place": _place(row["place"])}) for row in data["problems"]]
        many = errors.RejectedError if data["type"] == "RejectedError" else errors.SpecError
        return many(problems, next_command=data.get("next"))
    kind = _ERRORS.get(data["type"], LabError)
    place = _place(data.get("place"))
    return kind(data["message"], code=data["code"], place=place, hint=data.get("hint"), next_command=data.get("next"))


def _spot(place: errors.Place | None) -> list[Any] | None:
    return None if place is None else [place.file, place.line, place.column, place.text]


def _place(spot: list[Any] | None) -> errors.Place | None:
    return errors.Place(*spot) if spot else None
