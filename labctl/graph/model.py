"""What is in a picture of a lab: boxes, wires with a port at each end, bundles, vPC pairs, sessions. No places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["external", "border", "spine", "leaf", "node"]
TIERS: tuple[Tier, ...] = ("external", "border", "spine", "leaf", "node")
"""From top to bottom."""
End = tuple[str, str]
"""A box and its interface, as the box calls it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A switch, Kubernetes node or external host; ``lines``: what is written below its name.

    ``address``: what the other switches know a switch by, its loopback0.
    """

    name: str
    tier: Tier
    lines: tuple[str, ...]
    address: str = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """A cable."""

    a: End
    b: End


@dataclass(frozen=True, slots=True)
class Lag:
    """A node's bond: its members, and the port-channels (switch, number) in which their wires end."""

    node: str
    bond: str
    members: tuple[str, ...]
    channels: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """A switch's port-channel towards a node, with the ports that have a wire."""

    switch: str
    number: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two leafs of a vPC domain. ``members``: the wires of a physical peer-link; none: it runs over the fabric."""

    domain: int
    leafs: tuple[str, str]
    channel: int | None
    members: tuple[Wire, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """All BGP sessions of a switch with one box: an entry (family, neighbor's address) each.

    ``source``: the switch's interface that they come from, empty when its configuration does not say.
    """

    switch: str
    peer: str
    kind: Literal["iBGP", "eBGP"]
    neighbors: tuple[tuple[str, str], ...]
    source: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        return self.switch, self.peer


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything. ``notes``: what the folder names and the picture cannot show."""

    name: str
    about: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    lags: tuple[Lag, ...]
    channels: tuple[Channel, ...]
    pairs: tuple[Pair, ...]
    sessions: tuple[Session, ...]
    notes: tuple[str, ...] = ()

    def pair_of(self, leaf: str) -> Pair | None:
        """The vPC domain of a leaf."""
        return next((pair for pair in self.pairs if leaf in pair.leafs), None)

    def far_end(self, end: End) -> End | None:
        """The other end of a port's wire."""
        for wire in self.wires:
            if end in (wire.a, wire.b):
                return wire.b if end == wire.a else wire.a
        return None


def short(interface: str) -> str:
    """As NX-OS abbreviates it in its tables: ``Eth1/4``, ``Po11``, ``Lo1002``."""
    for word, letters in (("Ethernet", "Eth"), ("port-channel", "Po"), ("loopback", "Lo")):
        if interface.startswith(word):
            return letters + interface.removeprefix(word)
    return interface
