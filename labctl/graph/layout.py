"""Picture and status → scene. Pure and deterministic: the same picture is the same drawing.

What hangs on each edge of each node is found first (slots), then how wide each node is and where it stands (columns):
nodes under their pair of leafs, the rest in the middle. Between two rows of nodes every line leaves its port straight,
through a zone for signs and one for bands and numbers, before it bends: so nothing that is written lies on anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from labctl.graph.picture import TIERS, Bundle, End, Node, Pair, Picture, Session, Tier
from labctl.graph.scene import (
    LEADING,
    NORMAL,
    SMALL,
    Edge,
    Line,
    Placed,
    Point,
    Rect,
    Scene,
    heading,
    legend,
    line_at,
    notes,
    width_of,
)
from labctl.graph.status import Status
from labctl.nxos.normal import short_name

AROUND = 12.0
"""Room around a label in its slot."""
THIN = 8.0
"""A slot where a session's line begins without its number."""
INSIDE = 8.0
"""Between a node's edge and what is in it."""
SIGN = 16.0
"""Width of a sign with the space behind it."""
GAP = 24.0
"""Between nodes of one row."""
WIDEST_GAP = 120.0
BETWEEN_PAIRS = 48.0
MARGIN = 16.0
LEAST = 328.0
"""Narrower is no picture: heading and legend need that room."""
STRIP = 18.0
"""Height of the row of ports along an edge of a node."""
LINE = SMALL * LEADING
SIGNS = 16.0
BANDS = 17.0
SPACE = 3.0
"""Behind the last zone, before a line bends."""
STEP = 20.0
"""Between ports one over the other, at the side of a node."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a line leaves a node: a port, or an end of a session; ``peer``: the node at the other end."""

    of: End | Session
    peer: str
    width: float
    bundle: Bundle | None = None
    has_badge: bool = False


def bundle_text(bundle: Bundle, status: Status) -> str:
    """What its band says."""
    return f"{bundle.name} {status.mark(bundle)}".rstrip()


def badge_text(session: Session, status: Status) -> str:
    """How many sessions, and how many of them are up where that is known."""
    return status.mark(session) or str(len(session.neighbors))


def slots_of(picture: Picture, status: Status) -> Mapping[tuple[str, Edge], list[Slot]]:
    """All slots by (node, edge), in the picture's order."""
    found: Mapping[tuple[str, Edge], list[Slot]] = defaultdict(list)
    level = {node.name: TIERS.index(node.tier) for node in picture.nodes}
    bundled = _bundled(picture)
    left_of = {link: pair.leafs[0] for pair in picture.pairs for link in pair.members}

    def towards(node: str, other: str) -> Edge:
        return "top" if level[node] > level[other] else "bottom"

    for link in picture.links:
        for end, far in link.ends:
            edge = towards(end[0], far[0])
            if link in left_of:
                edge = "right" if end[0] == left_of[link] else "left"
            found[end[0], edge].append(_port_slot(end, far[0], bundled, status))
    for session in picture.sessions:
        for node, other in (session.pair, session.pair[::-1]):
            counted = node == session.counted_at
            width = width_of(badge_text(session, status)) + AROUND if counted else THIN
            found[node, towards(node, other)].append(Slot(session, other, width, has_badge=counted))
    return found


def _bundled(picture: Picture) -> Mapping[End, Bundle]:
    """The bundle of each port that has a link."""
    wired = {end for link in picture.links for end, _ in link.ends}
    return {end: bundle for bundle in picture.bundles for end in bundle.ends if end in wired}


def _port_slot(end: End, peer: str, bundled: Mapping[End, Bundle], status: Status) -> Slot:
    """As wide as the port's name, and as its share of what the band of its bundle says."""
    bundle, width = bundled.get(end), width_of(short_name(end[1]))
    if bundle is not None:
        width = max(width, width_of(bundle_text(bundle, status)) / list(bundled.values()).count(bundle))
    return Slot(end, peer, width + AROUND, bundle)


def in_order(slots: Sequence[Slot], across: Mapping[str, float]) -> list[Slot]:
    """From left to right, so that lines cross little. ``across``: the middle of each node.

    On a node all ports stand together, for its band, and the sessions on both sides of them; elsewhere each other node
    has its ports and its session together.
    """
    slots = sorted(slots, key=lambda slot: (across[slot.peer], str(slot.of)))
    ports = [slot for slot in slots if isinstance(slot.of, tuple)]
    sessions = [slot for slot in slots if isinstance(slot.of, Session)]
    if any(slot.bundle and slot.bundle.number is None for slot in ports):
        half = (len(sessions) + 1) // 2
        return [*sessions[:half], *ports, *sessions[half:]]
    return sorted([*ports, *sessions], key=lambda slot: (across[slot.peer], slot.peer))


