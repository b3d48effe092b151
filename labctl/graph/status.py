"""How the parts of a picture stand: by the running lab, by what a verification found, or not said at all.

What was not read is ``unknown``, never up; of two that speak of one part, the worse is believed.

A check says by its identity what it is of (``links.lacp.node01``, ``bgp.evpn.leaf2101.10.2.1.5``), and by what it
expected and saw which ports of that. One whose identity names no part marks the nodes that it names, and one that names
none of them is a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from labctl.graph.picture import Bundle, End, Link, Node, Pair, Picture, Session
from labctl.verify.livestate import CLUSTER, LiveState

State = Literal["up", "down", "unknown"]
SEVERITY: Mapping[State, int] = {"up": 0, "unknown": 1, "down": 2}
Part = Node | End | Link | Bundle | Pair | Session
"""Of a picture; an `End` is a port."""
Check = Mapping[str, Any]
_FAMILIES = {"EVPN": "evpn", "IPv4": "ipv4", "IPv6": "ipv6"}
_GOOD = ("peer-ok", "peer-alive", "consistent")


@dataclass(frozen=True, slots=True)
class Standing:
    """``mark``: what is written beside the part (``1/2``); ``message``: the same in full."""

    state: State
    mark: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """``parts``: those that something is known of; another is drawn plainly. ``notes``: what no part can show."""

    parts: Mapping[Part, Standing] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    read_at: str = ""
    """When the running lab was read; empty: it was not."""

    def of(self, part: Part) -> Standing | None:
        """How a part stands; a link as the worse of its ports. None: nothing is known of it."""
        if not isinstance(part, Link):
            return self.parts.get(part)
        known = [self.parts[end] for end in (part.a, part.b) if end in self.parts]
        return max(known, key=lambda standing: SEVERITY[standing.state], default=None)

    def mark(self, part: Part) -> str:
        """What is written beside it; empty where there is nothing to say."""
        standing = self.parts.get(part)
        return standing.mark if standing else ""


def status_of(picture: Picture, evidence: Mapping[str, Any] | None = None, live: LiveState | None = None) -> Status:
    """Both together. ``evidence``: ``labctl.evidence/v1`` of a verification of this lab."""
    parts = dict(_live(picture, live)) if live else {}
    notes = [f"{node} did not answer: {reason}" for node, reason in live.unanswered.items()] if live else []
    for scenario in (evidence or {}).get("scenarios") or ():
        for check in scenario.get("checks") or ():
            found = list(_judged(picture, check))
            for part, standing in found:
                if part not in parts or SEVERITY[standing.state] > SEVERITY[parts[part].state]:
                    parts[part] = standing
            if check.get("verdict") in ("FAIL", "INCONCLUSIVE") and not found:
                notes.append(f"{check['id']}: {check.get('sentence', '')}")
    return Status(parts, tuple(notes), live.read_at if live else "")


# --- by the running lab -----------------------------------------------------------------------------------------------


def _live(picture: Picture, live: LiveState) -> Iterator[tuple[Part, Standing]]:
    for node in picture.nodes:
        yield node, _node(node, live)
    for link in picture.links:
        yield link.a, _port(link.a, live)
        yield link.b, _port(link.b, live)
    for bundle in picture.bundles:
        yield bundle, (_bond if bundle.number is None else _channel)(bundle, live)
    for pair in picture.pairs:
        yield pair, _pair(pair, live)
    for session in picture.sessions:
        yield session, _session(session, live)


def _unread(mark: str, node: str, live: LiveState) -> Standing:
    return Standing("unknown", mark, live.unanswered.get(node, "not read"))


def _node(node: Node, live: LiveState) -> Standing:
    if node.name in live.unanswered:
        return _unread("no answer", node.name, live)
    if node.tier != "kube":
        return Standing("up", "answers", "it answers")
    found = next((row for row in live.nodes if row.name == node.name), None)
    if found is not None:
        return Standing("up", "Ready", "its Node is Ready") if found.ready else Standing("down", "NotReady")
    if CLUSTER in live.unanswered:
        return _unread("Node unread", CLUSTER, live)
    return Standing("down", "no Node", "the API has no Node of this name")


def _port(end: End, live: LiveState) -> Standing:
    own = {port.interface: port for port in live.ports if port.node == end[0]}
    found = own.get(end[1])
    if found is not None:
        state: State = "up" if found.up else "unknown" if found.state == "unknown" else "down"
        return Standing(state, "", f"{found.state} ({found.reason})" if found.reason else found.state)
    if own:
        return Standing("down", "", "there is no such interface")
    return _unread("", end[0], live)


def _channel(channel: Bundle, live: LiveState) -> Standing:
    rows = [row for row in live.channels if row.switch == channel.node]
    if not rows and channel.node in live.unanswered:
        return _unread("?", channel.node, live)
    flags = {row.interface: row.flag for row in rows if row.channel == channel.number}
    seen = {port: flags.get(port, "-") for port in channel.members}
    worst = next((flag for flag in seen.values() if flag != "P"), "P")
    return Standing("up" if worst == "P" else "down", worst, ", ".join(f"{port} {flag}" for port, flag in seen.items()))


def _bond(bond: Bundle, live: LiveState) -> Standing:
    found = next((row for row in live.lacp if row.node == bond.node and row.bond == bond.name), None)
    if found is None:
        return _unread("?", bond.node, live)
    working = [member for member in bond.members if member in found.distributing]
    up, many = len(working), len(bond.members)
    message = f"{', '.join(working) or 'no member'} distributing, of {', '.join(bond.members)}"
    return Standing("up" if up == many else "down", f"{up}/{many}", message)


def _pair(pair: Pair, live: LiveState) -> Standing:
    sides = [row for row in live.vpc if row.switch in pair.leafs]
    for side in sides:
        wrong = [word for word in (side.peer, side.keepalive, side.consistency) if word not in _GOOD]
        if wrong:
            message = f"{side.switch}: {side.peer}, keepalive {side.keepalive}, {side.consistency}"
            return Standing("down", wrong[0], message)
    if len(sides) < len(pair.leafs):
        return _unread("unread", next((leaf for leaf in pair.leafs if leaf in live.unanswered), ""), live)
    return Standing("up", "peer-ok", "peer-ok and keepalive alive on both sides")


def _session(session: Session, live: LiveState) -> Standing:
    states: dict[tuple[str, str], str] = {
        (row.family, row.neighbor): row.state for row in live.sessions if row.switch == session.switch
    }
    up, told, many = 0, [], len(session.neighbors)
    for family, neighbor in session.neighbors:
        state = states.get((_FAMILIES[family], neighbor))
        if state is None and session.switch in live.unanswered:
            return _unread(f"?/{many}", session.switch, live)
        up += state == "Established"
        told.append(f"{family} {neighbor} {state or 'is not configured'}")
    return Standing("up" if up == many else "down", f"{up}/{many}", "; ".join(told))


# --- by a verification ------------------------------------------------------------------------------------------------


def _judged(picture: Picture, check: Check) -> Iterator[tuple[Part, Standing]]:
    """What a check says of which parts; nothing when it passed."""
    if check.get("verdict") == "FAIL":
        for part in _failed(picture, check):
            mark = "failed" if isinstance(part, Node | Pair) else ""  # a session keeps its number, a port has no room
            yield part, Standing("down", mark, "a check of this verification failed")
    elif check.get("verdict") == "INCONCLUSIVE":
        named = _named(picture, str(check["id"]))
        # those that the reason begins with (``leaf2101: show …``) could not be judged, else all of them
        silent = str(check.get("sentence", "")).partition(":")[0]
        for node in [node for node in picture.nodes if node.name == silent] or named:
            yield node, Standing("unknown", "no answer", "it did not answer in this verification")


def _failed(picture: Picture, check: Check) -> Iterable[Part]:
    """What it is of."""
    identity = str(check["id"])
    for prefix, parts_of in _KINDS.items():
        parts = list(parts_of(picture, identity.removeprefix(prefix), check)) if identity.startswith(prefix) else []
        if parts:
            return parts
    return _named(picture, identity)


def _named(picture: Picture, identity: str) -> list[Node]:
    """Nodes whose names stand in a check's identity."""
    nodes = {node.name: node for node in picture.nodes}
    names = "|".join(map(re.escape, sorted(nodes, key=len, reverse=True)))
    return [nodes[name] for name in re.findall(rf"(?<!\w)(?:{names})(?!\w)", identity) if name]


