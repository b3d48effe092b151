"""Reading an artifact folder: all that a runtime gets. Whatever is not understood is refused with a place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import Place, Problem, SpecError
from labctl.yamldoc import Document, parse
from labctl.yamldoc import Path as DocumentPath

LAB_SCHEMA = "labctl.lab/v1"
LINK_KEYS = frozenset({"endpoints", "mtu", "type"})
NODE_KEYS = frozenset({
    "kind", "image", "image-pull-policy", "startup-config", "mgmt-ipv4", "mgmt-ipv6", "labels", "env", "cmd", "extras",
    "stages", "exec", "group", "hostname", "ports", "binds",
    "credentials",
})  # fmt: skip
KINDS = frozenset({"cisco_n9kv", "k8s-kind", "ext-container", "linux"})


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node as lab.json names it."""

    kind: str
    role: str
    topology: str


@dataclass(frozen=True, slots=True)
class Lab:
    """lab.json."""

    name: str
    target: Mapping[str, str]
    mode: str
    versions: Mapping[str, str]
    nodes: Mapping[str, LabNode]
    scenarios: tuple[str, ...]
    deadlines: Mapping[str, float]
    files: Mapping[str, str]

    @property
    def switches(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == "switch")

    @property
    def kube_nodes(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == "kube-node")

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == "host")


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

    def interfaces(self, node: str) -> tuple[str, ...]:
        """Interfaces of a node that have a wire, in the topology's order."""
        return tuple(interface for link in self.links for name, interface in link if name == node)


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """kind/cluster.yaml: Kubernetes node names by position (the first is the control plane) and the ranges."""

    node_names: tuple[str, ...]
    pod_subnets: tuple[str, ...]
    service_subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole folder."""

    path: Path
    lab: Lab
    topology: Topology
    cluster: ClusterConfig | None
    edited: tuple[str, ...] = field(default=())
    """Files that differ from what was rendered, or are missing (named, never refused)."""


def load_folder(path: Path) -> Folder:
    """Read and check a folder. Raises `SpecError` with every problem."""
    lab = _lab(path)
    problems: list[Problem] = []
    topology = _topology(path, problems)
    cluster = _cluster(path, problems) if lab.kube_nodes else None
    if topology is not None:
        _agree(lab, topology, problems)
    if problems or topology is None:
        raise SpecError(problems)
    return Folder(path, lab, topology, cluster, edited_files(path, lab))


def _lab(path: Path) -> Lab:
    file = path / "lab.json"
    try:
        data = json.loads(file.read_text())
        if data.get("schema") != LAB_SCHEMA:
            raise SpecError(
                [
                    Problem(
                        "wrong-schema",
                        f"lab.json has schema {data.get('schema')!r}, not {LAB_SCHEMA}",
                        Place("lab.json"),
                    )
                ]
            )
        nodes = {name: LabNode(row["kind"], row["role"], row["topology"]) for name, row in data["nodes"].items()}
        return Lab(
            data["name"],
            data["target"],
            data["mode"],
            data["versions"],
            nodes,
            tuple(data["scenarios"]),
            data["deadlines"],
            data["files"],
        )
    except FileNotFoundError:
        raise SpecError(
            [
                Problem(
                    "no-folder",
                    f"{path} is no artifact folder: it has no lab.json",
                    hint="labctl generate SPEC -o DIR makes one",
                )
            ]
        ) from None
    except json.JSONDecodeError as error:
        raise SpecError(
            [Problem("json-syntax", f"this is no JSON: {error.msg}", Place("lab.json", error.lineno, error.colno))]
        ) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise SpecError([Problem("missing-key", f"lab.json lacks {error}", Place("lab.json"))]) from None


def edited_files(path: Path, lab: Lab) -> tuple[str, ...]:
    """Files whose hash is not the rendered one."""
    edited = []
    for name, expected in lab.files.items():
        try:
            found = hashlib.sha256((path / name).read_bytes()).hexdigest()
        except OSError:
            found = ""
        if found != expected:
            edited.append(name)
    return tuple(edited)


def _document(path: Path, name: str, problems: list[Problem]) -> Document | None:
    try:
        text = (path / name).read_text()
    except OSError as error:
        problems.append(Problem("unreadable", f"{name} cannot be read: {error.strerror}", Place(name)))
        return None
    found, trouble = parse(name, text)
    problems.extend(trouble)
    return found


def _mapping(found: Document, path: DocumentPath, problems: list[Problem]) -> Mapping[str, Any]:
    """The mapping at a path of the document; empty when nothing is written, or something else is (a problem)."""
    value = _at(found, path)
    if value is not None and not isinstance(value, dict):
        problems.append(Problem("wrong-type", f"{_dotted(path)} must be a mapping", found.place(path)))
    return value if isinstance(value, dict) else {}


def _sequence(found: Document, path: DocumentPath, problems: list[Problem]) -> Sequence[Any]:
    """The list at a path of the document; empty as `_mapping` is."""
    value = _at(found, path)
    if value is not None and not isinstance(value, list):
        problems.append(Problem("wrong-type", f"{_dotted(path)} must be a list", found.place(path)))
    return value if isinstance(value, list) else []


def _at(found: Document, path: DocumentPath) -> Any:
    value = found.data
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            return None
    return value


def _dotted(path: DocumentPath) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _unknown_keys(found: Document, path: DocumentPath, known: frozenset[str], what: str) -> Iterator[Problem]:
    for key in _at(found, path) or ():
        if key not in known:
            place = found.place((*path, key), key=True)
            yield Problem("cannot-do", f"this runtime cannot do {key} of {what}", place)


def _topology(path: Path, problems: list[Problem]) -> Topology | None:
    found = _document(path, "topology.clab.yml", problems)
    if found is None:
        return None
    before = len(problems)
    if not _mapping(found, ("topology", "nodes"), problems):
        problems.append(Problem("missing-key", "topology.nodes is missing", found.place(("topology",))))
        return None
    inherited = _Inherited(found, problems)
    nodes = {name: _node(found, name, inherited, problems) for name in found.data["topology"]["nodes"]}
    rows = _sequence(found, ("topology", "links"), problems)
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
    management = _mapping(found, ("mgmt",), problems)
    if len(problems) > before:
        return None
    return Topology(
        str(found.data.get("name")),
        management.get("ipv4-subnet"),
        nodes,
        tuple(link for link in links if link),
        str(management.get("network") or "clab"),
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
                for name in _mapping(found, ("topology", level), problems)
            }
            for level in ("kinds", "groups")
        }

    @staticmethod
    def _part(found: Document, path: DocumentPath, problems: list[Problem]) -> Mapping[str, Any]:
        part = _mapping(found, path, problems)
        problems.extend(_unknown_keys(found, path, NODE_KEYS, "a node") if part else ())
        if part:
            _mapping(found, (*path, "env"), problems)
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
    own = _mapping(found, place, problems)
    kind, merged, env = inherited.merged(own)
    problems.extend(_unknown_keys(found, place, NODE_KEYS, "a node") if own else ())
    if own:
        _mapping(found, (*place, "env"), problems)
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


def _agree(lab: Lab, topology: Topology, problems: list[Problem]) -> None:
    for name, node in lab.nodes.items():
        if node.topology not in topology.nodes:
            problems.append(
                Problem(
                    "no-such-node",
                    f"lab.json: {name} is {node.topology}, which topology.clab.yml lacks",
                    Place("lab.json"),
                )
            )


def _cluster(path: Path, problems: list[Problem]) -> ClusterConfig | None:
    found = _document(path, "kind/cluster.yaml", problems)
    if found is None:
        return None
    import yaml

    networking = _mapping(found, ("networking",), problems)
    names = []
    for index in range(len(_sequence(found, ("nodes",), problems))):
        name = None
        place = ("nodes", index, "kubeadmConfigPatches")
        _mapping(found, ("nodes", index), problems)
        for position, patch in enumerate(_sequence(found, place, problems)):
            try:
                body = yaml.load(str(patch), Loader=yaml.CSafeLoader)
                name = body["nodeRegistration"]["name"]
            except (yaml.YAMLError, KeyError, TypeError):
                message = "a patch without nodeRegistration.name"
                problems.append(Problem("bad-patch", message, found.place((*place, position))))
        if name is None:
            problems.append(
                Problem("no-node-name", "a node without nodeRegistration.name", found.place(("nodes", index)))
            )
        else:
            names.append(str(name))
    split = {
        key: tuple(part for part in str(networking.get(key) or "").split(",") if part)
        for key in ("podSubnet", "serviceSubnet")
    }
    return ClusterConfig(tuple(names), split["podSubnet"], split["serviceSubnet"])
