"""Asking the running lab: NX-OS over SSH, nodes through the runtime, Kubernetes through its API.

A node that does not answer is not a failure of what is checked: it raises `Unanswered`, which becomes INCONCLUSIVE.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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

_Shown = TypeVar("_Shown")


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


class Answer:
    """What came of a question: ``value`` is judged; the raw output is evidence once somebody asks for its ``path``."""

    def __init__(self, value: Any, keep: Callable[[], str]) -> None:
        self.value, self._keep = value, keep

    @cached_property
    def path(self) -> str:
        """Inside the evidence folder."""
        return self._keep()


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
        self._sessions = dict(sessions)
        self._busy: dict[str, threading.Lock] = {}
        self._own: list[NxosSession] = []
        self._lock = threading.Lock()

    @property
    def cluster(self) -> Api:
        """The cluster's API. Raises `Unanswered` for a lab without one."""
        if self.api is None:
            raise Unanswered("this lab has no cluster")
        return self.api

    @cached_property
    def pods(self) -> PodExec:
        """Commands in pods."""
        return PodExec(self.cluster.access)

    def close(self) -> None:
        """Log out of what was opened here."""
        for session in self._own:
            session.close()

    def ask(self, command: Command) -> tuple[Any, str]:
        """(observation, path of its raw output). Raises `Unanswered`."""
        answer = self.answer(command)
        return answer.value, answer.path

    def answer(self, command: Command) -> Answer:
        """The same, and nothing is kept yet."""
        asked, target = time.time(), command.target
        try:
            value, raw = self._answered(command)
        except (LabctlError, OSError) as error:
            reason = str(error)
            # without the node's name and what it had printed so far
            cause = reason.removeprefix(f"{target}: ").partition("; last: ")[0]
            raise Unanswered(f"{target}: {command.text}: {reason}", target, cause) from None
        name = f"{target}.{command.pod.rpartition('=')[2]}" if command.pod else target
        text = f"{command.text} | json" if command.kind == "nxos" else command.text

        def keep() -> str:
            output = raw if isinstance(raw, bytes) else json.dumps(value, indent=1).encode()
            return self.evidence.command(name, text, output, asked)

        return Answer(value, keep)

    def _answered(self, command: Command) -> tuple[Any, bytes | None]:
        """(observation, raw output if it is not the observation itself as JSON)."""
        target, text = command.target, command.text
        match command.kind:
            case "nxos":
                return self._shown(target, lambda session: session.show_json(text)), None
            case "nxos-text":
                shown = self._shown(target, lambda session: session.show(text))
                return shown, shown.encode()
            case "kube":
                return self.cluster.get(text).get("items") or [], None
            case "node":
                done = self.endpoints.exec(target, text.split())
                code, stdout, stderr = done.code, done.stdout, done.stderr
            case "pod":
                ran = run_in_pod(lambda space: self.list(PODS, space), self.pods, target, command.pod, text.split())
                code, stdout, stderr = ran.code, ran.stdout.encode(), ran.stderr.encode()
        return ("", stdout + stderr) if code else (stdout.decode(errors="replace"), stdout)

    def _shown(self, switch: str, ask: Callable[[NxosSession], _Shown]) -> _Shown:
        with self._lock:
            busy = self._busy.setdefault(switch, threading.Lock())
        with busy:
            if switch not in self._sessions:
                self._sessions[switch] = self.login(switch)
                self._own.append(self._sessions[switch])
            try:
                return ask(self._sessions[switch])
            except LabctlError:
                self._sessions.pop(switch).close()
                raise

    def list(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """Objects, without a record of their own (the checks that use them have one)."""
        try:
            return self.cluster.list(resource, namespace)
        except LabctlError as error:
            raise Unanswered(f"kubernetes: {error}", "kubernetes", str(error)) from None


def run_in_pod(
    listed: Callable[[str], Sequence[Json]], pods: PodExec, node: str, where: str, command: Sequence[str]
) -> PodCommand:
    """Run it to its end in the newest pod ``namespace/key=value`` on a node (Kubernetes name).

    ``listed``: the pods of a namespace. Raises `Unanswered` where no such pod runs there, and `InconclusiveError` when
    API or node do not answer.
    """
    namespace, _, selector = where.partition("/")
    pod = pod_at(listed(namespace), node, namespace, selector=selector)
    if pod is None:
        raise Unanswered(f"no pod {selector} runs on {node}")
    return pods.run(namespace, pod["metadata"]["name"], list(command), timeout=limit("call"))
