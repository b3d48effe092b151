"""Scene → SVG: one element that stands alone as a file and inline in a page; no script, nothing from elsewhere.

Each part carries what it is of (``data-box``, ``data-port``, ``data-session``) and a title that a pointer shows. All
rules of its look, in light and in dark, are bound to the drawing's own class: it may stand in a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from labctl.graph.picture import Channel, Lag, Picture
from labctl.graph.scene import (
    LegendItem,
    Line,
    PlacedBox,
    PlacedBundle,
    PlacedPair,
    PlacedPort,
    PlacedSession,
    PlacedWire,
    Point,
    Rect,
    Scene,
    Text,
)
from labctl.graph.status import Standing, State, Status

STYLE = Path(__file__).with_name("style.css")
"""Its last four rows of states have as many classes as the rows of parts before them, and come later: they win."""
NAME = "labctl-graph"
Key = TypeVar("Key")
SMALLEST, LARGEST = 0.75, 1.5
"""So many times its own size is a drawing shown at least, to be read, and at most. What is too wide scrolls."""
BASELINE = 0.35
"""From the middle of a line down to its letters' feet, in sizes: every renderer knows that much."""
_SIGNS: Mapping[State, str] = {
    "up": "M -2.8 0.2 L -0.8 2.4 L 3 -2.2",
    "down": "M -2.4 -2.4 L 2.4 2.4 M 2.4 -2.4 L -2.4 2.4",
    "unknown": "M -1.9 -1.6 C -1.7 -3.6 2 -3.5 1.8 -1.4 C 1.7 -0.2 0 -0.1 0 1.2 M 0 3.1 L 0 3.2",
}


def svg(picture: Picture, scene: Scene, status: Status) -> str:
    """The text of one ``<svg>`` element, indented."""
    root = Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "class": NAME, "role": "img", "aria-label": _summary(picture, status),
        "viewBox": f"0 0 {_n(scene.width)} {_n(scene.height)}", "width": "100%",
        "style": f"min-width:{_n(scene.width * SMALLEST)}px;max-width:{_n(scene.width * LARGEST)}px;margin:0 auto",
    })  # fmt: skip
    SubElement(root, "title").text = f"Topology of {picture.name}"
    SubElement(root, "style").text = f"\n{STYLE.read_text()}"
    _rect(root, Rect(0, 0, scene.width, scene.height), "paper")
    _Drawing(root, status).draw(scene)
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _summary(picture: Picture, status: Status) -> str:
    """For who hears the drawing: how many of what, and every part that does not stand well."""
    words = (
        f"Topology of {picture.name}: {len(picture.boxes)} boxes, {len(picture.wires)} cables, "
        f"{sum(len(session.neighbors) for session in picture.sessions)} BGP sessions."
    )
    bad = [f"{name} {standing.state}" for name, standing in status.boxes.items() if standing.state != "up"]
    bad += [
        f"{box} {port} {standing.state}" for (box, port), standing in status.ports.items() if standing.state != "up"
    ]
    bad += [
        f"BGP {switch} with {peer} {standing.mark or standing.state}"
        for (switch, peer), standing in status.sessions.items()
        if standing.state != "up"
    ]
    return f"{words} Not up: {', '.join(bad)}." if bad else words


