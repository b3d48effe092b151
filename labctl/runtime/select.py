"""Which runtime a lab has: read from its state folder, or chosen for a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labctl.errors import LabError, UsageError
from labctl.state import LabState

if TYPE_CHECKING:
    from labctl.runtime.api import Runtime, SwitchLogin

EMBEDDED, CONTAINERLAB = "embedded", "containerlab"
REAL = frozenset({"n9kv", "kind"})
"""Parts of a target that only containers can be."""


def new_runtime(
    state: LabState,
    name: str,
    launcher: str,
    *,
    login: SwitchLogin | None = None,
    target: Mapping[str, str] | None = None,
) -> Runtime:
    """The runtime that ``up`` was asked for.

    ``auto`` is the one that the lab has already, else containerlab when the target has real parts (n9kv, kind), else
    embedded. ``login``: the switches' account, for containerlab. Raises `UsageError` for a lab of another runtime.
    """
    has = made_with(state)
    if name == "auto":
        name = has if has else CONTAINERLAB if REAL.intersection((target or {}).values()) else EMBEDDED
    elif has and has != name:
        raise UsageError(
            f"lab {state.name} was made with the {has} runtime",
            code="other-runtime",
            hint=f"--runtime {has} goes on with it; --name makes another lab",
            next_command=f"labctl down {state.name}",
        )
    if name == CONTAINERLAB:
        from labctl.runtime.containerlab.runtime import ContainerlabRuntime

        return ContainerlabRuntime(state, login=login)
    from labctl.runtime.embedded.runtime import EmbeddedRuntime

    return EmbeddedRuntime(state, launcher)


def made_with(state: LabState) -> str | None:
    """The name of the runtime that a lab was made with; None: there is no such lab. Raises `LabError`."""
    has = _kept(state).get("runtime") if state.runtime_file.is_file() else None
    return str(has) if has else None


def runtime_of(state: LabState) -> Runtime:
    """The runtime that an existing lab was made with."""
    kept = _kept(state) if state.runtime_file.is_file() else {}
    if kept.get("runtime") == CONTAINERLAB:
        from labctl.runtime.containerlab.runtime import ContainerlabRuntime

        return ContainerlabRuntime(state)
    from labctl.runtime.embedded.runtime import EmbeddedRuntime

    return EmbeddedRuntime(state, str(kept.get("launcher", "auto")))


def _kept(state: LabState) -> Mapping[str, Any]:
    try:
        kept = json.loads(state.runtime_file.read_text())
    except ValueError as error:
        raise _broken(state, str(error)) from None
    if not isinstance(kept, dict):
        raise _broken(state, "no mapping")
    return kept


def _broken(state: LabState, why: str) -> LabError:
    return LabError(f"{state.runtime_file} is broken: {why}", next_command=f"labctl down {state.name}")
