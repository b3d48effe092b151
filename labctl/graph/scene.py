"""A picture with every part at its place: what a writer draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labctl.graph.geometry import Point, Rect, Text
from labctl.graph.model import Box, Channel, End, Lag, Pair, Session, Wire

Edge = Literal["top", "bottom", "left", "right"]
Sample = Literal["wire", "bundle", "iBGP", "eBGP", "fabric", "up", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """``standing``: the line that says how it stands; ``mark``: the middle of the sign before it."""

    box: Box
    rect: Rect
    name: Text
    lines: tuple[Text, ...]
    standing: Text | None
    mark: Point


@dataclass(frozen=True, slots=True)
class PlacedPort:
    """``tip``: where its wire leaves the box; ``mark``: where its sign stands, on the wire."""

    end: End
    chip: Rect
    label: Text
    tip: Point
    edge: Edge
    mark: Point


@dataclass(frozen=True, slots=True)
class Line:
    """From one box to another; beyond the stubs ``out`` of both ends it bends as it likes."""

    start: Point
    start_out: Point
    end_out: Point
    end: Point

    @property
    def is_straight(self) -> bool:
        """Between the sides of two boxes."""
        return self.start.y == self.start_out.y


@dataclass(frozen=True, slots=True)
class PlacedWire:
    wire: Wire
    line: Line


@dataclass(frozen=True, slots=True)
class PlacedBundle:
    """A band around wires at the end that is bundled."""

    bundle: Lag | Channel
    rect: Rect
    label: Text


@dataclass(frozen=True, slots=True)
class PlacedSession:
    """``badge``: the number of sessions, on the line."""

    session: Session
    line: Line
    badge: Rect
    label: Text
    mark: Point


@dataclass(frozen=True, slots=True)
class PlacedPair:
    """``line``: a peer-link over the fabric; ``band``: around the wires of a physical one."""

    pair: Pair
    line: Line | None
    band: Rect | None
    labels: tuple[Text, ...]
    mark: Point


@dataclass(frozen=True, slots=True)
class LegendItem:
    sample: Sample
    rect: Rect
    label: Text


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything, from (0, 0) to (width, height)."""

    width: float
    height: float
    heading: tuple[Text, ...]
    boxes: tuple[PlacedBox, ...]
    ports: tuple[PlacedPort, ...]
    wires: tuple[PlacedWire, ...]
    bundles: tuple[PlacedBundle, ...]
    pairs: tuple[PlacedPair, ...]
    sessions: tuple[PlacedSession, ...]
    legend: tuple[LegendItem, ...]
    notes: tuple[Text, ...]

    def texts(self) -> list[Text]:
        """Every text that is drawn."""
        return [
            *self.heading,
            *(text for box in self.boxes for text in (box.name, *box.lines, *([box.standing] if box.standing else []))),
            *(port.label for port in self.ports),
            *(bundle.label for bundle in self.bundles),
            *(text for pair in self.pairs for text in pair.labels),
            *(session.label for session in self.sessions),
            *(item.label for item in self.legend),
            *self.notes,
        ]
