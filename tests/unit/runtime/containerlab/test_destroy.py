"""Taking a lab away: nothing of it is left, nothing of others is touched, and what stays is named."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.engine.down import take_down
from labctl.errors import HostError
from labctl.runtime.containerlab import cleanup
from labctl.runtime.containerlab.cleanup import _without_block
from labctl.runtime.processes import is_running, read_records
from labctl.waiting import Deadline, NotYet, wait_for
from tests.unit.runtime.containerlab.conftest import HOSTS, HostPaths, Labs
from tests.unit.runtime.containerlab.world import World


def up(labs: Labs, name: str = "paper") -> None:
    labs.runtime(name).create(labs.state(name).folder, progress=lambda _text: None)


def marks(world: World) -> list[str]:
    """Files that containerlab left anywhere on the host."""
    root = world.folder / "root"
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.name not in ("hosts", "hosts.lock") and (path.is_symlink() or not path.is_dir())
    )


def nothing_left(world: World) -> None:
    assert world.nodes == {}
    assert world.networks == {}
    assert marks(world) == []
    assert (world.folder / "root" / "etc" / "hosts").read_text() == HOSTS


def test_all_is_gone(labs: Labs, world: World, told: list[str]) -> None:
    up(labs)
    assert len(world.nodes) == 7
    assert set(world.networks) == {"paper-mgmt", "kind"}
    assert len(marks(world)) > 5
    labs.runtime().destroy(progress=told.append)
    nothing_left(world)
    assert not (labs.state().root / "clab").exists()
    assert not labs.state().kubeconfig.exists()
    assert not (world.folder / "root" / "tmp" / ".clab").exists(), "containerlab's backups"
    assert world.calls[-1]["arguments"] == ["destroy", "-t", "topology.clab.yml", "--cleanup"]


def test_exit_0_with_left_overs(labs: Labs, world: World, told: list[str]) -> None:
    up(labs)
    world.plot.add("destroy-0")
    labs.runtime().destroy(progress=told.append)
    nothing_left(world)
    assert "removed container clab-paper-spine1" in told
    assert "removed network paper-mgmt" in told


def test_twice(labs: Labs, world: World, told: list[str]) -> None:
    up(labs)
    labs.runtime().destroy(progress=told.append)
    calls = len(world.calls)
    labs.runtime().destroy(progress=told.append)
    nothing_left(world)
    assert len(world.calls) == calls


def test_without_folder_and_containerlab(
    labs: Labs, world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    up(labs)
    shutil.rmtree(labs.state().folder)
    monkeypatch.setenv("PATH", "/nonexistent")
    take_down(labs.state(), told.append)
    assert world.nodes == {}
    assert world.networks == {}


def test_a_lab_that_runs_of_an_older_folder(labs: Labs, world: World, told: list[str]) -> None:
    """Nothing of lab.json is read to take a lab down."""
    up(labs)
    file = labs.state().folder / "lab.json"
    file.write_text('{"schema": "labctl.lab/v1", "nodes": {"leaf101": {"kind": "switch"}}}')
    labs.runtime().destroy(progress=told.append)
    nothing_left(world)


def test_a_network_is_the_labs_only_if_it_came_after_it(labs: Labs, world: World, told: list[str]) -> None:
    """containerlab leaves the network of a creation that made no container; an older one is somebody else's."""
    world.plot.add("overlap")
    with pytest.raises(HostError):
        up(labs)
    net = world.add_network("paper-mgmt")
    labs.runtime().destroy(progress=told.append)
    assert world.networks == {}, "left by the creation"
    with pytest.raises(HostError):
        up(labs)
    world.networks["paper-mgmt"] = net
    labs.runtime().destroy(progress=told.append)
    assert set(world.networks) == {"paper-mgmt"}, "older than the creation"


def test_what_cannot_be_removed_is_named(
    labs: Labs, world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "GONE_LIMIT", 0.3)
    up(labs)
    world.stubborn |= {"clab-paper-leaf102"}
    with pytest.raises(HostError) as caught:
        labs.runtime().destroy(progress=told.append)
    assert caught.value.code == "left-behind"
    assert "container clab-paper-leaf102" in caught.value.message
    assert "network paper-mgmt, with clab-paper-leaf102 on it" in caught.value.message
    assert any("device is busy" in line for line in told), "Docker's own words"
    assert list(world.nodes) == ["clab-paper-leaf102"]
    world.stubborn.clear()
    labs.runtime().destroy(progress=told.append)
    nothing_left(world)


def test_a_mark_that_cannot_be_removed_is_named(labs: Labs, world: World, paths: HostPaths, told: list[str]) -> None:
    up(labs)
    world.plot.add("destroy-0")
    config = paths.ssh_config / "clab-paper.conf"
    config.unlink()
    (config / "a-folder").mkdir(parents=True)
    with pytest.raises(HostError, match=r"still there: .*clab-paper\.conf"):
        labs.runtime().destroy(progress=told.append)


