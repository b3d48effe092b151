"""What a lab asks of its host, read from rendered folders; and what `up` and `doctor` make of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from labctl.cli.hosts import ContainerlabHost
from labctl.cli.main import main
from labctl.cli.sources import planned
from labctl.doctor import facts as edge
from labctl.doctor.facts import ContainerHostFacts
from labctl.doctor.needs import LabNeeds, needs_of
from labctl.errors import HostError, HostUnfit, SpecError
from labctl.render.folder import render_folder, write_folder

Rendered = Callable[[str, str], Path]


@pytest.fixture
def rendered(tmp_path: Path, topologies: Path) -> Rendered:
    """The white paper's lab for a target, and the containerlab of ``good_host``."""

    def render(switch: str, cluster: str) -> Path:
        folder = tmp_path / f"{switch}-{cluster}"
        lab = planned(topologies / "whitepaper.yaml", target=(switch, cluster), containerlab="0.79")[0]
        write_folder(render_folder(lab), folder)
        return folder

    return render


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "cache"))


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "topology.clab.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_real_lab(rendered: Rendered) -> None:
    needs = needs_of(rendered("n9kv", "kind"))
    assert (needs.name, needs.switch, needs.cluster, needs.pulled) == ("whitepaper", "n9kv", "kind", False)
    assert (needs.network, needs.subnet) == ("whitepaper-mgmt", IPv4Network("172.20.20.0/24"))
    assert [image.part for image in needs.images] == ["switch", "node", "host"]
    machine = needs.virtual_machine
    assert machine is not None
    assert machine.passthrough
    assert (machine.memory, machine.cpus) == (8192, 4)
    assert [needs.count(part) for part in ("switch", "node", "host")] == [5, 3, 1]
    names = [node.container for node in needs.nodes]
    assert names[0] == "clab-whitepaper-spine1"
    assert "whitepaper-control-plane" in names
    switch = needs.nodes[0]
    assert switch.memory == (8192 + 512) << 20
    assert switch.least == (machine.least + 512) << 20
    assert needs.dual_stack
    assert needs.kubernetes is not None
    assert f"kindest/node:v{needs.kubernetes}" == needs.images[1].reference


def test_stand_ins(rendered: Rendered) -> None:
    needs = needs_of(rendered("standin", "standin"))
    assert (needs.switch, needs.cluster, needs.virtual_machine) == ("standin", "standin", None)
    assert sum(node.memory for node in needs.nodes) < 3 << 30
    assert {image.reference.partition("/")[0] for image in needs.images} == {"labctl"}


def test_an_edited_topology(rendered: Rendered) -> None:
    folder = rendered("n9kv", "kind")
    edit(folder, "QEMU_MEMORY: '8192'", "QEMU_MEMORY: '6144'")
    edit(folder, "CLAB_MGMT_PASSTHROUGH: 'true'", "CLAB_MGMT_PASSTHROUGH: 'false'")
    edit(folder, "image-pull-policy: never", "image-pull-policy: IfNotPresent")
    edit(folder, "kindest/node:v1.35.1", "kindest/node:v1.31.0@sha256:00")
    edit(folder, "ipv4-subnet: 172.20.20.0/24", "ipv4-subnet: auto")
    needs = needs_of(folder)
    assert needs.virtual_machine is not None
    assert (needs.virtual_machine.memory, needs.virtual_machine.passthrough) == (6144, False)
    assert (needs.pulled, needs.kubernetes, needs.subnet) == (True, "1.31.0", None)


def test_a_network_that_is_none(rendered: Rendered) -> None:
    folder = rendered("standin", "standin")
    edit(folder, "ipv4-subnet: 172.20.20.0/24", "ipv4-subnet: 172.20.20.1/24")
    with pytest.raises(SpecError) as caught:
        needs_of(folder)
    assert "topology.clab.yml:4:" in caught.value.render()
    assert "bad-network" in caught.value.render()


def test_a_fabric_alone(tmp_path: Path) -> None:
    spec = tmp_path / "fabric.yaml"
    spec.write_text("name: fabric\ncluster: none\n")
    folder = tmp_path / "fabric"
    write_folder(render_folder(planned(spec, target=("n9kv", "kind"))[0]), folder)
    needs = needs_of(folder)
    assert (needs.cluster, needs.kubernetes, needs.dual_stack, needs.count("node")) == (None, None, False, 0)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="problem"):
        needs_of(tmp_path)


@pytest.fixture
def on_host(monkeypatch: pytest.MonkeyPatch) -> Callable[[ContainerHostFacts], list[dict[str, Any]]]:
    """The doctor sees this host; what it was asked."""
    asked: list[dict[str, Any]] = []

    def use(host: ContainerHostFacts) -> list[dict[str, Any]]:
        def collect(needs: LabNeeds | None, *, lab_known: bool = False) -> ContainerHostFacts:
            asked.append({"needs": needs, "lab_known": lab_known})
            return replace(host, lab_known=lab_known)

        monkeypatch.setattr(edge, "container_host_facts", collect)
        return asked

    return use


