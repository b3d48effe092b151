"""topology.clab.yml: its settings, which a person may edit, and whether its nodes and links are those of lab.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from labctl.errors import Problem, did_you_mean
from labctl.folder.reading import STRUCTURE, document, mapping, sequence, unknown_keys
from labctl.labjson import Lab, NodeKind
from labctl.peers import EXTRAS, ON_NODE
from labctl.yamldoc import Document
from labctl.yamldoc import Path as DocumentPath

FILE = "topology.clab.yml"
LINK_KEYS = frozenset({"endpoints", "mtu", "type"})
NODE_KEYS = frozenset({
    "kind", "image", "image-pull-policy", "startup-config", "mgmt-ipv4", "mgmt-ipv6", "labels", "env", "cmd", "extras",
    "stages", "exec", "group", "hostname", "ports", "binds",
    "credentials", "wait", "kubeconfig",
})  # fmt: skip
KINDS: Mapping[NodeKind, str] = {"switch": "cisco_n9kv", "kube-node": "ext-container", "host": "linux"}
"""What a node of the lab is to containerlab."""
CLUSTER = "k8s-kind"
PREFIX = "clab"
"""What containerlab puts before the lab's name in those of containers."""
ANY_SUBNET = "auto"
"""containerlab's word for a management network whose addresses Docker chooses."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The settings of topology.clab.yml, with defaults, those of each kind and of each group applied.

    Mappings are by the file's own keys: `Node.topology`, and `Lab.cluster` for what stands for the whole cluster.
    """

    mgmt_ipv4_subnet: str | None = None
    mgmt_network: str = "clab"
    """Name of the management network; containerlab's own where the file names none."""
    images: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """As written: what containerlab expands from its own environment (``${NAME:=value}``) is not expanded here."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Fixed management addresses."""
    pulled: bool = False
    """Whether containerlab may pull images that are not here."""
    moved_keys: frozenset[str] = frozenset()
    """Those of its nodes' keys that not every containerlab reads (`labctl.peers.readers`)."""


def read_topology(path: Path, lab: Lab, problems: list[Problem]) -> Topology | None:
    """Read topology.clab.yml. None when it has problems, which are added."""
    found = document(path, FILE, problems)
    if found is None:
        return None
    before = len(problems)
    if not mapping(found, ("topology", "nodes"), problems):
        problems.append(Problem("missing-key", "topology.nodes is missing", found.place(("topology",))))
        return None
    inherited = _Inherited(found, problems)
    nodes = {key: _node(found, key, inherited, problems) for key in found.data["topology"]["nodes"]}
    problems.extend(_other_names(found, lab))
    problems.extend(_other_nodes(found, lab, {key: kind for key, (kind, _, _) in nodes.items()}))
    problems.extend(_other_links(found, lab, problems))
    management = mapping(found, ("mgmt",), problems)
    subnet = _subnet(found, management, problems)
    if len(problems) > before:
        return None
    merged = {key: settings for key, (_, settings, _) in nodes.items()}
    return Topology(
        subnet,
        str(management.get("network") or "clab"),
        {key: str(settings["image"]) for key, settings in merged.items() if settings.get("image")},
        {key: env for key, (_, _, env) in nodes.items()},
        {key: str(settings["mgmt-ipv4"]) for key, settings in merged.items() if settings.get("mgmt-ipv4")},
        str(inherited.defaults.get("image-pull-policy", "if-not-present")).lower() != "never",
        _moved_keys(found.data["topology"]),
    )


def _subnet(found: Document, management: Mapping[str, Any], problems: list[Problem]) -> str | None:
    """The management network's range; None where Docker chooses it."""
    written = management.get("ipv4-subnet")
    if written in (None, ANY_SUBNET):
        return None
    try:
        return str(IPv4Network(str(written)))
    except ValueError as error:
        place = found.place(("mgmt", "ipv4-subnet"))
        problems.append(Problem("bad-network", f"this is no IPv4 network: {error}", place))
        return None


def _moved_keys(body: Mapping[str, Any]) -> frozenset[str]:
    levels = (body.get(level) or {} for level in ("nodes", "kinds", "groups"))
    parts = [body.get("defaults"), *(part for level in levels for part in level.values())]
    return frozenset(key for part in parts for key in part or ()) & (EXTRAS | ON_NODE)


