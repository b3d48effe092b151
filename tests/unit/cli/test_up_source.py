"""What ``up`` boots: a spec rendered for what fits, a folder as it is; no secret and nothing of this machine in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from labctl.cli import upsource
from labctl.cli.main import cli
from labctl.cli.upsource import Source, from_folder, from_spec
from labctl.errors import SpecError, UsageError
from labctl.folder import load_folder
from labctl.state import lab_state

N9KV, KIND = "vrnetlab/cisco_n9kv:10.5.4", "kindest/node:v1.37.0"


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab of this test alone, no configuration, no Docker, no containerlab."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    path = tmp_path / "lab.yaml"
    path.write_text("name: lab\n")
    return path


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Docker has."""
    there: list[str] = []

    def present(names: Iterable[str]) -> dict[str, object | None]:
        return {name: name if name in there else None for name in names}

    monkeypatch.setattr(upsource, "_present", present)
    return there


def rendered(found: Source, at: Path) -> dict[str, Any]:
    found.render(at)
    body: dict[str, Any] = json.loads((at / "lab.json").read_text())
    return body


def test_a_spec_on_the_embedded_runtime(spec: Path, tmp_path: Path) -> None:
    found = from_spec(spec, "auto", None, (), None)
    assert (found.lab, found.runtime) == ("lab", "embedded")
    assert rendered(found, tmp_path / "out")["target"] == {
        "switch": "standin",
        "cluster": "standin",
        "containerlab": "0.81",
    }


def test_a_spec_on_containerlab_takes_what_is_there_and_says_so(
    spec: Path, tmp_path: Path, has: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    has.append(KIND)
    spec.write_text("name: lab\nimages: {leaf: my/leaf:1}\n")
    found = from_spec(spec, "containerlab", None, (), "other")
    assert (found.lab, found.runtime) == ("other", "containerlab")
    assert rendered(found, tmp_path / "out")["target"] == {
        "switch": "standin",
        "cluster": "kind",
        "containerlab": "0.81",
    }
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"switches: stand-ins (my/leaf:1, {N9KV} are not in Docker)", f"nodes: kind ({KIND}, in Docker)",
    ]  # fmt: skip
    topology = load_folder(tmp_path / "out").topology
    assert topology.images["leaf101"] == "labctl/n9kv-standin:latest"
    assert topology.images["other"] == KIND


