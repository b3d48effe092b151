"""``down`` leaves nothing behind, whatever happened before; ``list`` tells the truth."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import ROOT, WHITEPAPER, Labctl, Machine, await_event, end, residue, step
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]
MINIMAL = ROOT / "topologies" / "minimal.yaml"
FABRIC = ROOT / "topologies" / "fabric.yaml"
UP = ("up", WHITEPAPER, "--events", "json")


@pytest.fixture
def clean(labctl: Labctl) -> Callable[[], None]:
    """``clean()``: down, twice, and nothing is left."""
    before = Machine.now()

    def check() -> None:
        labctl("down", "whitepaper").expect(0)
        labctl("down", "whitepaper").expect(0)
        assert residue(labctl, before) == []

    return check


def test_minimal_from_ten_lines_passes(labctl: Labctl) -> None:
    with labctl.lab(MINIMAL) as done:
        assert "PASS" in done.out
    assert labctl("list", "--json").json() == []


def test_a_fabric_without_a_cluster_is_proven(labctl: Labctl) -> None:
    with labctl.lab(FABRIC):
        verdicts = {row["id"]: row["verdict"] for row in labctl.evidence("fabric")["scenarios"]}
        assert verdicts == dict.fromkeys(("links", "bgp", "leafs"), "PASS")
        assert "[no-cluster]" in labctl("kubeconfig", "fabric").expect(2).err


def test_rm_removes_the_lab_and_keeps_its_record(labctl: Labctl) -> None:
    before = Machine.now()
    done = labctl("up", MINIMAL, "--no-verify", "--rm").expect(0)
    record = Path(done.err.split("its record is in ")[1].splitlines()[0])
    assert (record / "journal.jsonl").is_file()
    assert residue(labctl, before) == []


@pytest.mark.parametrize("moment", ["create", "push", "verify"])
def test_ctrl_c(labctl: Labctl, clean: Callable[[], None], tmp_path: Path, moment: str) -> None:
    log = tmp_path / "events"
    process = labctl.start(*UP, log=log)
    await_event(log, step(moment, "step-started"))
    assert end(process, signal.SIGINT) == 130, log.with_suffix(".err").read_text()
    clean()


def test_sigterm_acts_as_ctrl_c(labctl: Labctl, clean: Callable[[], None], tmp_path: Path) -> None:
    log = tmp_path / "events"
    process = labctl.start(*UP, log=log)
    await_event(log, step("ssh", "step-started"))
    assert end(process, signal.SIGTERM) == 130, log.with_suffix(".err").read_text()
    clean()


def test_kill_9_of_the_command(labctl: Labctl, clean: Callable[[], None], tmp_path: Path) -> None:
    """The lab's boxes live on; a second up goes on from the journal."""
    log = tmp_path / "events"
    process = labctl.start(*UP, "--no-verify", log=log)
    await_event(log, step("push", "step-done"))
    end(process, signal.SIGKILL)
    assert [row["state"] for row in labctl("list", "--json").json()] == ["running"]
    again = labctl("up", WHITEPAPER, "--no-verify", "--events", "json").expect(0)
    assert '"name": "push", "schema": "labctl.event/v1", "time"' in again.out
    assert "step-skipped" in again.out
    clean()


def test_kill_9_of_the_daemon(labctl: Labctl, clean: Callable[[], None]) -> None:
    """Nothing of the lab runs any more; ``list`` and ``status`` say dead, and what to type."""
    labctl("up", MINIMAL, "--name", "whitepaper", "--no-verify").expect(0)
    os.kill(labctl.pids("whitepaper")["daemon"], signal.SIGKILL)
    wait_for(lambda: not (left := labctl.processes()) or NotYet(str(left)), Deadline(patient(5)))
    assert [row["state"] for row in labctl("list", "--json").json()] == ["dead"]
    status = labctl("status", "whitepaper").expect(0)
    assert "dead" in status.out
    assert "labctl down whitepaper" in status.out
    labctl("exec", "whitepaper", "node01", "--", "true").expect(3)
    clean()


def test_a_lab_whose_state_was_removed_ends_by_itself(labctl: Labctl) -> None:
    labctl("up", MINIMAL, "--no-verify").expect(0)
    shutil.rmtree(labctl.lab_state("minimal"))
    wait_for(lambda: not (left := labctl.processes()) or NotYet(str(left)), Deadline(patient(10)))
    labctl("down", "minimal").expect(0)


def test_a_dead_lab_does_not_stand_in_the_way_of_up(labctl: Labctl) -> None:
    with labctl.lab(MINIMAL, "--no-verify"):
        os.kill(labctl.pids("minimal")["guest"], signal.SIGKILL)
        wait_for(
            lambda: (row := labctl("list", "--json").json()[0])["state"] == "dead" or NotYet(str(row)),
            Deadline(patient(5)),
        )
        labctl("up", MINIMAL, "--no-verify").expect(0)
        assert labctl("list", "--json").json()[0]["state"] == "running"


def test_two_labs_do_not_touch_each_other(labctl: Labctl) -> None:
    """The only test with two guests at once: they share one image, where the host has it on two launchers."""
    with labctl.lab(MINIMAL, "--name", "one", "--no-verify"):
        labctl("up", MINIMAL, "--name", "two", "--no-verify", "--launcher", "qemu-tcg").expect(0)
        assert [row["name"] for row in labctl("list", "--json").json()] == ["one", "two"]
        labctl("down", "one").expect(0)
        assert [(row["name"], row["state"]) for row in labctl("list", "--json").json()] == [("two", "running")]
        labctl("verify", "two").expect(0)


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
