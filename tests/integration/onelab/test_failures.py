"""Failures on a booted lab: eleven in a row with nothing left of them, every way to heal, what must not pass."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labctl.render.folder import FAILURES
from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import ROOT, Done, Labctl, await_event, end, tshark_fields
from tests.integration.patience import patient
from tests.integration.snapshot import Snapshot, differences, snapshot
from tests.unit.cli.test_pytest_plugin import PLUGIN

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(600))]
LAB = "whitepaper"
HEAD = "schema: labctl.scenario/v1\nname: mine\nsteps:\n"
PODS = "  - traffic: {name: pods, from: {pod: app=pingtest, node: node01}, to: {pod: app=pingtest, node: node02}}\n"
CUT = "  - fault: {name: cut, shutdown: {switch: leaf2101, interface: Ethernet1/1}}\n"
WAITS = "  - expect: {name: waits, hold: 60, sessions: {are: up}}\n"


@pytest.fixture(scope="module")
def at_first(lab: Done, labctl: Labctl) -> Snapshot:
    """The lab when all its scenarios had passed, before anything was broken."""
    assert {row["verdict"] for row in labctl.evidence(LAB)["scenarios"]} == {"PASS"}
    return snapshot(labctl, LAB)


def mine(labctl: Labctl, path: Path, steps: str, code: int = 0) -> dict[str, Any]:
    """Run a scenario of one's own; its checks by id."""
    file = path / "mine.yaml"
    file.write_text(HEAD + steps)
    labctl("verify", LAB, "--scenario", file).expect(code)
    return {row["id"]: row for scenario in labctl.evidence(LAB)["scenarios"] for row in scenario["checks"]}


def running(labctl: Labctl, switch: str = "leaf2101") -> str:
    return labctl("ssh", LAB, switch, "--", "show running-config interface Ethernet1/1").expect(0).out


