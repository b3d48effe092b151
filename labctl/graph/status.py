"""How the parts of a picture stand: by the running lab, by what a verification found, or not said at all.

What was not read is ``unknown``, never up; of two that speak of one part, the worse is believed.

A check says by its identity what it is of (``links.lacp.node01``, ``bgp.evpn.leaf2101.10.2.1.5``), and by what it
expected and saw which ports of that. One whose identity names no part marks the nodes that it names, and one that names
none of them is a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from labctl.graph.picture import Channel, End, Lag, Link, Node, Pair, Picture, Session, picture_of
from labctl.verify.livestate import CLUSTER, LiveState

Key = TypeVar("Key")
State = Literal["up", "down", "unknown"]
SEVERITY: Mapping[State, int] = {"up": 0, "unknown": 1, "down": 2}
Part = Node | End | Link | Lag | Channel | Pair | Session
"""Of a picture."""
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
    """What a verification found wrong. Links are named by an end, sessions by (switch, other node).

    ``unanswered``: nodes that could not be judged. ``notes``: what no part of a picture can show.
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

    nodes: Mapping[str, Standing] = field(default_factory=dict)
    ports: Mapping[End, Standing] = field(default_factory=dict)
    channels: Mapping[tuple[str, int], Standing] = field(default_factory=dict)
    lags: Mapping[str, Standing] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    sessions: Mapping[tuple[str, str], Standing] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    read_at: str = ""
    """When the running lab was read; empty: it was not."""

    def of(self, part: Part) -> Standing | None:  # noqa: PLR0911 - one a kind of part
        """How a part stands; a link as the worse of its ports. None: nothing is known of it."""
        match part:
            case Node():
                return self.nodes.get(part.name)
            case Link():
                known = [self.ports[end] for end in (part.a, part.b) if end in self.ports]
                return max(known, key=lambda standing: SEVERITY[standing.state], default=None)
            case Lag():
                return self.lags.get(part.node)
            case Channel():
                return self.channels.get((part.switch, part.number))
            case Pair():
                return self.pairs.get(part.leafs)
            case Session():
                return self.sessions.get(part.pair)
            case _:
                return self.ports.get(part)


def status_of(picture: Picture, marks: Marks | None = None, live: LiveState | None = None) -> Status:
    """Both together."""
    seen = _live(picture, live) if live else Status()
    if marks is None:
        return seen
    failed = Standing("down", "failed", "a check of this verification failed")
    silent = Standing("unknown", "no answer", "it did not answer in this verification")
    return Status(
        _worse(seen.nodes, dict.fromkeys(marks.unanswered, silent) | dict.fromkeys(marks.failed, failed)),
        _worse(seen.ports, dict.fromkeys(marks.failed_links, failed)),
        seen.channels,
        seen.lags,
        _worse(seen.pairs, {pair.leafs: failed for pair in picture.pairs if marks.failed_peer_links & {*pair.leafs}}),
        _worse(seen.sessions, dict.fromkeys(marks.failed_sessions, Standing("down", "", failed.words))),
        (*seen.notes, *marks.notes),
        seen.read_at,
    )


def _worse(one: Mapping[Key, Standing], other: Mapping[Key, Standing]) -> dict[Key, Standing]:
    both = dict(one)
    for key, standing in other.items():
        if key not in both or SEVERITY[standing.state] > SEVERITY[both[key].state]:
            both[key] = standing
    return both


def _live(picture: Picture, live: LiveState) -> Status:
    return Status(
        {node.name: _node(node.name, node.tier == "kube", live) for node in picture.nodes},
        {end: _port(end, live) for link in picture.links for end in (link.a, link.b)},
        {(row.switch, row.number): _channel(row.switch, row.number, row.members, live) for row in picture.channels},
        {lag.node: _lag(lag, live) for lag in picture.lags},
        {pair.leafs: _pair(pair, live) for pair in picture.pairs},
        {session.pair: _session(session, live) for session in picture.sessions},
        tuple(f"{node} did not answer: {reason}" for node, reason in live.unanswered.items()),
        live.read_at,
    )


def _node(name: str, is_node: bool, live: LiveState) -> Standing:  # noqa: FBT001 - which of two kinds
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
    node, interface = end
    own = [port for port in live.ports if port.node == node]
    found = next((port for port in own if port.interface == interface), None)
    if found is not None:
        state: State = "up" if found.up else "unknown" if found.state == "unknown" else "down"
        return Standing(state, "", f"{found.state} ({found.reason})" if found.reason else found.state)
    if own:
        return Standing("down", "", "there is no such interface")
    return Standing("unknown", "", live.unanswered.get(node, "not read"))


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


Check = Mapping[str, Any]


def marks_of(evidence: Mapping[str, Any], folder: Path) -> Marks:
    """Of a verification (``labctl.evidence/v1``) of this folder's lab. Raises `SpecError` for a folder not readable."""
    work = _Marking(picture_of(folder))
    for scenario in evidence.get("scenarios") or ():
        for check in scenario.get("checks") or ():
            if check.get("verdict") == "FAIL":
                work.failed(check)
            elif check.get("verdict") == "INCONCLUSIVE":
                work.unanswered(check)
    return work.marks()


