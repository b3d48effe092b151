"""A lab of the white paper whose nodes answer what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import InconclusiveError
from labctl.folder import load_folder
from labctl.guest.api import Completed
from labctl.kube.api import ApiUnreachable, Resource
from labctl.nxos.session import Refused
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Observer
from tests.rendered import rendered_folder

FOLDER = rendered_folder("whitepaper-standin-fabric")


class Taking:
    """A capture that has all that it will have at once."""

    def __init__(self, data: bytes | Exception) -> None:
        self._data = data
        self._pieces = [data] if data else []
        self._over = threading.Event()

    def read(self) -> bytes | None:
        if not self._pieces:
            self._over.wait(5)
            return None
        piece = self._pieces.pop()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def end(self) -> None:
        self._over.set()

    def stop(self) -> bytes:
        if isinstance(self._data, Exception):
            raise self._data
        return self._data

    def close(self) -> None:
        self._over.set()


@dataclass
class ScriptedNodes:
    """All nodes of a lab: nodes, captures, switches, API. What has no answer is not there."""

    nodes: dict[tuple[str, str], Completed | Exception] = field(default_factory=dict)
    """(node, command) → what it gives."""
    captures: dict[str, bytes | Exception] = field(default_factory=dict)
    refused_captures: dict[str, Exception] = field(default_factory=dict)
    switches: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Switch → show command → JSON."""
    objects: dict[str, list[Any]] | None = field(default_factory=dict)
    """Plural → objects; None: no API answers."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    words: dict[tuple[str, str], str] = field(default_factory=dict)
    """(switch, line at its prompt) → what it prints; nothing for any other line."""
    streams: dict[str, Any] = field(default_factory=dict)
    """Node → the program that runs there."""
    typed: list[tuple[str, list[str]]] = field(default_factory=list)
    """What was configured."""
    refuses: str | None = None
    """A configuration line that every switch refuses."""
    changed: Callable[[str, list[str]], None] = lambda _switch, _lines: None
    """Told of every configuration."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """(method, path, body) of what changed objects."""

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> Completed:
        self.asked.append((node, " ".join(argv)))
        found = self.nodes.get((node, " ".join(argv)), InconclusiveError("no such command here"))
        if isinstance(found, Exception):
            raise found
        return found

    def stream(self, node: str, argv: Sequence[str]) -> Any:
        self.asked.append((node, " ".join(argv)))
        return self.streams[node]

    def capture(self, node: str, interface: str, expression: str = "") -> Taking:
        self.asked.append((node, f"capture {interface}"))
        if node in self.refused_captures:
            raise self.refused_captures[node]
        return Taking(self.captures[node])

    def login(self, switch: str) -> Session:
        self.logins.append(switch)
        if switch not in self.switches:
            raise InconclusiveError(f"{switch} is not up", code="switch-unreachable")
        return Session(self, switch)

    def patch(self, path: str, body: Any) -> None:
        self.requests.append(("PATCH", path, body))

    def delete(self, path: str, body: Any = None) -> None:
        self.requests.append(("DELETE", path, body))

    def get(self, path: str) -> Any:
        """A list of objects, or one of them by its name."""
        if self.objects is None:
            raise ApiUnreachable("GET: Connection refused")
        plural, _, name = path.removeprefix("/api/v1/").partition("/")
        found = [item for item in self.objects.get(plural, []) if item["metadata"]["name"] == name]
        return found[0] if found else {"items": self.objects.get(path.rpartition("/")[2], [])}

    def list(self, resource: Resource, _namespace: str | None = None) -> list[Any]:
        if self.objects is None:
            raise ApiUnreachable("GET: Connection refused")
        return self.objects.get(resource.plural, [])


class Session:
    """A logged-in switch."""

    def __init__(self, scripted: ScriptedNodes, name: str) -> None:
        self._nodes, self._name = scripted, name

    def show_json(self, text: str) -> Any:
        self._nodes.asked.append((self._name, text))
        found = self._nodes.switches[self._name].get(text, InconclusiveError("the session ended"))
        if isinstance(found, Exception):
            raise found
        return found

    def show(self, text: str) -> Any:
        return self.show_json(text)

    def ask(self, line: str) -> str:
        self._nodes.asked.append((self._name, line))
        return self._nodes.words.get((self._name, line), "")

    def configure(self, lines: Sequence[tuple[int, str]], *, timeout: float = 0.0) -> list[Refused]:
        texts = [line for _, line in lines]
        self._nodes.typed.append((self._name, texts))
        self._nodes.changed(self._name, texts)
        return [Refused(number, line, "% Invalid command") for number, line in lines if line == self._nodes.refuses]

    def close(self) -> None:
        self._nodes.closed.append(self._name)


@pytest.fixture
def scripted() -> ScriptedNodes:
    return ScriptedNodes()


@pytest.fixture
def observer(scripted: ScriptedNodes, tmp_path: Path) -> Observer:
    return Observer(scripted, Evidence(tmp_path / "evidence"), scripted.login, {}, scripted)


@pytest.fixture(scope="session")
def whitepaper() -> Any:
    return load_folder(FOLDER), load_checks(FOLDER)


@pytest.fixture
def lab(whitepaper: Any, observer: Observer, tmp_path: Path) -> LabUnderTest:
    folder, checks = whitepaper
    return LabUnderTest(folder, checks, observer, threading.Event(), lambda _result: None, tmp_path / "journal.jsonl")


@pytest.fixture
def done() -> Callable[..., Completed]:
    """``done("text")``: what a command that worked gives."""

    def make(text: str = "", code: int = 0, message: str = "") -> Completed:
        return Completed(code, text.encode(), message.encode())

    return make