def left_over(labctl: Labctl) -> list[str]:
    """Changes that the journal has as begun alone."""
    found: dict[str, str] = {}
    for line in (labctl.lab_state(LAB) / "journal.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["entry"] == "change":
            found[row["name"]] = row["state"]
    return [name for name, state in found.items() if state == "begun"]


def test_all_failures_in_a_row_leave_the_lab_as_it_was(at_first: Snapshot, labctl: Labctl) -> None:
    done = labctl("verify", LAB, "--failures", timeout=480)
    found = {row["id"]: row["sentence"] for row in labctl.evidence(LAB)["scenarios"] if row["verdict"] != "PASS"}
    assert found == {}, done.out
    assert [row["id"] for row in labctl.evidence(LAB)["scenarios"]] == ["links", *FAILURES]
    assert left_over(labctl) == []
    pcap = labctl.lab_state(LAB) / "evidence" / "captures" / "leaf.outside.pcap"
    requests = {row[0] for row in tshark_fields(pcap, "icmp.type == 8", "icmp.seq")}
    replies = {row[0] for row in tshark_fields(pcap, "icmp.type == 0", "icmp.seq")}
    check = next(
        check
        for row in labctl.evidence(LAB)["scenarios"]
        for check in row["checks"]
        if check["id"] == "leaf.loss-outside"
    )
    assert check["seen"]["requests"] == len(requests)
    assert check["seen"]["answered"] == len(replies), "tshark reads of the capture what labctl counted"
    labctl("verify", LAB).expect(0)

    def equal() -> bool | NotYet:
        found = differences(at_first, snapshot(labctl, LAB))
        return NotYet("\n".join(found)) if found else True

    wait_for(equal, Deadline(patient(40.0)), every=1.0)


def test_a_limit_that_is_too_tight_fails(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    """The outage is made by pulling the sender's own legs, one after the other, and both for a moment."""
    steps = (
        PODS
        + "  - fault: {name: cut, node_down: node02}\n"
        + "  - expect: {name: gone, port_channel: {switch: [leaf2101, leaf2102], node: node02, is: down}}\n"
        + "  - heal: cut\n"
        + "  - expect: {name: back, bond: {node: node02, up: [eth1, eth2]}}\n"
        + "  - expect: {name: up, hold: 2, sessions: {node: node02, are: up}}\n"
        + "  - expect: {name: loss, loss: {of: pods, ms: 20, packets: 0}}\n"
    )
    checks = mine(labctl, tmp_path, steps, code=1)
    assert checks["mine.loss"]["verdict"] == "FAIL"
    assert "more than 0 packets and 20 ms on standin" in checks["mine.loss"]["sentence"]
    assert checks["mine.loss"]["seen"]["lost"] > 0
    assert checks["mine.recovered"]["verdict"] == "PASS"


def test_a_cleared_session_is_not_unbroken(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    steps = (
        "  - fault: {name: clear, clear_bgp: {switch: leaf2101, neighbor: 192.168.1.11}}\n"
        "  - expect: {name: new, within: 30, sessions: {switch: leaf2101, node: node01, family: ipv4, are: reset}}\n"
        "  - expect: {name: same, sessions: {switch: leaf2101, family: ipv4, are: unbroken}, within: 1}\n"
    )
    checks = mine(labctl, tmp_path, steps, code=1)
    assert checks["mine.same.leaf2101.192.168.1.11"]["verdict"] == "FAIL"
    assert "was reset: " in checks["mine.same.leaf2101.192.168.1.11"]["sentence"]
    assert checks["mine.same.leaf2101.192.168.1.13"]["verdict"] == "PASS"
    assert checks["mine.recovered"]["verdict"] == "PASS"


def test_a_ping_that_dies_proves_nothing(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    """Its pod goes away, and the interface where it was captured: nobody can say what was lost."""
    steps = (
        PODS
        + "  - fault: {name: gone, restart_pod: {pod: app=pingtest, node: node01}}\n"
        + "  - expect: {name: again, pods: {pod: app=pingtest, node: node01}}\n"
        + "  - expect: {name: loss, loss: {of: pods, ms: 60000}}\n"
    )
    checks = mine(labctl, tmp_path, steps, code=3)
    assert checks["mine.loss"]["verdict"] == "INCONCLUSIVE"
    assert re.search("the capture cannot be counted|Network is down", checks["mine.loss"]["sentence"])
    assert checks["mine.recovered"]["verdict"] == "PASS"


def test_a_file_with_mistakes_touches_nothing(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(HEAD + CUT + "  - fault: {name: two, isolate: leaf2103}\n  - expct: {}\n")
    before = (labctl.lab_state(LAB) / "journal.jsonl").read_text()
    done = labctl("verify", LAB, "--scenario", file).expect(2)
    assert f"{file}:5:33: there is no switch leaf2103 [no-such-switch]" in done.err
    assert f"{file}:6:5: there is no step expct [unknown-key]" in done.err
    assert (labctl.lab_state(LAB) / "journal.jsonl").read_text() == before


@pytest.mark.parametrize(
    ("number", "healer"),
    [
        (signal.SIGINT, "itself"),
        (signal.SIGTERM, "itself"),
        (signal.SIGKILL, "repair"),
        (signal.SIGKILL, "verify"),
    ],
)
def test_a_labctl_that_is_ended_heals_or_the_next_one_does(
    lab: Done, labctl: Labctl, tmp_path: Path, number: signal.Signals, healer: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(HEAD + CUT + WAITS)
    log = tmp_path / "events.jsonl"
    process = labctl.start("verify", LAB, "--scenario", file, "--events", "json", log=log)
    await_event(log, lambda event: event["name"] == "mine.cut")
    assert "  shutdown" in running(labctl)
    code = end(process, number)
    if healer != "itself":
        assert left_over(labctl) == ["mine.cut"]
        assert "  shutdown" in running(labctl), "nobody healed it yet"
        if healer == "repair":
            assert labctl("repair", LAB).expect(0).out == "healed mine.cut\n"
            assert labctl("heal", LAB).expect(0).out == f"nothing of lab {LAB} is to be healed\n", "the word of 0.1"
        else:
            labctl("verify", LAB, "--scenario", "links").expect(0)
    else:
        assert code == 130
    assert left_over(labctl) == []
    assert "  shutdown" not in running(labctl)
    assert "no shutdown" in running(labctl)


def test_while_one_breaks_the_lab_another_does_not_heal_it(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(HEAD + CUT + WAITS)
    log = tmp_path / "events.jsonl"
    process = labctl.start("verify", LAB, "--scenario", file, "--events", "json", log=log)
    await_event(log, lambda event: event["name"] == "mine.cut")
    assert "another labctl is working on lab" in labctl("verify", LAB, "--scenario", "links").expect(2).err
    assert "  shutdown" in running(labctl)
    end(process)


def test_the_pytest_plugin_on_a_lab_that_runs(lab: Done, labctl: Labctl, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PLUGIN_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "--labctl-lab", LAB, str(tmp_path)],
        env={**labctl.environment, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True,
        timeout=patient(120), check=False,
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout + done.stderr


PLUGIN_TEST = """
def test_switch(labctl):
    assert labctl.switch("leaf2101").json("show vpc brief")["vpc-peer-status"] == "peer-ok"
    assert "Device name: leaf2101" in labctl.switch("leaf2101").show("show version")
    labctl.switch("leaf2101").configure("interface Ethernet1/1", "no shutdown")

def test_node(labctl):
    assert "bond0" in labctl.node("node01").run("ip", "link", "show", "dev", "bond0")

def test_kube(labctl):
    names = {item["metadata"]["name"] for item in labctl.kube.get("/api/v1/nodes")["items"]}
    assert names == {"master", "node01", "node02"}

def test_scenarios(labctl):
    assert labctl.verify("bgp").verdict == "PASS"
    result = labctl.scenario([
        {"traffic": {"name": "pods", "from": "ext1", "to": {"pod": "app=pingtest", "node": "node01"}}},
        {"fault": {"name": "cut", "shutdown": {"switch": "leaf2101", "interface": "Ethernet1/1"}}},
        {"expect": {"name": "same", "hold": 1, "sessions": {"are": "unbroken"}}},
        {"heal": "all"},
        {"expect": {"name": "loss", "loss": {"of": "pods", "ms": 2000}}},
    ])
    assert result.verdict == "PASS", result.sentence
"""