def ensure(folder: Path) -> None:
    """As before the boot of a lab that is rendered into this folder."""
    ContainerlabHost().ensure(lambda at: shutil.copytree(folder, at))


def test_a_host_that_can_is_quiet(
    rendered: Rendered,
    good_host: ContainerHostFacts,
    on_host: Callable[[ContainerHostFacts], list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = on_host(good_host)
    ensure(rendered("standin", "standin"))
    assert capsys.readouterr() == ("", "")
    assert [(one["needs"].name, one["lab_known"]) for one in asked] == [("whitepaper", False)]


def test_a_lab_that_is_there_is_known(
    tmp_path: Path,
    rendered: Rendered,
    good_host: ContainerHostFacts,
    on_host: Callable[[ContainerHostFacts], list[dict[str, Any]]],
) -> None:
    asked = on_host(good_host)
    lab = tmp_path / "state" / "labs" / "whitepaper"
    lab.mkdir(parents=True)
    (lab / "runtime.json").write_text("{}")
    ensure(rendered("standin", "standin"))
    assert asked[0]["lab_known"]


def test_everything_in_the_way_is_said_at_once(
    rendered: Rendered,
    good_host: ContainerHostFacts,
    on_host: Callable[[ContainerHostFacts], list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_host(replace(good_host, docker_cli=None, kvm="there is no /dev/kvm", inotify_instances=128))
    with pytest.raises(HostError) as caught:
        ensure(rendered("n9kv", "kind"))
    assert caught.value.render().splitlines() == [
        "this host cannot run lab whitepaper with containerlab [host-unfit]",
        "there is no /dev/kvm: a licensed switch image does not boot without it [kvm]",
        "  hint: sudo modprobe -a kvm_intel kvm_amd",
        "no docker on PATH: the kind inside containerlab runs it [docker-cli]",
        "  hint: sudo apt-get install docker.io",
        "  next: labctl doctor --runtime containerlab",
    ]
    assert int(caught.value.exit_code) == 4
    assert capsys.readouterr().err.splitlines()[0].startswith("note: inotify: max_user_instances is 128")


class Ended(Exception):
    """What stands behind the host's judgement was reached."""


@pytest.mark.parametrize("runtime", ["containerlab", "embedded"])
def test_up_asks_about_the_runtime_that_it_takes(
    topologies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    runtime: str,
) -> None:
    asked: list[str] = []

    def for_containerlab(_host: Any, render: Callable[[Path], None]) -> None:
        render(tmp_path / "folder")
        assert (tmp_path / "folder" / "lab.json").is_file()
        asked.append("containerlab")
        raise HostUnfit("no", [], next_command="labctl doctor --runtime containerlab")

    def for_embedded(_host: Any, _render: Any) -> None:
        asked.append("embedded")
        raise HostError("no")

    monkeypatch.setattr("labctl.cli.hosts.ContainerlabHost.ensure", for_containerlab)
    monkeypatch.setattr("labctl.cli.hosts.EmbeddedHost.ensure", for_embedded)
    monkeypatch.setattr("labctl.runtime.select.new_runtime", lambda *_, **__: None)
    with pytest.raises(SystemExit) as ended:
        main(
            ["up", str(topologies / "minimal.yaml"), "--runtime", runtime, "--target", "switch=standin,cluster=standin"]
        )
    assert (ended.value.code, asked) == (4, [runtime])
    assert "Traceback" not in capsys.readouterr().err


def test_the_verb(
    topologies: Path,
    rendered: Rendered,
    good_host: ContainerHostFacts,
    bare_machine: ContainerHostFacts,
    on_host: Callable[[ContainerHostFacts], list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("labctl.cli.hosts.ContainerlabHost.topology_reader", lambda _host: "0.79.0")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    asked = on_host(bare_machine)
    code, out, _ = run("--runtime", "containerlab")
    assert code == 4
    assert out.splitlines()[-1] == "containerlab's labs cannot run here (5 errors, 5 warnings)"
    assert asked[-1]["needs"] is None
    on_host(good_host)
    spec = topologies / "whitepaper.yaml"
    for source, switch in ((spec, "standin"), (rendered("n9kv", "kind"), "n9kv")):
        code, out, _ = run("--runtime", "containerlab", "--json", str(source))
        assert (code, asked[-1]["needs"].switch) == (0, switch)
        assert '"can_run": true' in out
        assert '"lab": "whitepaper"' in out
    code, _, err = run(str(spec))
    assert code == 2
    assert f"labctl doctor --runtime containerlab {spec}" in err