_Merged = tuple[str, Mapping[str, Any], Mapping[str, str]]
"""Kind, settings and environment of a node."""


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

    def merged(self, own: Mapping[str, Any]) -> _Merged:
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


def _node(found: Document, key: str, inherited: _Inherited, problems: list[Problem]) -> _Merged:
    place = ("topology", "nodes", key)
    own = mapping(found, place, problems)
    problems.extend(unknown_keys(found, place, NODE_KEYS, "a node") if own else ())
    if own:
        mapping(found, (*place, "env"), problems)
    return inherited.merged(own)


def _other_names(found: Document, lab: Lab) -> Iterator[Problem]:
    """Of the lab, and what all containers' names begin with."""
    name, prefix = found.data.get("name"), found.data.get("prefix", PREFIX)
    if str(name) != lab.name:
        yield Problem(STRUCTURE, f"lab.json calls the lab {lab.name}, not {name}", found.place(("name",)))
    if prefix != PREFIX:
        message = f"containers have the prefix {PREFIX} in lab.json, not {prefix!r}"
        yield Problem(STRUCTURE, message, found.place(("prefix",)))


def _other_nodes(found: Document, lab: Lab, kinds: Mapping[str, str]) -> Iterator[Problem]:
    """Nodes that are not those of lab.json, or not what they are there. ``kinds``: key → containerlab's kind."""
    wanted = {node.topology: KINDS[node.kind] for node in lab.nodes.values()}
    wanted |= {lab.cluster: CLUSTER} if lab.cluster is not None else {}
    for key, kind in kinds.items():
        place = ("topology", "nodes", key)
        if kind not in (CLUSTER, *KINDS.values()):
            hint = f"one of {', '.join(sorted((CLUSTER, *KINDS.values())))}"
            yield Problem("cannot-do", f"this runtime cannot do kind {kind}", found.place((*place, "kind")), hint)
        elif key not in wanted:
            meant = did_you_mean(key, wanted.keys() - kinds.keys())
            yield Problem(STRUCTURE, f"lab.json has no node {key}", found.place(place, key=True), meant)
        elif kind != wanted[key]:
            message = f"node {key} is of kind {wanted[key]} by lab.json, not {kind}"
            yield Problem(STRUCTURE, message, found.place((*place, "kind")))
    for key in wanted:
        if key not in kinds:
            message = f"lab.json has node {key}, which is missing here"
            yield Problem(STRUCTURE, message, found.place(("topology", "nodes"), key=True))


def _other_links(found: Document, lab: Lab, problems: list[Problem]) -> Iterator[Problem]:
    """Links that are not those of lab.json, in whatever order, and with whichever end first."""
    wanted = {frozenset(map(":".join, link)): link for link in lab.keyed_links}
    place: DocumentPath = ("topology", "links")
    for index, row in enumerate(sequence(found, place, problems)):
        ends = _link(found, (*place, index), row, problems)
        if ends is not None and wanted.pop(frozenset(ends), None) is None:
            where = found.place((*place, index, "endpoints"))
            yield Problem(STRUCTURE, f"lab.json has no link {' - '.join(ends)}", where)
    for link in wanted.values():
        message = f"lab.json has link {' - '.join(map(':'.join, link))}, which is missing here"
        yield Problem(STRUCTURE, message, found.place(place, key=True))


def _link(found: Document, place: DocumentPath, row: Any, problems: list[Problem]) -> list[str] | None:
    if not isinstance(row, dict) or not isinstance(row.get("endpoints"), list) or len(row["endpoints"]) != 2:
        problems.append(Problem("bad-link", "a link has two endpoints", found.place(place)))
        return None
    problems.extend(
        Problem("cannot-do", f"this runtime cannot do {key} of a link", found.place((*place, key), key=True))
        for key in row
        if key not in LINK_KEYS or (key == "type" and row[key] != "veth")
    )
    return [
        f"{end.get('node', '')}:{end.get('interface', '')}" if isinstance(end, dict) else str(end)
        for end in row["endpoints"]
    ]
