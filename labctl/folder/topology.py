"""topology.clab.yml, as far as labctl's runtimes understand it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import Problem
from labctl.folder.reading import document, mapping, sequence, unknown_keys
from labctl.peers import EXTRAS, ON_NODE
from labctl.yamldoc import Document
from labctl.yamldoc import Path as DocumentPath

LINK_KEYS = frozenset({"endpoints", "mtu", "type"})
NODE_KEYS = frozenset({
    "kind", "image", "image-pull-policy", "startup-config", "mgmt-ipv4", "mgmt-ipv6", "labels", "env", "cmd", "extras",
    "stages", "exec", "group", "hostname", "ports", "binds",
    "credentials", "wait", "kubeconfig",
})  # fmt: skip
KINDS = frozenset({"cisco_n9kv", "k8s-kind", "ext-container", "linux"})


@dataclass(frozen=True, slots=True)
class TopologyNode:
    """A node of topology.clab.yml with defaults, its kind's and its group's settings applied."""

    name: str
    kind: str
    mgmt_ipv4: str | None
    image: str | None
    env: Mapping[str, str] = field(default_factory=dict)
    """As written: what containerlab expands from its own environment (``${NAME:=value}``) is not expanded here."""


Link = tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Topology:
    """topology.clab.yml."""

    name: str
    mgmt_ipv4_subnet: str | None
    nodes: Mapping[str, TopologyNode]
    links: tuple[Link, ...]
    mgmt_network: str = "clab"
    """Name of the management network; containerlab's own where the file names none."""
    moved_keys: frozenset[str] = frozenset()
    """Those of its nodes' keys that not every containerlab reads (`labctl.peers.readers`)."""

    def interfaces(self, node: str) -> tuple[str, ...]:
        """Interfaces of a node that have a wire, in the topology's order."""
        return tuple(interface for link in self.links for name, interface in link if name == node)


def read_topology(path: Path, problems: list[Problem]) -> Topology | None:
    """Read topology.clab.yml. None when it has problems, which are added."""
    found = document(path, "topology.clab.yml", problems)
    if found is None:
        return None
    before = len(problems)
    if not mapping(found, ("topology", "nodes"), problems):
        problems.append(Problem("missing-key", "topology.nodes is missing", found.place(("topology",))))
        return None
    inherited = _Inherited(found, problems)
    nodes = {name: _node(found, name, inherited, problems) for name in found.data["topology"]["nodes"]}
    rows = sequence(found, ("topology", "links"), problems)
    links = [_link(found, index, row, nodes, problems) for index, row in enumerate(rows)]
    seen: dict[tuple[str, str], int] = {}
    for index, link in enumerate(links):
        for end in link or ():
            if end in seen:
                problems.append(
                    Problem(
                        "interface-twice",
                        f"{end[0]}:{end[1]} is in link {seen[end] + 1} already",
                        found.place(("topology", "links", index)),
                    )
                )
            seen[end] = index
    management = mapping(found, ("mgmt",), problems)
    if len(problems) > before:
        return None
    body = found.data["topology"]
    levels = (body.get(level) or {} for level in ("nodes", "kinds", "groups"))
    parts = [body.get("defaults"), *(part for level in levels for part in level.values())]
    return Topology(
        str(found.data.get("name")),
        management.get("ipv4-subnet"),
        nodes,
        tuple(link for link in links if link),
        str(management.get("network") or "clab"),
        frozenset(key for part in parts for key in part or ()) & (EXTRAS | ON_NODE),
    )


class _Inherited:
    """What nodes of a topology have in common: its defaults, those of each kind, those of each group.

    The nearer to the node, the stronger; ``env`` is merged key by key (containerlab, types/topology.go).
    """

    def __init__(self, found: Document, problems: list[Problem]) -> None:
        self.defaults = self._part(found, ("topology", "defaults"), problems)
        self._shared = {
            level: {
                name: self._part(found, ("topology", level, name), problems)
                for name in mapping(found, ("topology", level), problems)
            }
            for level in ("kinds", "groups")
        }

    @staticmethod
    def _part(found: Document, path: DocumentPath, problems: list[Problem]) -> Mapping[str, Any]:
        part = mapping(found, path, problems)
        problems.extend(unknown_keys(found, path, NODE_KEYS, "a node") if part else ())
        if part:
            mapping(found, (*path, "env"), problems)
        return part

    def merged(self, own: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Mapping[str, str]]:
        """Kind, settings and environment of a node."""
        group = self._shared["groups"].get(str(own.get("group") or self.defaults.get("group")), {})
        kind = str(own.get("kind") or group.get("kind") or self.defaults.get("kind"))
        levels = (self.defaults, self._shared["kinds"].get(kind, {}), group, own)
        written = [level["env"] for level in levels if isinstance(level.get("env"), dict)]
        env = {str(name): _variable(value) for part in written for name, value in part.items()}
        return kind, {key: value for level in levels for key, value in level.items()}, env


def _variable(value: Any) -> str:
    """As a container gets it."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _node(found: Document, name: str, inherited: _Inherited, problems: list[Problem]) -> TopologyNode:
    place = ("topology", "nodes", name)
    own = mapping(found, place, problems)
    kind, merged, env = inherited.merged(own)
    problems.extend(unknown_keys(found, place, NODE_KEYS, "a node") if own else ())
    if own:
        mapping(found, (*place, "env"), problems)
    if kind not in KINDS:
        problems.append(
            Problem(
                "cannot-do",
                f"this runtime cannot do kind {kind}",
                found.place((*place, "kind")),
                f"one of {', '.join(sorted(KINDS))}",
            )
        )
    return TopologyNode(name, kind, merged.get("mgmt-ipv4"), merged.get("image"), env)


def _link(
    found: Document, index: int, row: Any, nodes: Mapping[str, TopologyNode], problems: list[Problem]
) -> Link | None:
    place = ("topology", "links", index)
    before = len(problems)
    if not isinstance(row, dict) or not isinstance(row.get("endpoints"), list) or len(row["endpoints"]) != 2:
        problems.append(Problem("bad-link", "a link has two endpoints", found.place(place)))
        return None
    problems.extend(
        Problem("cannot-do", f"this runtime cannot do {key} of a link", found.place((*place, key), key=True))
        for key in row
        if key not in LINK_KEYS or (key == "type" and row[key] != "veth")
    )
    ends: list[tuple[str, str]] = []
    for position, end in enumerate(row["endpoints"]):
        where = found.place((*place, "endpoints", position))
        if isinstance(end, dict):
            node, interface = str(end.get("node", "")), str(end.get("interface", ""))
        else:
            node, _, interface = str(end).partition(":")
        if node not in nodes:
            problems.append(Problem("no-such-node", f"there is no node {node}", where))
        elif nodes[node].kind == "k8s-kind" or not interface:
            problems.append(Problem("bad-link", f"{end} is no interface of a box", where))
        ends.append((node, interface))
    return (ends[0], ends[1]) if len(problems) == before else None
