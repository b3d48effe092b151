"""Asking the running lab: NX-OS over SSH, nodes through the runtime, Kubernetes through its API. Every answer is kept.

A node that does not answer is not a failure of what is checked: it raises `Unanswered`, which becomes INCONCLUSIVE.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from labctl.errors import LabctlError
from labctl.kube.api import Api, Json, Resource
from labctl.kube.exec import PodCommand, PodExec
from labctl.kube.resources import PODS
from labctl.nxos.session import NxosSession
from labctl.pace import limit
from labctl.runtime.api import Endpoints
from labctl.verify.evidence import Evidence
from labctl.verify.expectation import pod_at

_Answer = TypeVar("_Answer")


class Unanswered(Exception):
    """A node did not answer; the text says which and why. ``cause``: the same without node and question."""

    def __init__(self, text: str, node: str | None = None, cause: str | None = None) -> None:
        super().__init__(text)
        self.node, self.cause = node, cause


@dataclass(frozen=True, slots=True)
class Command:
    """A question: NX-OS ``show …`` as JSON (``nxos``) or as it prints it (``nxos-text``), a node's command, a list of
    API objects, or a command in the pod with the label ``pod`` (``namespace/key=value``) on a node.
    """

    kind: Literal["nxos", "nxos-text", "node", "kube", "pod"]
    target: str
    text: str
    pod: str = ""


def listing(resource: Resource, namespace: str | None = None) -> Command:
    """The question for all API objects of a kind."""
    return Command("kube", "kubernetes", resource.path(namespace))


@dataclass(slots=True)
class _SwitchLine:
    session: NxosSession | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Observer:
    """One verification's way to the nodes. Thread-safe; one question at a time per switch."""

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
        self.login = login
        self._switches = {name: _SwitchLine(session) for name, session in sessions.items()}
        self._own: list[NxosSession] = []
        self._pods: PodExec | None = None
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
            if command.kind == "nxos-text":
                return self._nxos_text(command.target, command.text)
            if command.kind == "node":
                return self._node(command.target, command.text)
            if command.kind == "pod":
                return self._pod(command.target, command.pod, command.text)
            return self._kube(command.text)
        except (LabctlError, OSError) as error:
            text = f"{command.target}: {command.text}: {error}"
            raise Unanswered(text, command.target, _cause(command.target, str(error))) from None

    def _nxos(self, switch: str, text: str) -> tuple[Any, str]:
        body = self._shown(switch, lambda session: session.show_json(text))
        return body, self.evidence.command(switch, f"{text} | json", json.dumps(body, indent=1).encode())

    def _nxos_text(self, switch: str, text: str) -> tuple[str, str]:
        shown = self._shown(switch, lambda session: session.show(text))
        return shown, self.evidence.command(switch, text, shown.encode())

    def _shown(self, switch: str, ask: Callable[[NxosSession], _Answer]) -> _Answer:
        with self._lock:
            line = self._switches.setdefault(switch, _SwitchLine())
        with line.lock:
            if line.session is None:
                line.session = self.login(switch)
                self._own.append(line.session)
            try:
                return ask(line.session)
            except LabctlError:
                line.session.close()
                line.session = None
                raise

    def _node(self, node: str, text: str) -> tuple[Any, str]:
        done = self.endpoints.exec(node, text.split())
        output = done.stdout if done.code == 0 else done.stdout + done.stderr
        path = self.evidence.command(node, text, output)
        return (done.stdout.decode(errors="replace") if done.code == 0 else ""), path

    def _pod(self, node: str, where: str, text: str) -> tuple[str, str]:
        """Its output; that of a command that failed is empty, as a node's."""
        try:
            listed = partial(self.list, PODS)
            done = run_in_pod(listed, self._pod_exec(), node, where, text.split())
        except NoPod as missing:
            raise Unanswered(str(missing)) from None
        output = done.stdout if done.code == 0 else done.stdout + done.stderr
        path = self.evidence.command(f"{node}.{where.rpartition('=')[2]}", text, output.encode())
        return (done.stdout if done.code == 0 else ""), path

    def _pod_exec(self) -> PodExec:
        if self.api is None:
            raise Unanswered("this lab has no cluster")
        with self._lock:
            if self._pods is None:
                self._pods = PodExec(self.api.access)
            return self._pods

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
            raise Unanswered(f"kubernetes: {error}", "kubernetes", str(error)) from None


def _cause(node: str, words: str) -> str:
    """Without the node's name and what it had printed so far."""
    return words.removeprefix(f"{node}: ").partition("; last: ")[0]


class NoPod(Exception):
    """No pod with the label runs there; the text says which and where."""


def run_in_pod(
    listed: Callable[[str], Sequence[Json]], pods: PodExec, node: str, where: str, command: Sequence[str]
) -> PodCommand:
    """Run it to its end in the newest pod ``namespace/key=value`` on a node (Kubernetes name).

    ``listed``: the pods of a namespace. Raises `NoPod`, or `InconclusiveError` when API or node do not answer.
    """
    namespace, _, selector = where.partition("/")
    pod = pod_at(listed(namespace), node, namespace, selector=selector)
    if pod is None:
        raise NoPod(f"no pod {selector} runs on {node}")
    return pods.run(namespace, pod["metadata"]["name"], list(command), timeout=limit("call"))
