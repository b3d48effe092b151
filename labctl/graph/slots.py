"""What hangs on each edge of each box: ports, and where lines of BGP sessions begin. Widths and order, no places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labctl.graph.geometry import width_of
from labctl.graph.model import TIERS, Channel, End, Lag, Picture, Session, short
from labctl.graph.scene import Edge
from labctl.graph.status import Status

AROUND = 12.0
"""Room around a label in its slot."""
THIN = 8.0
"""A slot where a session's line begins without its number."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A port (``end``), or an end of a session's line; ``peer``: the box at the other end."""

    peer: str
    width: float
    end: End | None = None
    bundle: Lag | Channel | None = None
    session: Session | None = None
    has_badge: bool = False


Slots = Mapping[tuple[str, Edge], Sequence[Slot]]


def bundle_text(bundle: Lag | Channel, status: Status) -> str:
    """What its band says."""
    if isinstance(bundle, Lag):
        name, standing = bundle.bond, status.lags.get(bundle.node)
    else:
        name, standing = f"Po{bundle.number}", status.channels.get((bundle.switch, bundle.number))
    return f"{name} {standing.mark}" if standing and standing.mark else name


def badge_text(session: Session, status: Status) -> str:
    """How many sessions, and how many of them are up where that is known."""
    standing = status.sessions.get(session.pair)
    return standing.mark if standing and standing.mark else str(len(session.neighbors))


def slots_of(picture: Picture, status: Status) -> dict[tuple[str, Edge], list[Slot]]:
    """All slots, in the picture's order."""
    found: dict[tuple[str, Edge], list[Slot]] = {}
    level = {box.name: TIERS.index(box.tier) for box in picture.boxes}
    bundles = _bundles(picture)
    beside = {wire: pair for pair in picture.pairs for wire in pair.members}
    for wire in picture.wires:
        for end, far in ((wire.a, wire.b), (wire.b, wire.a)):
            bundle = bundles.get(end)
            width = width_of(short(end[1]))
            if bundle is not None:
                members = sum(other is bundle for other in bundles.values())
                width = max(width, width_of(bundle_text(bundle, status)) / members)
            edge: Edge = "top" if level[end[0]] > level[far[0]] else "bottom"
            if wire in beside:
                edge = "right" if end[0] == beside[wire].leafs[0] else "left"
            found.setdefault((end[0], edge), []).append(Slot(far[0], width + AROUND, end, bundle))
    for session in picture.sessions:
        counted = session.switch if session.kind == "iBGP" else session.peer
        for box, other in ((session.switch, session.peer), (session.peer, session.switch)):
            side: Edge = "top" if level[box] > level[other] else "bottom"
            room = width_of(badge_text(session, status)) + AROUND if box == counted else THIN
            found.setdefault((box, side), []).append(Slot(other, room, None, None, session, box == counted))
    return found


def _bundles(picture: Picture) -> dict[End, Lag | Channel]:
    """Of every port that has a wire."""
    found: dict[End, Lag | Channel] = {}
    for lag in picture.lags:
        found.update({(lag.node, member): lag for member in lag.members})
    for channel in picture.channels:
        found.update({(channel.switch, member): channel for member in channel.members})
    return {end: bundle for end, bundle in found.items() if picture.far_end(end)}


def in_order(slots: Sequence[Slot], across: Mapping[str, float]) -> list[Slot]:
    """From left to right, so that lines cross little. ``across``: the middle of each box.

    On a node all ports stand together, for its band, and the sessions on both sides of them; elsewhere each other box
    has its ports and its session together.
    """
    ports = sorted((slot for slot in slots if slot.end), key=lambda slot: (across[slot.peer], slot.end))
    sessions = sorted((slot for slot in slots if slot.session), key=lambda slot: across[slot.peer])
    if any(isinstance(slot.bundle, Lag) for slot in ports):
        half = (len(sessions) + 1) // 2
        return [*sessions[:half], *ports, *sessions[half:]]
    return sorted([*ports, *sessions], key=lambda slot: (across[slot.peer], slot.peer))


def runs(slots: Sequence[Slot]) -> list[list[int]]:
    """Positions of neighbouring slots of one bundle."""
    found: list[list[int]] = []
    for index, slot in enumerate(slots):
        if slot.bundle is None:
            continue
        if found and found[-1][-1] == index - 1 and slots[index - 1].bundle is slot.bundle:
            found[-1].append(index)
        else:
            found.append([index])
    return found
