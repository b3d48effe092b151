"""``down`` leaves nothing behind, whatever happened before; ``list`` tells the truth."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import ROOT, Labctl, Machine, await_event, end, residue, step
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]
MINIMAL = ROOT / "topologies" / "minimal.yaml"
FABRIC = ROOT / "topologies" / "fabric.yaml"
SMALL = ROOT / "tests" / "data" / "small.yaml"
UP = ("up", SMALL, "--events", "json")


@pytest.fixture
def clean(labctl: Labctl) -> Callable[[], None]:
    """``clean()``: down, twice, and nothing is left."""
    before = Machine.now()

    def check() -> None:
        labctl("down", "small").expect(0)
        labctl("down", "small").expect(0)
        assert residue(labctl, before) == []

    return check


def test_a_fabric_without_a_cluster_is_proven(labctl: Labctl) -> None:
    with labctl.lab(FABRIC):
        verdicts = {row["id"]: row["verdict"] for row in labctl.evidence("fabric")["scenarios"]}
        assert verdicts == dict.fromkeys(("links", "bgp", "leafs"), "PASS")
        assert "[no-cluster]" in labctl("kubeconfig", "fabric").expect(2).err


def test_minimal_from_ten_lines_passes_and_rm_removes_it(labctl: Labctl) -> None:
    before = Machine.now()
    done = labctl("up", MINIMAL, "--rm").expect(0)
    assert "PASS" in done.out
    record = Path(done.err.split("its record is in ")[1].splitlines()[0])
    assert (record / "journal.jsonl").is_file()
    assert residue(labctl, before) == []
    assert labctl("list", "--json").json() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("create", signal.SIGINT),
        ("ssh", signal.SIGTERM),  # acts as Ctrl-C
        ("push", signal.SIGINT),
        ("verify", signal.SIGINT),
    ],
)
def test_an_up_that_is_interrupted(
    labctl: Labctl, clean: Callable[[], None], tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    log = tmp_path / "events"
    process = labctl.start(*UP, log=log)
    await_event(log, step(moment, "step-started"))
    assert end(process, number) == 130, log.with_suffix(".err").read_text()
    clean()


def test_kill_9_of_the_command(labctl: Labctl, clean: Callable[[], None], tmp_path: Path) -> None:
    """The lab's nodes live on; a second up goes on from the journal."""
    log = tmp_path / "events"
    process = labctl.start(*UP, "--no-verify", log=log)
    await_event(log, step("push", "step-done"))
    end(process, signal.SIGKILL)
    assert [row["state"] for row in labctl("list", "--json").json()] == ["running"]
    again = labctl("up", SMALL, "--no-verify", "--events", "json").expect(0)
    assert '"name": "push", "schema": "labctl.event/v1", "time"' in again.out
    assert "step-skipped" in again.out
    clean()


def test_a_lab_that_died(labctl: Labctl, clean: Callable[[], None]) -> None:
    """Nothing of it runs; ``list`` and ``status`` say dead, and what to type; it does not stand in the way of up."""

    def dead() -> bool | NotYet:
        row = labctl("list", "--json").json()[0]
        return row["state"] == "dead" or NotYet(str(row))

    up = ("up", SMALL, "--no-verify")
    labctl(*up).expect(0)
    os.kill(labctl.pids("small")["daemon"], signal.SIGKILL)
    wait_for(lambda: not (left := labctl.processes()) or NotYet(str(left)), Deadline(patient(5)))
    wait_for(dead, Deadline(patient(5)))
    status = labctl("status", "small").expect(0)
    assert "dead" in status.out
    assert "labctl down small" in status.out
    labctl("exec", "small", "node01", "--", "true").expect(3)
    labctl(*up).expect(0)
    assert labctl("list", "--json").json()[0]["state"] == "running"
    os.kill(labctl.pids("small")["guest"], signal.SIGKILL)
    wait_for(dead, Deadline(patient(5)))
    clean()


def test_two_labs_do_not_touch_each_other(labctl: Labctl) -> None:
    """The only test with two guests at once: they share one image, where the host has it on two launchers."""
    with labctl.lab(SMALL, "--name", "one", "--no-verify"):
        labctl("up", SMALL, "--name", "two", "--no-verify", "--launcher", "qemu-tcg").expect(0)
        assert [row["name"] for row in labctl("list", "--json").json()] == ["one", "two"]
        labctl("down", "one").expect(0)
        assert [(row["name"], row["state"]) for row in labctl("list", "--json").json()] == [("two", "running")]
        labctl("verify", "two").expect(0)
        # a lab whose state was removed ends by itself
        shutil.rmtree(labctl.lab_state("two"))
        wait_for(lambda: not (left := labctl.processes()) or NotYet(str(left)), Deadline(patient(10)))
        labctl("down", "two").expect(0)


def test_what_a_folder_cannot_say_is_refused_before_anything_starts(
    labctl: Labctl, folder: Callable[..., Path]
) -> None:
    path = folder()
    text = (path / "topology.clab.yml").read_text()
    (path / "topology.clab.yml").write_text(text.replace("kind: linux", "kind: sonic-vs", 1))
    refused = labctl("up", path).expect(2)
    assert "topology.clab.yml:" in refused.err
    assert "sonic-vs" in refused.err
    assert labctl("list", "--json").json() == []


def test_a_host_without_docker_is_told_everything_at_once(labctl: Labctl, tmp_path: Path) -> None:
    user = Labctl(labctl.state, {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, labctl.program)
    refused = user("up", MINIMAL, "--runtime", "containerlab").expect(4).err
    assert "this host cannot run lab minimal with containerlab [host-unfit]" in refused
    assert "next: labctl doctor --runtime containerlab" in refused
    assert user("list", "--json").json() == []
