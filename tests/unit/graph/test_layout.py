"""However many nodes a lab has: nothing written lies on anything written, and everything is where it belongs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.graph.layout import layout
from labctl.graph.picture import TIERS, Bundle, End, Link, Node, Pair, Picture, Session
from labctl.graph.scene import Placed, Rect, Scene, Text
from labctl.graph.status import Standing, State, Status

STATES: tuple[State, ...] = ("up", "down", "unknown")


class Making:
    """Ports taken one after the other, as a design does."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self._taken: dict[str, int] = {}

    def port(self, node: str, kind: str = "Ethernet1/") -> str:
        self._taken[node] = self._taken.get(node, 0) + 1
        return f"{kind}{self._taken[node]}"

    def link(self, a: str, b: str, kind: str = "Ethernet1/") -> Link:
        made = Link((a, self.port(a)), (b, self.port(b, kind)))
        self.links.append(made)
        return made


def made(
    spines: int = 2, pairs: int = 1, nodes: int = 3, borders: int = 1, hosts: int = 1, *, physical: bool = False,
    members: int = 1, families: int = 2, suffix: str = "",
) -> Picture:  # fmt: skip
    """A lab of that size; ``members``: links from a node to each leaf of its pair."""
    make = Making()
    spine, border = ([f"{word}{n}{suffix}" for n in range(count)] for word, count in (("sp", spines), ("bl", borders)))
    leafs = [(f"leaf{2 * n + 101}{suffix}", f"leaf{2 * n + 102}{suffix}") for n in range(pairs)]
    drawn = [Node(name, "spine", ("spine, AS 65102", "Lo0 10.2.1.201")) for name in spine]
    drawn += [Node(name, "leaf", ("leaf, AS 65102", "Lo1002 192.168.100.1")) for pair in leafs for name in pair]
    drawn += [Node(name, "border", ("border leaf",)) for name in border]
    lags, channels, sessions, domains = [], [], [], []
    for number in range(nodes if pairs else 0):
        name, pair = f"node{number:02}{suffix}", leafs[number % pairs]
        drawn.append(Node(name, "kube", ("worker", "AS 65531", "192.168.1.10")))
        links = [make.link(leaf, name, "eth") for leaf in pair for _ in range(members)]
        lags.append(Bundle(name, "bond0", tuple(link.b[1] for link in links)))
        for leaf in pair:
            ports = tuple(link.a[1] for link in links if link.a[0] == leaf)
            channels.append(Bundle(leaf, f"Po{11 + number}", ports, 11 + number))
            sessions.append(Session(leaf, name, "eBGP", (("IPv4", "192.168.1.10"), ("IPv6", "2001::10"))[:families]))
    for number, pair in enumerate(leafs, 1):
        domains.append(Pair(number, pair, 500, tuple(make.link(*pair) for _ in range(2 if physical else 0))))
    for lower in (*(name for pair in leafs for name in pair), *border):
        for upper in spine:
            make.link(upper, lower)
            sessions.append(Session(lower, upper, "iBGP", (("EVPN", "10.2.1.201"),)))
    for number in range(hosts if borders else 0):
        drawn.append(Node(f"ext{number}{suffix}", "external", ("external host",)))
        make.link(border[number % borders], f"ext{number}{suffix}", "eth")
    return Picture(
        "lab", "routed mode", tuple(drawn), tuple(make.links), (*lags, *channels), tuple(domains),
        tuple(sessions), ("a note that is rather long, so that it has to be written in more than one line",),
    )  # fmt: skip


def in_some_state(picture: Picture, state: State) -> Status:
    """Every part stands so, with the longest words that there are."""
    ends: list[End] = [end for link in picture.links for end in (link.a, link.b)]
    many = {row: "P" if row.number else f"{len(row.members)}/{len(row.members)}" for row in picture.bundles}
    many |= {session: f"0/{len(session.neighbors)}" for session in picture.sessions}
    marks = dict.fromkeys(picture.nodes, "Node unread") | dict.fromkeys(ends, "") | many
    marks |= dict.fromkeys(picture.pairs, "peer-link-is-down")
    return Status(
        {part: Standing(state, mark) for part, mark in marks.items()},
        ("leaf101 did not answer: no route to host",),
        "2026-01-01 00:00:00 UTC",
    )


EDGE = 0.01
"""Less is rounding, as nothing is drawn finer than a tenth."""


def overlaps(one: Rect, other: Rect) -> bool:
    """Whether they share more than an edge."""
    return (
        one.x < other.right - EDGE and other.x < one.right - EDGE
        and one.y < other.bottom - EDGE and other.y < one.bottom - EDGE
    )  # fmt: skip


def holds(one: Rect, other: Rect) -> bool:
    """Whether the other is wholly inside."""
    return (
        one.x <= other.x + EDGE and one.y <= other.y + EDGE
        and other.right <= one.right + EDGE and other.bottom <= one.bottom + EDGE
    )  # fmt: skip


def texts_of(scene: Scene) -> list[Text]:
    """Every text that is drawn."""
    texts = [text for placed in scene.parts for text in placed.texts]
    return [*scene.heading, *texts, *(label for _, _, label in scene.legend), *scene.notes]


def parts(scene: Scene, kind: Any) -> list[Placed]:
    return [placed for placed in scene.parts if isinstance(placed.of, kind)]


def overlapping(rects: Sequence[Rect]) -> list[tuple[Rect, Rect]]:
    return [(one, other) for one, other in itertools.combinations(rects, 2) if overlaps(one, other)]


