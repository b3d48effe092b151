"""Drawing a lab: its nodes in tiers, ports, bundles and BGP sessions, out of its artifact folder alone.

An SVG is one element that stands alone as a file and inline in a page; no script, nothing from elsewhere. Each part
carries what it is of (``data-node``, ``data-port``, ``data-session``) and a title that a pointer shows. All rules of
its look, in light and in dark, are bound to the drawing's own class: it may stand in a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from labctl.graph.layout import layout
from labctl.graph.picture import TIERS, Bundle, End, Link, Node, Pair, Picture, Session, Tier, picture_of
from labctl.graph.scene import Line, Placed, Point, Rect, Sample, Scene, Text, about
from labctl.graph.status import Part, Standing, State, Status, status_of
from labctl.nxos.normal import short_name
from labctl.verify.livestate import LiveState as Live

__all__ = ["Live", "draw", "draw_mermaid"]

STYLE = Path(__file__).with_name("style.css")
"""Its last four rows of states have as many classes as the rows of parts before them, and come later: they win."""
NAME = "labctl-graph"
SMALLEST, LARGEST = 0.75, 1.5
"""So many times its own size is a drawing shown at least, to be read, and at most. What is too wide scrolls."""
BASELINE = 0.35
"""From the middle of a line down to its letters' feet, in sizes: every renderer knows that much."""
SHAPES: Mapping[State, str] = {
    "up": "M -2.8 0.2 L -0.8 2.4 L 3 -2.2",
    "down": "M -2.4 -2.4 L 2.4 2.4 M 2.4 -2.4 L -2.4 2.4",
    "unknown": "M -1.9 -1.6 C -1.7 -3.6 2 -3.5 1.8 -1.4 C 1.7 -0.2 0 -0.1 0 1.2 M 0 3.1 L 0 3.2",
}


def draw(folder: Path, *, evidence: Mapping[str, Any] | None = None, live: Live | None = None, bgp: bool = True) -> str:
    """The picture as one ``<svg>`` element, to be a file or to stand inline in a page, in light and dark.

    ``evidence``: of a verification (``labctl.evidence/v1``), what failed is marked; ``live``: the running lab's state;
    ``bgp``: with the sessions. A page gives it a place that scrolls: a picture is not made smaller than it can be read.
    Raises `SpecError` for a folder that cannot be read.
    """
    picture, status = _picture(folder, evidence, live, bgp=bgp)
    return _svg(picture, layout(picture, status), status)


def draw_mermaid(
    folder: Path, *, evidence: Mapping[str, Any] | None = None, live: Live | None = None, bgp: bool = True
) -> str:
    """The same as a Mermaid flowchart. Raises `SpecError` for a folder that cannot be read."""
    return _mermaid(*_picture(folder, evidence, live, bgp=bgp))


def _picture(
    folder: Path, evidence: Mapping[str, Any] | None, live: Live | None, *, bgp: bool
) -> tuple[Picture, Status]:
    picture = picture_of(folder)
    picture = picture if bgp else replace(picture, sessions=())
    return picture, status_of(picture, evidence, live)


# --- SVG --------------------------------------------------------------------------------------------------------------


def _svg(picture: Picture, scene: Scene, status: Status) -> str:
    """The text of one ``<svg>`` element, indented."""
    root = Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "class": NAME, "role": "img", "aria-label": _summary(picture, status),
        "viewBox": f"0 0 {_n(scene.width)} {_n(scene.height)}", "width": "100%",
        "style": f"min-width:{_n(scene.width * SMALLEST)}px;max-width:{_n(scene.width * LARGEST)}px;margin:0 auto",
    })  # fmt: skip
    SubElement(root, "title").text = f"Topology of {picture.name}"
    SubElement(root, "style").text = f"\n{STYLE.read_text()}"
    _rect(root, Rect(0, 0, scene.width, scene.height), "paper")
    for text in scene.heading:
        _text(root, text)
    for placed in scene.parts:
        _part(root, placed, status)
    for placed in scene.parts:
        standing = status.of(placed.of)
        if standing and placed.mark:
            _sign(root, placed.mark, standing.state)
    for sample, rect, label in scene.legend:
        _legend(SubElement(root, "g", {"class": "legend"}), sample, rect, label)
    for text in scene.notes:
        _text(root, text)
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _summary(picture: Picture, status: Status) -> str:
    """For who hears the drawing: how many of what, and every part that does not stand well."""
    told: list[tuple[Part, str]] = [(node, node.name) for node in picture.nodes]
    told += [(end, " ".join(end)) for link in picture.links for end, _ in link.ends]
    told += [(session, f"BGP {session.switch} with {session.peer}") for session in picture.sessions]
    bad = []
    for part, name in told:
        standing = status.of(part)
        if standing and standing.state != "up":
            how = standing.mark if isinstance(part, Session) else ""
            bad.append(f"{name} {how or standing.state}")
    sessions = sum(len(session.neighbors) for session in picture.sessions)
    counts = f"{len(picture.nodes)} nodes, {len(picture.links)} cables, {sessions} BGP sessions."
    return f"Topology of {picture.name}: {counts}" + (f" Not up: {', '.join(bad)}." if bad else "")


