"""Which runtime a lab has: read from its state folder, or chosen for a new one. Here alone they have names."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from labctl.errors import LabError, UsageError
from labctl.state import LabState

if TYPE_CHECKING:
    from labctl.runtime.api import Host, Runtime, SwitchLogin

RUNTIMES: dict[str, tuple[str, str]] = {
    "embedded": ("labctl.runtime.embedded.runtime:EmbeddedRuntime", "labctl.cli.hosts:EmbeddedHost"),
    "containerlab": ("labctl.runtime.containerlab.runtime:ContainerlabRuntime", "labctl.cli.hosts:ContainerlabHost"),
}
"""Every runtime by the name that a user types: its `labctl.runtime.api.Runtime`, and the `labctl.runtime.api.Host` of
what it asks of a machine. In the order in which ``auto`` tries them. Nothing is imported before it is asked for."""
AUTO = "auto"
REAL = frozenset({"n9kv", "kind"})
"""Parts of a target that are made of images alone."""


def runtime_class(name: str) -> type[Runtime]:
    """To be asked what it can. Raises `UsageError` for a name that none has."""
    if name not in RUNTIMES:
        raise UsageError(f"there is no runtime {name}", code="no-such-runtime", hint=f"one of {', '.join(RUNTIMES)}")
    found: type[Runtime] = pkgutil.resolve_name(RUNTIMES[name][0])
    return found


def host_of(name: str) -> Host:
    """What judges this machine for a runtime."""
    found: Host = pkgutil.resolve_name(RUNTIMES[name][1])()
    return found


def runtime_for(parts: Iterable[str | None], has: str | None = None) -> str:
    """The first that can run these parts of a target; before all the one that the lab has already."""
    real = not REAL.isdisjoint(parts)
    names = [has, *RUNTIMES] if has else list(RUNTIMES)
    return next(name for name in names if not real or runtime_class(name).images)


def new_runtime(state: LabState, name: str, launcher: str, *, login: SwitchLogin | None = None) -> Runtime:
    """The runtime that ``up`` was asked for. Raises `UsageError` for a lab of another runtime.

    ``login``: the switches' account, where they have images.
    """
    has = made_with(state)
    if has not in (None, name):
        raise UsageError(
            f"lab {state.name} was made with the {has} runtime",
            code="other-runtime",
            hint=f"--runtime {has} goes on with it; --name makes another lab",
            next_command=f"labctl down {state.name}",
        )
    return runtime_class(name).of(state, launcher=launcher, login=login)


def made_with(state: LabState) -> str | None:
    """The name of the runtime that a lab was made with; None: there is no such lab. Raises `LabError`."""
    has = _kept(state).get("runtime")
    return str(has) if has else None


def runtime_of(state: LabState) -> Runtime:
    """The runtime that an existing lab was made with; for one that never came so far the first."""
    kept = _kept(state)
    name = str(kept.get("runtime") or next(iter(RUNTIMES)))
    if name not in RUNTIMES:
        raise _broken(state, f"no runtime is called {name}")
    return runtime_class(name).of(state, launcher=str(kept.get("launcher", AUTO)))


def _kept(state: LabState) -> Mapping[str, Any]:
    try:
        return {**json.loads(state.runtime_file.read_text())}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise _broken(state, str(error)) from None


def _broken(state: LabState, why: str) -> LabError:
    return LabError(f"{state.runtime_file} is broken: {why}", next_command=f"labctl down {state.name}")
