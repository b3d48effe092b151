"""Picture and status → scene. Pure and deterministic: the same picture is the same drawing.

What hangs on each edge of each node is found first (slots), then how wide each node is and where it stands (columns):
nodes under their pair of leafs, the rest in the middle. Between two rows of nodes every line leaves its port straight,
through a zone for signs and one for bands and numbers, before it bends: so nothing that is written lies on anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labctl.graph.picture import TIERS, Channel, End, Lag, Link, Node, Pair, Picture, Session, short
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

AROUND = 12.0
"""Room around a label in its slot."""
THIN = 8.0
"""A slot where a session's line begins without its number."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A port (``end``), or an end of a session's line; ``peer``: the node at the other end."""

    peer: str
    width: float
    end: End | None = None
    bundle: Lag | Channel | None = None
    session: Session | None = None
    has_badge: bool = False


Slots = Mapping[tuple[str, Edge], Sequence[Slot]]


def bundle_text(bundle: Lag | Channel, status: Status) -> str:
    """What its band says."""
    standing = status.of(bundle)
    return f"{bundle.name} {standing.mark}" if standing and standing.mark else bundle.name


def badge_text(session: Session, status: Status) -> str:
    """How many sessions, and how many of them are up where that is known."""
    standing = status.of(session)
    return standing.mark if standing and standing.mark else str(len(session.neighbors))


def slots_of(picture: Picture, status: Status) -> dict[tuple[str, Edge], list[Slot]]:
    """All slots, in the picture's order."""
    found: dict[tuple[str, Edge], list[Slot]] = {}
    for key, slot in (*_ports(picture, status), *_session_ends(picture, status)):
        found.setdefault(key, []).append(slot)
    return found


def _towards(picture: Picture, node: str, other: str) -> Edge:
    level = {it.name: TIERS.index(it.tier) for it in picture.nodes}
    return "top" if level[node] > level[other] else "bottom"


def _ports(picture: Picture, status: Status) -> Iterator[tuple[tuple[str, Edge], Slot]]:
    bundles = {end: bundle for bundle in picture.bundles for end in bundle.ends if picture.far_end(end)}
    beside = {link: pair for pair in picture.pairs for link in pair.members}
    for link in picture.links:
        for end, far in ((link.a, link.b), (link.b, link.a)):
            bundle = bundles.get(end)
            width = width_of(short(end[1]))
            if bundle is not None:
                members = sum(other is bundle for other in bundles.values())
                width = max(width, width_of(bundle_text(bundle, status)) / members)
            edge = _towards(picture, end[0], far[0])
            if link in beside:
                edge = "right" if end[0] == beside[link].leafs[0] else "left"
            yield (end[0], edge), Slot(far[0], width + AROUND, end, bundle)


def _session_ends(picture: Picture, status: Status) -> Iterator[tuple[tuple[str, Edge], Slot]]:
    for session in picture.sessions:
        for node, other in ((session.switch, session.peer), (session.peer, session.switch)):
            counted = node == session.counted_at
            room = width_of(badge_text(session, status)) + AROUND if counted else THIN
            yield (node, _towards(picture, node, other)), Slot(other, room, None, None, session, counted)


def in_order(slots: Sequence[Slot], across: Mapping[str, float]) -> list[Slot]:
    """From left to right, so that lines cross little. ``across``: the middle of each node.

    On a node all ports stand together, for its band, and the sessions on both sides of them; elsewhere each other node
    has its ports and its session together.
    """
    ports = sorted((slot for slot in slots if slot.end), key=lambda slot: (across[slot.peer], slot.end))
    sessions = sorted((slot for slot in slots if slot.session), key=lambda slot: across[slot.peer])
    if any(isinstance(slot.bundle, Lag) for slot in ports):
        half = (len(sessions) + 1) // 2
        return [*sessions[:half], *ports, *sessions[half:]]
    return sorted([*ports, *sessions], key=lambda slot: (across[slot.peer], slot.peer))


def runs(slots: Sequence[Slot]) -> list[list[int]]:
    """Positions of neighbouring slots of one bundle."""
    found: list[list[int]] = []
    for index, slot in enumerate(slots):
        if slot.bundle is None:
            continue
        if found and found[-1][-1] == index - 1 and slots[index - 1].bundle is slot.bundle:
            found[-1].append(index)
        else:
            found.append([index])
    return found


