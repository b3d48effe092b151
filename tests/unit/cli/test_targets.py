"""For which target ``up`` renders, on which runtime, with which images, and what it says about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.cli import upsource
from labctl.cli.configured import image_wishes, parse_images, switch_login
from labctl.cli.upsource import from_spec
from labctl.errors import HostError, SpecError, UsageError
from labctl.folder import load_folder
from labctl.state import lab_state

N9KV, KIND = "vrnetlab/cisco_n9kv:10.5.4", "kindest/node:v1.37.0"
STANDINS, REAL = ("standin", "standin"), ("n9kv", "kind")


Pick = Callable[..., Any]


@pytest.fixture
def pick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pick:
    """What a spec is rendered as: runtime, target, images of its nodes, and what was said."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def go(
        text: str = "name: lab\n",
        runtime: str = "containerlab",
        target: str | None = None,
        *,
        there: Iterable[str] | None = (),
        images: tuple[str, ...] = (),
    ) -> SimpleNamespace:
        """``there``: what Docker has; None: nobody may ask it."""

        def present(names: Iterable[str]) -> Mapping[str, object | None]:
            assert there is not None, "Docker was asked"
            return {name: name if name in there else None for name in names}

        monkeypatch.setattr(upsource, "_present", present)
        spec, folder = tmp_path / "lab.yaml", tmp_path / "rendered"
        spec.write_text(text)
        found = from_spec(spec, runtime, target, images, None)
        said = capsys.readouterr().err.splitlines()
        shutil.rmtree(folder, ignore_errors=True)
        found.render(folder)
        lab = load_folder(folder)
        kinds = (lab.lab.target["switch"], lab.lab.target["cluster"])
        return SimpleNamespace(runtime=found.runtime, target=kinds, reasons=said, images=lab.topology.images)

    return go


def test_embedded_renders_standins_and_asks_nobody(pick: Pick) -> None:
    for text in ("name: lab\n", "name: lab\ntarget: {switch: n9kv, cluster: kind}\n"):
        found = pick(text, "embedded", there=None)
        assert (found.runtime, found.target, found.reasons) == ("embedded", STANDINS, [])
    assert pick(runtime="auto", there=None).runtime == "embedded"
    assert pick(runtime="auto", target="switch=standin", there=None).runtime == "embedded"


def test_embedded_cannot_run_real_parts(pick: Pick) -> None:
    with pytest.raises(UsageError, match="the embedded runtime cannot run switch=n9kv, cluster=kind") as caught:
        pick(runtime="embedded", target="switch=n9kv,cluster=kind")
    assert caught.value.code == "target-cannot-run"


def test_a_target_with_a_real_part_means_containerlab(pick: Pick) -> None:
    assert pick(runtime="auto", target="switch=n9kv", there=None).runtime == "containerlab"
    found = pick("name: lab\ntarget: {switch: n9kv, cluster: standin}\n", "auto", there=None)
    assert (found.runtime, found.target, found.reasons) == ("containerlab", ("n9kv", "standin"), [])


def test_real_parts_where_their_images_are_standins_elsewhere_and_why(pick: Pick) -> None:
    nothing = pick(images=("switch=mine/switch:1", "node=mine/node:1"))
    assert nothing.target == STANDINS
    assert nothing.reasons == [
        "switches: stand-ins (mine/switch:1 is not in Docker)", "nodes: stand-ins (mine/node:1 is not in Docker)",
    ]  # fmt: skip
    mine = [image for image in nothing.images.values() if image.startswith("mine/")]
    assert mine == [], "nothing that is said of a part counts that fell back"
    mixed = pick(there=[KIND], images=("switch=mine/switch:1",))
    assert (mixed.target, mixed.images["leaf101"]) == (("standin", "kind"), "labctl/n9kv-standin:latest")
    whole = pick(there=[KIND, N9KV])
    assert whole.target == REAL
    assert whole.reasons == [f"switches: n9kv ({N9KV}, in Docker)", f"nodes: kind ({KIND}, in Docker)"]


def test_every_role_that_the_lab_has_must_be_there(pick: Pick) -> None:
    images = ("spine=a/lite:1", "border=b/none:1")
    lacks = pick(there=[N9KV, KIND], images=images)
    assert lacks.reasons[0] == "switches: stand-ins (a/lite:1 is not in Docker)"
    assert pick(there=[N9KV, KIND, "a/lite:1"], images=images).target == REAL  # it has no border leaf


def test_the_spec_decides_its_part_and_docker_the_other(pick: Pick) -> None:
    found = pick("name: lab\ntarget: {cluster: standin}\n", there=[N9KV, KIND])
    assert found.target == ("n9kv", "standin")
    assert len(found.reasons) == 1


