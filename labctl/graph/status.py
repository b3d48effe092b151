"""How the parts of a picture stand: by the running lab, by what a verification found, or not said at all.

What was not read is ``unknown``, never up; of two that speak of one part, the worse is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from labctl.graph.model import End, Lag, Pair, Picture, Session
from labctl.verify.livestate import CLUSTER, LiveState

Key = TypeVar("Key")
State = Literal["up", "down", "unknown"]
_FAMILIES = {"EVPN": "evpn", "IPv4": "ipv4", "IPv6": "ipv6"}
_GOOD = ("peer-ok", "peer-alive", "consistent")


@dataclass(frozen=True, slots=True)
class Standing:
    """``mark``: what is written beside the part (``1/2``); ``words``: the same in full."""

    state: State
    mark: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a verification found wrong. Links are named by an end, sessions by (switch, other box).

    ``unanswered``: boxes that could not be judged. ``notes``: what no part of a picture can show.
    """

    failed: frozenset[str] = frozenset()
    failed_links: frozenset[End] = frozenset()
    failed_sessions: frozenset[tuple[str, str]] = frozenset()
    notes: tuple[str, ...] = ()
    unanswered: frozenset[str] = frozenset()
    failed_peer_links: frozenset[str] = frozenset()
    """Leafs whose vPC peer-link is at fault."""


@dataclass(frozen=True, slots=True)
class Status:
    """Of all parts that something is known of; a part that is in none of the tables is drawn plainly."""

    boxes: Mapping[str, Standing] = field(default_factory=dict)
    ports: Mapping[End, Standing] = field(default_factory=dict)
    channels: Mapping[tuple[str, int], Standing] = field(default_factory=dict)
    lags: Mapping[str, Standing] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    sessions: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    read_at: str = ""
    """When the running lab was read; empty: it was not."""


def status_of(picture: Picture, marks: Marks | None = None, live: LiveState | None = None) -> Status:
    """Both together."""
    seen = _live(picture, live) if live else Status()
    if marks is None:
        return seen
    failed = Standing("down", "failed", "a check of this verification failed")
    silent = Standing("unknown", "no answer", "it did not answer in this verification")
    return Status(
        _worse(seen.boxes, dict.fromkeys(marks.unanswered, silent) | dict.fromkeys(marks.failed, failed)),
        _worse(seen.ports, dict.fromkeys(marks.failed_links, failed)),
        seen.channels,
        seen.lags,
        _worse(seen.pairs, {pair.leafs: failed for pair in picture.pairs if marks.failed_peer_links & {*pair.leafs}}),
        _worse(seen.sessions, dict.fromkeys(marks.failed_sessions, Standing("down", "", failed.words))),
        (*seen.notes, *marks.notes),
        seen.read_at,
    )


def _worse(one: Mapping[Key, Standing], other: Mapping[Key, Standing]) -> dict[Key, Standing]:
    order = ("up", "unknown", "down")
    both = dict(one)
    for key, standing in other.items():
        if key not in both or order.index(standing.state) > order.index(both[key].state):
            both[key] = standing
    return both


def _live(picture: Picture, live: LiveState) -> Status:
    return Status(
        {box.name: _box(box.name, box.tier == "node", live) for box in picture.boxes},
        {end: _port(end, live) for wire in picture.wires for end in (wire.a, wire.b)},
        {(row.switch, row.number): _channel(row.switch, row.number, row.members, live) for row in picture.channels},
        {lag.node: _lag(lag, live) for lag in picture.lags},
        {pair.leafs: _pair(pair, live) for pair in picture.pairs},
        {session.pair: _session(session, live) for session in picture.sessions},
        tuple(f"{box} did not answer: {reason}" for box, reason in live.unanswered.items()),
        live.read_at,
    )


def _box(name: str, is_node: bool, live: LiveState) -> Standing:  # noqa: FBT001 - which of two kinds
    if name in live.unanswered:
        return Standing("unknown", "no answer", live.unanswered[name])
    if not is_node:
        return Standing("up", "answers", "it answers")
    found = next((node for node in live.nodes if node.name == name), None)
    if found is not None:
        return Standing("up", "Ready", "its Node is Ready") if found.ready else Standing("down", "NotReady")
    if CLUSTER in live.unanswered:
        return Standing("unknown", "Node unread", live.unanswered[CLUSTER])
    return Standing("down", "no Node", "the API has no Node of this name")


def _port(end: End, live: LiveState) -> Standing:
    box, interface = end
    own = [port for port in live.ports if port.box == box]
    found = next((port for port in own if port.interface == interface), None)
    if found is not None:
        state: State = "up" if found.up else "unknown" if found.state == "unknown" else "down"
        return Standing(state, "", f"{found.state} ({found.reason})" if found.reason else found.state)
    if own:
        return Standing("down", "", "there is no such interface")
    return Standing("unknown", "", live.unanswered.get(box, "not read"))


def _channel(switch: str, number: int, members: Iterable[str], live: LiveState) -> Standing:
    rows = [row for row in live.channels if row.switch == switch]
    if not rows and switch in live.unanswered:
        return Standing("unknown", "?", live.unanswered[switch])
    flags = {row.interface: row.flag for row in rows if row.channel == number}
    seen = {port: flags.get(port, "-") for port in members}
    worst = next((flag for flag in seen.values() if flag != "P"), "P")
    words = ", ".join(f"{port} {flag}" for port, flag in seen.items())
    return Standing("up" if worst == "P" else "down", worst, words)


def _lag(lag: Lag, live: LiveState) -> Standing:
    found = next((row for row in live.lacp if row.node == lag.node and row.bond == lag.bond), None)
    if found is None:
        return Standing("unknown", "?", live.unanswered.get(lag.node, "not read"))
    working = [member for member in lag.members if member in found.distributing]
    words = f"{', '.join(working) or 'no member'} distributing, of {', '.join(lag.members)}"
    state: State = "up" if len(working) == len(lag.members) else "down"
    return Standing(state, f"{len(working)}/{len(lag.members)}", words)


def _pair(pair: Pair, live: LiveState) -> Standing:
    sides = [row for row in live.vpc if row.switch in pair.leafs]
    for side in sides:
        wrong = [word for word in (side.peer, side.keepalive, side.consistency) if word not in _GOOD]
        if wrong:
            words = f"{side.switch}: {side.peer}, keepalive {side.keepalive}, {side.consistency}"
            return Standing("down", wrong[0], words)
    if len(sides) < len(pair.leafs):
        silent = next((leaf for leaf in pair.leafs if leaf in live.unanswered), "")
        return Standing("unknown", "unread", live.unanswered.get(silent, "not read"))
    return Standing("up", "peer-ok", "peer-ok and keepalive alive on both sides")


def _session(session: Session, live: LiveState) -> Standing:
    rows = {(row.family, row.neighbor): row for row in live.sessions if row.switch == session.switch}
    states, up = [], 0
    for family, neighbor in session.neighbors:
        row = rows.get((_FAMILIES[family], neighbor))  # type: ignore[arg-type]
        if row is None and session.switch in live.unanswered:
            return Standing("unknown", f"?/{len(session.neighbors)}", live.unanswered[session.switch])
        up += row is not None and row.state == "Established"
        states.append(f"{family} {neighbor} {row.state if row else 'is not configured'}")
    mark = f"{up}/{len(session.neighbors)}"
    return Standing("up" if up == len(session.neighbors) else "down", mark, "; ".join(states))
