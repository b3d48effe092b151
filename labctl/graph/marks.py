"""Evidence → marks: which part of the picture each check that did not pass is about. Pure.

A check says by its identity what it is of (``links.lacp.node01``, ``bgp.evpn.leaf2101.10.2.1.5``), and by what it
expected and saw which ports of that. One whose identity names no part marks the boxes that it names, and one that names
none of them is a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.graph.model import End, Picture
from labctl.graph.picture import picture_of
from labctl.graph.status import Marks

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
    boxes: set[str] = field(default_factory=set)
    links: set[End] = field(default_factory=set)
    peer_links: set[str] = field(default_factory=set)
    sessions: set[tuple[str, str]] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def marks(self) -> Marks:
        return Marks(
            frozenset(self.boxes), frozenset(self.links), frozenset(self.sessions), tuple(self.notes),
            frozenset(self.silent - self.boxes), frozenset(self.peer_links),
        )  # fmt: skip

    def failed(self, check: Check) -> None:
        """Mark what it is of."""
        identity = str(check["id"])
        kinds: Mapping[str, Callable[[str, Check], bool]] = {
            "links.lacp.": self._lacp, "links.port-channel.": self._channel, "links.vpc.": self._vpc,
            "links.underlay.": self._underlay, "bgp.session.": self._session, "bgp.prefixes.": self._session,
            "bgp.evpn.": self._session,
        }  # fmt: skip
        for prefix, mark in kinds.items():
            if identity.startswith(prefix) and mark(identity.removeprefix(prefix), check):
                return
        named = self._named(identity)
        self.boxes |= named
        if not named:
            self.notes.append(f"{identity}: {check.get('sentence', '')}")

    def unanswered(self, check: Check) -> None:
        """Its boxes could not be judged: those that the reason begins with (``leaf2101: show …``), else all of them."""
        named = self._named(str(check["id"]))
        silent = str(check.get("sentence", "")).partition(":")[0]
        self.silent |= {silent} & self._boxes or named
        if not named:
            self.notes.append(f"{check['id']}: {check.get('sentence', '')}")

    @property
    def _boxes(self) -> set[str]:
        return {box.name for box in self.picture.boxes}

    def _named(self, identity: str) -> set[str]:
        """Boxes whose names stand in a check's identity."""
        names = "|".join(map(re.escape, sorted(self._boxes, key=len, reverse=True)))
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
            self.boxes.add(switch)  # a vPC that is up and not like the peer's
        return True

    def _underlay(self, switch: str, check: Check) -> bool:
        """The wires to the neighbors that are not there; to the other leaf of a pair it is the peer-link."""
        expected, seen = check.get("expected") or {}, check.get("seen") or {}
        missing = {address for address, state in expected.items() if seen.get(address) != state}
        lost = {box.name for box in self.picture.boxes if box.address in missing}
        pair = self.picture.pair_of(switch)
        ends = {end for end in self._ports(switch) if (self.picture.far_end(end) or ("",))[0] in lost}
        self.links |= ends
        if pair and lost & {*pair.leafs}:
            self.peer_links.add(switch)
        return bool(lost)

    def _ports(self, box: str) -> Iterable[End]:
        return (end for wire in self.picture.wires for end in (wire.a, wire.b) if end[0] == box)

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