def layout(picture: Picture, status: Status) -> Scene:
    """Place everything."""
    work = _Work(picture, status)
    width = work.total
    above, top = heading(picture, status, MARGIN, MARGIN, width)
    bottom = work.place(top + 12)
    below, bottom = legend(picture, status, MARGIN, bottom + 16, width)
    lines, bottom = notes(picture, status, MARGIN, bottom + 4, width)
    return Scene(width + 2 * MARGIN, bottom + MARGIN, tuple(above), work.parts(), tuple(below), tuple(lines))


class _Work:
    """What is placed so far."""

    def __init__(self, picture: Picture, status: Status) -> None:
        self._picture = picture
        self._status = status
        self._slots = slots_of(picture, status)
        self._widths = {node.name: self._width(node) for node in picture.nodes}
        self._left: dict[str, float] = {}
        self._rects: dict[str, Rect] = {}
        self._nodes: list[Placed] = []
        self._ports: list[Placed] = []
        self._bands: list[Placed] = []
        self._tips: dict[tuple[str, End | Session], tuple[Point, Point]] = {}
        """Where a line leaves a node, and where it may begin to bend."""
        self.total = self._columns()

    # --- from left to right -------------------------------------------------------------------------------------------

    def _columns(self) -> float:
        """Find where every node stands; returns how wide the whole is."""
        borders = self._names("border")
        order = {host: min((borders.index(it) for it in self._peers(host) if it in borders), default=len(borders))
                 for host in self._names("external")}  # fmt: skip
        # a host stands over the border leaf that it is wired to
        rows = (sorted(order, key=lambda host: order[host]), borders, self._names("spine"))
        groups = self._groups()
        spans = [max(self._row(leafs, between), self._row(nodes, GAP)) for leafs, between, nodes in groups]
        whole = sum(spans) + BETWEEN_PAIRS * (len(groups) - 1)
        total = max(LEAST, whole, *(self._row(names, GAP) for names in rows))
        start = (total - whole) / 2
        for (leafs, between, nodes), span in zip(groups, spans, strict=True):
            self._center(leafs, between, start, span)
            self._center(nodes, GAP, start, span)
            start += span + BETWEEN_PAIRS
        for names in rows:
            spare = (total - self._row(names, 0.0)) / (len(names) + 1)
            self._center(names, min(max(spare, GAP), WIDEST_GAP), 0.0, total)
        return total

    def _names(self, tier: Tier) -> list[str]:
        return [node.name for node in self._picture.nodes if node.tier == tier]

    def _peers(self, node: str) -> list[str]:
        """The nodes at the other ends of a node's links."""
        return [far for link in self._picture.links for (near, _), (far, _) in link.ends if near == node]

    def _row(self, names: Sequence[str], gap: float) -> float:
        return sum(self._widths[name] for name in names) + gap * (len(names) - 1)

    def _center(self, names: Sequence[str], gap: float, start: float, span: float) -> None:
        x = start + (span - self._row(names, gap)) / 2
        for name in names:
            self._left[name] = x
            x += self._widths[name] + gap

    def _groups(self) -> list[tuple[Sequence[str], float, Sequence[str]]]:
        """Leafs that belong together, the room between them, and their nodes; those that hang on no leaf come last."""
        leafs, nodes = self._names("leaf"), self._names("kube")
        together: dict[tuple[str, ...], float] = {}
        for leaf in leafs:
            pair = self._picture.pair_of(leaf)
            if pair and {*pair.leafs} <= {*leafs}:
                together[pair.leafs] = max(map(width_of, self._texts_of(pair))) + 2 * INSIDE
            else:
                together[leaf,] = GAP
        homes = {node: next((peer for peer in self._peers(node) if peer in leafs), "") for node in nodes}
        found: list[tuple[Sequence[str], float, Sequence[str]]] = [
            (names, between, [node for node in nodes if homes[node] in names]) for names, between in together.items()
        ]
        stray = [node for node in nodes if not homes[node]]
        return [*found, ((), GAP, stray)] if stray else found

    def _width(self, node: Node) -> float:
        """As its texts and the slots of its edges need."""
        standing = self._status.of(node)
        texts = [width_of(node.name, NORMAL), *map(width_of, node.lines)]
        texts += [SIGN + width_of(standing.mark)] if standing else []
        wide: dict[Edge, list[float]] = {
            edge: [slot.width for slot in self._slots.get((node.name, edge), ())]
            for edge in ("top", "bottom", "left", "right")
        }
        side = max([*wide["left"], *wide["right"]], default=0.0)
        return max(max(texts) + 2 * side, sum(wide["top"]), sum(wide["bottom"])) + 2 * INSIDE

    # --- from above to below ------------------------------------------------------------------------------------------

    def place(self, top: float) -> float:
        """Row by row; returns where the last one ends."""
        bend = min(150.0, max(40.0, 0.09 * self.total))
        y = bottom = top
        reach = 0.0
        for tier in TIERS:
            row = [node for node in self._picture.nodes if node.tier == tier]
            if not row:
                continue
            height = max(map(self._height, row))
            up, reach = (self._reach(row, edge) for edge in ("top", "bottom"))
            if self._nodes:
                y = bottom + bend + up
            for node in row:
                rect = Rect(MARGIN + self._left[node.name], y, self._widths[node.name], height)
                self._node(node, rect)
                self._edge(node.name, rect, "top", up)
                self._edge(node.name, rect, "bottom", reach)
                self._side(node.name, rect, "left")
                self._side(node.name, rect, "right")
            bottom = y + height + reach
        return bottom + bend if reach and row else bottom

    def _reach(self, row: Sequence[Node], edge: Edge) -> float:
        """How far the lines of a row go straight: a zone for signs, one for bands and numbers if it has any."""
        slots = [slot for node in row for slot in self._slots.get((node.name, edge), ())]
        bands = BANDS if any(slot.bundle or slot.has_badge for slot in slots) else 0.0
        return SIGNS + SPACE + bands if slots else 0.0

    def _strip(self, node: str, edge: Edge) -> float:
        return STRIP if self._slots.get((node, edge)) else 0.0

    def _text_height(self, node: Node) -> float:
        return NORMAL * LEADING + LINE * len(node.lines) + (LINE + 2 if self._status.of(node) else 0.0)

    def _height(self, node: Node) -> float:
        own = self._strip(node.name, "top") + self._strip(node.name, "bottom") + self._text_height(node) + INSIDE
        pair = self._picture.pair_of(node.name)
        if pair is None:
            return own
        half = _half(pair)
        return max(own, 2 * half + LINE * len(self._texts_of(pair)), 2 * (STRIP + half - self._lift(pair)))

    def _texts_of(self, pair: Pair) -> list[str]:
        """What stands at the line of a peer-link: the first above, the others below."""
        below = ["peer-link", *([f"Po{pair.channel}"] if pair.channel is not None else [])]
        below += [] if pair.members else ["over fabric"]
        standing = self._status.of(pair)
        return [f"vPC domain {pair.domain}", *below, *([standing.mark] if standing else [])]

    def _lift(self, pair: Pair) -> float:
        """How far its peer-link is from the middle of its leafs, so that its texts above and below are around that."""
        return (2 - len(self._texts_of(pair))) * LINE / 2

    def _node(self, node: Node, rect: Rect) -> None:
        top, bottom = rect.y + self._strip(node.name, "top"), rect.bottom - self._strip(node.name, "bottom")
        middle, y = rect.center.x, (top + bottom - self._text_height(node)) / 2 + NORMAL * LEADING / 2
        texts = [line_at(node.name, Point(middle, y), NORMAL, "strong")]
        y += NORMAL * LEADING / 2 - LINE / 2
        for number, text in enumerate(node.lines, 1):
            texts.append(line_at(text, Point(middle, y + LINE * number), kind="soft"))
        standing, mark = self._status.of(node), None
        if standing:
            texts.append(line_at(standing.mark, Point(middle + 8, y + LINE * len(texts) + 2)))
            mark = Point(texts[-1].room.x - 8, texts[-1].room.center.y)
        self._rects[node.name] = rect
        self._nodes.append(Placed(node, rect, texts=tuple(texts), mark=mark))

    def _edge(self, node: str, rect: Rect, edge: Edge, reach: float) -> None:
        """Ports and sessions along the top or bottom edge."""
        across = {name: left + self._widths[name] / 2 for name, left in self._left.items()}
        slots = in_order(self._slots.get((node, edge), ()), across)
        x = rect.center.x - sum(slot.width for slot in slots) / 2
        way, y = (-1, rect.y) if edge == "top" else (1, rect.bottom)
        for bundle, run in groupby(slots, key=lambda slot: slot.bundle):
            start = x
            for slot in run:
                self._slot(node, slot, Point(x + slot.width / 2, y), (0, way), reach)
                x += slot.width
            if bundle is not None:
                band = Rect(start + 2, y - SIGNS - BANDS if edge == "top" else y + SIGNS, x - start - 4, BANDS)
                label = line_at(bundle_text(bundle, self._status), band.center)
                self._bands.append(Placed(bundle, band, texts=(label,)))

    def _side(self, node: str, rect: Rect, edge: Edge) -> None:
        """Ports of a physical peer-link, one over the other."""
        slots, pair = self._slots.get((node, edge), ()), self._picture.pair_of(node)
        middle = rect.center.y + (self._lift(pair) if pair else 0.0)
        way, x = (-1, rect.x) if edge == "left" else (1, rect.right)
        for number, slot in enumerate(slots):
            self._slot(node, slot, Point(x, middle + STEP * (number - (len(slots) - 1) / 2)), (way, 0), SIGNS)

    def _slot(self, node: str, slot: Slot, tip: Point, way: tuple[int, int], reach: float) -> None:
        """``way``: in which direction its line leaves the node."""
        (dx, dy), end = way, slot.of
        self._tips[node, end] = tip, Point(tip.x + dx * reach, tip.y + dy * reach)
        if isinstance(end, tuple):
            left, top = tip.x - (1 + dx) * slot.width / 2, tip.y - (1 + dy) * STRIP / 2
            chip = Rect(left + 2, top + 2, slot.width - 4, STRIP - 4)
            mark = Point(tip.x + dx * SIGNS / 2, tip.y + dy * SIGNS / 2)
            self._ports.append(Placed(end, chip, texts=(line_at(short_name(end[1]), chip.center),), mark=mark))

    # --- what hangs on them, when all nodes are placed ----------------------------------------------------------------

    def parts(self) -> tuple[Placed, ...]:
        """Everything, from below to above."""
        picture = self._picture
        return (
            *(Placed(link, line=self._line((link.a[0], link.a), (link.b[0], link.b))) for link in picture.links),
            *(Placed(row, line=self._line((row.switch, row), (row.peer, row))) for row in picture.sessions),
            *map(self._pair, picture.pairs),
            *self._nodes,
            *self._ports,
            *self._bands,
            *map(self._badge, picture.sessions),
        )

    def _line(self, one: tuple[str, End | Session], other: tuple[str, End | Session]) -> Line:
        (start, start_out), (end, end_out) = self._tips[one], self._tips[other]
        return Line(start, start_out, end_out, end)

    def _pair(self, pair: Pair) -> Placed:
        one, other = (self._rects[leaf] for leaf in pair.leafs)
        y, half = one.center.y + self._lift(pair), _half(pair)
        start, end = Point(one.right, y), Point(other.x, y)
        middle = Point((start.x + end.x) / 2, y)
        above, *below = self._texts_of(pair)
        labels = [line_at(above, Point(middle.x, y - half - LINE / 2), kind="soft")]
        for number, text in enumerate(below):
            labels.append(line_at(text, Point(middle.x, y + half + LINE * (number + 0.5)), kind="soft"))
        line = None if pair.members else Line(start, middle, middle, end)
        band = Rect(middle.x - 6, y - half + 2, 12, 2 * half - 4) if pair.members else None
        return Placed(pair, band, line, tuple(labels), middle)

    def _badge(self, session: Session) -> Placed:
        """The number of sessions, on their line."""
        tip, out = self._tips[session.counted_at, session]
        way = -1 if out.y < tip.y else 1
        label = line_at(badge_text(session, self._status), Point(tip.x, tip.y + way * (SIGNS + BANDS / 2)))
        badge = Rect(label.room.x - 4, label.room.center.y - 8, label.room.width + 8, 16)
        return Placed(session, badge, texts=(label,), mark=Point(tip.x, tip.y + way * SIGNS / 2))


def _half(pair: Pair) -> float:
    """From the middle of a peer-link to the texts above and below."""
    return STEP * max(0, len(pair.members) - 1) / 2 + 10
