"""``lab.json`` as a model: the one place that says which nodes and links a lab has, and what everybody calls them.

The renderer writes it out of the design, `labctl.folder` reads it, and ``docs/lab.schema.json`` is made of it. What
a person may edit in the folder (configurations, manifests, scripts, images, management addresses) is not repeated here:
it stands in its own file alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from labctl.modelschema import schema_text
from labctl.pace import paced

SCHEMA: Final = "labctl.lab/v2"
FILE = "lab.json"
NodeKind = Literal["switch", "kube-node", "host"]
Role = Literal["spine", "leaf", "border", "control-plane", "worker", "external"]


def _end(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    node, colon, interface = value.partition(":")
    if not (node and colon and interface):
        raise ValueError(f"{value!r} is no node:interface")
    return node, interface


def _joined(value: tuple[str, str]) -> str:
    return ":".join(value)


End = Annotated[
    tuple[str, str],
    BeforeValidator(_end),
    PlainSerializer(_joined),
    WithJsonSchema({"type": "string", "pattern": "^[^:]+:.+$", "description": "node:interface, the lab's name of it."}),
]
"""A node's interface: ``("leaf2101", "Ethernet1/1")``, ``("node01", "eth1")``."""
Link = tuple[End, End]
"""A link. Interfaces are called as NX-OS calls those of switches and the kernel those of nodes and hosts."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Node(_Part):
    """A switch, a Kubernetes node or a host outside."""

    kind: NodeKind = Field(description="What it is.")
    role: Role = Field(description="What it is for.")
    topology: str = Field(description="Its key in topology.clab.yml.")
    container: str = Field(description="Docker's name of its container: containerlab's, of a Kubernetes node kind's.")
    kubernetes: str | None = Field(default=None, description="Name of its Node object; null: it is no Kubernetes node.")


class Input(_Part):
    """Something that the lab needs and that is neither rendered nor labctl's own."""

    name: str = Field(description="What it is, such as calico.")
    version: str = Field(description="Its version, or its tag.")
    sha256: str | None = Field(description="The digest that it is pinned to; null: none.")
    source: str = Field(description="An image, or a path in the folder.")


class Lab(_Part):
    """A lab, as its artifact folder describes it. Keys may be added within a version of the schema."""

    schema_: Literal["labctl.lab/v2"] = Field(alias="schema")
    name: str = Field(description="The lab's name, which containerlab gives to what it makes.")
    generator: str = Field(description="What wrote the folder.")
    target: Mapping[str, str] = Field(description="What switch and cluster are (n9kv, kind, standin, none), and the"
                                      " containerlab for which topology.clab.yml is written.")  # fmt: skip
    mode: Literal["routed", "ipip"] = Field(description="How pods reach each other.")
    versions: Mapping[str, str] = Field(description="Of what the lab runs: nxos, kubernetes, calico.")
    cluster: str | None = Field(description="The cluster's own key in topology.clab.yml; null: a fabric alone.")
    nodes: Mapping[str, Node] = Field(description="By the lab's name of each.")
    links: tuple[Link, ...] = Field(description="Every link, with both of its ends.")
    scenarios: tuple[str, ...] = Field(description="What verify runs when nothing else is asked for.")
    deadlines: Mapping[str, int | float] = Field(description="Seconds, at the speed of the reference guest.")
    inputs: tuple[Input, ...] = Field(description="What else the lab needs.")
    files: Mapping[str, str] = Field(description="SHA-256 of every other file as it was rendered, by path.")

    @model_validator(mode="after")
    def _of_one_piece(self) -> Lab:
        unknown = sorted({node for link in self.links for node, _ in link} - self.nodes.keys())
        if unknown:
            raise ValueError(f"links name {', '.join(unknown)}, which nodes lacks")
        if len({node.topology for node in self.nodes.values()}) < len(self.nodes):
            raise ValueError("two nodes have the same key in topology.clab.yml")
        return self

    def limit(self, name: str) -> float:
        """A deadline, which is one at the reference speed, in seconds of this lab's guest."""
        return paced(self.deadlines.get(name, 60.0))

    @property
    def parts(self) -> dict[str, str]:
        """What the switches and the cluster are, without the containerlab that the folder is written for."""
        return {part: kind for part, kind in self.target.items() if part != "containerlab"}

    @property
    def real_cluster(self) -> bool:
        """Whether its nodes are kind's, with kubeadm and a real Calico."""
        return self.target.get("cluster") == "kind"

    @property
    def switches(self) -> tuple[str, ...]:
        return self._of("switch")

    @property
    def kube_nodes(self) -> tuple[str, ...]:
        return self._of("kube-node")

    @property
    def hosts(self) -> tuple[str, ...]:
        return self._of("host")

    def _of(self, kind: NodeKind) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == kind)

    @property
    def kubernetes(self) -> dict[str, str]:
        """The lab's name → the Kubernetes name of each node of the cluster."""
        return {name: node.kubernetes or name for name, node in self.nodes.items() if node.kind == "kube-node"}

    def kube_name(self, node: str) -> str:
        """The Kubernetes name of a node of the lab."""
        return self.kubernetes.get(node, node)

    @property
    def keyed_links(self) -> tuple[Link, ...]:
        """The links with the nodes' keys in topology.clab.yml at their ends."""
        keys = {name: node.topology for name, node in self.nodes.items()}
        return tuple(((keys[a], one), (keys[b], other)) for (a, one), (b, other) in self.links)

    def interfaces(self, node: str) -> tuple[str, ...]:
        """Interfaces of a node that have a link, in the order of the links."""
        return tuple(interface for link in self.links for name, interface in link if name == node)

    def neighbors(self, node: str) -> tuple[tuple[str, tuple[str, str]], ...]:
        """Its links: its interface, and the (node, interface) at the other end."""
        ends = (pair for link in self.links for pair in (link, link[::-1]))
        return tuple((own[1], other) for own, other in ends if own[0] == node)


def edited_files(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Files whose hash is not the rendered one."""
    return tuple(name for name, expected in files.items() if _sha256(folder / name) != expected)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def edited_in(folder: Path) -> tuple[str, ...]:
    """The same of a folder that is rendered anew: of any schema, and whatever is wrong with it."""
    try:
        return edited_files(folder, json.loads((folder / FILE).read_text())["files"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()


def lab_schema() -> str:
    """As ``docs/lab.schema.json`` holds it."""
    return schema_text(Lab, SCHEMA)


if __name__ == "__main__":
    print(lab_schema(), end="")  # noqa: T201 - `make docs` writes it into docs/