class _Drawing:
    """Draws the parts from below to above."""

    def __init__(self, root: Element, status: Status) -> None:
        self._root = root
        self._status = status
        self._signs: list[tuple[Point, Standing]] = []

    def draw(self, scene: Scene) -> None:
        for text in scene.heading:
            _text(self._root, text, "strong" if text is scene.heading[0] else "soft")
        for wire in scene.wires:
            self._wire(wire)
        for session in scene.sessions:
            self._session_line(session)
        for pair in scene.pairs:
            self._pair(pair)
        for box in scene.boxes:
            self._box(box)
        for port in scene.ports:
            self._port(port)
        for bundle in scene.bundles:
            self._bundle(bundle)
        for session in scene.sessions:
            self._session_badge(session)
        for point, standing in self._signs:
            _sign(self._root, point, standing.state)
        for item in scene.legend:
            self._legend(item)
        for note in scene.notes:
            _text(self._root, note)

    def _group(self, kind: str, standing: Standing | None, title: str) -> Element:
        group = SubElement(self._root, "g", {"class": f"{kind} {standing.state}" if standing else kind})
        SubElement(group, "title").text = title
        return group

    def _wire(self, placed: PlacedWire) -> None:
        ends = placed.wire.a, placed.wire.b
        known = [self._status.ports[end] for end in ends if end in self._status.ports]
        worst = max(known, key=lambda standing: _SEVERITY[standing.state], default=None)
        group = self._group("wire", worst, " to ".join(map(_end, ends)))
        group.set("data-wire", " ".join(map(_end, ends)))
        SubElement(group, "path", {"d": _path(placed.line)})

    def _box(self, placed: PlacedBox) -> None:
        box = placed.box
        standing = self._status.boxes.get(box.name)
        group = self._group(f"box {box.tier}", standing, _told(box.name, standing))
        group.set("data-box", box.name)
        _rect(group, placed.rect, radius=6)
        _text(group, placed.name, "strong")
        for line in placed.lines:
            _text(group, line, "soft")
        if placed.standing and standing:
            _text(group, placed.standing)
            self._signs.append((placed.mark, standing))

    def _port(self, port: PlacedPort) -> None:
        standing = self._status.ports.get(port.end)
        group = self._group("port", standing, _told(_end(port.end), standing))
        group.set("data-port", _end(port.end))
        _rect(group, port.chip, radius=3)
        _text(group, port.label)
        if standing:
            self._signs.append((port.mark, standing))

    def _bundle(self, placed: PlacedBundle) -> None:
        bundle = placed.bundle
        if isinstance(bundle, Lag):
            standing, name = self._status.lags.get(bundle.node), f"{bundle.node} {bundle.bond}"
            channels = " and ".join(f"port-channel{number} of {switch}" for switch, number in bundle.channels)
            words = f"{name}: {', '.join(bundle.members)} to {channels}"
        else:
            standing, name = self._channel(bundle)
            words = f"{name}: {', '.join(bundle.members)}"
        group = self._group("bundle", standing, _told(words, standing))
        group.set("data-bundle", name)
        _rect(group, placed.rect, radius=8)
        _text(group, placed.label)

    def _channel(self, channel: Channel) -> tuple[Standing | None, str]:
        key = channel.switch, channel.number
        return self._status.channels.get(key), f"{channel.switch} port-channel{channel.number}"

    def _pair(self, placed: PlacedPair) -> None:
        pair = placed.pair
        standing = self._status.pairs.get(pair.leafs)
        how = "over its own cables" if pair.members else "over the fabric"
        words = f"vPC domain {pair.domain}: {pair.leafs[0]} and {pair.leafs[1]}, peer-link {how}"
        group = self._group("bundle" if placed.band else "fabric", standing, _told(words, standing))
        group.set("data-pair", " ".join(pair.leafs))
        if placed.line:
            SubElement(group, "path", {"d": _path(placed.line)})
        if placed.band:
            _rect(group, placed.band, radius=6)
        for label in placed.labels:
            _text(group, label, "soft")
        if standing:
            self._signs.append((placed.mark, standing))

    def _session_line(self, placed: PlacedSession) -> None:
        session = placed.session
        group = self._group(*self._session(placed))
        group.set("data-session", f"{session.switch} {session.peer}")
        SubElement(group, "path", {"d": _path(placed.line)})

    def _session_badge(self, placed: PlacedSession) -> None:
        kind, standing, title = self._session(placed)
        group = self._group(kind, standing, title)
        _rect(group, placed.badge, radius=8)
        _text(group, placed.label)
        if standing:
            self._signs.append((placed.mark, standing))

    def _session(self, placed: PlacedSession) -> tuple[str, Standing | None, str]:
        session = placed.session
        neighbors = ", ".join(f"{family} {address}" for family, address in session.neighbors)
        source = f" from {session.source}" if session.source else ""
        words = f"{session.kind}: {session.switch}{source} with {session.peer} ({neighbors})"
        standing = self._status.sessions.get(session.pair)
        return f"session {session.kind.lower()}", standing, _told(words, standing)

    def _legend(self, item: LegendItem) -> None:
        group = SubElement(self._root, "g", {"class": "legend"})
        middle, rect = item.rect.center, item.rect
        if item.sample in _SEVERITY:
            _sign(group, middle, item.sample)  # type: ignore[arg-type]
        elif item.sample == "bundle":
            _rect(SubElement(group, "g", {"class": "bundle"}), rect, radius=7)
        else:
            kind = {"wire": "wire", "fabric": "fabric"}.get(item.sample, f"session {item.sample.lower()}")
            line = f"M {_n(rect.x)} {_n(middle.y)} L {_n(rect.right)} {_n(middle.y)}"
            SubElement(SubElement(group, "g", {"class": kind}), "path", {"d": line})
        _text(group, item.label, "soft")


_SEVERITY: Mapping[str, int] = {"up": 0, "unknown": 1, "down": 2}


def _told(what: str, standing: Standing | None) -> str:
    if standing is None:
        return what
    return f"{what}: {standing.words or standing.mark or standing.state}"


def _end(end: tuple[str, str]) -> str:
    return ":".join(end)


def _n(value: float) -> str:
    """A number with one decimal at most."""
    return f"{value:.1f}".removesuffix(".0")


def _path(line: Line) -> str:
    start, one, two, end = line.start, line.start_out, line.end_out, line.end
    if line.is_straight:
        return f"M {_n(start.x)} {_n(start.y)} L {_n(end.x)} {_n(end.y)}"
    middle = (one.y + two.y) / 2
    if (one.y - start.y) * (two.y - end.y) > 0:  # both leave the same way: an arc beyond them
        middle = one.y + (60 if one.y > start.y else -60)
    return (
        f"M {_n(start.x)} {_n(start.y)} L {_n(one.x)} {_n(one.y)} C {_n(one.x)} {_n(middle)} "
        f"{_n(two.x)} {_n(middle)} {_n(two.x)} {_n(two.y)} L {_n(end.x)} {_n(end.y)}"
    )


def _rect(parent: Element, rect: Rect, kind: str | None = None, radius: float = 0) -> None:
    place = {"x": _n(rect.x), "y": _n(rect.y), "width": _n(rect.width), "height": _n(rect.height)}
    SubElement(parent, "rect", place | ({"rx": _n(radius)} if radius else {}) | ({"class": kind} if kind else {}))


def _text(parent: Element, text: Text, kind: str | None = None) -> None:
    center = text.room.center
    place = {"x": _n(center.x), "y": _n(center.y + BASELINE * text.size), "font-size": _n(text.size)}
    SubElement(parent, "text", place | ({"class": kind} if kind else {})).text = text.text


def _sign(parent: Element, point: Point, state: State) -> None:
    place = f"translate({_n(point.x)} {_n(point.y)})"
    group = SubElement(parent, "g", {"class": f"sign {state}", "transform": place})
    SubElement(group, "circle", {"r": "6"})
    SubElement(group, "path", {"d": _SIGNS[state]})