INSIDE = 8.0
"""Between a node's edge and what is in it."""
SIGN = 16.0
"""Width of a sign with the space behind it."""
GAP = 24.0
"""Between nodes of one row."""
WIDEST_GAP = 120.0
BETWEEN_PAIRS = 48.0


@dataclass(frozen=True, slots=True)
class Columns:
    """``left`` and ``widths`` of each node; the whole is ``total`` wide."""

    left: Mapping[str, float]
    widths: Mapping[str, float]
    total: float

    def middle(self, node: str) -> float:
        return self.left[node] + self.widths[node] / 2


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


def node_width(node: Node, slots: Slots, status: Status) -> float:
    """As wide as its texts and the slots of its edges need."""
    standing = status.nodes.get(node.name)
    texts = [width_of(node.name, NORMAL), *(width_of(line, SMALL) for line in node.lines)]
    texts += [SIGN + width_of(standing.mark, SMALL)] if standing else []
    side = max((slot.width for edge in ("left", "right") for slot in slots.get((node.name, edge), ())), default=0.0)
    rows = [sum(slot.width for slot in slots.get((node.name, edge), ())) for edge in ("top", "bottom")]
    return max(max(texts) + 2 * side, *rows) + 2 * INSIDE


def columns(picture: Picture, slots: Slots, status: Status, least: float) -> Columns:
    """Place all nodes. ``least``: the whole is at least so wide."""
    widths = {node.name: node_width(node, slots, status) for node in picture.nodes}
    tiers = {
        tier: [node.name for node in picture.nodes if node.tier == tier] for tier in ("external", "border", "spine")
    }
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
    return min((borders.index(peer) for peer in _peers(picture, host) if peer in borders), default=len(borders))


def _groups(picture: Picture, status: Status) -> list[_Group]:
    """From left to right; nodes that hang on no leaf come last."""
    leafs = [node.name for node in picture.nodes if node.tier == "leaf"]
    nodes = [node.name for node in picture.nodes if node.tier == "kube"]
    homes = {node: next((peer for peer in _peers(picture, node) if peer in leafs), "") for node in nodes}
    found = []
    for together, between in [*_together(picture, leafs, status), (("",), GAP)]:
        mine = tuple(node for node in nodes if homes[node] in together)
        found += [_Group(tuple(filter(None, together)), between, mine)] if mine or together != ("",) else []
    return found


def _together(picture: Picture, leafs: Sequence[str], status: Status) -> list[tuple[tuple[str, ...], float]]:
    """The leafs, two of a pair together, and the room between the two: for the words of their peer-link."""
    found: dict[tuple[str, ...], float] = {}
    for leaf in leafs:
        pair = picture.pair_of(leaf)
        if pair is None or not set(pair.leafs) <= set(leafs):
            found[leaf,] = GAP
        else:
            words = [word for part in pair_words(pair, status) for word in part]
            found.setdefault(pair.leafs, max(map(width_of, words)) + 2 * INSIDE)
    return list(found.items())


def _peers(picture: Picture, node: str) -> list[str]:
    """The nodes at the other ends of a node's links."""
    ends = [pair for link in picture.links for pair in ((link.a[0], link.b[0]), (link.b[0], link.a[0]))]
    return [far for near, far in ends if near == node]


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


def layout(picture: Picture, status: Status) -> Scene:
    """Place everything."""
    slots = slots_of(picture, status)
    across = columns(picture, slots, status, LEAST)
    above, top = heading(picture, status, MARGIN, MARGIN, across.total)
    work = _Work(picture, status, across, {key: tuple(value) for key, value in slots.items()})
    bottom = work.place(top + 12)
    sessions, badges = work.sessions()
    below, bottom = legend(picture, status, MARGIN, bottom + 16, across.total)
    lines, bottom = notes(picture, status, MARGIN, bottom + 4, across.total)
    return Scene(
        across.total + 2 * MARGIN, bottom + MARGIN, tuple(above), tuple(work.nodes), tuple(work.ports),
        tuple(work.links()), tuple(work.bundles), tuple(work.pairs), tuple(sessions), tuple(badges), tuple(below),
        tuple(lines),
    )  # fmt: skip