def is_sound(picture: Picture, scene: Scene) -> None:
    """What every drawing must be."""
    whole = Rect(0, 0, scene.width, scene.height)
    texts = [text.room for text in texts_of(scene)]
    assert all(holds(whole, room) for room in texts)
    assert overlapping(texts) == []
    nodes = {placed.of.name: placed for placed in parts(scene, Node)}
    assert overlapping([placed.rect for placed in nodes.values()]) == []
    ports, bundles = parts(scene, tuple), parts(scene, Bundle)
    lines, badges = ([p for p in parts(scene, Session) if bool(p.line) is has_line] for has_line in (True, False))
    signs = [Rect(p.mark.x - 6, p.mark.y - 6, 12, 12) for p in (*ports, *badges)]
    assert overlapping([*signs, *(placed.rect for placed in (*badges, *bundles))]) == []
    assert not [room for room in texts for sign in signs if overlaps(sign, room)]
    for placed in nodes.values():
        assert all(holds(placed.rect, text.room) for text in placed.texts)
    for port in ports:
        assert holds(nodes[port.of[0]].rect, port.rect)
        assert holds(port.rect, port.texts[0].room)
    for part in (*bundles, *badges):
        assert part.rect.x <= part.texts[0].room.x
        assert part.texts[0].room.right <= part.rect.right
    assert {port.of for port in ports} == {end for link in picture.links for end in (link.a, link.b)}
    assert [placed.of for placed in parts(scene, Link)] == list(picture.links)
    assert [placed.of for placed in lines] == [placed.of for placed in badges] == list(picture.sessions)
    assert set(nodes) == {node.name for node in picture.nodes}


@settings(max_examples=60)
@given(
    st.builds(
        made, spines=st.integers(0, 4), pairs=st.integers(0, 4), nodes=st.integers(0, 12), borders=st.integers(0, 3),
        hosts=st.integers(0, 4), physical=st.booleans(), members=st.integers(1, 3), families=st.integers(1, 2),
        suffix=st.sampled_from(["", "-a", "-in-the-cellar-of-the-house"]),
    ),
    st.sampled_from([None, *STATES]),
)  # fmt: skip
def test_a_drawing_of_any_size_can_be_read(picture: Picture, state: State | None) -> None:
    status = in_some_state(picture, state) if state else Status()
    scene = layout(picture, status)
    is_sound(picture, scene)
    assert layout(picture, status) == scene


@pytest.mark.parametrize("state", STATES)
def test_eight_leafs_and_twelve_nodes(state: State) -> None:
    picture = made(spines=4, pairs=4, nodes=12, borders=2, hosts=2)
    is_sound(picture, layout(picture, in_some_state(picture, state)))


def test_tiers_are_one_below_the_other() -> None:
    scene = layout(made(pairs=2, nodes=4), Status())
    rows = [{placed.rect.y for placed in parts(scene, Node) if placed.of.tier == tier} for tier in TIERS]
    assert all(len(row) == 1 for row in rows)
    heights = [row.pop() for row in rows]
    assert heights == sorted(heights)


def test_a_node_stands_under_its_own_pair() -> None:
    scene = layout(made(pairs=2, nodes=4), Status())
    at = {placed.of.name: placed.rect for placed in parts(scene, Node)}
    for leafs, nodes in (
        (("leaf101", "leaf102"), ("node00", "node02")),
        (("leaf103", "leaf104"), ("node01", "node03")),
    ):
        left, right = at[leafs[0]].x, at[leafs[1]].right
        assert all(left <= at[node].center.x <= right for node in nodes)


def test_a_bond_is_a_band_around_all_its_links() -> None:
    scene = layout(made(nodes=1, members=2), Status())
    (band,) = (placed for placed in parts(scene, Bundle) if placed.of.number is None)
    tips = [port.rect.center.x for port in parts(scene, tuple) if port.of[0] == "node00"]
    assert len(tips) == 4
    assert all(band.rect.x < x < band.rect.right for x in tips)


def test_cables_that_are_crossed_are_drawn_where_they_are() -> None:
    """A bond whose ports are not side by side at the leaf is no band over the ports of others."""
    picture = made(nodes=2)
    a, b = picture.bundles[2], picture.bundles[4]
    crossed = replace(a, members=(*a.members, *b.members))
    scene = layout(replace(picture, bundles=(*picture.bundles[:2], crossed)), Status())
    is_sound(picture, scene)
    assert [band.texts[0].text for band in parts(scene, Bundle) if band.of is crossed] == ["Po11", "Po11"]


def test_a_link_between_nodes_of_one_tier_is_an_arc_below_them() -> None:
    nodes = (Node("a", "kube", ()), Node("b", "kube", ()))
    scene = layout(Picture("lab", "", nodes, (Link(("a", "eth1"), ("b", "eth1")),), (), (), ()), Status())
    (link,) = parts(scene, Link)
    assert link.line.start_out.y == link.line.end_out.y > parts(scene, Node)[0].rect.bottom
    assert scene.legend[0][1].y > link.line.start_out.y + 30


def test_a_standing_of_nothing_in_the_picture_changes_no_part() -> None:
    picture = made()
    stray = Status({Node("x", "kube", ()): Standing("down", "failed"), ("x", "eth9"): Standing("down")})
    assert layout(picture, stray).parts == layout(picture, Status()).parts