def _part(root: Element, placed: Placed, status: Status) -> None:
    kind, radius, data, title = _told(placed)
    standing = status.of(placed.of)
    group = SubElement(root, "g", {"class": f"{kind} {standing.state}" if standing else kind, **data})
    how = standing and not isinstance(placed.of, Link) and (standing.message or standing.mark or standing.state)
    SubElement(group, "title").text = f"{title}: {how}" if how else title
    if placed.line:
        SubElement(group, "path", {"d": _path(placed.line)})
    if placed.rect:
        _rect(group, placed.rect, radius=radius)
    for text in placed.texts:
        _text(group, text)


def _told(placed: Placed) -> tuple[str, int, dict[str, str], str]:
    """(its class, how round its rectangle is, what it is of for a program, and for who points at it)."""
    part = placed.of
    match part:
        case Node():
            return f"node {part.tier}", 6, {"data-node": part.name}, part.name
        case Link():
            ends = ":".join(part.a), ":".join(part.b)
            return "link", 0, {"data-link": " ".join(ends)}, " to ".join(ends)
        case Bundle():
            name = f"{part.node} {part.name if part.number is None else f'port-channel{part.number}'}"
            channels = " and ".join(f"port-channel{number} of {switch}" for switch, number in part.channels)
            title = f"{name}: {', '.join(part.members)}" + (f" to {channels}" if part.number is None else "")
            return "bundle", 8, {"data-bundle": name}, title
        case Pair():
            how = "over its own cables" if part.members else "over the fabric"
            title = f"vPC domain {part.domain}: {part.leafs[0]} and {part.leafs[1]}, peer-link {how}"
            return "bundle" if placed.rect else "fabric", 6, {"data-pair": " ".join(part.leafs)}, title
        case Session():
            neighbors = ", ".join(f"{family} {address}" for family, address in part.neighbors)
            source = f" from {part.source}" if part.source else ""
            title = f"{part.kind}: {part.switch}{source} with {part.peer} ({neighbors})"
            data = {"data-session": " ".join(part.pair)} if placed.line else {}
            return f"session {part.kind.lower()}", 8, data, title
        case _:
            return "port", 3, {"data-port": ":".join(part)}, ":".join(part)


def _legend(group: Element, sample: Sample, rect: Rect, label: Text) -> None:
    middle = rect.center
    if sample in ("up", "down", "unknown"):
        _sign(group, middle, sample)
    elif sample == "bundle":
        _rect(SubElement(group, "g", {"class": "bundle"}), rect, radius=7)
    else:
        kind = sample if sample in ("link", "fabric") else f"session {sample.lower()}"
        line = f"M {_n(rect.x)} {_n(middle.y)} L {_n(rect.right)} {_n(middle.y)}"
        SubElement(SubElement(group, "g", {"class": kind}), "path", {"d": line})
    _text(group, label)


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
    SubElement(group, "path", {"d": SHAPES[state]})


# --- Mermaid ----------------------------------------------------------------------------------------------------------

_TITLES: Mapping[Tier, str] = {
    "external": "external hosts", "border": "border leafs", "spine": "spines", "leaf": "leafs",
    "kube": "Kubernetes nodes",
}  # fmt: skip
_LOOKS: Mapping[State, tuple[str, str]] = {
    "up": ("✓", "#1a7f37"), "down": ("✕", "#c4222f"), "unknown": ("?", "#6b6f76"),
}  # fmt: skip
"""Sign, and colour of a stroke."""


def _mermaid(picture: Picture, status: Status) -> str:
    """One flowchart: Mermaid places the nodes; a bundle is a thick edge with both names, sessions are a dotted one."""
    ids = {node.name: f"n{number}_{re.sub(r'[^A-Za-z0-9]', '_', node.name)}"
           for number, node in enumerate(picture.nodes, 1)}  # fmt: skip
    lines = ["---", f"title: {picture.name}", "---", "flowchart TB"]
    lines += [f"  %% {line}" for line in (*about(picture, status), *picture.notes, *status.notes)]
    lines += _tiers(picture, status, ids)
    edges = list(_edges(picture, status))
    lines += [f'  {ids[one]} {line}|"{_quoted(label)}"| {ids[other]}' for one, line, other, label, _ in edges]
    lines += _strokes({ids[node.name]: status.of(node) for node in picture.nodes}, [it for *_, it in edges])
    return "\n".join(lines) + "\n"