def test_neighbours_survive(labs: Labs, world: World, paths: HostPaths, told: list[str]) -> None:
    """Labs whose names begin alike, a cluster, a network, a namespace, backups and host files of others."""
    world.add("clab-paper-x-leaf101", {"containerlab": "paper-x", "clab-topo-file": "/home/eve/x.clab.yml"})
    world.add("paper-x-control-plane", {"io.x-k8s.kind.cluster": "paper-x"}, {"kind": "172.18.0.9"})
    world.add_network("kind")
    world.add_network("paper-mgmt-2")
    paths.namespaces.mkdir()
    (paths.namespaces / "clab-paper-x-leaf101").symlink_to("/proc/1/ns/net")
    (paths.namespaces / "paper-worker").touch()  # somebody's `ip netns add`
    paths.ssh_config.mkdir()
    (paths.ssh_config / "clab-paper-x.conf").write_text("Host y\n")
    block = "###### CLAB-paper-x-START ######\n10.0.0.1\tclab-paper-x-a 1\t# Kind: x\n###### CLAB-paper-x-END ######\n"
    paths.hosts.write_text(HOSTS + block)
    paths.backups.mkdir(parents=True)
    (paths.backups / "260101_000000_topology.clab.yml").write_text("name: another\n")
    before = (set(world.nodes), set(world.networks), marks(world), paths.hosts.read_text())
    up(labs)
    labs.runtime().destroy(progress=told.append)
    assert (set(world.nodes), set(world.networks), marks(world), paths.hosts.read_text()) == before


def test_a_lab_of_the_same_name_from_another_folder_survives(labs: Labs, world: World, told: list[str]) -> None:
    up(labs)
    world.add("clab-paper-theirs", {"containerlab": "paper", "labctl.lab": "paper", "clab-topo-file": "/x/paper.yml"})
    labs.runtime().destroy(progress=told.append)
    assert list(world.nodes) == ["clab-paper-theirs"]


def test_two_labs_at_once(labs: Labs, world: World, told: list[str]) -> None:
    """The network of kind is left to the last of them, though the second one found it there."""
    up(labs, "paper")
    up(labs, "scroll")
    theirs = {name for name in world.nodes if "scroll" in name}
    assert len(theirs) == 7
    labs.runtime("paper").destroy(progress=told.append)
    assert set(world.nodes) == theirs
    assert set(world.networks) == {"scroll-mgmt", "kind"}
    assert labs.runtime("scroll").observe().alive
    labs.runtime("scroll").destroy(progress=told.append)
    nothing_left(world)


def test_a_kind_network_with_a_stopped_cluster_of_others_stays(labs: Labs, world: World, told: list[str]) -> None:
    """Docker's own list of a network leaves out what is stopped; without its network it would not start again."""
    up(labs)
    world.add("theirs-control-plane", {"io.x-k8s.kind.cluster": "theirs"}, {"kind": "172.18.0.9"})
    world.stop("theirs-control-plane")
    labs.runtime().destroy(progress=told.append)
    assert set(world.networks) == {"kind"}


def test_a_kind_network_that_was_there_stays(labs: Labs, world: World, told: list[str]) -> None:
    world.add_network("kind")
    up(labs)
    labs.runtime().destroy(progress=told.append)
    assert set(world.networks) == {"kind"}


def test_down_after_kill_9_of_labctl_in_the_middle(labs: Labs, world: World, told: list[str]) -> None:
    """containerlab goes on when its labctl is killed: it is found by its record and ended first."""
    state = labs.state()
    world.plot.add("hang")
    script = (
        "import sys; from labctl.state import lab_state; from labctl.runtime.containerlab.runtime import *;"
        "s = lab_state('paper'); ContainerlabRuntime(s).create(s.folder, progress=lambda t: print(t, flush=True))"
    )
    child = subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if "hanging" in line:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    (record,) = read_records(state.processes)
    assert is_running(record)
    take_down(state, told.append)
    assert any(line.startswith(f"ending containerlab (pid {record.pid})") for line in told)
    assert not is_running(record)
    assert world.nodes == {}
    assert world.networks == {}
    assert not state.exists


def test_helpers_of_the_lab_are_gone_too(labs: Labs, world: World, told: list[str]) -> None:
    up(labs)
    endpoints = labs.runtime().endpoints()
    endpoints.capture("leaf101", "Ethernet1/1")
    assert any("labctl.helper" in node.labels for node in world.nodes.values())
    labs.runtime().destroy(progress=told.append)
    wait_for(lambda: NotYet(str(list(world.nodes))) if world.nodes else True, Deadline(5))


BLOCK = "###### CLAB-paper-START ######\n10.0.0.1\tclab-paper-a 1\t# Kind: x\n###### CLAB-paper-END ######\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (HOSTS + BLOCK + "10.9.9.9 mine\n", HOSTS + "10.9.9.9 mine\n"),
        (
            HOSTS + BLOCK.rpartition("######")[0].rpartition("\n######")[0] + "\n10.9.9.9 mine\n",
            HOSTS + "10.9.9.9 mine\n",
        ),
        (HOSTS, None),
        (HOSTS + BLOCK.replace("paper", "paper-x"), None),
    ],
    ids=["whole", "cut short", "none", "another lab's"],
)
def test_the_block_of_etc_hosts(text: str, left: str | None) -> None:
    assert _without_block(text, "paper") == left


def test_logs_move_to_the_archive(labs: Labs, told: list[str]) -> None:
    up(labs)
    gone = take_down(labs.state(), told.append)
    assert gone.archive is not None
    assert "Created link" in (gone.archive / "logs" / "containerlab.log").read_text()
    assert "Multi-User" in (gone.archive / "logs" / "node01.log").read_text()
    assert not Path(labs.state("other").root / "clab").exists()
