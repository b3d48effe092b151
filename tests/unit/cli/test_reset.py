"""`labctl reset` from the command line, against switches that keep a configuration; a fabric without a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from labctl.cli import labs
from labctl.cli.main import cli
from labctl.design.design import Target
from labctl.design.plan import design
from labctl.engine.proving import open_session
from labctl.errors import InconclusiveError, LabError, RejectedError, UsageError
from labctl.guest.api import Completed
from labctl.journal import Journal
from labctl.render.folder import render_folder, write_folder
from labctl.restore.node import parse
from labctl.restore.snapshot import Snapshot, keep, load
from labctl.restore.switch import read
from labctl.runtime.api import SshEndpoint
from labctl.spec.load import loads
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.shell import Device, Shell
from labctl.state import LabState
from tests.scripted_switch import switch
from tests.unit.restore.test_node import LINKS, answer
from tests.unit.switch.conftest import RememberingPlatform

SPEC = """\
name: paper
cluster: none
fabric: {spines: [spine1], leaf_pairs: [{leafs: [leaf1, leaf2]}], borders: [border1]}
external: [{name: ext1, attach: border1, announces: [12.1.0.0/16]}]
"""
Golden = Callable[[str, str], None]


class Brain:
    """A stand-in's command line behind an SSH server. ``refuses``: line → words."""

    def __init__(self, name: str, text: str) -> None:
        self.device = Device(RunningConfig(name), RememberingPlatform())
        self.refuses: dict[str, str] = {}
        self.typed: list[str] = []
        self.shell = Shell(self.device)
        self.type(*[line.strip() for line in text.splitlines()])

    @property
    def greeting(self) -> str:
        self.shell = Shell(self.device)
        return self.shell.prompt

    def type(self, *lines: str) -> None:
        for line in ("configure terminal", *lines, "end"):
            self.shell.execute(line)

    def __call__(self, line: str) -> str:
        self.typed.append(line)
        text = self.refuses.get(line) or self.shell.execute(line)
        return f"{text}\n{self.shell.prompt}" if text else self.shell.prompt


class Lab:
    """A lab that runs: its switches and its host."""

    name = "paper"

    def __init__(self, folder: Path, brains: dict[str, Brain], ports: dict[str, int]) -> None:
        self.state_folder = LabState("paper", folder)
        self.brains = brains
        self.ports = ports
        self.links: Any = LINKS
        self.runtime = SimpleNamespace(name="fake", endpoints=lambda: self)

    def ssh(self, name: str) -> SshEndpoint:
        return SshEndpoint("127.0.0.1", self.ports[name], "admin", "admin")

    def exec(self, node: str, argv: list[str], *, stdin: bytes = b"", timeout: float = 0.0) -> Completed:
        if argv[0] == "ip":
            self.links = LINKS
            return Completed(0, b"", b"")
        return Completed(0, answer(self.links).encode(), b"")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    state = LabState("paper", tmp_path / "state")
    state.make()
    write_folder(render_folder(design(loads("lab.yaml", SPEC), Target("standin", "standin"))), state.folder)
    names = ("spine1", "leaf1", "leaf2", "border1")
    brains = {name: Brain(name, (state.folder / f"nxos/{name}.cfg").read_text()) for name in names}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(switch(brain)).port for name, brain in brains.items()}
        lab = Lab(state.root, brains, ports)
        texts = read(names, lambda name: open_session(name, lab, {}), 10.0, {})  # type: ignore[arg-type]
        keep(state, Snapshot(texts, {"ext1": parse(answer())}, None))
        for brain in brains.values():
            brain.typed.clear()
        monkeypatch.setattr(labs, "open_lab", lambda _name: lab)
        yield lab


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ("reset", "paper", *arguments))


def damage(lab: Lab) -> None:
    lab.brains["leaf1"].type("vlan 77", "name mine", "interface loopback1002", "no vrf member vrf-001")
    lab.brains["spine1"].type("router bgp 65001", "router ospf UNDERLAY", "maximum-paths 9")
    lab.links = [{**row, "flags": []} if row["ifname"] == "eth1" else row for row in LINKS]


def without_seconds(text: str) -> str:
    head, _, _ = text.rpartition(" (")
    return head + "\n"


def test_nothing_to_do(lab: Lab) -> None:
    done = run("--no-verify")
    assert (done.exit_code, done.stdout.startswith("lab paper: nothing to do, all is as up left it")) == (0, True), done
    assert all(line.startswith(("show", "terminal")) for brain in lab.brains.values() for line in brain.typed)


