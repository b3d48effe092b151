"""Making a lab: how containerlab is called, what is told, and that nothing is believed that cannot be seen."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import HostError, InconclusiveError, LabctlError, LabError, UsageError
from labctl.runtime.api import SwitchLogin
from labctl.runtime.containerlab import clab as clab_module
from labctl.runtime.containerlab import cleanup
from labctl.runtime.containerlab.dockerhost import DockerHost
from labctl.runtime.containerlab.ownership import read_record
from labctl.runtime.containerlab.runtime import ContainerlabRuntime
from labctl.runtime.processes import read_records
from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import edit_deadlines
from tests.unit.runtime.containerlab.conftest import HostPaths, Labs
from tests.unit.runtime.containerlab.world import World


class Making:
    """A creation in a thread of its own, as the engine's steps run it."""

    def __init__(self, runtime: ContainerlabRuntime, folder: Path, told: list[str]) -> None:
        self.error: LabctlError | None = None
        self._thread = threading.Thread(target=self._run, args=(runtime, folder, told), daemon=True)
        self._thread.start()

    def _run(self, runtime: ContainerlabRuntime, folder: Path, told: list[str]) -> None:
        try:
            runtime.create(folder, progress=told.append)
        except LabctlError as error:
            self.error = error

    def over(self) -> LabctlError | None:
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()
        return self.error


def await_told(told: list[str], text: str) -> None:
    wait_for(lambda: True if any(text in line for line in told) else NotYet(f"{told}"), Deadline(10), every=0.02)


def test_the_command_and_its_environment(labs: Labs, world: World, told: list[str]) -> None:
    state = labs.state()
    login = SwitchLogin("ops", "Very-Secret")
    ContainerlabRuntime(state, login=login).create(state.folder, progress=told.append)
    deploy = world.calls[-1]
    assert deploy["arguments"] == ["deploy", "-t", "topology.clab.yml", "--format", "json", "--max-workers", "8"]
    assert Path(deploy["cwd"]) == state.folder
    environment = deploy["environment"]
    assert environment["CLAB_VERSION_CHECK"] == "disable"
    assert environment["CLAB_LABDIR_BASE"] == str(state.root / "clab")
    assert environment["KUBECONFIG"] == str(state.kubeconfig)
    assert (environment["LABCTL_SWITCH_USERNAME"], environment["LABCTL_SWITCH_PASSWORD"]) == ("ops", "Very-Secret")


def test_the_password_is_in_secrets_alone(labs: Labs, told: list[str]) -> None:
    state = labs.state()
    login = SwitchLogin("ops", "Very-Secret")
    assert "Very-Secret" not in repr(login)
    runtime = ContainerlabRuntime(state, login=login)
    assert "Very-Secret" not in repr(runtime.create(state.folder, progress=told.append).ssh("leaf101"))
    holders = [path for path in state.root.rglob("*") if path.is_file() and b"Very-Secret" in path.read_bytes()]
    assert holders == [state.secrets / "switch_login.json"]
    assert holders[0].stat().st_mode & 0o777 == 0o600
    assert not any("Very-Secret" in line for line in told)
    # a later labctl has it from there
    assert labs.runtime().endpoints().ssh("leaf101").password == "Very-Secret"


def test_what_it_does_is_told_and_kept(labs: Labs, told: list[str]) -> None:
    state = labs.state()
    labs.runtime().create(state.folder, progress=told.append)
    assert "Creating container name=leaf101" in told
    assert any(line.startswith("Created link: leaf101:eth1") or "clab-paper-leaf101:eth1" in line for line in told)
    assert not any("Containerlab started" in line for line in told), "noise"
    assert "Created link" in (state.logs / "containerlab.log").read_text()


