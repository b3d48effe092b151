"""Which runtime a lab has: read from its state folder, or chosen for a new one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labctl.errors import HostError, LabError
from labctl.state import LabState

if TYPE_CHECKING:
    from labctl.runtime.api import Runtime, SwitchLogin


def new_runtime(state: LabState, name: str, launcher: str, *, login: SwitchLogin | None = None) -> Runtime:  # noqa: ARG001
    """The runtime for a new lab: ``auto`` or ``embedded``. Raises `HostError` for what is not in this version."""
    if name == "containerlab":
        raise HostError(
            "runtime containerlab: not in this version",
            code="runtime-not-in-this-version",
            hint="the artifact folder runs by hand: see the README.md inside it",
            next_command="labctl generate SPEC --target switch=n9kv,cluster=kind",
        )
    from labctl.runtime.embedded.runtime import EmbeddedRuntime

    return EmbeddedRuntime(state, launcher)


def runtime_of(state: LabState) -> Runtime:
    """The runtime that an existing lab was made with."""
    from labctl.runtime.embedded.runtime import EmbeddedRuntime

    launcher = "auto"
    if state.runtime_file.is_file():
        try:
            data = json.loads(state.runtime_file.read_text())
        except ValueError as error:
            raise LabError(
                f"{state.runtime_file} is broken: {error}", next_command=f"labctl down {state.name}"
            ) from None
        launcher = str(data.get("launcher", "auto"))
    return EmbeddedRuntime(state, launcher)