@dataclass(slots=True)
class _Work:
    """What is placed so far. Places are those of the columns, moved by the margin."""

    picture: Picture
    status: Status
    across: Columns
    slots: Mapping[tuple[str, Edge], Sequence[Slot]]
    nodes: list[Placed[Node]] = field(default_factory=list)
    ports: list[Placed[End]] = field(default_factory=list)
    bundles: list[Placed[Lag | Channel]] = field(default_factory=list)
    pairs: list[Placed[Pair]] = field(default_factory=list)
    rects: dict[str, Rect] = field(default_factory=dict)
    tips: dict[End | tuple[str, str, str], tuple[Point, Edge]] = field(default_factory=dict)
    """A port, or (node, the other, kind of session) → where its line leaves the node."""
    reaches: dict[tuple[str, Edge], float] = field(default_factory=dict)
    """How far the lines of a node's edge go straight."""

    def place(self, top: float) -> float:
        """Row by row; returns where the last one ends."""
        bend = min(150.0, max(40.0, 0.09 * self.across.total))
        y = bottom = top
        rows = [[node for node in self.picture.nodes if node.tier == tier] for tier in TIERS]
        for row in filter(None, rows):
            height = max(self._height(node) for node in row)
            if self.nodes:
                y = bottom + bend + self._reach(row, "top")
            for node in row:
                self._node(node, Rect(MARGIN + self.across.left[node.name], y, self.across.widths[node.name], height))
            bottom = y + height + self._reach(row, "bottom")
        for pair in self.picture.pairs:
            self._pair(pair)
        return bottom + bend if rows[-1] and self._reach(rows[-1], "bottom") else bottom

    def _reach(self, row: Sequence[Node], edge: Edge) -> float:
        """How far the lines of a row go straight: a zone for signs, one for bands and numbers if it has any."""
        slots = [slot for node in row for slot in self.slots.get((node.name, edge), ())]
        reach = 0.0 if not slots else SIGNS + SPACE
        if any(slot.bundle or slot.has_badge for slot in slots):
            reach += BANDS
        self.reaches.update({(node.name, edge): reach for node in row})
        return reach

    def _height(self, node: Node) -> float:
        strips = sum(STRIP for edge in ("top", "bottom") if self.slots.get((node.name, edge)))
        standing = LINE + 2 if node.name in self.status.nodes else 0.0
        texts = NORMAL * LEADING + LINE * len(node.lines) + standing + INSIDE
        pair = self.picture.pair_of(node.name)
        if pair is None:
            return strips + texts
        above, below = map(len, pair_words(pair, self.status))
        half = _half(pair)
        return max(strips + texts, 2 * half + LINE * (above + below), 2 * (STRIP + half - self._lift(pair)))

    def _lift(self, pair: Pair) -> float:
        """How far its peer-link is from the middle of its leafs, so that its words above and below are around that."""
        above, below = map(len, pair_words(pair, self.status))
        return (above - below) * LINE / 2

    def _node(self, node: Node, rect: Rect) -> None:
        top = rect.y + (STRIP if self.slots.get((node.name, "top")) else 0.0)
        bottom = rect.bottom - (STRIP if self.slots.get((node.name, "bottom")) else 0.0)
        standing = self.status.nodes.get(node.name)
        height = NORMAL * LEADING + LINE * len(node.lines) + (LINE + 2 if standing else 0.0)
        middle, y = rect.center.x, (top + bottom - height) / 2 + NORMAL * LEADING / 2
        texts, mark = [line_at(node.name, Point(middle, y), NORMAL, "strong")], None
        y += NORMAL * LEADING / 2 - LINE / 2
        for number, text in enumerate(node.lines, 1):
            texts.append(line_at(text, Point(middle, y + LINE * number), kind="soft"))
        if standing:
            texts.append(line_at(standing.mark, Point(middle + 8, y + LINE * len(texts) + 2)))
            mark = Point(texts[-1].room.x - 8, texts[-1].room.center.y)
        self.rects[node.name] = rect
        self.nodes.append(Placed(node, rect, texts=tuple(texts), mark=mark))
        self._edge(node.name, "top", rect)
        self._edge(node.name, "bottom", rect)
        self._side(node.name, "left", rect)
        self._side(node.name, "right", rect)

    def _edge(self, node: str, edge: Edge, rect: Rect) -> None:
        """Ports and sessions along the top or bottom edge."""
        middles = {name: self.across.middle(name) for name in self.across.left}
        slots = in_order(self.slots.get((node, edge), ()), middles)
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
                self.tips[node, slot.peer, slot.session.kind] = tip, edge
            x += slot.width
        zone = y - SIGNS - BANDS if edge == "top" else y + SIGNS
        for run in runs(slots):
            bundle = slots[run[0]].bundle
            if bundle is not None:
                left, right = starts[run[0]] + 2, starts[run[-1]] + slots[run[-1]].width - 2
                band = Rect(left, zone, right - left, BANDS)
                label = line_at(bundle_text(bundle, self.status), band.center)
                self.bundles.append(Placed(bundle, band, texts=(label,)))

    def _side(self, node: str, edge: Edge, rect: Rect) -> None:
        """Ports of a physical peer-link, one over the other."""
        slots = self.slots.get((node, edge), ())
        way, x = (-1, rect.x) if edge == "left" else (1, rect.right)
        pair = self.picture.pair_of(node)
        middle = rect.center.y + (self._lift(pair) if pair else 0.0)
        for number, slot in enumerate(slots):
            y = middle + STEP * (number - (len(slots) - 1) / 2)
            left = x + 2 if edge == "left" else x - slot.width + 2
            if slot.end is not None:
                chip = Rect(left, y - (STRIP - 4) / 2, slot.width - 4, STRIP - 4)
                self._port(slot.end, chip, Point(x, y), edge, Point(x + way * SIGNS / 2, y))

    def _port(self, end: End, chip: Rect, tip: Point, edge: Edge, mark: Point) -> None:
        self.tips[end] = tip, edge
        self.ports.append(Placed(end, chip, texts=(line_at(short(end[1]), chip.center),), mark=mark))

    def _pair(self, pair: Pair) -> None:
        one, other = (self.rects[leaf] for leaf in pair.leafs)
        y = one.center.y + self._lift(pair)
        start, end = Point(one.right, y), Point(other.x, y)
        middle, half = Point((start.x + end.x) / 2, y), _half(pair)
        above, below = pair_words(pair, self.status)
        labels = [line_at(text, Point(middle.x, middle.y - half - LINE * (len(above) - number - 0.5)), kind="soft")
                  for number, text in enumerate(above)]  # fmt: skip
        labels += [line_at(text, Point(middle.x, middle.y + half + LINE * (number + 0.5)), kind="soft")
                   for number, text in enumerate(below)]  # fmt: skip
        line = None if pair.members else Line(start, middle, middle, end)
        band = Rect(middle.x - 6, middle.y - half + 2, 12, 2 * half - 4) if pair.members else None
        self.pairs.append(Placed(pair, band, line, tuple(labels), middle))

    def links(self) -> list[Placed[Link]]:
        """When all ports are placed."""
        return [Placed(link, line=self._line(link.a, link.b)) for link in self.picture.links]

    def sessions(self) -> tuple[list[Placed[Session]], list[Placed[Session]]]:
        """Lines and numbers, when all nodes are placed."""
        lines, badges = list[Placed[Session]](), list[Placed[Session]]()
        for session in self.picture.sessions:
            here, there = (session.switch, session.peer, session.kind), (session.peer, session.switch, session.kind)
            tip, edge = self.tips[here if session.counted_at == session.switch else there]
            way = -1 if edge == "top" else 1
            label = line_at(badge_text(session, self.status), Point(tip.x, tip.y + way * (SIGNS + BANDS / 2)))
            badge = Rect(label.room.x - 4, label.room.center.y - 8, label.room.width + 8, 16)
            lines.append(Placed(session, line=self._line(here, there)))
            badges.append(Placed(session, badge, texts=(label,), mark=Point(tip.x, tip.y + way * SIGNS / 2)))
        return lines, badges

    def _line(self, one: End | tuple[str, str, str], other: End | tuple[str, str, str]) -> Line:
        (start, _), (end, _) = self.tips[one], self.tips[other]
        return Line(start, self._out(one[0], *self.tips[one]), self._out(other[0], *self.tips[other]), end)

    def _out(self, node: str, tip: Point, edge: Edge) -> Point:
        """Where a line may begin to bend."""
        if edge in ("left", "right"):
            return Point(tip.x + (-1 if edge == "left" else 1) * SIGNS, tip.y)
        return Point(tip.x, tip.y + (-1 if edge == "top" else 1) * self.reaches[node, edge])


def _half(pair: Pair) -> float:
    """From the middle of a peer-link to the words above and below."""
    return STEP * max(0, len(pair.members) - 1) / 2 + 10