def test_the_nodes_boot_is_followed(labs: Labs, world: World, told: list[str]) -> None:
    """kind removes nodes that do not boot: what they said is in the lab's logs, and its telling line was shown."""
    state = labs.state()
    world.plot.add("kind-image")
    with pytest.raises(LabError) as caught:
        labs.runtime().create(state.folder, progress=told.append)
    assert caught.value.code == "node-image"
    assert "paper-worker" not in world.nodes
    assert "Failed to mount cgroup" in (state.logs / "node02.log").read_text()
    assert "node02: Failed to mount cgroup: too many open files" in told
    assert not any("systemd 252" in line for line in told), "noise"


def test_ways_in_are_written(labs: Labs, told: list[str]) -> None:
    state = labs.state()
    endpoints = labs.runtime().create(state.folder, progress=told.append)
    leaf = endpoints.ssh("leaf101")
    assert (leaf.host, leaf.port, leaf.username, leaf.password) == ("172.20.20.13", 22, "admin", "admin")
    text = state.ssh_config.read_text()
    assert re.search(r"Host leaf101\n  HostName 172\.20\.20\.13\n  User admin\n", text)
    assert "StrictHostKeyChecking accept-new" in text
    config = endpoints.kubeconfig()
    assert config == state.kubeconfig
    assert config.stat().st_mode & 0o777 == 0o600
    assert "https://127.0.0.1:40000" in config.read_text()
    assert "kind-control-plane" not in config.read_text()


def test_exit_0_with_a_link_that_is_not_there(labs: Labs, world: World, told: list[str]) -> None:
    state = labs.state()
    world.plot.add("half-link")
    with pytest.raises(LabError) as caught:
        labs.runtime().create(state.folder, progress=told.append)
    assert caught.value.code == "deploy-incomplete"
    assert re.search(r"(spine|leaf)\d+: no eth\d", caught.value.message)
    assert labs.runtime().observe().complete is False


def test_exit_0_with_a_node_that_has_ended(labs: Labs, world: World, told: list[str]) -> None:
    runtime = labs.runtime()
    state = labs.state()

    def progress(text: str) -> None:
        told.append(text)
        if "Starting control-plane" in text:
            world.nodes["clab-paper-spine1"].state = "exited"

    with pytest.raises(LabError, match=r"spine1: container clab-paper-spine1 is exited \(code 137\)"):
        runtime.create(state.folder, progress=progress)


def test_a_failed_exec_with_exit_0_is_told(labs: Labs, world: World, told: list[str]) -> None:
    world.plot.add("exec")
    labs.runtime().create(labs.state().folder, progress=told.append)
    assert any(line.startswith("erro: Failed to execute command") for line in told)


def test_its_own_words_and_the_way_out(labs: Labs, world: World, told: list[str]) -> None:
    world.plot.add("overlap")
    with pytest.raises(HostError) as caught:
        labs.runtime().create(labs.state().folder, progress=told.append)
    assert "Pool overlaps with other one on this address space" in caught.value.message
    assert caught.value.code == "network-overlap"
    assert "management:" in str(caught.value.hint)


def test_the_deadline(labs: Labs, world: World, told: list[str]) -> None:
    edit_deadlines(labs.state().folder, create=1.0)
    world.plot.add("hang")
    with pytest.raises(InconclusiveError) as caught:
        labs.runtime().create(labs.state().folder, progress=told.append)
    assert caught.value.code == "containerlab-deadline"
    assert "within 1 s; the last it said: " in caught.value.message


@pytest.mark.parametrize("plot", ["hang", "stubborn"])
def test_ctrl_c_in_the_middle_leaves_nothing(
    plot: str, labs: Labs, world: World, told: list[str], monkeypatch: pytest.MonkeyPatch, paths: HostPaths
) -> None:
    """The engine takes the lab away while its creation runs (also one that hears no SIGINT)."""
    monkeypatch.setattr(clab_module, "ENDING", ((signal.SIGINT, 0.5), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)))
    runtime, state = labs.runtime(), labs.state()
    world.plot.add(plot)
    monkeypatch.setattr(cleanup, "_interface", lambda name: (paths.interfaces / name).unlink())
    making = Making(runtime, state.folder, told)
    await_told(told, "hanging")
    runtime.destroy(progress=told.append)
    error = making.over()
    assert error is not None
    assert error.code == "cancelled"
    assert world.nodes == {}
    assert world.networks == {}
    assert list((world.folder / "root" / "netns").iterdir()) == []
    assert list((world.folder / "root" / "net").iterdir()) == [], "half a link"


