"""The launchers: how a guest is started on a host. Each is its own module and a row here, in the order of ``auto``.

A launcher's module has two functions, which get the launcher's name first (two may share a module)::

    refusal(name, image, *, load) -> str | None     why it cannot be used here, as far as that is known without a boot;
                                                    without ``load`` nothing of this host is changed, no module loaded
    start(name, image, machine) -> RunningGuest     a child of the calling *thread* (parent-death signal)

and may have a ``note() -> str``: what the doctor says of one that can be used.
`labctl.guest.trial` goes through them. This module imports none: the command line reads the names from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labctl.guest.image import GuestImage
    from labctl.guest.machine import Machine, RunningGuest


@dataclass(frozen=True, slots=True)
class Row:
    """A launcher as the others know it."""

    module: str
    auto: bool = True
    """Whether ``auto`` tries it, in its turn; else it is for those who ask for it."""
    slower: str = ""
    """How much slower a lab boots with it; empty: it is as quick as any."""


LAUNCHERS: Mapping[str, Row] = {
    "qemu-kvm": Row("labctl.guest.qemu"),
    "uml": Row("labctl.guest.uml"),
    "qemu-tcg": Row("labctl.guest.qemu", slower="three times slower than uml"),
    "netns": Row("labctl.guest.netns", auto=False),
}
AUTO = tuple(name for name, row in LAUNCHERS.items() if row.auto)


def _module(name: str) -> Any:
    return import_module(LAUNCHERS[name].module)


def refusal(name: str, image: GuestImage, *, load: bool = True) -> str | None:
    """As the launcher says, if there is one of that name."""
    if name not in LAUNCHERS:
        return f"unknown; there are {', '.join(LAUNCHERS)}"
    reason: str | None = _module(name).refusal(name, image, load=load)
    return reason


def note(name: str) -> str:
    """What the doctor says of a launcher that can be used; empty: nothing."""
    return str(getattr(_module(name), "note", str)())


def start_guest(name: str, image: GuestImage, machine: Machine) -> RunningGuest:
    """Start a guest. Not ready yet: see `labctl.guest.trial`."""
    guest: RunningGuest = _module(name).start(name, image, machine)
    return guest
