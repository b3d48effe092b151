"""`labctl report --paper` and `labctl status --bgp` from the command line, without a lab that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from labctl.cli.main import cli
from labctl.cli.verbs import run as run_verbs
from labctl.engine import proving
from labctl.errors import InconclusiveError, UsageError
from labctl.kube.exec import PodCommand
from labctl.paper import reference
from labctl.paper.catalogue import ROWS
from labctl.state import LabState
from tests.unit.verify.recordedlab import FOLDER, RecordedLab


@pytest.fixture
def evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Write the evidence of a lab's last verification."""
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path))
    state = LabState("paper", tmp_path / "labs" / "paper")
    state.make()

    def write(body: Any) -> None:
        state.evidence.mkdir(parents=True, exist_ok=True)
        (state.evidence / "evidence.json").write_text(body if isinstance(body, str) else json.dumps(body))

    return write


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, arguments)


BODY = {
    "lab": "paper",
    "environment": {"time": "2026-11-27T10:00:00Z", "versions": {}},
    "catalogue": [{"id": "figure-15", "verdict": "FAIL", "checks": ["bgp.route.leaf2101.x"]}],
}


def test_the_catalogue_without_a_lab() -> None:
    done = run("report", "--paper")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == len(ROWS) + 1
    assert "FAIL" not in done.stdout


def test_the_last_verification_of_a_lab(evidence: Callable[[Any], None]) -> None:
    evidence(BODY)
    line = next(text for text in run("report", "--paper", "paper").stdout.splitlines() if text.startswith("figure-15 "))
    assert line.split()[:3] == ["figure-15", "FAIL", "routed"]
    rows = {row["id"]: row for row in json.loads(run("report", "--paper", "paper", "--json").stdout)}
    assert (rows["figure-15"]["verdict"], rows["figure-15"]["checks"]) == ("FAIL", ["bgp.route.leaf2101.x"])
    assert rows["figure-1"]["verdict"] is None


def test_results_are_recorded(evidence: Callable[[Any], None], tmp_path: Path) -> None:
    evidence(BODY)
    path = tmp_path / "run.json"
    done = run("report", "--paper", "paper", "--record", str(path))
    assert "1 rows recorded" in done.stderr
    assert reference.read(path)["figure-15"]["verdict"] == "FAIL"


def test_no_such_lab_and_no_verification_yet(evidence: Callable[[Any], None]) -> None:
    assert isinstance(run("report", "--paper", "paper").exception, InconclusiveError)
    assert isinstance(run("report", "--paper", "papre").exception, UsageError)
    assert isinstance(run("report", "--paper", "--record", "x").exception, UsageError)
    evidence("{")
    assert isinstance(run("report", "--paper", "paper").exception, InconclusiveError)


def test_figure_and_scenario_do_not_go_together(evidence: Callable[[Any], None]) -> None:
    error = run("verify", "paper", "--figure", "15", "--scenario", "bgp").exception
    assert isinstance(error, UsageError)
    assert error.code == "figure-and-scenario"
    assert run("verify", "paper", "--figure", "99").exception.code == "no-such-figure"


# --- status --bgp ------------------------------------------------------------------------------------------------


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordedLab:
    """The nodes of the white paper's lab, as recorded."""
    lab = RecordedLab.load()
    opened = SimpleNamespace(
        endpoints=lambda: SimpleNamespace(kubeconfig=lambda: tmp_path),
        state_folder=SimpleNamespace(folder=FOLDER, secrets=tmp_path),
    )  # fmt: skip
    monkeypatch.setattr(run_verbs, "open_lab", lambda _name: opened)
    monkeypatch.setattr(proving, "access_from_kubeconfig", lambda *_arguments: None)
    monkeypatch.setattr(proving, "Api", lambda *_arguments, **_more: lab)
    monkeypatch.setattr(proving, "PodExec", lambda _access: lab)
    return lab


def test_sessions_of_one_node(nodes: RecordedLab) -> None:
    done = run("status", "whitepaper", "node01", "--bgp")
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert lines[0] == "node01: Calico process is running."
    assert lines[2:6] == [
        "IPv4 BGP status",
        "+---------------+-----------+-------+----------+-------------+",
        "| PEER ADDRESS  | PEER TYPE | STATE |  SINCE   |    INFO     |",
        "+---------------+-----------+-------+----------+-------------+",
    ]
    assert sum("Established" in line for line in lines) == 4


def test_a_node_that_does_not_answer_is_told_and_the_others_are_shown(nodes: RecordedLab) -> None:
    nodes.silent = {"node02"}
    done = run("status", "--bgp", "whitepaper")
    assert done.exit_code == 3
    assert "node02: node02 does not answer" in done.stderr
    assert done.stdout.count("Calico process is running.") == 2
    body = json.loads(run("status", "--bgp", "whitepaper", "--json").stdout)
    assert body["node02"] == {"error": "node02 does not answer"}
    assert [row["address"] for row in body["master"]][:2] == ["192.168.100.1", "192.168.100.2"]


def test_a_bird_that_refuses(nodes: RecordedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "Unable to connect to server control socket"
    monkeypatch.setattr(nodes, "run", lambda *_arguments, **_more: PodCommand(1, "", refusal))
    done = run("status", "--bgp", "whitepaper", "master")
    assert done.exit_code == 3
    assert f"master: BIRD did not answer: {refusal}" in done.stderr


def test_a_node_that_is_not_there(nodes: RecordedLab) -> None:
    error = run("status", "whitepaper", "node1", "--bgp").exception
    assert isinstance(error, UsageError)
    assert (error.code, error.hint) == ("no-such-node", "did you mean node01?")
