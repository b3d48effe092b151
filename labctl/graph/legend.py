"""What stands above and below a picture: its heading, what its signs mean, and notes."""

from __future__ import annotations

from labctl.graph.geometry import LARGE, LEADING, SMALL, Rect, Text, line_from, width_of, wrapped
from labctl.graph.model import Picture
from labctl.graph.scene import LegendItem, Sample
from labctl.graph.status import Status

SAMPLE = Rect(0, 0, 28, 14)
ROW = 20.0
_LINE = SMALL * LEADING + 2


def heading(picture: Picture, status: Status, left: float, top: float, width: float) -> tuple[list[Text], float]:
    """The lines above, and where they end."""
    lines, y = [], top
    about = [picture.about, *([f"running lab, read {status.read_at}"] if status.read_at else [])]
    rows = [(line, LARGE) for line in wrapped(picture.name, width, LARGE)]
    rows += [(line, SMALL) for text in about for line in wrapped(text, width)]
    for line, size in rows:
        height = size * LEADING + 2
        lines.append(line_from(line, left, y + height / 2, size))
        y += height
    return lines, y


def legend(picture: Picture, status: Status, left: float, top: float, width: float) -> tuple[list[LegendItem], float]:
    """The items, in as many rows as they need, and where they end."""
    found: list[LegendItem] = []
    x, y = left, top
    for sample, words in _items(picture, status):
        needed = SAMPLE.width + 6 + width_of(words)
        if x > left and x + needed > left + width:
            x, y = left, y + ROW
        rect = Rect(x, y + (ROW - SAMPLE.height) / 2, SAMPLE.width, SAMPLE.height)
        found.append(LegendItem(sample, rect, line_from(words, x + SAMPLE.width + 6, y + ROW / 2)))
        x += needed + 16
    return found, y + ROW


def _items(picture: Picture, status: Status) -> list[tuple[Sample, str]]:
    kinds = {session.kind for session in picture.sessions}
    items: list[tuple[Sample, str]] = [("wire", "cable")]
    items += [("bundle", "bond, port-channel")] if picture.lags or any(pair.members for pair in picture.pairs) else []
    items += [("fabric", "vPC peer-link over the fabric")] if any(not pair.members for pair in picture.pairs) else []
    items += [("iBGP", "iBGP EVPN sessions")] if "iBGP" in kinds else []
    items += [("eBGP", "eBGP sessions, with number")] if "eBGP" in kinds else []
    tables = (status.boxes, status.ports, status.channels, status.lags, status.pairs, status.sessions)
    states = {standing.state for table in tables for standing in table.values()}
    if status.read_at:
        items += [("up", "up"), ("down", "down"), ("unknown", "not known: no answer")]
    else:
        items += [("down", "failed")] if "down" in states else []
        items += [("unknown", "not known: no answer")] if "unknown" in states else []
    return items


def notes(picture: Picture, status: Status, left: float, top: float, width: float) -> tuple[list[Text], float]:
    """What no part of the picture can show, and where it ends."""
    found, y = [], top
    for note in (*picture.notes, *status.notes):
        for number, line in enumerate(wrapped(note, width - 12)):
            found.append(line_from(line, left + (12 if number else 0), y + _LINE / 2))
            y += _LINE
    return found, y
