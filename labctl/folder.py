"""Reading an artifact folder: the only thing that a runtime gets. Whatever is not understood is refused with a place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import Place, Problem, SpecError
from labctl.yamldoc import Document, parse

LAB_SCHEMA = "labctl.lab/v1"
LINK_KEYS = frozenset({"endpoints", "mtu", "type"})
NODE_KEYS = frozenset({
    "kind", "image", "image-pull-policy", "startup-config", "mgmt-ipv4", "mgmt-ipv6", "labels", "env", "cmd", "extras",
    "stages", "exec", "group", "hostname", "ports", "binds",
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
    """A node of topology.clab.yml with defaults and kinds applied."""

    name: str
    kind: str
    mgmt_ipv4: str | None
    image: str | None


Link = tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Topology:
    """topology.clab.yml."""

    name: str
    mgmt_ipv4_subnet: str | None
    nodes: Mapping[str, TopologyNode]
    links: tuple[Link, ...]

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
            raise SpecError([Problem("wrong-schema", f"lab.json has schema {data.get('schema')!r}, not {LAB_SCHEMA}", Place("lab.json"))])
        nodes = {name: LabNode(row["kind"], row["role"], row["topology"]) for name, row in data["nodes"].items()}
        return Lab(
            data["name"], data["target"], data["mode"], data["versions"], nodes, tuple(data["scenarios"]),
            data["deadlines"], data["files"],
        )
    except FileNotFoundError:
        raise SpecError([Problem("no-folder", f"{path} is no artifact folder: it has no lab.json", hint="labctl generate SPEC -o DIR makes one")]) from None
    except json.JSONDecodeError as error:
        raise SpecError([Problem("json-syntax", f"this is no JSON: {error.msg}", Place("lab.json", error.lineno, error.colno))]) from None
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


def _topology(path: Path, problems: list[Problem]) -> Topology | None:
    found = _document(path, "topology.clab.yml", problems)
    if found is None:
        return None
    before = len(problems)
    body = found.data.get("topology")
    if not isinstance(body, dict) or not isinstance(body.get("nodes"), dict):
        problems.append(Problem("missing-key", "topology.nodes is missing", found.place(("topology",))))
        return None
    nodes = {name: _node(found, name, body, problems) for name in body["nodes"]}
    links = [_link(found, index, row, nodes, problems) for index, row in enumerate(body.get("links") or [])]
    seen: dict[tuple[str, str], int] = {}
    for index, link in enumerate(links):
        for end in link or ():
            if end in seen:
                problems.append(Problem("interface-twice", f"{end[0]}:{end[1]} is in link {seen[end] + 1} already", found.place(("topology", "links", index))))
            seen[end] = index
    if len(problems) > before:
        return None
    management = found.data.get("mgmt") or {}
    return Topology(
        str(found.data.get("name")), management.get("ipv4-subnet"), nodes, tuple(link for link in links if link)
    )


def _node(found: Document, name: str, body: Mapping[str, Any], problems: list[Problem]) -> TopologyNode:
    place = ("topology", "nodes", name)
    own = body["nodes"][name] or {}
    kind = own.get("kind") or (body.get("defaults") or {}).get("kind")
    merged = {**(body.get("defaults") or {}), **((body.get("kinds") or {}).get(kind) or {}), **own}
    for key in own:
        if key not in NODE_KEYS:
            problems.append(Problem("cannot-do", f"this runtime cannot do {key} of a node", found.place((*place, key), key=True)))
    if kind not in KINDS:
        problems.append(Problem("cannot-do", f"this runtime cannot do kind {kind}", found.place((*place, "kind")), f"one of {', '.join(sorted(KINDS))}"))
    return TopologyNode(name, str(kind), merged.get("mgmt-ipv4"), merged.get("image"))


def _link(found: Document, index: int, row: Any, nodes: Mapping[str, TopologyNode], problems: list[Problem]) -> Link | None:
    place = ("topology", "links", index)
    before = len(problems)
    if not isinstance(row, dict) or not isinstance(row.get("endpoints"), list) or len(row["endpoints"]) != 2:
        problems.append(Problem("bad-link", "a link has two endpoints", found.place(place)))
        return None
    for key in row:
        if key not in LINK_KEYS or (key == "type" and row[key] != "veth"):
            problems.append(Problem("cannot-do", f"this runtime cannot do {key} of a link", found.place((*place, key), key=True)))
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
            problems.append(Problem("no-such-node", f"lab.json: {name} is {node.topology}, which topology.clab.yml lacks", Place("lab.json")))


def _cluster(path: Path, problems: list[Problem]) -> ClusterConfig | None:
    found = _document(path, "kind/cluster.yaml", problems)
    if found is None:
        return None
    import yaml

    networking = found.data.get("networking") or {}
    names = []
    for index, node in enumerate(found.data.get("nodes") or []):
        name = None
        for position, patch in enumerate(node.get("kubeadmConfigPatches") or []):
            try:
                body = yaml.load(patch, Loader=yaml.CSafeLoader)  # noqa: S506 - CSafeLoader is the safe one
                name = body["nodeRegistration"]["name"]
            except (yaml.YAMLError, KeyError, TypeError):
                problems.append(Problem("bad-patch", "a patch without nodeRegistration.name", found.place(("nodes", index, "kubeadmConfigPatches", position))))
        if name is None:
            problems.append(Problem("no-node-name", "a node without nodeRegistration.name", found.place(("nodes", index))))
        else:
            names.append(str(name))
    split = {key: tuple(part for part in str(networking.get(key) or "").split(",") if part) for key in ("podSubnet", "serviceSubnet")}
    return ClusterConfig(tuple(names), split["podSubnet"], split["serviceSubnet"])
