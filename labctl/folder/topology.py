"""topology.clab.yml: its settings, which a person may edit, and whether its nodes and links are those of lab.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from labctl.errors import Problem, did_you_mean
from labctl.folder.document import STRUCTURE, Part, read_document
from labctl.labjson import Lab, NodeKind
from labctl.peers import EXTRAS, ON_NODE
from labctl.yamldoc import Document

FILE = "topology.clab.yml"
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


NodeKey = Literal[
    "kind", "image", "image-pull-policy", "startup-config", "mgmt-ipv4", "mgmt-ipv6", "labels", "env", "cmd", "extras",
    "stages", "exec", "group", "hostname", "ports", "binds", "credentials", "wait", "kubeconfig",
]  # fmt: skip


def _with_env(settings: Mapping[NodeKey, Any] | None) -> Mapping[NodeKey, Any]:
    settings = settings or {}
    if not isinstance(settings.get("env") or {}, dict):
        raise PydanticCustomError("wrong-type", "env must be a mapping")
    return settings


Settings = Annotated[Mapping[NodeKey, Any] | None, AfterValidator(_with_env)]
"""What is written of a node, or of all nodes of a kind or a group."""


def _subnet(written: Any) -> str | None:
    try:
        return None if written in (None, ANY_SUBNET) else str(IPv4Network(str(written)))
    except ValueError as error:
        raise PydanticCustomError("bad-network", "this is no IPv4 network: {error}", {"error": str(error)}) from None


def _end(written: Any) -> str:
    """An end of a link in containerlab's short form (``leaf2101:Ethernet1/1``)."""
    return f"{written.get('node', '')}:{written.get('interface', '')}" if isinstance(written, dict) else str(written)


class _Link(Part):
    model_config = ConfigDict(extra="forbid")
    endpoints: tuple[Annotated[str, BeforeValidator(_end)], Annotated[str, BeforeValidator(_end)]]
    mtu: Any = None
    type: Literal["veth"] = "veth"


class _Body(Part):
    defaults: Settings = None
    kinds: dict[str, Settings] = {}
    groups: dict[str, Settings] = {}
    nodes: dict[str, Settings]
    links: tuple[_Link, ...] = ()

    def merged(self, key: str) -> dict[str, Any]:
        """Settings of a node: the nearer to it, the stronger; env is merged (containerlab, types/topology.go)."""
        own, defaults = self.nodes[key] or {}, self.defaults or {}
        group = self.groups.get(str(own.get("group") or defaults.get("group"))) or {}
        kind = str(own.get("kind") or group.get("kind") or defaults.get("kind"))
        levels = (defaults, self.kinds.get(kind) or {}, group, own)
        env = {str(name): _variable(value) for level in levels for name, value in (level.get("env") or {}).items()}
        return {str(name): value for level in levels for name, value in level.items()} | {"kind": kind, "env": env}


def _variable(value: Any) -> str:
    """As a container gets it."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


class _Management(Part):
    network: Any = None
    subnet: Annotated[str | None, BeforeValidator(_subnet)] = Field(default=None, alias="ipv4-subnet")


class _File(Part):
    name: Any = None
    prefix: Any = PREFIX
    mgmt: _Management = _Management()
    topology: _Body


def read_topology(path: Path, lab: Lab, problems: list[Problem]) -> Topology | None:
    """Read topology.clab.yml. None when it has problems, which are added."""
    read = read_document(path, FILE, _File, problems)
    if read is None:
        return None
    found, file = read
    body = file.topology
    nodes = {key: body.merged(key) for key in body.nodes}
    other = [
        *_other_names(found, lab, file),
        *_other_nodes(found, lab, {key: node["kind"] for key, node in nodes.items()}),
        *_other_links(found, lab, [link.endpoints for link in body.links]),
    ]
    problems.extend(other)
    return _settings(file, nodes) if not other else None


def _settings(file: _File, nodes: Mapping[str, Mapping[str, Any]]) -> Topology:
    body = file.topology
    written = (body.defaults, *body.kinds.values(), *body.groups.values(), *body.nodes.values())
    return Topology(
        file.mgmt.subnet,
        str(file.mgmt.network or "clab"),
        {key: str(node["image"]) for key, node in nodes.items() if node.get("image")},
        {key: node["env"] for key, node in nodes.items()},
        {key: str(node["mgmt-ipv4"]) for key, node in nodes.items() if node.get("mgmt-ipv4")},
        str((body.defaults or {}).get("image-pull-policy", "if-not-present")).lower() != "never",
        frozenset(key for settings in written for key in settings or ()) & (EXTRAS | ON_NODE),
    )


def _other_names(found: Document, lab: Lab, file: _File) -> Iterator[Problem]:
    """Of the lab, and what all containers' names begin with."""
    if str(file.name) != lab.name:
        yield Problem(STRUCTURE, f"lab.json calls the lab {lab.name}, not {file.name}", found.place(("name",)))
    if file.prefix != PREFIX:
        message = f"containers have the prefix {PREFIX} in lab.json, not {file.prefix!r}"
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


def _other_links(found: Document, lab: Lab, links: list[tuple[str, str]]) -> Iterator[Problem]:
    """Links that are not those of lab.json, in whatever order, and with whichever end first."""
    wanted = {frozenset(map(":".join, link)): link for link in lab.keyed_links}
    place = ("topology", "links")
    for index, ends in enumerate(links):
        if wanted.pop(frozenset(ends), None) is None:
            where = found.place((*place, index, "endpoints"))
            yield Problem(STRUCTURE, f"lab.json has no link {' - '.join(ends)}", where)
    for link in wanted.values():
        message = f"lab.json has link {' - '.join(map(':'.join, link))}, which is missing here"
        yield Problem(STRUCTURE, message, found.place(place, key=True))