def test_a_dry_run_says_and_does_nothing(lab: Lab, golden: Golden) -> None:
    damage(lab)
    before = {name: brain.device.config.tree().text() for name, brain in lab.brains.items()}
    done = run("--dry-run")
    assert done.exit_code == 6, done.output
    golden("report/reset-dry-run.txt", without_seconds(done.stdout))
    assert before == {name: brain.device.config.tree().text() for name, brain in lab.brains.items()}
    assert lab.links != LINKS


def test_it_is_changed_back_told_and_done_once(lab: Lab, golden: Golden) -> None:
    first = {name: brain.device.config.tree().text() for name, brain in lab.brains.items()}
    damage(lab)
    done = run("--no-verify")
    assert done.exit_code == 0, done.output
    golden("report/reset-done.txt", without_seconds(done.stdout))
    assert first == {name: brain.device.config.tree().text() for name, brain in lab.brains.items()}
    assert "copy running-config startup-config" in lab.brains["leaf1"].typed
    assert "configure terminal" not in lab.brains["leaf2"].typed
    assert "nothing to do" in run("--no-verify").stdout


def test_as_json(lab: Lab) -> None:
    damage(lab)
    body = json.loads(run("--dry-run", "--json").stdout)
    assert (body["schema"], body["lab"], body["dry_run"], body["report"]) == ("labctl.reset/v1", "paper", True, None)
    assert [(row["part"], row["name"]) for row in body["changes"]] == [
        ("switch", "spine1"), ("switch", "leaf1"), ("node", "ext1"),
    ]  # fmt: skip
    assert body["changes"][2]["rows"] == [{"do": "change", "what": "interface eth1: up", "lines": 1}]
    assert set(body["timings"]) == {"reset-scenarios", "reset-switches", "reset-nodes"}


def test_steps_are_journalled_and_told(lab: Lab) -> None:
    done = run("--no-verify", "--events", "json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(row["name"] for row in events if row["kind"] == "step-done") == "reset-scenarios"
    entries = [(row.kind, row.name, row.state) for row in Journal(lab.state_folder.journal).entries()]
    assert entries[0] == ("run", "reset", "started")
    assert ("step", "reset-switches", "done") in entries
    assert entries[-1] == ("run", "reset", "done")


def test_a_refused_line_has_its_place_and_all_else_is_changed_back(lab: Lab) -> None:
    damage(lab)
    lab.brains["leaf1"].refuses = {"no vlan 77": "ERROR: VLAN 77 is in use"}
    error = run("--no-verify").exception
    assert isinstance(error, RejectedError)
    assert "leaf1: vlan 77 was not taken away (no vlan 77: ERROR: VLAN 77 is in use)" in error.render()
    assert lab.links == LINKS
    lab.brains["leaf1"].refuses = {}
    assert run("--no-verify").exit_code == 0


def test_a_line_of_the_folder_that_is_refused_is_shown(lab: Lab) -> None:
    lab.brains["leaf1"].type("interface loopback1", "no description")
    lab.brains["leaf1"].refuses = {"description VTEP": "ERROR: no"}
    text = (lab.state_folder.folder / "nxos/leaf1.cfg").read_text()
    error = run("--no-verify").exception
    assert isinstance(error, RejectedError)
    number = text.splitlines().index("  description VTEP") + 1
    assert f"nxos/leaf1.cfg:{number}" in error.render()


def test_a_switch_that_does_not_answer_is_named(lab: Lab) -> None:
    damage(lab)
    lab.ports["leaf2"] = 1
    error = run("--no-verify").exception
    assert isinstance(error, InconclusiveError)
    assert error.message.startswith("leaf2")
    assert lab.links == LINKS, "the rest is changed back"
    assert "vlan 77" not in lab.brains["leaf1"].device.config.tree().text()


def test_a_lab_whose_up_never_ended(lab: Lab) -> None:
    lab.state_folder.snapshot.unlink()
    error = run().exception
    assert isinstance(error, UsageError)
    assert error.code == "no-first-state"


def test_what_was_kept_is_broken(lab: Lab) -> None:
    lab.state_folder.snapshot.write_text("{")
    error = run().exception
    assert isinstance(error, LabError)
    assert error.code == "first-state-broken"


def test_one_at_a_time(lab: Lab) -> None:
    with lab.state_folder.lock():
        error = run().exception
    assert isinstance(error, UsageError)
    assert error.code == "lab-locked"


def test_what_is_kept_is_the_owners_alone(lab: Lab) -> None:
    assert lab.state_folder.snapshot.stat().st_mode & 0o777 == 0o600
    assert load(lab.state_folder).nodes["ext1"] == parse(answer())