def test_kind_is_not_taken_for_versions_that_it_cannot_run(pick: Pick) -> None:
    found = pick("name: lab\ncluster: {calico: {version: 3.20.0}}\n", there=[N9KV, KIND])
    assert found.target == ("n9kv", "standin")
    assert found.reasons[1].startswith("nodes: stand-ins (labctl knows Calico 3.26 to 3.33")


def test_a_fabric_alone_says_nothing_of_nodes(pick: Pick) -> None:
    found = pick("name: lab\ncluster: none\n", there=[N9KV])
    assert found.target[0] == "n9kv"
    assert found.reasons == [f"switches: n9kv ({N9KV}, in Docker)"]


def test_a_lab_that_is_there_goes_on_as_what_it_is(pick: Pick, tmp_path: Path) -> None:
    pick(target="switch=n9kv,cluster=standin")
    shutil.copytree(tmp_path / "rendered", lab_state("lab").folder)
    found = pick(there=None, images=("node=mine/node:1",))
    assert (found.target, found.reasons) == (("n9kv", "standin"), [])
    assert "mine/node:1" not in found.images.values()


def test_a_spec_that_is_good_for_no_target_is_told_so(pick: Pick) -> None:
    with pytest.raises(SpecError):
        pick("name: lab\nfabrik: {}\n")


def test_images_typed() -> None:
    assert parse_images(["leaf=a/b:1", "node=c:2@sha256:" + "0" * 64, "leaf=d:3"]) == {
        "leaf": "d:3", "node": "c:2@sha256:" + "0" * 64,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "code", "hint"),
    [
        ("leef=a:1", "bad-image-option", "did you mean leaf?"),
        ("a/b:1", "bad-image-option", "ROLE=IMAGE, with one of switch, leaf, spine, border, node, host"),
        ("leaf=", "bad-image", "name:tag, as in vrnetlab/cisco_n9kv:10.5.4"),
        ("leaf=A b", "bad-image", "name:tag, as in vrnetlab/cisco_n9kv:10.5.4"),
        ("node=a@sha256:" + "0" * 64, "bare-digest", "a:TAG@sha256:…, or the tag alone"),
    ],
)
def test_images_that_are_typed_badly(given: str, code: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_images([given])
    assert (caught.value.code, caught.value.hint) == (code, hint)


def test_images_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, image in {"LEAF": "a:1", "HOST": "", "NODE": "b"}.items():
        monkeypatch.setenv(f"LABCTL_IMAGE_{name}", image)
    assert image_wishes().command[0] == {"leaf": "a:1", "node": "b"}
    monkeypatch.setenv("LABCTL_IMAGE_SPINE", "A")
    with pytest.raises(UsageError, match="LABCTL_IMAGE_SPINE: 'A' is no name of an image"):
        image_wishes()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text("images: {leaf: u/leaf:1, node: u/node:1}\ncredentials: {username: lab, password: from-file}\n")
    file.chmod(0o600)
    monkeypatch.setenv("LABCTL_CONFIG", str(file))
    return file


def test_configuration_environment_and_command_line_in_rising_order(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABCTL_IMAGE_LEAF", "e/leaf:1")
    found = image_wishes(["leaf=t/leaf:1"])
    assert found.user == {"leaf": "u/leaf:1", "node": "u/node:1"}
    assert found.command == ({"leaf": "e/leaf:1"}, {"leaf": "t/leaf:1"})


def test_the_login(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (switch_login().username, switch_login().password) == ("lab", "from-file")
    monkeypatch.setenv("LABCTL_SWITCH_PASSWORD", "from-env")
    assert (switch_login().username, switch_login().password) == ("lab", "from-env")
    assert "from-env" not in repr(switch_login())
    monkeypatch.setenv("LABCTL_SWITCH_PASSWORD", "with blank")
    with pytest.raises(UsageError, match="LABCTL_SWITCH_PASSWORD") as caught:
        switch_login()
    assert "with blank" not in caught.value.render()
    config.unlink()
    monkeypatch.delenv("LABCTL_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parent))
    monkeypatch.delenv("LABCTL_SWITCH_PASSWORD")
    assert (switch_login().username, switch_login().password) == ("admin", "admin")


def test_docker_that_does_not_answer_is_an_error_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from labctl.images import docker_client

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(HostError) as caught, docker_client():
        pass
    assert caught.value.message == f"Docker does not answer at unix://{tmp_path}/none.sock: No such file or directory"
