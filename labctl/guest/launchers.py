"""The launchers: how a guest is started on a host. Each is its own module and a row here, in the order of ``auto``.

`labctl.guest.trial` goes through them. This module imports none: the command line reads the names from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from labctl.guest.image import GuestImage
    from labctl.guest.machine import Machine, RunningGuest


class Launcher(Protocol):
    """Starts guests."""

    def refusal(self, image: GuestImage, *, load: bool = True) -> str | None:
        """Why it cannot be used here, as far as that is known without a boot; None when it may be tried.

        Without ``load`` nothing of this host is changed, no module loaded.
        """

    def note(self) -> str:
        """What the doctor says of one that can be used; empty: nothing."""

    def start(
        self, name: str, image: GuestImage, machine: Machine, *, workdir: Path, console: Path, disk: Path
    ) -> RunningGuest:
        """Start a guest as a child of the calling *thread* (parent-death signal). ``disk`` is its agent's."""


@dataclass(frozen=True, slots=True)
class Row:
    """A launcher as the others know it."""

    place: str
    """``module:name`` of its `Launcher`."""
    auto: bool = True
    """Whether ``auto`` tries it, in its turn; else it is for those who ask for it."""
    slower: str = ""
    """How much slower a lab boots with it; empty: it is as quick as any."""


LAUNCHERS: Mapping[str, Row] = {
    "qemu-kvm": Row("labctl.guest.qemu:KVM"),
    "uml": Row("labctl.guest.uml:UML"),
    "qemu-tcg": Row("labctl.guest.qemu:TCG", slower="three times slower than uml"),
    "netns": Row("labctl.guest.netns:NETNS", auto=False),
}
AUTO = tuple(name for name, row in LAUNCHERS.items() if row.auto)


def launcher(name: str) -> Launcher:
    """The launcher of a name of the table."""
    module, _, thing = LAUNCHERS[name].place.partition(":")
    return cast("Launcher", getattr(import_module(module), thing))


def refusal(name: str, image: GuestImage) -> str | None:
    """As the launcher says, if there is one of that name."""
    return launcher(name).refusal(image) if name in LAUNCHERS else f"unknown; there are {', '.join(LAUNCHERS)}"


def start_guest(name: str, image: GuestImage, machine: Machine, *, workdir: Path, console: Path) -> RunningGuest:
    """Start a guest as `Launcher.start` does. Not ready yet: see `labctl.guest.trial`."""
    from labctl.guest.machine import write_agent_disk

    disk = workdir / "agent.tar"
    write_agent_disk(disk)
    return launcher(name).start(name, image, machine, workdir=workdir, console=console, disk=disk)
