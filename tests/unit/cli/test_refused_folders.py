"""Folders that are refused with what renders them anew: those of labctl 0.1 (labctl.lab/v1), and an edited structure.

Labs that run of the former are taken down.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.errors import ExitCode
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.state import LabState, lab_state
from tests.unit.cli.conftest import Run


def older(run: Run, folder: Path) -> Path:
    """A rendered folder, with the lab.json that labctl 0.1 wrote."""
    assert run("generate", "minimal", "-o", str(folder)).code == ExitCode.OK
    body = json.loads((folder / "lab.json").read_text())
    for node in body["nodes"].values():
        del node["container"]
        node.pop("kubernetes", None)
    del body["links"], body["cluster"]
    (folder / "lab.json").write_text(json.dumps(body | {"schema": "labctl.lab/v1"}))
    return folder


def test_up_refuses_it(run: Run) -> None:
    older(run, Path("old"))
    ran = run("up", "old")
    assert ran.code == ExitCode.USAGE
    assert "lab.json: lab.json has schema 'labctl.lab/v1', of an older labctl" in ran.err
    assert "next: labctl generate SPEC -o DIR, or labctl up SPEC" in ran.err


def test_generate_renders_it_anew(run: Run) -> None:
    folder = older(run, Path("old"))
    (folder / "nxos" / "leaf101.cfg").write_text("hostname mine\n")
    ran = run("generate", "minimal", "-o", "old")
    assert ran.code == ExitCode.OK
    assert "note: old/nxos/leaf101.cfg was edited and is rendered anew" in ran.err
    assert run("validate", "old").code == ExitCode.OK


@pytest.mark.parametrize("verb", ["up x", "validate x", "graph x", "doctor --runtime containerlab x"])
def test_an_edited_structure_is_refused_by_whoever_reads_it(run: Run, verb: str) -> None:
    assert run("generate", "minimal", "-o", "x").code == ExitCode.OK
    for name, old, new in (
        ("topology.clab.yml", "- spine1:Ethernet1/1\n", "- spine1:Ethernet1/9\n"),
        ("kind/cluster.yaml", "name: master", "name: m1"),
    ):
        text = (Path("x") / name).read_text()
        assert old in text
        (Path("x") / name).write_text(text.replace(old, new, 1))
    ran = run(*verb.split())
    assert ran.code == ExitCode.USAGE
    assert re.search(r"topology.clab.yml:\d+:\d+: lab.json has no link spine1:Ethernet1/9 - ", ran.err)
    assert re.search(r"kind/cluster.yaml:\d+:\d+: lab.json calls the node in container \S+ master, not m1", ran.err)
    assert "3 problems\n  next: labctl generate SPEC -o DIR, or labctl up SPEC" in ran.err
    assert not lab_state("minimal").exists


def running(run: Run, state: LabState) -> subprocess.Popen[bytes]:
    """A process of the lab, in its records."""
    state.make()
    older(run, state.folder)
    state.runtime_file.write_text('{"runtime": "embedded"}')
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Supervisor(state.processes).record("guest", child.pid)
    return child


def test_down_takes_down_a_lab_that_runs_of_it(run: Run) -> None:
    state = lab_state("minimal")
    child = running(run, state)
    try:
        ran = run("down", "minimal")
        assert (ran.code, state.exists) == (ExitCode.OK, False)
        assert child.wait(10) != 0
    finally:
        child.kill()
    assert "lab minimal is down" in ran.out


def test_status_of_a_lab_that_runs_of_it(run: Run) -> None:
    child = running(run, lab_state("minimal"))
    try:
        assert run("status", "minimal").code != ExitCode.INTERNAL
        assert run("list").code == ExitCode.OK
    finally:
        child.kill()
        child.wait()
