"""Images that a folder needs, what Docker has of them, and archives into Docker and into the nodes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from labctl.cli.main import cli
from labctl.design.design import Target
from labctl.design.plan import design
from labctl.errors import InconclusiveError, SpecError, UsageError
from labctl.folder import Folder, load_folder
from labctl.images import (
    IMPORT,
    calico_images,
    digests_in,
    docker_client,
    import_archive,
    load_archive,
    needed,
    stored,
)
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads
from labctl.state import lab_state
from tests.unit.images.conftest import ScriptedDocker

REAL = Target("n9kv", "kind")
PAPER = (Path(__file__).parents[3] / "topologies" / "whitepaper.yaml").read_text()


def rendered(path: Path, text: str = PAPER, target: Target = REAL) -> Folder:
    files = render_folder(design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target))
    write_folder(files, path)
    return load_folder(path)


def images(folder: Folder, place: str) -> dict[str, tuple[str, ...]]:
    return {need.image: need.used_by for need in needed(folder) if need.place == place}


def test_nodes_and_pods_of_real_parts(tmp_path: Path) -> None:
    folder = rendered(tmp_path)
    assert images(folder, "nodes") == {
        "vrnetlab/cisco_n9kv:10.5.4": ("spine1", "spine2", "leaf2101", "leaf2102", "leaf2999"),
        "kindest/node:v1.37.0": ("master", "node01", "node02"),
        "labctl/host:latest": ("ext1",),
    }
    assert images(folder, "pods") == {
        **dict.fromkeys(calico_images("3.33.0"), ("calico/calico.yaml (not there yet)",)),
        "nginx:1.27": ("k8s/nginx-dual.yaml", "k8s/nginx.yaml"),
        "busybox:1.36": ("k8s/pingtest.yaml",),
    }


def test_standin_nodes_run_no_image(tmp_path: Path) -> None:
    folder = rendered(tmp_path, target=Target())
    assert images(folder, "pods") == {}
    assert {need.get for need in needed(folder)} == {"labctl setup images"}


def test_each_image_of_a_role_is_for_its_switches(tmp_path: Path) -> None:
    found = images(rendered(tmp_path, "name: lab\nimages: {spine: a/b}\ncluster: none\n"), "nodes")
    assert found == {"a/b:latest": ("spine1", "spine2"), "vrnetlab/cisco_n9kv:10.5.4": ("leaf101", "leaf102")}


def test_what_lies_in_the_folder_is_read(tmp_path: Path) -> None:
    """Calico's manifest, kustomize's images: and a person's own pods, in every form that a container has."""
    folder = rendered(tmp_path)
    pod = "spec: {initContainers: [{image: 'docker.io/calico/cni:v3.1'}], containers: [{image: x/y@sha256:%s}, {}]}"
    (tmp_path / "calico" / "calico.yaml").write_text(
        f"kind: DaemonSet\nspec: {{template: {{{pod % ('0' * 64)}}}}}\n---\nkind: List\nitems: [{{image: no}}]\n---\n"
    )
    with (tmp_path / "calico" / "kustomization.yaml").open("a") as file:
        file.write("images:\n  - {name: docker.io/calico/cni, newName: local/cni, newTag: '9'}\n")
    (tmp_path / "k8s" / "web.yaml").write_text("spec: {ephemeralContainers: [{image: dbg}]}\n")
    found = images(folder, "pods")
    assert found["local/cni:9"] == ("calico/calico.yaml",)
    assert found["dbg"] == ("k8s/web.yaml",)
    assert not any(name.startswith("quay.io/calico") for name in found)
    assert digests_in(folder) == [("calico/calico.yaml", f"x/y@sha256:{'0' * 64}")]


def test_a_manifest_that_is_no_yaml_has_a_name(tmp_path: Path) -> None:
    folder = rendered(tmp_path)
    (tmp_path / "k8s" / "web.yaml").write_text("a: [\n")
    with pytest.raises(SpecError, match="1 problem") as caught:
        needed(folder)
    assert "k8s/web.yaml" in caught.value.render()


@pytest.mark.parametrize(
    ("version", "registry"), [("3.29.4", "docker.io"), ("3.30.0", "quay.io"), ("3.32.1", "quay.io")]
)
def test_where_calicos_manifest_takes_its_images_from(version: str, registry: str) -> None:
    assert calico_images(version)[0] == f"{registry}/calico/node:v{version}"


def test_from_3_33_on_calico_has_two_images() -> None:
    assert calico_images("3.33.0") == ("quay.io/calico/node:v3.33.0", "quay.io/calico/calico:v3.33.0")
    assert len(calico_images("3.32.2")) == 3


def test_what_docker_has_by_exact_tag(docker: ScriptedDocker) -> None:
    docker.images["a/b:1"] = 5_000_000
    with docker_client() as client:
        found = stored(client, ["a/b:1", "a/b:2"])
    assert found["a/b:2"] is None
    assert found["a/b:1"] is not None
    assert found["a/b:1"].size == 5_000_000


def test_an_archive_into_docker(docker: ScriptedDocker, tmp_path: Path) -> None:
    docker.brings = ["a/b:1", "c:2"]
    (tmp_path / "x.tar").write_bytes(b"layers")
    with docker_client() as client:
        assert [tags for tags, _ in load_archive(client, tmp_path / "x.tar")] == [("a/b:1",), ("c:2",)]
    assert docker.loaded == [b"layers"]


