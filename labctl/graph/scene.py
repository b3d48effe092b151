"""A picture with every part at its place, as a writer draws it; points, rectangles and texts of known size.

A text's room is known without a font because it is set in a monospaced one, whose letters are all as wide as
``ADVANCE`` times its size.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

from labctl.graph.picture import Picture
from labctl.graph.status import Part, Status

ADVANCE = 0.605
LEADING = 1.3
"""Height of a line, in sizes."""
SMALL, NORMAL, LARGE = 10.0, 13.0, 16.0


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def center(self) -> Point:
        return Point(self.x + self.width / 2, self.y + self.height / 2)


@dataclass(frozen=True, slots=True)
class Text:
    """One line in the middle of its room."""

    text: str
    room: Rect
    size: float
    kind: str = ""
    """How it is set: strong, soft."""


def width_of(text: str, size: float = SMALL) -> float:
    """Of a line of text."""
    return len(text) * size * ADVANCE


def line_at(text: str, center: Point, size: float = SMALL, kind: str = "") -> Text:
    """A line around a point."""
    width, height = width_of(text, size), size * LEADING
    return Text(text, Rect(center.x - width / 2, center.y - height / 2, width, height), size, kind)


def line_from(text: str, left: float, middle: float, size: float = SMALL, kind: str = "") -> Text:
    """A line that begins at ``left``, around the height of ``middle``."""
    return line_at(text, Point(left + width_of(text, size) / 2, middle), size, kind)


def wrapped(text: str, width: float, size: float = SMALL) -> list[str]:
    """A text in lines that are not wider."""
    return textwrap.wrap(text, max(8, int(width / (size * ADVANCE)))) or [""]


Edge = Literal["top", "bottom", "left", "right"]
Sample = Literal["link", "bundle", "iBGP", "eBGP", "fabric", "up", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class Line:
    """From one node to another; beyond the stubs ``out`` of both ends it bends as it likes."""

    start: Point
    start_out: Point
    end_out: Point
    end: Point

    @property
    def is_straight(self) -> bool:
        """Between the sides of two nodes."""
        return self.start.y == self.start_out.y


@dataclass(frozen=True, slots=True)
class Placed:
    """A part of the picture at its place: what is drawn of it, and where the sign stands that says how it is."""

    of: Part
    rect: Rect | None = None
    line: Line | None = None
    texts: tuple[Text, ...] = ()
    mark: Point | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything, from (0, 0) to (width, height).

    ``parts`` from below to above: links, lines of sessions, pairs, nodes, ports, bands, numbers of sessions. A pair is
    a line where the peer-link is over the fabric, a band around the links of a physical one.
    """

    width: float
    height: float
    heading: tuple[Text, ...]
    parts: tuple[Placed, ...]
    legend: tuple[tuple[Sample, Rect, Text], ...]
    notes: tuple[Text, ...]


SAMPLE = Rect(0, 0, 28, 14)
ROW = 20.0
_LINE = SMALL * LEADING + 2


def heading(picture: Picture, status: Status, left: float, top: float, width: float) -> tuple[list[Text], float]:
    """The lines above, and where they end."""
    lines, y = list[Text](), top
    for text, size in ((picture.name, LARGE), *((text, SMALL) for text in about(picture, status))):
        for line in wrapped(text, width, size):
            y += size * LEADING + 2
            lines.append(line_from(line, left, y - size * LEADING / 2 - 1, size, "soft" if lines else "strong"))
    return lines, y


def about(picture: Picture, status: Status) -> list[str]:
    """What is said of the whole."""
    return [picture.about, *([f"running lab, read {status.read_at}"] if status.read_at else [])]


def legend(
    picture: Picture, status: Status, left: float, top: float, width: float
) -> tuple[list[tuple[Sample, Rect, Text]], float]:
    """The items, in as many rows as they need, and where they end."""
    found = []
    x, y = left, top
    for sample, meaning in _items(picture, status):
        needed = SAMPLE.width + 6 + width_of(meaning)
        if x > left and x + needed > left + width:
            x, y = left, y + ROW
        rect = Rect(x, y + (ROW - SAMPLE.height) / 2, SAMPLE.width, SAMPLE.height)
        found.append((sample, rect, line_from(meaning, x + SAMPLE.width + 6, y + ROW / 2, kind="soft")))
        x += needed + 16
    return found, y + ROW


def _items(picture: Picture, status: Status) -> list[tuple[Sample, str]]:
    kinds = {session.kind for session in picture.sessions}
    states = {standing.state for standing in status.parts.values()}
    live = bool(status.read_at)
    rows: tuple[tuple[Sample, str, bool], ...] = (
        ("link", "cable", True),
        ("bundle", "bond, port-channel", bool(picture.bundles) or any(pair.members for pair in picture.pairs)),
        ("fabric", "vPC peer-link over the fabric", any(not pair.members for pair in picture.pairs)),
        ("iBGP", "iBGP EVPN sessions", "iBGP" in kinds),
        ("eBGP", "eBGP sessions, with number", "eBGP" in kinds),
        ("up", "up", live),
        ("down", "down" if live else "failed", live or "down" in states),
        ("unknown", "not known: no answer", live or "unknown" in states),
    )
    return [(sample, meaning) for sample, meaning, wanted in rows if wanted]


def notes(picture: Picture, status: Status, left: float, top: float, width: float) -> tuple[list[Text], float]:
    """What no part of the picture can show, and where it ends."""
    found, y = [], top
    for note in (*picture.notes, *status.notes):
        for number, line in enumerate(wrapped(note, width - 12)):
            found.append(line_from(line, left + (12 if number else 0), y + _LINE / 2))
            y += _LINE
    return found, y
