"""For which target ``up`` renders, on which runtime, with which images, and what it says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from labctl.cli.configured import image_wishes, images_of_environment, parse_images, switch_login
from labctl.cli.upsource import Chosen, choose
from labctl.design.images import ImageWishes
from labctl.errors import HostError, SpecError, UsageError

N9KV, KIND = "vrnetlab/cisco_n9kv:10.5.4", "kindest/node:v1.37.0"
STANDINS, REAL = ("standin", "standin"), ("n9kv", "kind")


def pick(
    path: Path,
    text: str = "name: lab\n",
    runtime: str = "containerlab",
    given: tuple[str, str] | None = None,
    *,
    there: Iterable[str] | None = (),
    wishes: ImageWishes | None = None,
    before: tuple[str, str] | None = None,
) -> Chosen:
    """``there``: what Docker has; None: nobody may ask it."""
    path.mkdir(exist_ok=True)
    spec = path / "lab.yaml"
    spec.write_text(text)

    def present(names: Iterable[str]) -> Mapping[str, object | None]:
        assert there is not None, "Docker was asked"
        return {name: name if name in there else None for name in names}

    return choose(
        spec, runtime, given, wishes=lambda: wishes or ImageWishes(), present=present, running=lambda _lab: before
    )


def test_embedded_renders_standins_and_asks_nobody(tmp_path: Path) -> None:
    for text in ("name: lab\n", "name: lab\ntarget: {switch: n9kv, cluster: kind}\n"):
        assert pick(tmp_path, text, "embedded", there=None) == Chosen("embedded", STANDINS, ImageWishes())
    assert pick(tmp_path, runtime="auto", there=None).runtime == "embedded"
    assert pick(tmp_path, runtime="auto", given=STANDINS, there=None).runtime == "embedded"


def test_embedded_cannot_run_real_parts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the embedded runtime cannot run switch=n9kv, cluster=kind") as caught:
        pick(tmp_path, runtime="embedded", given=REAL)
    assert caught.value.code == "target-cannot-run"


def test_a_target_with_a_real_part_means_containerlab(tmp_path: Path) -> None:
    assert pick(tmp_path, runtime="auto", given=("n9kv", "standin"), there=None).runtime == "containerlab"
    found = pick(tmp_path, "name: lab\ntarget: {switch: n9kv, cluster: standin}\n", "auto", there=None)
    assert (found.runtime, found.target, found.reasons) == ("containerlab", ("n9kv", "standin"), ())


def test_real_parts_where_their_images_are_standins_elsewhere_and_why(tmp_path: Path) -> None:
    nothing = pick(tmp_path)
    assert nothing.target == STANDINS
    assert nothing.reasons == (
        f"switches: stand-ins ({N9KV} is not in Docker)", f"nodes: stand-ins ({KIND} is not in Docker)",
    )  # fmt: skip
    assert nothing.wishes.standins == {"switch", "cluster"}
    mixed = pick(tmp_path, there=[KIND])
    assert (mixed.target, mixed.wishes.standins) == (("standin", "kind"), {"switch"})
    whole = pick(tmp_path, there=[KIND, N9KV])
    assert whole.target == REAL
    assert whole.reasons == (f"switches: n9kv ({N9KV}, in Docker)", f"nodes: kind ({KIND}, in Docker)")


def test_every_role_that_the_lab_has_must_be_there(tmp_path: Path) -> None:
    wishes = ImageWishes(user={"spine": "a/lite:1", "border": "b/none:1"})
    lacks = pick(tmp_path, there=[N9KV, KIND], wishes=wishes)
    assert lacks.reasons[0] == "switches: stand-ins (a/lite:1 is not in Docker)"
    assert pick(tmp_path, there=[N9KV, KIND, "a/lite:1"], wishes=wishes).target == REAL  # it has no border leaf


def test_the_spec_decides_its_part_and_docker_the_other(tmp_path: Path) -> None:
    found = pick(tmp_path, "name: lab\ntarget: {cluster: standin}\n", there=[N9KV, KIND])
    assert found.target == ("n9kv", "standin")
    assert len(found.reasons) == 1


def test_kind_is_not_taken_for_versions_that_it_cannot_run(tmp_path: Path) -> None:
    found = pick(tmp_path, "name: lab\ncluster: {calico: {version: 3.20.0}}\n", there=[N9KV, KIND])
    assert found.target == ("n9kv", "standin")
    assert found.reasons[1].startswith("nodes: stand-ins (labctl knows Calico 3.26 to 3.33")


def test_a_fabric_alone_says_nothing_of_nodes(tmp_path: Path) -> None:
    found = pick(tmp_path, "name: lab\ncluster: none\n", there=[N9KV])
    assert found.target == ("n9kv", "standin")
    assert found.reasons == (f"switches: n9kv ({N9KV}, in Docker)",)


def test_a_lab_that_is_there_goes_on_as_what_it_is(tmp_path: Path) -> None:
    found = pick(tmp_path, before=("n9kv", "standin"), there=None)
    assert (found.target, found.reasons) == (("n9kv", "standin"), ())
    assert found.wishes.standins == {"cluster"}


def test_a_spec_that_is_good_for_no_target_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        pick(tmp_path, "name: lab\nfabrik: {}\n")


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


def test_images_of_the_environment() -> None:
    given = {"LABCTL_IMAGE_LEAF": "a:1", "LABCTL_IMAGE_HOST": "", "LABCTL_IMAGE_NODE": "b", "HOME": "/"}
    assert images_of_environment(given) == {"leaf": "a:1", "node": "b"}
    with pytest.raises(UsageError, match="LABCTL_IMAGE_SPINE: 'A' is no name of an image"):
        images_of_environment({"LABCTL_IMAGE_SPINE": "A"})


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
