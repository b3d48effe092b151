"""What is broken is seen, and repaired with the least that can be done to the rest."""

from __future__ import annotations

import json

import pytest

from labctl.cli.verbs.run import state_of
from labctl.engine.repair import rebuild, recover
from labctl.errors import HostError, InconclusiveError, LabError, UsageError
from labctl.folder import load_folder
from labctl.journal import Journal
from labctl.runtime.api import SwitchLogin
from labctl.runtime.containerlab.ownership import write_login
from labctl.runtime.containerlab.runtime import ContainerlabRuntime
from labctl.runtime.embedded.runtime import EmbeddedRuntime
from labctl.runtime.select import new_runtime, runtime_of
from tests.unit.runtime.containerlab.conftest import Labs
from tests.unit.runtime.containerlab.test_exec import as_n9kv
from tests.unit.runtime.containerlab.world import World


@pytest.fixture
def runtime(labs: Labs) -> ContainerlabRuntime:
    """A lab that runs, its nodes set up."""
    runtime = labs.runtime()
    endpoints = runtime.create(labs.state().folder, progress=lambda _text: None)
    for node in load_folder(labs.state().folder).lab.kube_nodes:
        script = labs.state().folder / "nodes" / f"{node}.sh"
        assert endpoints.exec(node, ["sh", "-eu", "-s"], stdin=script.read_bytes()).code == 0
    Journal(labs.state().journal).step("nodes", "done")
    return runtime


def states(runtime: ContainerlabRuntime) -> dict[str, str]:
    return {name: row.state for name, row in runtime.observe().nodes.items()}


def ids(world: World) -> dict[str, str]:
    return {name: node.id for name, node in world.nodes.items()}


def test_a_lab_that_is_well(runtime: ContainerlabRuntime) -> None:
    now = runtime.observe()
    assert now.alive
    assert now.complete
    assert now.detail == ""
    assert set(states(runtime).values()) == {"running"}
    assert now.nodes["leaf101"].management == "172.20.20.13"
    assert now.nodes["node01"].management == "172.18.0.3"
    assert now.nodes["node01"].kind == "kube-node"


def test_a_switch_that_boots(runtime: ContainerlabRuntime, world: World) -> None:
    world.nodes["clab-paper-leaf101"].health = "unhealthy"
    assert runtime.observe().nodes["leaf101"].state == "starting"


def test_a_restarted_node_is_broken_and_what_to_type_is_said(runtime: ContainerlabRuntime, world: World) -> None:
    world.restart("paper-worker")
    assert state_of(runtime.observe()) == "broken"
    row = runtime.observe().nodes["node01"]
    assert row.state == "broken"
    assert "lost eth1, eth2, bond0" in row.detail
    assert "labctl repair paper node01" in row.detail
    leaf = runtime.observe().nodes["leaf101"]
    assert leaf.state == "broken"
    assert leaf.detail == "it lost eth2, to nodes that were started again; labctl repair paper"


def test_bond0_alone(runtime: ContainerlabRuntime, world: World, labs: Labs) -> None:
    node = world.nodes["paper-worker"]
    node.interfaces.discard("bond0")
    world._process(node)
    assert states(runtime)["node01"] == "broken"
    labs.state().journal.unlink()  # before the nodes' scripts have run, no bond is missed
    assert states(runtime)["node01"] == "running"


def test_a_control_plane_that_ended_is_told_to_who_waits_for_it(runtime: ContainerlabRuntime, world: World) -> None:
    world.stop("paper-control-plane")
    assert "the control plane master does not run" in runtime.observe().detail
    assert states(runtime)["master"] == "stopped"
    world.remove("paper-control-plane")
    assert states(runtime)["master"] == "dead"


