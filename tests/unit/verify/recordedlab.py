"""The white paper's lab as it answered once, to be changed by a test: what `tests/data/whitepaper` recorded of a guest.

Nodes: ``ip -j …`` by node; switches: text and JSON of show commands; API: lists by path; BIRD: ``show protocols``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError
from labctl.folder import load_folder
from labctl.guest.api import Completed
from labctl.kube.api import Resource
from labctl.kube.exec import PodCommand
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Observer
from tests.rendered import rendered_folder

ROOT = Path(__file__).parents[3]
FOLDER = rendered_folder("whitepaper-standin-fabric")
DATA = ROOT / "tests" / "data" / "whitepaper"


@dataclass
class RecordedLab:
    """Answers by (node, question); a test changes them before it asks. ``silent``: nodes that answer nothing."""

    nodes: dict[tuple[str, str], str]
    texts: dict[tuple[str, str], str]
    shows: dict[tuple[str, str], Any]
    lists: dict[str, list[Any]]
    birds: dict[str, str]
    silent: set[str] = field(default_factory=set)
    access: Any = None

    @classmethod
    def load(cls) -> RecordedLab:
        """As it was recorded; a copy for each test."""
        nodes, texts, shows, lists, birds = {}, {}, {}, {}, {}
        for row in json.loads((DATA / "answers.json").read_text()):
            target, question, answer = row["target"], row["question"], row["answer"]
            match row["kind"]:
                case "node":
                    nodes[target, question] = answer
                case "text":
                    texts[target, question] = answer
                case "json":
                    shows[target, question] = answer
                case "kube":
                    lists[question] = answer
                case "bird":
                    birds[target] = answer
        return cls(nodes, texts, shows, lists, birds)

    # --- what the observer asks --------------------------------------------------------------------------------

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> Completed:
        self._speak(node)
        return Completed(0, self.nodes[node, " ".join(argv)].encode(), b"")

    def login(self, switch: str) -> Any:
        self._speak(switch)
        return _Session(self, switch)

    def get(self, path: str) -> Any:
        self._speak("kubernetes")
        return {"items": self.lists[path]}

    def list(self, resource: Resource, namespace: str | None = None) -> list[Any]:
        self._speak("kubernetes")
        found = self.lists[resource.path()]
        return [item for item in found if namespace in (None, item["metadata"].get("namespace"))]

    def run(self, namespace: str, pod: str, command: list[str], *, timeout: float) -> PodCommand:
        node = next(item["spec"]["nodeName"] for item in self.list(_PODS) if item["metadata"]["name"] == pod)
        self._speak(node)
        return PodCommand(0, self.birds[node], "")

    def _speak(self, node: str) -> None:
        if node in self.silent:
            raise InconclusiveError(f"{node} does not answer")

    # --- what a test changes -----------------------------------------------------------------------------------

    def table(self, node: str, version: int) -> list[Any]:
        """A node's routing table, to be changed; `put` it back."""
        found: list[Any] = json.loads(self.nodes[node, f"ip -j -{version} route show"])
        return found

    def put(self, node: str, version: int, rows: list[Any]) -> None:
        self.nodes[node, f"ip -j -{version} route show"] = json.dumps(rows)

    def named(self, path: str, name: str) -> Any:
        """An API object."""
        return next(item for item in self.lists[path] if item["metadata"]["name"] == name)

    def edit(self, switch: str, old: str, new: str) -> None:
        """The running configuration of a switch, as if somebody had typed."""
        text = self.texts[switch, "show running-config"]
        assert old in text, old
        self.texts[switch, "show running-config"] = text.replace(old, new)


_PODS = Resource("v1", "pods")


class _Session:
    def __init__(self, lab: RecordedLab, name: str) -> None:
        self._lab, self._name = lab, name

    def show(self, text: str) -> str:
        self._lab._speak(self._name)
        return self._lab.texts[self._name, text]

    def show_json(self, text: str) -> Any:
        self._lab._speak(self._name)
        return self._lab.shows[self._name, text]

    def close(self) -> None: ...


def under_test(recorded: RecordedLab, folder: Path, **fields: Any) -> LabUnderTest:
    """A verification of it."""
    observer = Observer(recorded, Evidence(folder / "evidence"), recorded.login, {}, recorded)  # type: ignore[arg-type]
    observer.pods = recorded  # type: ignore[assignment]
    return LabUnderTest(
        load_folder(FOLDER), load_checks(FOLDER), observer, threading.Event(), lambda _result: None,
        folder / "journal.jsonl", **fields,
    )  # fmt: skip