def _tiers(picture: Picture, status: Status, ids: Mapping[str, str]) -> Iterator[str]:
    boxes = {node.name: _box(ids[node.name], node, status) for node in picture.nodes}
    for tier, title in _TITLES.items():
        names = [node.name for node in picture.nodes if node.tier == tier]
        if names:
            yield from (f'  subgraph tier_{tier}["{title}"]', *_framed(names, picture, boxes, ids), "  end")


def _strokes(nodes: Mapping[str, Standing | None], edges: Sequence[Standing | None]) -> Iterator[str]:
    """The colours of what stands somehow. ``nodes``: by their ids; ``edges``: in the order in which they are drawn."""
    for state, (_, stroke) in _LOOKS.items():
        names = [name for name, it in nodes.items() if it and it.state == state]
        if names:
            yield from (f"  classDef {state} stroke:{stroke},stroke-width:2px", f"  class {','.join(names)} {state}")
        numbers = [str(number) for number, it in enumerate(edges) if it and it.state == state]
        if numbers:
            yield f"  linkStyle {','.join(numbers)} stroke:{stroke}"


def _box(identity: str, node: Node, status: Status) -> str:
    lines, standing = [f"<b>{node.name}</b>", *node.lines], status.of(node)
    lines += [f"{_LOOKS[standing.state][0]} {standing.mark}"] if standing else []
    return f'{identity}["{_quoted("<br/>".join(lines))}"]'


def _framed(names: list[str], picture: Picture, boxes: Mapping[str, str], ids: Mapping[str, str]) -> Iterator[str]:
    """The nodes of a tier, the two of a pair in a frame of their own."""
    for name in names:
        pair = picture.pair_of(name)
        if pair is None:
            yield f"    {boxes[name]}"
        elif name == pair.leafs[0]:
            yield f'    subgraph vpc{pair.domain}_{ids[name]}["vPC domain {pair.domain}"]'
            yield from (*(f"      {boxes[leaf]}" for leaf in pair.leafs), "    end")


def _edges(picture: Picture, status: Status) -> Iterator[tuple[str, str, str, str, Standing | None]]:
    """(node, kind of line, node, label, how it stands): links, peer-links over the fabric, sessions.

    Mermaid draws the first of an edge above the second.
    """
    level = {node.name: TIERS.index(node.tier) for node in picture.nodes}
    for link in picture.links:
        upper, lower = sorted((link.a, link.b), key=lambda end: level[end[0]])
        bundles = [_bundle(picture, status, end) for end in (upper, lower)]
        label = " — ".join(_with_mark(short_name(end[1]), status.of(end)) for end in (upper, lower))
        label += f"<br/>{bundles[0]} — {bundles[1]}" if all(bundles) else ""
        yield upper[0], "===" if all(bundles) else "---", lower[0], label, status.of(link)
    for pair in picture.pairs:
        standing = status.of(pair)
        if not pair.members or standing:
            name = f"peer-link Po{pair.channel}" if pair.channel is not None else "peer-link"
            label = _with_mark(name if pair.members else f"{name} over fabric", standing)
            yield pair.leafs[0], "-.-", pair.leafs[1], label, standing
    for session in picture.sessions:
        standing = status.of(session)
        families = dict.fromkeys(family for family, _ in session.neighbors)
        label = _with_mark(f"{len(session.neighbors)} {session.kind} {', '.join(families)}", standing)
        upper_node, lower_node = sorted(session.pair, key=lambda node: level[node])
        yield upper_node, "-.-", lower_node, label, standing


def _bundle(picture: Picture, status: Status, end: End) -> str:
    for bundle in picture.bundles:
        if end in bundle.ends:
            return _with_mark(bundle.name, status.of(bundle))
    pair = picture.pair_of(end[0])
    if pair and any(end in (link.a, link.b) for link in pair.members):
        return f"Po{pair.channel} peer-link" if pair.channel is not None else "peer-link"
    return ""


def _with_mark(text: str, standing: Standing | None) -> str:
    return " ".join(filter(None, (text, standing.mark, _LOOKS[standing.state][0]))) if standing else text


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")
