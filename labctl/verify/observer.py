"""Asking the running lab: NX-OS over SSH, nodes through the runtime, Kubernetes through its API. Every answer is kept.

A box that does not answer is not a failure of what is checked: it raises `Unanswered`, which becomes INCONCLUSIVE.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from labctl.errors import LabctlError
from labctl.kube.api import Api, Json, Resource
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints
from labctl.verify.evidence import Evidence


class Unanswered(Exception):
    """A box did not answer; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Command:
    """A question: NX-OS ``show …`` as JSON, a node's command, or a list of API objects."""

    kind: Literal["nxos", "node", "kube"]
    target: str
    text: str


@dataclass(slots=True)
class _SwitchLine:
    session: NxosSession | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Observer:
    """One verification's way to the boxes. Thread-safe; one question at a time per switch."""

    def __init__(
        self,
        endpoints: Endpoints,
        evidence: Evidence,
        login: Callable[[str], NxosSession],
        sessions: Mapping[str, NxosSession],
        api: Api | None,
    ) -> None:
        self.endpoints = endpoints
        self.evidence = evidence
        self.api = api
        self._login = login
        self._switches = {name: _SwitchLine(session) for name, session in sessions.items()}
        self._own: list[NxosSession] = []
        self._lock = threading.Lock()

    def release(self, paths: Iterable[str]) -> None:
        """Give answers back that no check refers to."""
        self.evidence.release(paths)

    def close(self) -> None:
        """Log out of what was opened here."""
        for session in self._own:
            session.close()

    def ask(self, command: Command) -> tuple[Any, str]:
        """(observation, path of its raw output). Raises `Unanswered`."""
        try:
            if command.kind == "nxos":
                return self._nxos(command.target, command.text)
            if command.kind == "node":
                return self._node(command.target, command.text)
            return self._kube(command.text)
        except (LabctlError, OSError) as error:
            raise Unanswered(f"{command.target}: {command.text}: {error}") from None

    def _nxos(self, switch: str, text: str) -> tuple[Any, str]:
        with self._lock:
            line = self._switches.setdefault(switch, _SwitchLine())
        with line.lock:
            if line.session is None:
                line.session = self._login(switch)
                self._own.append(line.session)
            try:
                body = line.session.show_json(text)
            except LabctlError:
                line.session.close()
                line.session = None
                raise
        return body, self.evidence.command(switch, f"{text} | json", json.dumps(body, indent=1).encode())

    def _node(self, node: str, text: str) -> tuple[Any, str]:
        done = self.endpoints.exec(node, text.split(), timeout=15.0)
        output = done.stdout if done.code == 0 else done.stdout + done.stderr
        path = self.evidence.command(node, text, output)
        return (done.stdout.decode(errors="replace") if done.code == 0 else ""), path

    def _kube(self, path: str) -> tuple[Any, str]:
        if self.api is None:
            raise Unanswered("this lab has no cluster")
        items = self.api.get(path).get("items") or []
        return items, self.evidence.command("kubernetes", path, json.dumps(items, indent=1).encode())

    def list(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """Objects, without a record of their own (the checks that use them have one)."""
        if self.api is None:
            raise Unanswered("this lab has no cluster")
        try:
            return self.api.list(resource, namespace)
        except LabctlError as error:
            raise Unanswered(f"kubernetes: {error}") from None
