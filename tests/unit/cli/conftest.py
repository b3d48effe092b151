"""Commands run as a user runs them, in a folder and with a cache and a state of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labctl.cli.main import main
from labctl.engine import down  # noqa: F401 - it takes the real runtime_of before `here` stands in for it
from labctl.folder import load_folder
from labctl.guest.api import Capture, ExecStream, TtySize
from labctl.guest.client import local_agent
from labctl.runtime.api import NodeStatus, Observation, SshEndpoint
from labctl.state import LabState, lab_state


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("setup", "status")``."""
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def go(*arguments: str) -> Ran:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(int(caught.value.code or 0), captured.out, captured.err)

    return go


class Here:
    """A runtime whose nodes are this machine, reached by the guest's own agent; its switches' SSH is told alone."""

    name = "embedded"
    images = reached = kept = False

    def __init__(self, state: LabState) -> None:
        self.state = state
        self.agent = local_agent()
        self.logged = ""
        self.alive = True

    def observe(self) -> Observation:
        lab = load_folder(self.state.folder).lab
        state: Any = "running" if self.alive else "dead"
        kinds: dict[str, Any] = {name: node.kind for name, node in lab.nodes.items()}
        nodes = {
            name: NodeStatus(name, kind, state, f"172.20.20.{at}") for at, (name, kind) in enumerate(kinds.items())
        }
        return Observation(self.name, "uml", self.alive, nodes)

    def endpoints(self) -> Here:
        return self

    def pids(self) -> dict[str, int]:
        return {"daemon": os.getpid()}

    def ssh(self, switch: str) -> SshEndpoint:
        port = 20000 + sorted(load_folder(self.state.folder).lab.switches).index(switch)
        key = self.state.secrets / "switch_key"
        return SshEndpoint("127.0.0.1", port, "admin", "secret", self.state.ssh_config, key_file=key)

    def kubeconfig(self) -> Path:
        return self.state.kubeconfig

    def stream(self, _node: str, argv: Sequence[str], *, tty: TtySize | None = None) -> ExecStream:
        return self.agent.stream(argv, tty=tty)

    def capture(self, _node: str, interface: str, expression: str = "") -> Capture:
        self.captured = interface
        return self.agent.capture(None, "lo", expression)

    def logs(self, _node: str | None = None) -> str:
        return self.logged


@pytest.fixture
def here(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """The white paper's lab, which runs on this machine."""
    state = lab_state("whitepaper")
    state.make()
    assert run("generate", "whitepaper", "-o", str(state.folder)).code == 0
    lab = Here(state)
    state.ssh_config.write_text("Host leaf2101\n  HostName 127.0.0.1\n  Port 20003\n")
    monkeypatch.setattr("labctl.runtime.select.runtime_of", lambda _state: lab)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield lab
    lab.agent.close()
