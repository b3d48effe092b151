"""Running to startup configuration on every switch, and a copy of each running configuration on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import CheckFailed
from labctl.nxos.push import save
from labctl.nxos.session import NxosSession
from labctl.pace import limit
from labctl.parallel import raise_all, tried
from labctl.state import write_private
from labctl.troubles import unwritten


@dataclass(frozen=True, slots=True)
class Saved:
    """One switch's running configuration, saved there and written here."""

    switch: str
    file: Path
    lines: int


def save_all(switches: Sequence[str], login: Callable[[str], NxosSession], target: Path) -> list[Saved]:
    """All at once. What could be saved is saved; then all that went wrong is raised together.

    Raises `RejectedError` when a switch did not save, `InconclusiveError` when those that failed did not answer,
    `HostError` or `UsageError` when the folder cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritten(target, error) from None

    def one(switch: str) -> Saved:
        session = login(switch)
        try:
            unsaved = save(session)
            text = session.show("show running-config", timeout=limit("prompt")).strip("\n") + "\n"
        finally:
            session.close()
        file = target / f"{switch}.cfg"
        try:
            write_private(file, text)
        except OSError as error:
            raise unwritten(file, error) from None
        if unsaved is not None:
            raise CheckFailed(f"{switch} did not save its startup configuration: {unsaved}", code="not-saved")
        return Saved(switch, file, text.count("\n"))

    good, wrong = tried(switches, one)
    raise_all(wrong)
    return list(good.values())
