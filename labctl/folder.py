"""Reading an artifact folder: all that a runtime gets. Whatever is not understood is refused with a place.

``lab.json`` says what the lab is made of. What other programs read of that (topology.clab.yml, kind/cluster.yaml) must
say the same, so that nobody has to ask them for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from labctl.errors import Place, Problem, SpecError, did_you_mean
from labctl.labjson import FILE, SCHEMA, Lab, Link, Node, NodeKind, edited_files
from labctl.peers import EXTRAS, ON_NODE
from labctl.yamldoc import Document, parse

__all__ = ["ClusterRanges", "Folder", "Lab", "Link", "Node", "Topology", "load_folder"]


# --- a document, judged by a model -----------------------------------------------------------------------------------


STRUCTURE = "structure"
"""Code of a problem: nodes, links or names of a file are not those of lab.json."""
KEY = "[key]"
"""What pydantic puts behind the path of a key that may not be."""
M = TypeVar("M", bound=BaseModel)


class _Part(BaseModel):
    """A mapping of another program's file: a key with nothing behind it is as good as none."""

    @model_validator(mode="before")
    @classmethod
    def _written(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def _read_document(path: Path, name: str, model: type[M], problems: list[Problem]) -> tuple[Document, M] | None:
    """A YAML file of a folder; None when it is not what the model says (problems)."""
    try:
        text = (path / name).read_text()
    except OSError as error:
        problems.append(Problem("unreadable", f"{name} cannot be read: {error.strerror}", Place(name)))
        return None
    found, trouble = parse(name, text)
    problems.extend(trouble)
    if found is None:
        return None
    try:
        return found, model.model_validate(found.data)
    except ValidationError as error:
        problems.extend(_problems_of(error, found))
        return None


def _problems_of(error: ValidationError, found: Document) -> list[Problem]:
    """What a model says of a document."""
    result = []
    for row in error.errors():
        path, message = row["loc"], str(row["msg"]).removeprefix("Value error, ")
        dotted = ".".join(str(step) for step in path if step != KEY)
        if row["type"] == "missing":
            result.append(Problem("missing-key", f"{found.file} lacks {dotted}", found.place(path)))
        elif path[-1:] == (KEY,) or row["type"] == "extra_forbidden":
            *above, key = (step for step in path if step != KEY)
            place = found.place((*above, key), key=True)
            result.append(Problem("cannot-do", f"this runtime cannot do {key} of {'.'.join(map(str, above))}", place))
        else:
            code = row["type"] if "-" in row["type"] else "bad-value"  # pydantic's own have none
            result.append(Problem(code, f"{dotted or found.file}: {message}", found.place(path)))
    return result


# --- lab.json --------------------------------------------------------------------------------------------------------


OLDER = ("labctl.lab/v1",)
"""Schemas of labctl's earlier releases."""
RENDER_ANEW = "labctl generate SPEC -o DIR, or labctl up SPEC"


def _read_lab(path: Path) -> Lab:
    """Read lab.json. Raises `SpecError` with every problem of it."""
    try:
        text = (path / FILE).read_text()
        data = json.loads(text)
    except FileNotFoundError:
        message = f"{path} is no artifact folder: it has no lab.json"
        raise SpecError([Problem("no-folder", message, hint="labctl generate SPEC -o DIR makes one")]) from None
    except json.JSONDecodeError as error:
        place = Place(FILE, error.lineno, error.colno)
        raise SpecError([Problem("json-syntax", f"this is no JSON: {error.msg}", place)]) from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise SpecError([_other_schema(schema)], next_command=RENDER_ANEW)
    try:
        return Lab.model_validate(data)
    except ValidationError as error:
        document, problems = parse(FILE, text)  # JSON is YAML, of which the places of keys are known
        raise SpecError(_problems_of(error, document) if document else problems, next_command=RENDER_ANEW) from None


def _other_schema(schema: object) -> Problem:
    if schema in OLDER:
        message = f"lab.json has schema {schema!r}, of an older labctl: this one reads {SCHEMA}"
        hint = "render the folder anew; a lab that runs of it is taken down by labctl down LAB"
        return Problem("older-folder", message, Place(FILE), hint)
    return Problem("wrong-schema", f"lab.json has schema {schema!r}, not {SCHEMA}", Place(FILE))


# --- topology.clab.yml: its settings, which a person may edit, and whether its nodes and links are those of lab.json -


TOPOLOGY_FILE = "topology.clab.yml"
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


class _Link(_Part):
    model_config = ConfigDict(extra="forbid")
    endpoints: tuple[Annotated[str, BeforeValidator(_end)], Annotated[str, BeforeValidator(_end)]]
    mtu: Any = None
    type: Literal["veth"] = "veth"


class _Body(_Part):
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


class _Management(_Part):
    network: Any = None
    subnet: Annotated[str | None, BeforeValidator(_subnet)] = Field(default=None, alias="ipv4-subnet")


class _TopologyFile(_Part):
    name: Any = None
    prefix: Any = PREFIX
    mgmt: _Management = _Management()
    topology: _Body


def _settings(file: _TopologyFile) -> Topology:
    body = file.topology
    nodes = {key: body.merged(key) for key in body.nodes}
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


def _other_topology(found: Document, lab: Lab, file: _TopologyFile) -> Iterator[Problem]:
    """What is not as lab.json has it."""
    body = file.topology
    yield from _other_names(found, lab, file)
    yield from _other_nodes(found, lab, {key: body.merged(key)["kind"] for key in body.nodes})
    yield from _other_links(found, lab, [link.endpoints for link in body.links])


def _other_names(found: Document, lab: Lab, file: _TopologyFile) -> Iterator[Problem]:
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


# --- kind/cluster.yaml: the ranges of pods and services, and whether its nodes are those of lab.json -----------------


CLUSTER_FILE = "kind/cluster.yaml"


def _ranges(written: Any) -> tuple[str, ...]:
    return tuple(part for part in str(written or "").split(",") if part)


_Ranges = Annotated[tuple[str, ...], BeforeValidator(_ranges)]


class ClusterRanges(_Part):
    """The ranges that the cluster is made with; empty without one."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    pod_subnets: _Ranges = Field(default=(), alias="podSubnet")
    service_subnets: _Ranges = Field(default=(), alias="serviceSubnet")


class _Node(_Part):
    role: str = "control-plane"
    patches: tuple[str, ...] = Field(default=(), alias="kubeadmConfigPatches")


class _ClusterFile(_Part):
    networking: ClusterRanges = ClusterRanges()
    nodes: tuple[_Node, ...] = ()


def _other_cluster(found: Document, lab: Lab, file: _ClusterFile) -> Iterator[Problem]:
    """Each node of the file must be the one that lab.json has under the container's name that kind will give to it."""
    wanted = {lab.nodes[node].container: name for node, name in lab.kubernetes.items()}
    counted: Counter[str] = Counter()
    for index, node in enumerate(file.nodes):
        counted[node.role] += 1  # kind numbers the nodes of a role, but for the first
        container = f"{lab.cluster}-{node.role}{counted[node.role] if counted[node.role] > 1 else ''}"
        name, place = None, found.place(("nodes", index))  # kubeadm registers a node by its container's name, or so:
        for position, patch in enumerate(node.patches):
            where = found.place(("nodes", index, "kubeadmConfigPatches", position))
            try:
                name, place = str(yaml.load(patch, Loader=yaml.CSafeLoader)["nodeRegistration"]["name"]), where
            except (yaml.YAMLError, KeyError, TypeError):
                yield Problem("bad-patch", "a patch without nodeRegistration.name", where)
        expected = wanted.pop(container, None)
        if expected is None:
            yield Problem(STRUCTURE, f"lab.json has no node in container {container}, which kind makes", place)
        elif name != expected:
            message = f"lab.json calls the node in container {container} {expected}, not {name or container}"
            yield Problem(STRUCTURE, message, place)
    for missing in wanted.values():
        message = f"lab.json has node {missing}, which is missing here"
        yield Problem(STRUCTURE, message, found.place(("nodes",), key=True))


# --- the whole -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole folder."""

    path: Path
    lab: Lab
    topology: Topology
    cluster: ClusterRanges = field(default_factory=ClusterRanges)
    edited: tuple[str, ...] = ()
    """Files that differ from what was rendered, or are missing (named, never refused)."""


def load_folder(path: Path) -> Folder:
    """Read and check a folder. Raises `SpecError` with every problem."""
    lab = _read_lab(path)
    problems: list[Problem] = []
    if topology := _read_document(path, TOPOLOGY_FILE, _TopologyFile, problems):
        problems += _other_topology(topology[0], lab, topology[1])
    ranges = ClusterRanges()
    if lab.kube_nodes and (cluster := _read_document(path, CLUSTER_FILE, _ClusterFile, problems)):
        problems += _other_cluster(cluster[0], lab, cluster[1])
        ranges = cluster[1].networking
    if problems or topology is None:
        raise SpecError(problems, next_command=RENDER_ANEW)
    return Folder(path, lab, _settings(topology[1]), ranges, edited_files(path, lab.files))
