"""How wide each box is and where it stands: nodes under their pair of leafs, the rest in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labctl.graph.geometry import NORMAL, SMALL, width_of
from labctl.graph.model import Box, Pair, Picture
from labctl.graph.slots import Slots
from labctl.graph.status import Status

INSIDE = 8.0
"""Between a box's edge and what is in it."""
SIGN = 16.0
"""Width of a sign with the space behind it."""
GAP = 24.0
"""Between boxes of one row."""
WIDEST_GAP = 120.0
BETWEEN_PAIRS = 48.0


@dataclass(frozen=True, slots=True)
class Columns:
    """``left`` and ``widths`` of each box; the whole is ``total`` wide."""

    left: Mapping[str, float]
    widths: Mapping[str, float]
    total: float

    def middle(self, box: str) -> float:
        return self.left[box] + self.widths[box] / 2


@dataclass(frozen=True, slots=True)
class _Group:
    """Leafs that belong together, and their nodes."""

    leafs: tuple[str, ...]
    between: float
    nodes: tuple[str, ...]


def pair_words(pair: Pair, status: Status) -> tuple[list[str], list[str]]:
    """What stands above and below the line of a peer-link."""
    below = ["peer-link"]
    below += [f"Po{pair.channel}"] if pair.channel is not None else []
    below += [] if pair.members else ["over fabric"]
    standing = status.pairs.get(pair.leafs)
    return [f"vPC domain {pair.domain}"], below + ([standing.mark] if standing else [])


def box_width(box: Box, slots: Slots, status: Status) -> float:
    """As wide as its texts and the slots of its edges need."""
    standing = status.boxes.get(box.name)
    texts = [width_of(box.name, NORMAL), *(width_of(line, SMALL) for line in box.lines)]
    texts += [SIGN + width_of(standing.mark, SMALL)] if standing else []
    side = max((slot.width for edge in ("left", "right") for slot in slots.get((box.name, edge), ())), default=0.0)
    rows = [sum(slot.width for slot in slots.get((box.name, edge), ())) for edge in ("top", "bottom")]
    return max(max(texts) + 2 * side, *rows) + 2 * INSIDE


def columns(picture: Picture, slots: Slots, status: Status, least: float) -> Columns:
    """Place all boxes. ``least``: the whole is at least so wide."""
    widths = {box.name: box_width(box, slots, status) for box in picture.boxes}
    tiers = {tier: [box.name for box in picture.boxes if box.tier == tier] for tier in ("external", "border", "spine")}
    tiers["external"].sort(key=lambda host: _order(picture, host, tiers["border"]))
    groups = _groups(picture, status)
    spans = [
        max(_row(group.leafs, widths, group.between), _row(group.nodes, widths, GAP), 0.0) for group in groups
    ]  # fmt: skip
    whole = sum(spans) + BETWEEN_PAIRS * max(0, len(groups) - 1)
    total = max(least, whole, *(_row(names, widths, GAP) for names in tiers.values()))
    left: dict[str, float] = {}
    start = (total - whole) / 2
    for group, span in zip(groups, spans, strict=True):
        left |= _centered(group.leafs, widths, group.between, start, span)
        left |= _centered(group.nodes, widths, GAP, start, span)
        start += span + BETWEEN_PAIRS
    for names in tiers.values():
        if names:
            spare = (total - _row(names, widths, 0.0)) / (len(names) + 1)
            left |= _centered(names, widths, min(max(spare, GAP), WIDEST_GAP), 0.0, total)
    return Columns(left, widths, total)


def _row(names: Sequence[str], widths: Mapping[str, float], gap: float) -> float:
    return sum(widths[name] for name in names) + gap * max(0, len(names) - 1)


def _centered(
    names: Sequence[str], widths: Mapping[str, float], gap: float, start: float, span: float
) -> dict[str, float]:
    left, x = {}, start + (span - _row(names, widths, gap)) / 2
    for name in names:
        left[name] = x
        x += widths[name] + gap
    return left


def _order(picture: Picture, host: str, borders: Sequence[str]) -> int:
    """A host stands over the border leaf that it is wired to."""
    peers = [far[0] for wire in picture.wires for end, far in ((wire.a, wire.b), (wire.b, wire.a)) if end[0] == host]
    return min((borders.index(peer) for peer in peers if peer in borders), default=len(borders))


def _groups(picture: Picture, status: Status) -> list[_Group]:
    leafs = [box.name for box in picture.boxes if box.tier == "leaf"]
    nodes = [box.name for box in picture.boxes if box.tier == "node"]
    together: list[tuple[tuple[str, ...], float]] = []
    for leaf in leafs:
        pair = picture.pair_of(leaf)
        if any(leaf in group for group, _ in together):
            continue
        if pair is None or not set(pair.leafs) <= set(leafs):
            together.append(((leaf,), GAP))
        else:
            words = [word for part in pair_words(pair, status) for word in part]
            together.append((pair.leafs, max(map(width_of, words)) + 2 * INSIDE))
    ends = _ends(picture)
    homes = {node: next((far[0] for box, far in ends if box == node and far[0] in leafs), "") for node in nodes}
    groups = [
        _Group(group, between, tuple(node for node in nodes if homes[node] in group)) for group, between in together
    ]
    homeless = tuple(node for node in nodes if not homes[node])
    return [*groups, _Group((), GAP, homeless)] if homeless else groups


def _ends(picture: Picture) -> list[tuple[str, tuple[str, str]]]:
    return [pair for wire in picture.wires for pair in ((wire.a[0], wire.b), (wire.b[0], wire.a))]
