"""`labctl save`, with and without `--test-case`, from the command line, against scripted switches."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from labctl.errors import InconclusiveError, RejectedError
from labctl.render.folder import render_folder, write_folder
from labctl.runtime.api import SshEndpoint
from labctl.spec.load import loads
from labctl.state import LabState
from tests.scripted_switch import Script, script, switch

SPEC = "name: paper\ncluster: none\nfabric: {spines: [spine1], leaf_pairs: [{leafs: [leaf1, leaf2]}]}\n"


@pytest.fixture
def switches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Script]]:
    """A lab with a scripted switch for each of its own; commands find it under any name."""
    state = LabState("paper", tmp_path / "state")
    state.make()
    write_folder(render_folder(design(loads("lab.yaml", SPEC), Target("standin", "standin"))), state.folder)
    brains = {name: script(host=name, running=[f"hostname {name}"]) for name in ("spine1", "leaf1", "leaf2")}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(switch(brain)).port for name, brain in brains.items()}
        endpoints = SimpleNamespace(ssh=lambda name: SshEndpoint("127.0.0.1", ports[name], "admin", "admin"))
        runtime: Any = SimpleNamespace(endpoints=lambda: endpoints)
        lab = labs.Lab("paper", state, runtime)
        monkeypatch.setattr(labs, "open_lab", lambda _name: lab)
        monkeypatch.chdir(tmp_path)
        yield brains


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, arguments)


def test_save(switches: dict[str, Script], tmp_path: Path) -> None:
    done = run("save", "paper")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"{name}: saved, 4 lines in paper-configs/{name}.cfg" for name in ("spine1", "leaf1", "leaf2")
    ]
    assert "hostname leaf1\n" in (tmp_path / "paper-configs" / "leaf1.cfg").read_text()
    assert all("copy running-config startup-config" in brain.typed for brain in switches.values())


def test_save_as_json(switches: dict[str, Script], tmp_path: Path) -> None:
    body = json.loads(run("save", "paper", "-o", str(tmp_path / "x"), "--json").stdout)
    assert (body["schema"], body["lab"], len(body["switches"])) == ("labctl.save/v1", "paper", 3)


def test_save_fails_with_the_words_of_the_switch(switches: dict[str, Script]) -> None:
    switches["leaf2"].answers = {  # type: ignore[assignment]
        **switches["leaf2"].answers, "copy running-config startup-config": "Configuration update aborted: no space\n",
    }  # fmt: skip
    error = run("save", "paper").exception
    assert isinstance(error, RejectedError)
    assert "leaf2 did not save its startup configuration: Configuration update aborted: no space" in error.render()


def test_record(switches: dict[str, Script], tmp_path: Path) -> None:
    done = run("save", "--test-case", "paper", "-o", "session")
    assert done.exit_code == 0, done.output
    assert "taken out: nothing; read it before you send it" in done.output
    body = json.loads((tmp_path / "session" / "transcript.json").read_text())
    assert (body["schema"], body["pushed"]) == ("labctl.record/v1", False)
    assert {row["name"] for row in body["switches"]} == {"spine1", "leaf1", "leaf2"}


def test_record_of_a_lab_that_answers_in_part_is_written_and_told(
    switches: dict[str, Script], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = labs.open_lab("paper")
    whole = lab.endpoints().ssh
    gone = SshEndpoint("127.0.0.1", 1, "admin", "admin")
    monkeypatch.setattr(lab.endpoints(), "ssh", lambda name: gone if name == "leaf1" else whole(name))
    error = run("save", "paper", "--test-case").exception
    assert isinstance(error, InconclusiveError)
    assert error.message.startswith("leaf1: ")
    assert (tmp_path / "paper-record.tar.gz").is_file()