@pytest.mark.parametrize(
    ("here", "target", "written_for", "said"),
    [
        (
            "0.79.0",
            "switch=n9kv",
            "0.79.0",
            "topology.clab.yml is written for containerlab 0.79.0, which is on this host",
        ),
        ("0.83.1", "switch=n9kv", "0.81", ""),
        ("0.0.0", "switch=n9kv", "0.81", ""),
        ("0.83.1", "containerlab=0.79,switch=n9kv", "0.79", ""),
        ("0.79.0", "containerlab=0.82,switch=n9kv", "0.82", ""),
    ],
)
def test_the_topology_is_written_for_the_containerlab_of_this_host(
    spec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    here: str,
    target: str,
    written_for: str,
    said: str,
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "containerlab"
    program.write_text(f"#!/bin/sh\necho '    version: {here}'\n")
    program.chmod(0o755)
    found = from_spec(spec, "containerlab", target, (), None)
    assert rendered(found, tmp_path / "out")["target"]["containerlab"] == written_for
    assert capsys.readouterr().err.strip() == said
    keys = load_folder(tmp_path / "out").topology.moved_keys
    assert keys == ({"extras"} if written_for.startswith("0.79") else {"wait", "kubeconfig"})


@pytest.mark.parametrize("target", ["containerlab", "containerlab=", "containerlab=new", "containerlab=0.77", "kind=1"])
def test_a_target_that_is_none(spec: Path, target: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_spec(spec, "containerlab", target, (), None)
    assert caught.value.code == "bad-target"


def test_a_target_that_names_containerlab_alone_leaves_the_nodes_to_the_spec(spec: Path, tmp_path: Path) -> None:
    spec.write_text("name: lab\ntarget: {switch: n9kv, cluster: kind}\n")
    done = CliRunner().invoke(cli, ["generate", str(spec), "-o", str(tmp_path / "o"), "--target", "containerlab=0.79"])
    assert done.exit_code == 0, done.output
    target = json.loads((tmp_path / "o" / "lab.json").read_text())["target"]
    assert target == {"switch": "n9kv", "cluster": "kind", "containerlab": "0.79"}


def test_containerlab_without_docker_is_left_to_the_doctor(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = from_spec(spec, "containerlab", None, (), None)
    assert found.runtime == "containerlab"
    assert "could not be looked up which images Docker has: Docker does not answer" in capsys.readouterr().err
    assert from_spec(spec, "containerlab", "switch=standin", (), None).runtime == "containerlab"


def test_a_name_that_is_none_is_said_with_its_place(spec: Path) -> None:
    spec.write_text('name: "../Lab"\n')
    with pytest.raises(SpecError) as caught:
        from_spec(spec, "auto", None, (), None)
    (problem,) = caught.value.problems
    assert "does not look like a lab's name" in problem.message
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (1, 7)


def test_images_typed_go_with_containerlab(spec: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the embedded runtime has no images") as caught:
        from_spec(spec, "auto", None, ("leaf=a:1",), None)
    assert caught.value.code == "image-without-docker"
    found = from_spec(spec, "containerlab", "switch=n9kv,cluster=kind", ("spine=a:1",), None)
    found.render(tmp_path / "out")
    assert load_folder(tmp_path / "out").topology.images["spine1"] == "a:1"


def test_a_lab_on_containerlab_goes_on_there_as_what_it_is(spec: Path, tmp_path: Path) -> None:
    state = lab_state("lab")
    from_spec(spec, "containerlab", "switch=n9kv,cluster=standin", (), None).render(state.folder)
    state.runtime_file.write_text('{"runtime": "containerlab"}')
    found = from_spec(spec, "auto", None, (), None)
    assert found.runtime == "containerlab"
    assert rendered(found, tmp_path / "out")["target"] == {
        "switch": "n9kv",
        "cluster": "standin",
        "containerlab": "0.81",
    }


def test_folders(spec: Path, tmp_path: Path) -> None:
    standin, real = tmp_path / "standin", tmp_path / "real"
    from_spec(spec, "embedded", None, (), None).render(standin)
    from_spec(spec, "auto", "switch=n9kv,cluster=kind", (), None).render(real)
    assert from_folder(standin, "auto").runtime == "embedded"
    assert from_folder(standin, "containerlab").runtime == "containerlab"
    assert from_folder(real, "auto").runtime == "containerlab"
    lab_state("lab").runtime_file.parent.mkdir(parents=True)
    lab_state("lab").runtime_file.write_text('{"runtime": "containerlab"}')
    assert from_folder(standin, "auto").runtime == "containerlab", "the lab is there: it goes on where it is"
    with pytest.raises(UsageError, match="was rendered for switch=n9kv, cluster=kind") as caught:
        from_folder(real, "embedded")
    assert caught.value.code == "target-cannot-run"
    with pytest.raises(SpecError) as nothing:
        from_folder(tmp_path, "auto")
    assert "is no artifact folder: it has no lab.json [no-folder]" in nothing.value.render()


def test_a_fabric_alone_runs_embedded_whatever_the_cluster_would_be(spec: Path, tmp_path: Path) -> None:
    spec.write_text("name: lab\ncluster: none\ntarget: {cluster: kind}\n")
    from_spec(spec, "containerlab", "switch=standin,cluster=kind", (), None).render(tmp_path / "out")
    assert from_folder(tmp_path / "out", "embedded").runtime == "embedded"


@pytest.mark.parametrize("option", [("--name", "x"), ("--target", "switch=n9kv"), ("--image", "leaf=a:1")])
def test_options_of_a_spec_do_not_go_with_a_folder(spec: Path, tmp_path: Path, option: tuple[str, str]) -> None:
    from_spec(spec, "embedded", None, (), None).render(tmp_path / "out")
    done = CliRunner().invoke(cli, ["up", str(tmp_path / "out"), *option])
    assert isinstance(done.exception, UsageError)
    assert done.exception.code == "name-of-folder"


def test_no_secret_and_nothing_of_this_machine_is_in_a_folder(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "switch=n9kv,cluster=kind"
    from_spec(spec, "containerlab", target, (), None).render(tmp_path / "plain")
    config = tmp_path / "config.yaml"
    config.write_text("credentials: {username: somebody, password: sECRET-1}\n")
    config.chmod(0o600)
    monkeypatch.setenv("LABCTL_CONFIG", str(config))
    monkeypatch.setenv("LABCTL_SWITCH_PASSWORD", "sECRET-2")
    monkeypatch.setenv("LABCTL_BOOT_DELAY_LEAF101", "4711")
    from_spec(spec, "containerlab", target, (), None).render(tmp_path / "secret")
    plain = {path.relative_to(tmp_path / "plain"): path.read_bytes() for path in files(tmp_path / "plain")}
    secret = {path.relative_to(tmp_path / "secret"): path.read_bytes() for path in files(tmp_path / "secret")}
    assert plain == secret
    assert not any(str(tmp_path).encode() in content for content in plain.values())


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