def test_an_interrupted_creation_is_not_gone_on_with(labs: Labs, world: World, told: list[str]) -> None:
    runtime, state = labs.runtime(), labs.state()
    world.plot.add("hang")
    making = Making(runtime, state.folder, told)
    await_told(told, "hanging")
    (record,) = read_records(state.processes)
    for pid in clab_module.running_members(record):
        os.kill(pid, signal.SIGKILL)
    error = making.over()
    assert error is not None
    assert error.code == "containerlab-failed"
    now = labs.runtime().observe()
    assert now.alive
    assert not now.complete
    world.plot.clear()
    labs.runtime().destroy(progress=told.append)
    labs.runtime().create(state.folder, progress=told.append)
    assert labs.runtime().observe().complete


@pytest.mark.parametrize(
    ("name", "labels", "words"),
    [
        ("clab-paper-old", {"containerlab": "paper", "clab-topo-file": "/home/eve/paper.clab.yml"}, "/home/eve/"),
        ("paper-control-plane", {"io.x-k8s.kind.cluster": "paper"}, "kind cluster paper"),
        ("clab-paper-leaf101", {}, "made by somebody else"),
    ],
)
def test_equal_names_of_others_are_refused(
    name: str, labels: dict[str, str], words: str, labs: Labs, world: World, told: list[str]
) -> None:
    world.add(name, labels)
    with pytest.raises(UsageError) as caught:
        labs.runtime().create(labs.state().folder, progress=told.append)
    assert caught.value.code == "name-taken"
    assert f"container {name} (" in caught.value.message
    assert words in caught.value.message
    assert world.calls == [], "nothing was made"
    labs.runtime().destroy(progress=told.append)
    assert list(world.nodes) == [name]


def test_a_network_of_others_is_refused(labs: Labs, world: World, told: list[str]) -> None:
    world.add_network("paper-mgmt")
    world.add("eve", networks={"paper-mgmt": "172.20.20.99"})
    with pytest.raises(UsageError, match=r"network paper-mgmt \(used by eve\)"):
        labs.runtime().create(labs.state().folder, progress=told.append)
    labs.runtime().destroy(progress=told.append)
    assert set(world.networks) == {"paper-mgmt"}


def test_no_docker_and_no_containerlab(
    labs: Labs, world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = labs.state()
    with monkeypatch.context() as without:
        without.setenv("DOCKER_HOST", f"unix://{world.folder / 'no.sock'}")
        gone = labs.runtime()
        with pytest.raises(HostError) as caught:
            gone.create(state.folder, progress=told.append)
        assert caught.value.code == "docker-not-running"
        gone.destroy(progress=told.append)  # nothing was made, so Docker is not asked
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError) as caught:
        labs.runtime().create(state.folder, progress=told.append)
    assert caught.value.code == "no-containerlab"


@pytest.mark.parametrize("host", ["tcp://10.0.0.1:2375", "ssh://me@there"])
def test_a_docker_elsewhere(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(HostError) as caught:
        DockerHost().containers(lambda labels: True)
    assert caught.value.code == "docker-not-local"


def test_the_record_names_what_will_be_made_before_it_is(
    labs: Labs, world: World, told: list[str], rendered: Callable[[str], Path]
) -> None:
    world.plot.add("overlap")
    with pytest.raises(HostError):
        labs.runtime().create(labs.state().folder, progress=told.append)
    record = read_record(labs.state())
    assert record.network == "paper-mgmt"
    assert record.cluster == "paper"
    assert "clab-paper-leaf101" in record.containers
    assert "paper-worker2" in record.containers
    assert json.loads(labs.state().runtime_file.read_text())["runtime"] == "containerlab"
