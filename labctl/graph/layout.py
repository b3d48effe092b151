"""Picture and status → scene. Pure and deterministic: the same picture is the same drawing.

Between two rows of boxes every line leaves its port straight, through a zone for signs and one for bands and numbers,
before it bends: so nothing that is written lies on anything else that is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labctl.graph.columns import INSIDE, Columns, columns, pair_words
from labctl.graph.geometry import LEADING, NORMAL, SMALL, Point, Rect, line_at
from labctl.graph.legend import heading, legend, notes
from labctl.graph.model import TIERS, Box, End, Pair, Picture, short
from labctl.graph.scene import (
    Edge,
    Line,
    PlacedBox,
    PlacedBundle,
    PlacedPair,
    PlacedPort,
    PlacedSession,
    PlacedWire,
    Scene,
)
from labctl.graph.slots import Slot, badge_text, bundle_text, in_order, runs, slots_of
from labctl.graph.status import Status

MARGIN = 16.0
LEAST = 328.0
"""Narrower is no picture: heading and legend need that room."""
STRIP = 18.0
"""Height of the row of ports along an edge of a box."""
LINE = SMALL * LEADING
SIGNS = 16.0
BANDS = 17.0
SPACE = 3.0
"""Behind the last zone, before a line bends."""
STEP = 20.0
"""Between ports one over the other, at the side of a box."""


def layout(picture: Picture, status: Status) -> Scene:
    """Place everything."""
    slots = slots_of(picture, status)
    across = columns(picture, slots, status, LEAST)
    above, top = heading(picture, status, MARGIN, MARGIN, across.total)
    work = _Work(picture, status, across, {key: tuple(value) for key, value in slots.items()})
    bottom = work.place(top + 12)
    below, bottom = legend(picture, status, MARGIN, bottom + 16, across.total)
    lines, bottom = notes(picture, status, MARGIN, bottom + 4, across.total)
    return Scene(
        across.total + 2 * MARGIN, bottom + MARGIN, tuple(above), tuple(work.boxes), tuple(work.ports.values()),
        tuple(work.wires()), tuple(work.bundles), tuple(work.pairs), tuple(work.sessions()), tuple(below), tuple(lines),
    )  # fmt: skip


@dataclass(slots=True)
class _Work:
    """What is placed so far. Places are those of the columns, moved by the margin."""

    picture: Picture
    status: Status
    across: Columns
    slots: Mapping[tuple[str, Edge], Sequence[Slot]]
    boxes: list[PlacedBox] = field(default_factory=list)
    ports: dict[End, PlacedPort] = field(default_factory=dict)
    bundles: list[PlacedBundle] = field(default_factory=list)
    pairs: list[PlacedPair] = field(default_factory=list)
    tips: dict[tuple[str, str, str], tuple[Point, Edge]] = field(default_factory=dict)
    """(box, the other, kind of session) → where the session's line leaves the box."""
    reaches: dict[tuple[str, Edge], float] = field(default_factory=dict)
    """How far the lines of a box's edge go straight."""

    def place(self, top: float) -> float:
        """Row by row; returns where the last one ends."""
        bend = min(150.0, max(40.0, 0.09 * self.across.total))
        y = bottom = top
        rows = [[box for box in self.picture.boxes if box.tier == tier] for tier in TIERS]
        for row in filter(None, rows):
            height = max(self._height(box) for box in row)
            if self.boxes:
                y = bottom + bend + self._reach(row, "top")
            for box in row:
                self._box(box, Rect(MARGIN + self.across.left[box.name], y, self.across.widths[box.name], height))
            bottom = y + height + self._reach(row, "bottom")
        names = {placed.box.name: placed.rect for placed in self.boxes}
        for pair in self.picture.pairs:
            self._pair(pair, names)
        return bottom + bend if rows[-1] and self._reach(rows[-1], "bottom") else bottom

    def _reach(self, row: Sequence[Box], edge: Edge) -> float:
        """How far the lines of a row go straight: a zone for signs, one for bands and numbers if it has any."""
        slots = [slot for box in row for slot in self.slots.get((box.name, edge), ())]
        reach = 0.0 if not slots else SIGNS + SPACE
        if any(slot.bundle or slot.has_badge for slot in slots):
            reach += BANDS
        self.reaches.update({(box.name, edge): reach for box in row})
        return reach

    def _height(self, box: Box) -> float:
        strips = sum(STRIP for edge in ("top", "bottom") if self.slots.get((box.name, edge)))
        standing = LINE + 2 if box.name in self.status.boxes else 0.0
        texts = NORMAL * LEADING + LINE * len(box.lines) + standing + INSIDE
        pair = self.picture.pair_of(box.name)
        if pair is None:
            return strips + texts
        above, below = map(len, pair_words(pair, self.status))
        half = _half(pair)
        return max(strips + texts, 2 * half + LINE * (above + below), 2 * (STRIP + half - self._lift(pair)))

    def _lift(self, pair: Pair) -> float:
        """How far its peer-link is from the middle of its leafs, so that its words above and below are around that."""
        above, below = map(len, pair_words(pair, self.status))
        return (above - below) * LINE / 2

    def _box(self, box: Box, rect: Rect) -> None:
        top = rect.y + (STRIP if self.slots.get((box.name, "top")) else 0.0)
        bottom = rect.bottom - (STRIP if self.slots.get((box.name, "bottom")) else 0.0)
        standing = self.status.boxes.get(box.name)
        height = NORMAL * LEADING + LINE * len(box.lines) + (LINE + 2 if standing else 0.0)
        middle, y = rect.center.x, (top + bottom - height) / 2 + NORMAL * LEADING / 2
        name = line_at(box.name, Point(middle, y), NORMAL)
        y += NORMAL * LEADING / 2 - LINE / 2
        lines = [line_at(text, Point(middle, y + LINE * (number + 1))) for number, text in enumerate(box.lines)]
        last = line_at(standing.mark, Point(middle + 8, y + LINE * (len(lines) + 1) + 2)) if standing else None
        mark = Point(last.room.x - 8, last.room.center.y) if last else Point(middle, y)
        self.boxes.append(PlacedBox(box, rect, name, tuple(lines), last, mark))
        self._edge(box.name, "top", rect)
        self._edge(box.name, "bottom", rect)
        self._side(box.name, "left", rect)
        self._side(box.name, "right", rect)

    def _edge(self, box: str, edge: Edge, rect: Rect) -> None:
        """Ports and sessions along the top or bottom edge."""
        middles = {name: self.across.middle(name) for name in self.across.left}
        slots = in_order(self.slots.get((box, edge), ()), middles)
        x = rect.center.x - sum(slot.width for slot in slots) / 2
        way, y = (-1, rect.y) if edge == "top" else (1, rect.bottom)
        starts = []
        for slot in slots:
            starts.append(x)
            tip = Point(x + slot.width / 2, y)
            if slot.end is not None:
                chip = Rect(x + 2, rect.y + 2 if edge == "top" else rect.bottom - STRIP + 2, slot.width - 4, STRIP - 4)
                self._port(slot.end, chip, tip, edge, Point(tip.x, y + way * SIGNS / 2))
            elif slot.session is not None:
                self.tips[box, slot.peer, slot.session.kind] = tip, edge
            x += slot.width
        zone = y - SIGNS - BANDS if edge == "top" else y + SIGNS
        for run in runs(slots):
            bundle = slots[run[0]].bundle
            if bundle is not None:
                left, right = starts[run[0]] + 2, starts[run[-1]] + slots[run[-1]].width - 2
                band = Rect(left, zone, right - left, BANDS)
                self.bundles.append(PlacedBundle(bundle, band, line_at(bundle_text(bundle, self.status), band.center)))

    def _side(self, box: str, edge: Edge, rect: Rect) -> None:
        """Ports of a physical peer-link, one over the other."""
        slots = self.slots.get((box, edge), ())
        way, x = (-1, rect.x) if edge == "left" else (1, rect.right)
        pair = self.picture.pair_of(box)
        middle = rect.center.y + (self._lift(pair) if pair else 0.0)
        for number, slot in enumerate(slots):
            y = middle + STEP * (number - (len(slots) - 1) / 2)
            left = x + 2 if edge == "left" else x - slot.width + 2
            if slot.end is not None:
                chip = Rect(left, y - (STRIP - 4) / 2, slot.width - 4, STRIP - 4)
                self._port(slot.end, chip, Point(x, y), edge, Point(x + way * SIGNS / 2, y))

    def _port(self, end: End, chip: Rect, tip: Point, edge: Edge, mark: Point) -> None:
        self.ports[end] = PlacedPort(end, chip, line_at(short(end[1]), chip.center), tip, edge, mark)

    def _pair(self, pair: Pair, rects: Mapping[str, Rect]) -> None:
        one, other = (rects[leaf] for leaf in pair.leafs)
        y = one.center.y + self._lift(pair)
        start, end = Point(one.right, y), Point(other.x, y)
        middle, half = Point((start.x + end.x) / 2, y), _half(pair)
        above, below = pair_words(pair, self.status)
        labels = [line_at(text, Point(middle.x, middle.y - half - LINE * (len(above) - number - 0.5)))
                  for number, text in enumerate(above)]  # fmt: skip
        labels += [line_at(text, Point(middle.x, middle.y + half + LINE * (number + 0.5)))
                   for number, text in enumerate(below)]  # fmt: skip
        line = None if pair.members else Line(start, middle, middle, end)
        band = Rect(middle.x - 6, middle.y - half + 2, 12, 2 * half - 4) if pair.members else None
        self.pairs.append(PlacedPair(pair, line, band, tuple(labels), middle))

    def wires(self) -> list[PlacedWire]:
        """When all ports are placed."""
        return [
            PlacedWire(
                wire,
                Line(
                    one.tip,
                    self._out(one.end[0], one.tip, one.edge),
                    self._out(other.end[0], other.tip, other.edge),
                    other.tip,
                ),
            )
            for wire in self.picture.wires
            for one, other in [(self.ports[wire.a], self.ports[wire.b])]
        ]

    def sessions(self) -> list[PlacedSession]:
        """When all boxes are placed."""
        found = []
        for session in self.picture.sessions:
            here = self.tips[session.switch, session.peer, session.kind]
            there = self.tips[session.peer, session.switch, session.kind]
            tip, edge = here if session.kind == "iBGP" else there
            way = -1 if edge == "top" else 1
            label = line_at(badge_text(session, self.status), Point(tip.x, tip.y + way * (SIGNS + BANDS / 2)))
            badge = Rect(label.room.x - 4, label.room.center.y - 8, label.room.width + 8, 16)
            line = Line(here[0], self._out(session.switch, *here), self._out(session.peer, *there), there[0])
            found.append(PlacedSession(session, line, badge, label, Point(tip.x, tip.y + way * SIGNS / 2)))
        return found

    def _out(self, box: str, tip: Point, edge: Edge) -> Point:
        """Where a line may begin to bend."""
        if edge in ("left", "right"):
            return Point(tip.x + (-1 if edge == "left" else 1) * SIGNS, tip.y)
        return Point(tip.x, tip.y + (-1 if edge == "top" else 1) * self.reaches[box, edge])


def _half(pair: Pair) -> float:
    """From the middle of a peer-link to the words above and below."""
    return STEP * max(0, len(pair.members) - 1) / 2 + 10