def _of_lacp(_picture: Picture, node: str, check: Check) -> Iterable[Part]:
    """Members that the sentence finds fault with, each by its name; all of them when it names none."""
    expected = check.get("expected")
    members = expected.get("distributing") or () if isinstance(expected, Mapping) else ()
    sentence = str(check.get("sentence", ""))
    wrong = [member for member in members if re.search(rf"\b{re.escape(member)} ", sentence)]
    return [(node, member) for member in wrong or members]


def _different(check: Check) -> list[str]:
    """Keys of what was not seen as expected."""
    seen = check.get("seen") or {}
    return [key for key, value in (check.get("expected") or {}).items() if seen.get(key) != value]


def _of_ports(_picture: Picture, rest: str, check: Check) -> Iterable[Part]:
    """Ports that are not as expected, of a port-channel or an uplink."""
    return [(rest.rpartition(".")[0], port) for port in _different(check)]


def _of_vpc(picture: Picture, switch: str, check: Check) -> Iterator[Part]:
    """Peer or consistency: the peer-link. A vPC that is down: ports of its port-channel, which has its number."""
    wrong, vpcs = _different(check), {key: (check.get(key) or {}).get("vpcs") for key in ("expected", "seen")}
    down = _different(vpcs)
    for bundle in picture.bundles:
        if bundle.node == switch and str(bundle.number) in down:
            yield from bundle.ends
    pair = picture.pair_of(switch)
    if pair and ("peer" in wrong or "consistency" in wrong):
        yield pair


def _of_underlay(picture: Picture, switch: str, check: Check) -> Iterator[Part]:
    """The links to the neighbors that are not there; to the other leaf of a pair it is the peer-link."""
    missing = _different(check)
    lost = {node.name for node in picture.nodes if node.address in missing}
    for link in picture.links:
        for end, far in ((link.a, link.b), (link.b, link.a)):
            if end[0] == switch and far[0] in lost:
                yield end
    pair = picture.pair_of(switch)
    if pair and lost & {*pair.leafs}:
        yield pair


def _of_session(picture: Picture, rest: str, _check: Check) -> Iterable[Part]:
    switch, _, address = rest.partition(".")
    return [
        row for row in picture.sessions if row.switch == switch and address in (one for _, one in row.neighbors)
    ]  # fmt: skip


_KINDS: Mapping[str, Callable[[Picture, str, Check], Iterable[Part]]] = {
    "links.lacp.": _of_lacp, "links.port-channel.": _of_ports, "links.vpc.": _of_vpc, "links.underlay.": _of_underlay,
    "links.mtu.": _of_ports, "bgp.session.": _of_session, "bgp.prefixes.": _of_session, "bgp.evpn.": _of_session,
}  # fmt: skip
"""Prefix of an identity → the parts, of a picture, the rest of the identity and the check; none: of none of them."""
