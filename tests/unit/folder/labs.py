"""Labs as lab.json describes them, with as little as a test asks for."""

from __future__ import annotations

from typing import Any

from labctl.labjson import SCHEMA, Lab, Node


def node(kind: Any, role: Any, topology: str) -> Node:
    return Node(kind=kind, role=role, topology=topology, container=f"clab-lab-{topology}")


def a_lab(**given: Any) -> Lab:
    """A lab without nodes, but for what is given."""
    nothing: dict[str, Any] = {
        "schema": SCHEMA, "name": "lab", "generator": "a test", "target": {}, "mode": "routed", "versions": {},
        "cluster": None, "nodes": {}, "links": (), "scenarios": (), "deadlines": {}, "inputs": (), "files": {},
    }  # fmt: skip
    return Lab.model_validate(nothing | given)
