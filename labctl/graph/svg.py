"""Scene → SVG: one element that stands alone as a file and inline in a page; no script, nothing from elsewhere.

Each part carries what it is of (``data-node``, ``data-port``, ``data-session``) and a title that a pointer shows. All
rules of its look, in light and in dark, are bound to the drawing's own class: it may stand in a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from labctl.graph.picture import Channel, Lag, Link, Node, Pair, Picture, Session
from labctl.graph.scene import Line, Placed, Point, Rect, Sample, Scene, Text
from labctl.graph.status import Part, State, Status

STYLE = Path(__file__).with_name("style.css")
"""Its last four rows of states have as many classes as the rows of parts before them, and come later: they win."""
NAME = "labctl-graph"
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
        f"Topology of {picture.name}: {len(picture.nodes)} nodes, {len(picture.links)} cables, "
        f"{sum(len(session.neighbors) for session in picture.sessions)} BGP sessions."
    )
    bad = [f"{name} {standing.state}" for name, standing in status.nodes.items() if standing.state != "up"]
    bad += [
        f"{node} {port} {standing.state}" for (node, port), standing in status.ports.items() if standing.state != "up"
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

    def draw(self, scene: Scene) -> None:
        for text in scene.heading:
            _text(self._root, text)
        parts: tuple[Placed[Any], ...] = (
            *scene.links, *scene.sessions, *scene.pairs, *scene.nodes, *scene.ports, *scene.bundles, *scene.badges,
        )  # fmt: skip
        for placed in parts:
            self._part(placed)
        for placed in parts:
            standing = self._status.of(placed.of)
            if standing and placed.mark:
                _sign(self._root, placed.mark, standing.state)
        for item in scene.legend:
            if item.rect:
                self._legend(item.of, item.rect, *item.texts)
        for note in scene.notes:
            _text(self._root, note)

    def _part(self, placed: Placed[Any]) -> None:
        kind, radius, data, title = _told(placed)
        standing = self._status.of(placed.of)
        group = SubElement(self._root, "g", {"class": f"{kind} {standing.state}" if standing else kind, **data})
        how = standing and not isinstance(placed.of, Link) and (standing.words or standing.mark or standing.state)
        SubElement(group, "title").text = f"{title}: {how}" if how else title
        if placed.line:
            SubElement(group, "path", {"d": _path(placed.line)})
        if placed.rect:
            _rect(group, placed.rect, radius=radius)
        for text in placed.texts:
            _text(group, text)

    def _legend(self, sample: Sample, rect: Rect, label: Text) -> None:
        group, middle = SubElement(self._root, "g", {"class": "legend"}), rect.center
        if sample in ("up", "down", "unknown"):
            _sign(group, middle, sample)
        elif sample == "bundle":
            _rect(SubElement(group, "g", {"class": "bundle"}), rect, radius=7)
        else:
            kind = sample if sample in ("link", "fabric") else f"session {sample.lower()}"
            line = f"M {_n(rect.x)} {_n(middle.y)} L {_n(rect.right)} {_n(middle.y)}"
            SubElement(SubElement(group, "g", {"class": kind}), "path", {"d": line})
        _text(group, label)


def _told(placed: Placed[Any]) -> tuple[str, int, dict[str, str], str]:  # noqa: PLR0911 - one a kind of part
    """(its class, how round its rectangle is, what it is of for a program, and for who points at it)."""
    part: Part = placed.of
    match part:
        case Node():
            return f"node {part.tier}", 6, {"data-node": part.name}, part.name
        case Link():
            ends = ":".join(part.a), ":".join(part.b)
            return "link", 0, {"data-link": " ".join(ends)}, " to ".join(ends)
        case Lag():
            name = f"{part.node} {part.bond}"
            channels = " and ".join(f"port-channel{number} of {switch}" for switch, number in part.channels)
            return "bundle", 8, {"data-bundle": name}, f"{name}: {', '.join(part.members)} to {channels}"
        case Channel():
            name = f"{part.switch} port-channel{part.number}"
            return "bundle", 8, {"data-bundle": name}, f"{name}: {', '.join(part.members)}"
        case Pair():
            how = "over its own cables" if part.members else "over the fabric"
            words = f"vPC domain {part.domain}: {part.leafs[0]} and {part.leafs[1]}, peer-link {how}"
            return "bundle" if placed.rect else "fabric", 6, {"data-pair": " ".join(part.leafs)}, words
        case Session():
            neighbors = ", ".join(f"{family} {address}" for family, address in part.neighbors)
            source = f" from {part.source}" if part.source else ""
            words = f"{part.kind}: {part.switch}{source} with {part.peer} ({neighbors})"
            data = {"data-session": f"{part.switch} {part.peer}"} if placed.line else {}
            return f"session {part.kind.lower()}", 8, data, words
        case _:
            return "port", 3, {"data-port": ":".join(part)}, ":".join(part)


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


def _text(parent: Element, text: Text) -> None:
    center = text.room.center
    place = {"x": _n(center.x), "y": _n(center.y + BASELINE * text.size), "font-size": _n(text.size)}
    SubElement(parent, "text", place | ({"class": text.kind} if text.kind else {})).text = text.text


def _sign(parent: Element, point: Point, state: State) -> None:
    place = f"translate({_n(point.x)} {_n(point.y)})"
    group = SubElement(parent, "g", {"class": f"sign {state}", "transform": place})
    SubElement(group, "circle", {"r": "6"})
    SubElement(group, "path", {"d": _SIGNS[state]})