def test_a_file_that_is_no_archive(docker: ScriptedDocker, tmp_path: Path) -> None:
    docker.refuses = "invalid tar header"
    (tmp_path / "x.tar").write_bytes(b"text")
    with docker_client() as client:
        with pytest.raises(UsageError, match="invalid tar header") as caught:
            load_archive(client, tmp_path / "x.tar")
        assert caught.value.code == "no-image-archive"
        with pytest.raises(UsageError, match="No such file"):
            load_archive(client, tmp_path / "nowhere.tar")


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_into_every_node(docker: ScriptedDocker, tmp_path: Path, packed: bool) -> None:
    docker.nodes = {"lab-worker": 0, "lab-control-plane": 0}
    content = b"layer " * 300_000
    (tmp_path / "x.tar").write_bytes(gzip.compress(content) if packed else content)
    with docker_client() as client:
        done = import_archive(client, "lab", tmp_path / "x.tar", lambda _text: None)
    assert done == ["lab-control-plane", "lab-worker"]
    assert docker.fed == dict.fromkeys(docker.nodes, content)
    assert docker.commands == [(name, list(IMPORT)) for name in sorted(docker.nodes)]
    assert docker.filters[0]["label"] == ["io.x-k8s.kind.cluster=lab"]


def test_a_node_that_does_not_take_it(docker: ScriptedDocker, tmp_path: Path) -> None:
    docker.nodes = {"lab-control-plane": 0, "lab-worker": 1}
    (tmp_path / "x.tar").write_bytes(b"layers")
    with docker_client() as client, pytest.raises(InconclusiveError) as caught:
        import_archive(client, "lab", tmp_path / "x.tar", lambda _text: None)
    assert caught.value.message == f"lab-worker did not take {tmp_path}/x.tar: ctr: no space left"


# the command


def run(*arguments: str) -> None:
    cli.main(["setup", "images", *arguments], standalone_mode=False)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "lab.yaml"
    path.write_text("name: lab\n")
    return path


def test_the_listing(docker: ScriptedDocker, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker.images["labctl/k8s-standin:latest"] = 312_000_000
    run(str(spec))
    said = capsys.readouterr()
    assert "312 MB" in next(line for line in said.out.splitlines() if "k8s-standin" in line)
    switch = next(line for line in said.out.splitlines() if "n9kv-standin" in line)
    assert "  no  " in switch
    assert switch.rstrip().endswith("labctl setup images")
    assert said.err == ""


def test_the_listing_as_json_for_real_parts(
    docker: ScriptedDocker, spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labctl.cli.hosts.ContainerlabHost.topology_reader", lambda _host: None)
    docker.images["kindest/node:v1.37.0"] = 9
    run("--target", "switch=n9kv,cluster=kind", "--image", "leaf=my/leaf:1", str(spec), "--json")
    body = json.loads(capsys.readouterr().out)
    assert body["target"] == {"switch": "n9kv", "cluster": "kind", "containerlab": "0.81"}
    rows = {row["image"]: row for row in body["images"]}
    assert rows["my/leaf:1"]["used_by"] == ["leaf101", "leaf102"]
    assert rows["kindest/node:v1.37.0"]["in_docker"] is True
    assert rows["my/leaf:1"]["in_docker"] is False
    assert rows["busybox:1.36"]["place"] == "pods"


def test_without_docker_it_says_that_nobody_looked(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    run(str(spec))
    said = capsys.readouterr()
    assert "  ?  " in said.out
    assert "note: not looked up. Docker does not answer at unix:///nowhere/docker.sock" in said.err


def test_a_folder_is_listed_as_it_is(
    docker: ScriptedDocker, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rendered(tmp_path / "folder")
    run("list", str(tmp_path / "folder"))
    assert "vrnetlab/cisco_n9kv:10.5.4" in capsys.readouterr().out
    with pytest.raises(UsageError, match="go with a spec"):
        run(str(tmp_path / "folder"), "--image", "leaf=a:1")


def running(tmp_path: Path, target: Target) -> Path:
    state = lab_state("lab")
    folder = rendered(state.folder, "name: lab\n", target)
    state.runtime_file.write_text("{}")
    return folder.path


def test_load_into_the_nodes_of_a_lab_warns_of_digests(
    docker: ScriptedDocker, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = running(tmp_path, REAL)
    (folder / "k8s" / "web.yaml").write_text(f"spec: {{containers: [{{image: 'x@sha256:{'0' * 64}'}}]}}\n")
    docker.nodes, docker.brings = {"lab-worker": 0}, ["x:1"]
    (tmp_path / "x.tar").write_bytes(b"layers")
    run("load", str(tmp_path / "x.tar"), "--lab", "lab")
    said = capsys.readouterr()
    assert said.out.startswith("x:1  ")
    assert docker.fed == {"lab-worker": b"layers"}
    assert "warning: k8s/web.yaml asks for x@sha256:" in said.err


def test_standin_nodes_need_none(
    docker: ScriptedDocker, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running(tmp_path, Target())
    (tmp_path / "x.tar").write_bytes(b"layers")
    run("load", str(tmp_path / "x.tar"), "--lab", "lab")
    assert "stand-ins need no image" in capsys.readouterr().err
    assert docker.commands == []


def test_a_lab_whose_nodes_do_not_run(docker: ScriptedDocker, spec: Path, tmp_path: Path) -> None:
    running(tmp_path, REAL)
    (tmp_path / "x.tar").write_bytes(b"layers")
    with pytest.raises(InconclusiveError, match="no node of lab lab runs"):
        run("load", str(tmp_path / "x.tar"), "--lab", "lab")
    with pytest.raises(UsageError, match="there is no lab other"):
        run("load", str(tmp_path / "x.tar"), "--lab", "other")
