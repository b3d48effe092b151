"""lab.json: what a folder is of, and the hash of each file as it was rendered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import Place, Problem, SpecError
from labctl.pace import paced

LAB_SCHEMA = "labctl.lab/v1"


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

    def limit(self, name: str) -> float:
        """A deadline of lab.json, which is one at the reference speed, in seconds of this lab's guest."""
        return paced(self.deadlines.get(name, 60.0))

    @property
    def parts(self) -> dict[str, str]:
        """What the switches and the cluster are, without the containerlab that the folder is written for."""
        return {part: kind for part, kind in self.target.items() if part != "containerlab"}

    @property
    def switches(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == "switch")

    @property
    def kube_nodes(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == "kube-node")

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.nodes.items() if node.kind == "host")


def read_lab(path: Path) -> Lab:
    """Read lab.json. Raises `SpecError`."""
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