def test_docker_that_does_not_answer(
    labs: Labs, world: World, runtime: ContainerlabRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{world.folder / 'no.sock'}")
    gone = labs.runtime()
    now = gone.observe()
    assert not now.alive
    assert "Docker does not answer" in now.detail
    assert {row.state for row in now.nodes.values()} == {"unknown"}
    assert state_of(now) == "unknown"
    assert "Created link" in gone.logs()
    with pytest.raises(HostError):
        gone.destroy(progress=lambda _text: None)


def test_a_folder_that_is_gone(runtime: ContainerlabRuntime, labs: Labs) -> None:
    (labs.state().folder / "topology.clab.yml").unlink()
    now = runtime.observe()
    assert now.alive
    assert now.nodes["paper-worker"].kind == "kube-node"
    assert now.nodes["leaf101"].kind == "switch"
    assert "Created link" in runtime.logs()


def test_recover_makes_the_links_again_and_nothing_else(
    runtime: ContainerlabRuntime, labs: Labs, world: World, told: list[str]
) -> None:
    world.restart("paper-worker")
    before, calls = ids(world), len(world.calls)
    done = recover(labs.state(), runtime, "node01", told.append)
    assert done == ("node01",)
    assert set(states(runtime).values()) == {"running"}
    assert ids(world) == before
    made = [call["arguments"] for call in world.calls[calls:]]
    assert made == [
        [
            "tools",
            "veth",
            "create",
            "-t",
            "topology.clab.yml",
            "-a",
            leaf,
            "-b",
            f"paper-worker:{port}",
            "--mtu",
            "9500",
        ]
        for leaf, port in (("leaf101:Ethernet1/2", "eth1"), ("leaf102:Ethernet1/2", "eth2"))
    ]


def test_recover_of_all_that_is_broken(runtime: ContainerlabRuntime, labs: Labs, world: World, told: list[str]) -> None:
    world.restart("paper-worker")
    world.stop("paper-worker2")
    done = recover(labs.state(), runtime, None, told.append)
    assert set(done) >= {"node01", "node02"}
    assert set(states(runtime).values()) == {"running"}
    assert recover(labs.state(), runtime, None, told.append) == ()


def test_links_that_came_back_without_a_bond(
    runtime: ContainerlabRuntime, labs: Labs, world: World, told: list[str]
) -> None:
    """A switch that did not take its new port: said, with the switch to make anew."""
    path = labs.state().folder / "lab.json"
    body = json.loads(path.read_text())
    body["deadlines"]["bond"] = 0.3
    path.write_text(json.dumps(body))
    world.restart("paper-worker")
    world.joined = False
    with pytest.raises(LabError) as caught:
        recover(labs.state(), runtime, "node01", told.append)
    assert caught.value.code == "not-recovered"
    assert caught.value.next_command == "labctl repair paper --rebuild leaf101"
    assert "leaf101, leaf102" in str(caught.value.hint)


def test_half_a_link_is_not_guessed_at(runtime: ContainerlabRuntime, world: World, told: list[str]) -> None:
    world.nodes["paper-worker"].interfaces.discard("eth1")
    world._process(world.nodes["paper-worker"])
    with pytest.raises(LabError, match="half of the link leaf101:Ethernet1/2 - paper-worker:eth1"):
        runtime.recover("node01", progress=told.append)


def test_a_container_that_is_gone_cannot_be_recovered(
    runtime: ContainerlabRuntime, world: World, told: list[str]
) -> None:
    world.remove("paper-worker")
    with pytest.raises(LabError) as caught:
        runtime.recover("node01", progress=told.append)
    assert caught.value.code == "cannot-recover"
    assert "down" in str(caught.value.next_command)


def test_a_vm_is_joined_to_its_new_port(
    runtime: ContainerlabRuntime, labs: Labs, world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_n9kv(labs)
    for leaf in ("clab-paper-leaf101", "clab-paper-leaf102"):
        world.nodes[leaf].interfaces.add("tap2")
        world._process(world.nodes[leaf])
    ran: list[tuple[str, list[str]]] = []
    run = world.run

    def recorded(node, argv, stdin):  # type: ignore[no-untyped-def]
        if argv[0] in ("tc", "/etc/tc-tap-ifup"):
            ran.append((node.name, argv))
            return 0, b"", b""
        return run(node, argv, stdin)

    monkeypatch.setattr(world, "run", recorded)
    world.restart("paper-worker")
    runtime.recover("node01", progress=told.append)
    assert ran == [
        (f"clab-paper-{leaf}", argv)
        for leaf in ("leaf101", "leaf102")
        for argv in (["tc", "qdisc", "del", "dev", "tap2", "ingress"], ["/etc/tc-tap-ifup", "tap2"])
    ]


def test_rebuild_replaces_one_switch(runtime: ContainerlabRuntime, labs: Labs, world: World, told: list[str]) -> None:
    before, links = ids(world), sorted(world.links)
    key = labs.state().root / "host_keys" / "leaf101"
    key.write_text("172.20.20.13 ssh-ed25519 AAAA\n")
    runtime.rebuild("leaf101", progress=told.append)
    assert {name for name in before if before[name] != ids(world)[name]} == {"clab-paper-leaf101"}
    assert ids(world).keys() == before.keys()
    assert sorted(world.links) == links
    assert set(states(runtime).values()) == {"running"}
    assert not key.exists(), "the new switch has a new key"
    assert labs.parks["clab-park-clab-paper-leaf101"].removed


def test_rebuild_of_a_restarted_switch_gives_it_its_links_first(
    runtime: ContainerlabRuntime, world: World, told: list[str]
) -> None:
    world.restart("clab-paper-leaf101")
    runtime.rebuild("leaf101", progress=told.append)
    assert world.calls[-1]["arguments"][0] == "tools"
    assert set(states(runtime).values()) == {"running"}


def test_a_new_switch_that_does_not_start_gives_way_to_the_old_one(
    runtime: ContainerlabRuntime, labs: Labs, world: World, told: list[str]
) -> None:
    before, links = ids(world), sorted(world.links)
    world.plot.add("no-start")
    with pytest.raises(HostError, match="OCI runtime create failed"):
        runtime.rebuild("leaf101", progress=told.append)
    assert ids(world) == before
    assert sorted(world.links) == links
    assert set(states(runtime).values()) == {"running"}
    assert "clab-paper-leaf101 could not be made anew: the old one is started again" in told


def test_repairs_of_what_is_no_switch_and_no_node(labs: Labs, runtime: ContainerlabRuntime, told: list[str]) -> None:
    with pytest.raises(UsageError, match="node01 is no switch of lab paper"):
        rebuild(labs.state(), runtime, "node01", told.append)
    with pytest.raises(UsageError) as caught:
        recover(labs.state(), runtime, "node1", told.append)
    assert caught.value.hint == "did you mean node01?"


def test_logs_and_the_newest_line(runtime: ContainerlabRuntime, world: World) -> None:
    world.log("clab-paper-leaf101", "boot\x1b[32m ok\x1b[0m\r\n\r\n")
    assert runtime.last_line("leaf101") == "boot ok"
    assert runtime.last_line("leaf102") == ""
    text = runtime.logs("leaf101")
    assert "==> docker: clab-paper-leaf101 <==\nboot ok" in text
    assert "Creating container name=leaf101" in text
    assert "name=leaf102" not in text
    assert "==> node01.log <==" in runtime.logs()
    assert "Multi-User" in runtime.logs("node01")


def test_the_switches_password_is_in_no_log(runtime: ContainerlabRuntime, labs: Labs, world: World) -> None:
    write_login(labs.state(), SwitchLogin("operator", "s3cret"))
    world.log("clab-paper-leaf101", "PASSWORD=s3cret USERNAME=operator\r\n")
    assert runtime.last_line("leaf101") == "PASSWORD=******** USERNAME=operator"
    assert "PASSWORD=********" in runtime.logs("leaf101")
    assert "s3cret" not in runtime.logs()


def test_the_runtime_of_a_lab(runtime: ContainerlabRuntime, labs: Labs) -> None:
    state = labs.state()
    assert runtime_of(state).name == "containerlab"
    assert new_runtime(state, "containerlab", "auto").name == "containerlab"
    with pytest.raises(UsageError) as caught:
        new_runtime(state, "embedded", "auto")
    assert caught.value.code == "other-runtime"
    fresh = labs.state("scroll")
    assert new_runtime(fresh, "containerlab", "auto").name == "containerlab"


def test_a_lab_that_never_ran(labs: Labs) -> None:
    runtime = labs.runtime()
    assert not runtime.observe().alive
    with pytest.raises(InconclusiveError) as caught:
        runtime.endpoints()
    assert caught.value.code == "not-running"


def test_the_embedded_runtime_says_that_it_cannot(labs: Labs) -> None:
    embedded = EmbeddedRuntime(labs.state())
    for call in (embedded.rebuild, embedded.recover):
        with pytest.raises(HostError) as caught:
            call("leaf101", progress=lambda _text: None)
        assert caught.value.code == "runtime-cannot"
    assert embedded.last_line("leaf101") == ""
    (labs.state().logs / "leaf101.log").write_text("one\ntwo\n")
    assert embedded.last_line("leaf101") == "two"
