"""Points, rectangles and texts of known size.

A text's room is known without a font because it is set in a monospaced one, whose letters are all as wide as
``ADVANCE`` times its size.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

ADVANCE = 0.605
LEADING = 1.3
"""Height of a line, in sizes."""
EDGE = 0.01
"""Less is rounding, as nothing is drawn finer than a tenth."""
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

    def overlaps(self, other: Rect) -> bool:
        """Whether they share more than an edge."""
        return (
            self.x < other.right - EDGE and other.x < self.right - EDGE
            and self.y < other.bottom - EDGE and other.y < self.bottom - EDGE
        )  # fmt: skip

    def holds(self, other: Rect) -> bool:
        """Whether the other is wholly inside."""
        return (
            self.x <= other.x + EDGE and self.y <= other.y + EDGE
            and other.right <= self.right + EDGE and other.bottom <= self.bottom + EDGE
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """One line in the middle of its room."""

    text: str
    room: Rect
    size: float


def width_of(text: str, size: float = SMALL) -> float:
    """Of a line of text."""
    return len(text) * size * ADVANCE


def line_at(text: str, center: Point, size: float = SMALL) -> Text:
    """A line around a point."""
    width, height = width_of(text, size), size * LEADING
    return Text(text, Rect(center.x - width / 2, center.y - height / 2, width, height), size)


def line_from(text: str, left: float, middle: float, size: float = SMALL) -> Text:
    """A line that begins at ``left``, around the height of ``middle``."""
    return line_at(text, Point(left + width_of(text, size) / 2, middle), size)


def wrapped(text: str, width: float, size: float = SMALL) -> list[str]:
    """A text in lines that are not wider."""
    return textwrap.wrap(text, max(8, int(width / (size * ADVANCE)))) or [""]
