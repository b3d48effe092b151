"""A running lab as a Python object: what the pytest fixture ``labctl`` gives, usable without pytest, too.

::

    lab = RunningLab("whitepaper")
    assert lab.verify("bgp").verdict == "PASS"
    assert lab.switch("leaf2101").json("show vpc brief")["vpc-peer-status"] == "peer-ok"
    assert "bond0" in lab.node("node01").run("ip", "link", "show")
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from labctl.engine.proving import verify_request
from labctl.errors import CheckFailed, UsageError
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints
from labctl.runtime.select import runtime_of
from labctl.state import lab_state
from labctl.verify.run import VerifyRequest, verify
from labctl.verify.steps.model import SCHEMA
from labctl.verify.verdict import Report, ScenarioResult

STEPS_NAME = "steps"


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch's command line; one login for all that is asked. Every method raises `InconclusiveError` for silence."""

    session: NxosSession

    def show(self, command: str) -> str:
        """The text of a show command. Raises `SwitchRefused`."""
        return self.session.show(command)

    def json(self, command: str) -> dict[str, Any]:
        """The same as ``| json``; an empty table is an empty dict."""
        return self.session.show_json(command)

    def configure(self, *lines: str) -> None:
        """Configuration lines. Raises `CheckFailed` with the first one that was refused. Nothing undoes them."""
        refused = self.session.configure(list(enumerate(lines, 1)))
        if refused:
            raise CheckFailed(f"{self.session.name} refused: {refused[0].line} ({refused[0].message})", code="refused")


@dataclass(frozen=True, slots=True)
class Node:
    """A Kubernetes node or an external host."""

    name: str
    endpoints: Endpoints

    def run(self, *argv: str, timeout: float | None = None) -> str:
        """A command to its end, its standard output. Raises `CheckFailed` when it fails."""
        done = self.endpoints.exec(self.name, argv, timeout=timeout)
        if done.code != 0:
            reason = (done.stderr or done.stdout).decode(errors="replace").strip() or f"exit code {done.code}"
            raise CheckFailed(f"{self.name}: {' '.join(argv)}: {reason}", code="exec-failed")
        return done.stdout.decode(errors="replace")


class RunningLab:
    """A lab that is up, by its name. Raises `UsageError` when there is none of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._state = lab_state(name)
        if not self._state.exists:
            raise UsageError(f"there is no lab {name}", code="no-such-lab", next_command="labctl status --all")
        self._runtime = runtime_of(self._state)
        self._sessions: dict[str, NxosSession] = {}

    @cached_property
    def endpoints(self) -> Endpoints:
        """How its nodes are reached."""
        return self._runtime.endpoints()

    @cached_property
    def kube(self) -> Api:
        """The cluster's API: JSON in, JSON out."""
        return Api(access_from_kubeconfig(self.endpoints.kubeconfig(), self._state.secrets))

    def switch(self, name: str) -> Switch:
        """A switch, logged in to."""
        if name not in self._sessions:
            self._sessions[name] = self._request().login(name)
        return Switch(self._sessions[name])

    def node(self, name: str) -> Node:
        """A node or host."""
        return Node(name, self.endpoints)

    def verify(self, *scenarios: str, failures: bool = False, disruptive: bool = False) -> Report:
        """As ``labctl verify``: the scenarios named (names or paths of files), else all read-only ones.

        ``disruptive``: also those that change the lab; ``failures``: all failure scenarios.
        """
        changes = disruptive or failures
        request = replace(
            self._request(disruptive=changes), scenarios=scenarios if scenarios or failures else None, failures=failures
        )
        with self._state.lock() if changes else nullcontext():
            return verify(request)

    def scenario(self, what: Path | str | Sequence[Mapping[str, Any]], **parts: Any) -> ScenarioResult:
        """One scenario: a file, the name of a failure, or steps as a file has them (docs/scenarios.md).

        ``parts``: what else a file may say: ``title``, ``objects``. Its faults are healed when this returns.
        """
        if isinstance(what, str | Path):
            return self.verify(str(what), disruptive=True).scenarios[-1]
        with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
            file = Path(scratch) / f"{STEPS_NAME}.yaml"
            body = {"schema": SCHEMA, "name": STEPS_NAME, **parts, "steps": list(what)}
            file.write_text(yaml.safe_dump(body, sort_keys=False))
            return self.verify(str(file), disruptive=True).scenarios[-1]

    def close(self) -> None:
        """Log out of the switches."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _request(self, *, disruptive: bool = False) -> VerifyRequest:
        now = self._runtime.observe()
        return verify_request(self._state, self.endpoints, now, lambda _event: None, disruptive=disruptive)
