"""Picture → Mermaid, for a page that draws it itself (a README, a pull request).

Mermaid places the nodes; a bundle is a thick edge with both names, a group of sessions a dotted one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labctl.graph.picture import TIERS, End, Link, Picture, Tier, short
from labctl.graph.status import Standing, State, Status

_TITLES: Mapping[Tier, str] = {
    "external": "external hosts", "border": "border leafs", "spine": "spines", "leaf": "leafs",
    "kube": "Kubernetes nodes",
}  # fmt: skip
_SIGNS: Mapping[State, str] = {"up": "✓", "down": "✕", "unknown": "?"}
_STROKES: Mapping[State, str] = {"up": "#1a7f37", "down": "#c4222f", "unknown": "#6b6f76"}


def mermaid(picture: Picture, status: Status) -> str:
    """The text of one flowchart."""
    return "\n".join(_Writer(picture, status).lines()) + "\n"


class _Writer:
    def __init__(self, picture: Picture, status: Status) -> None:
        self._picture = picture
        self._status = status
        self._ids = {node.name: f"n{number}_{re.sub(r'[^A-Za-z0-9]', '_', node.name)}"
                     for number, node in enumerate(picture.nodes, 1)}  # fmt: skip
        self._levels = {node.name: TIERS.index(node.tier) for node in picture.nodes}
        """Mermaid draws the first of an edge above the second."""
        self._edges: list[str] = []
        self._styles: dict[State, list[int]] = {}

    def lines(self) -> list[str]:
        """All of it."""
        picture, status = self._picture, self._status
        about = [picture.about, *([f"running lab, read {status.read_at}"] if status.read_at else [])]
        found = ["---", f"title: {picture.name}", "---", "flowchart TB"]
        found += [f"  %% {line}" for line in (*about, *picture.notes, *status.notes)]
        for tier, title in _TITLES.items():
            found += self._tier(tier, title)
        for link in picture.links:
            self._link(link)
        self._pairs()
        self._sessions()
        found += self._edges
        for state, stroke in _STROKES.items():
            names = [self._ids[name] for name, standing in status.nodes.items() if standing.state == state]
            if names:
                found += [f"  classDef {state} stroke:{stroke},stroke-width:2px", f"  class {','.join(names)} {state}"]
            if self._styles.get(state):
                found.append(f"  linkStyle {','.join(map(str, self._styles[state]))} stroke:{stroke}")
        return found

    def _tier(self, tier: Tier, title: str) -> list[str]:
        """The nodes of a tier, the two of a pair in a frame of their own."""
        nodes = [node for node in self._picture.nodes if node.tier == tier]
        if not nodes:
            return []
        found = [f'  subgraph tier_{tier}["{title}"]']
        framed: set[str] = set()
        for node in nodes:
            pair = self._picture.pair_of(node.name)
            if node.name in framed:
                continue
            if pair is None:
                found.append(f"    {self._node(node.name)}")
                continue
            framed |= {*pair.leafs}
            found.append(f'    subgraph vpc{pair.domain}_{self._ids[pair.leafs[0]]}["vPC domain {pair.domain}"]')
            found += [f"      {self._node(leaf)}" for leaf in pair.leafs]
            found.append("    end")
        return [*found, "  end"]

    def _node(self, name: str) -> str:
        node = next(node for node in self._picture.nodes if node.name == name)
        standing = self._status.nodes.get(name)
        lines = (f"<b>{name}</b>", *node.lines, *([f"{_SIGNS[standing.state]} {standing.mark}"] if standing else []))
        return f'{self._ids[name]}["{_quoted("<br/>".join(lines))}"]'

    def _edge(self, one: str, line: str, other: str, words: str, standing: Standing | None) -> None:
        if standing is not None:
            self._styles.setdefault(standing.state, []).append(len(self._edges))
        self._edges.append(f'  {self._ids[one]} {line}|"{_quoted(words)}"| {self._ids[other]}')

    def _link(self, link: Link) -> None:
        """Thick where a bond or a port-channel bundles it."""
        upper, lower = sorted((link.a, link.b), key=lambda end: self._levels[end[0]])
        bundled = [self._bundle(end) for end in (upper, lower)]
        words = f"{self._port(upper)} — {self._port(lower)}"
        if all(bundled):
            words += f"<br/>{bundled[0]} — {bundled[1]}"
        self._edge(upper[0], "===" if all(bundled) else "---", lower[0], words, self._status.of(link))

    def _port(self, end: End) -> str:
        standing = self._status.ports.get(end)
        return f"{short(end[1])} {_SIGNS[standing.state]}" if standing else short(end[1])

    def _bundle(self, end: End) -> str:
        for bundle in self._picture.bundles:
            if end in bundle.ends:
                return _with_mark(bundle.name, self._status.of(bundle))
        pair = self._picture.pair_of(end[0])
        if pair and any(end in (link.a, link.b) for link in pair.members):
            return f"Po{pair.channel} peer-link" if pair.channel is not None else "peer-link"
        return ""

    def _pairs(self) -> None:
        """Peer-links over the fabric; those with links are among the links."""
        for pair in self._picture.pairs:
            standing = self._status.pairs.get(pair.leafs)
            if not pair.members or standing:
                name = f"peer-link Po{pair.channel}" if pair.channel is not None else "peer-link"
                words = _with_mark(name if pair.members else f"{name} over fabric", standing)
                self._edge(pair.leafs[0], "-.-", pair.leafs[1], words, standing)

    def _sessions(self) -> None:
        for session in self._picture.sessions:
            standing = self._status.sessions.get(session.pair)
            families = dict.fromkeys(family for family, _ in session.neighbors)
            words = f"{len(session.neighbors)} {session.kind} {', '.join(families)}"
            upper, lower = sorted(session.pair, key=lambda node: self._levels[node])
            self._edge(upper, "-.-", lower, _with_mark(words, standing), standing)


def _with_mark(text: str, standing: Standing | None) -> str:
    return f"{text} {standing.mark} {_SIGNS[standing.state]}".replace("  ", " ") if standing else text


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;")