@dataclass(slots=True)
class _Marking:
    picture: Picture
    nodes: set[str] = field(default_factory=set)
    links: set[End] = field(default_factory=set)
    peer_links: set[str] = field(default_factory=set)
    sessions: set[tuple[str, str]] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def marks(self) -> Marks:
        return Marks(
            frozenset(self.nodes), frozenset(self.links), frozenset(self.sessions), tuple(self.notes),
            frozenset(self.silent - self.nodes), frozenset(self.peer_links),
        )  # fmt: skip

    def failed(self, check: Check) -> None:
        """Mark what it is of."""
        identity = str(check["id"])
        kinds: Mapping[str, Callable[[str, Check], bool]] = {
            "links.lacp.": self._lacp, "links.port-channel.": self._channel, "links.vpc.": self._vpc,
            "links.underlay.": self._underlay, "bgp.session.": self._session, "bgp.prefixes.": self._session,
            "bgp.evpn.": self._session, "links.mtu.": self._channel,
        }  # fmt: skip
        for prefix, mark in kinds.items():
            if identity.startswith(prefix) and mark(identity.removeprefix(prefix), check):
                return
        named = self._named(identity)
        self.nodes |= named
        if not named:
            self.notes.append(f"{identity}: {check.get('sentence', '')}")

    def unanswered(self, check: Check) -> None:
        """Its nodes could not be judged: those that the reason begins with (``leaf2101: show …``), else all of them."""
        named = self._named(str(check["id"]))
        silent = str(check.get("sentence", "")).partition(":")[0]
        self.silent |= {silent} & self._nodes or named
        if not named:
            self.notes.append(f"{check['id']}: {check.get('sentence', '')}")

    @property
    def _nodes(self) -> set[str]:
        return {node.name for node in self.picture.nodes}

    def _named(self, identity: str) -> set[str]:
        """Nodes whose names stand in a check's identity."""
        names = "|".join(map(re.escape, sorted(self._nodes, key=len, reverse=True)))
        return set(re.findall(rf"(?<!\w)(?:{names})(?!\w)", identity))

    def _lacp(self, node: str, check: Check) -> bool:
        """Members that the sentence finds fault with, each by its name; all of them when it names none."""
        members = _list(check, "distributing")
        sentence = str(check.get("sentence", ""))
        wrong = [member for member in members if re.search(rf"\b{re.escape(member)} ", sentence)]
        ends = {(node, member) for member in wrong or members}
        self.links |= ends
        return bool(ends)

    def _channel(self, rest: str, check: Check) -> bool:
        """Ports that are not as expected, of a port-channel or an uplink."""
        switch = rest.rpartition(".")[0]
        seen = check.get("seen") or {}
        ends = {(switch, port) for port, flag in (check.get("expected") or {}).items() if seen.get(port) != flag}
        self.links |= ends
        return bool(ends)

    def _vpc(self, switch: str, check: Check) -> bool:
        """Peer or consistency: the peer-link. A vPC that is down: ports of its port-channel, which has its number."""
        expected, seen = check.get("expected") or {}, check.get("seen") or {}
        down = {number for number, state in (expected.get("vpcs") or {}).items() if _of(seen, number) != state}
        ends = {
            (switch, port) for row in self.picture.channels if row.switch == switch and str(row.number) in down
            for port in row.members
        }  # fmt: skip
        self.links |= ends
        if any(seen.get(key) != expected.get(key) for key in ("peer", "consistency")):
            self.peer_links.add(switch)
        elif not ends:
            self.nodes.add(switch)  # a vPC that is up and not like the peer's
        return True

    def _underlay(self, switch: str, check: Check) -> bool:
        """The links to the neighbors that are not there; to the other leaf of a pair it is the peer-link."""
        expected, seen = check.get("expected") or {}, check.get("seen") or {}
        missing = {address for address, state in expected.items() if seen.get(address) != state}
        lost = {node.name for node in self.picture.nodes if node.address in missing}
        pair = self.picture.pair_of(switch)
        ends = {end for end in self._ports(switch) if (self.picture.far_end(end) or ("",))[0] in lost}
        self.links |= ends
        if pair and lost & {*pair.leafs}:
            self.peer_links.add(switch)
        return bool(lost)

    def _ports(self, node: str) -> Iterable[End]:
        return (end for link in self.picture.links for end in (link.a, link.b) if end[0] == node)

    def _session(self, rest: str, _check: Check) -> bool:
        switch, _, address = rest.partition(".")
        pairs = {
            session.pair for session in self.picture.sessions
            if session.switch == switch and address in (neighbor for _, neighbor in session.neighbors)
        }  # fmt: skip
        self.sessions |= pairs
        return bool(pairs)


def _list(check: Check, key: str) -> list[str]:
    expected = check.get("expected")
    return list(expected.get(key) or ()) if isinstance(expected, Mapping) else []


def _of(seen: Mapping[str, Any], number: str) -> Any:
    return (seen.get("vpcs") or {}).get(number)
