"""Which image each node runs, and what a 9000v of a version gets of its host."""

from __future__ import annotations

import pytest

from labctl.design.design import Design, Target
from labctl.design.images import ImageWishes
from labctl.design.plan import design
from labctl.imagename import ImageName, image_name, image_trouble, where_from
from labctl.peers import nxos as machine
from labctl.spec.load import loads

REAL = Target("n9kv", "kind")
DIGEST = "0123456789abcdef" * 4


def lab(images: str = "{}", target: Target = REAL, wishes: ImageWishes | None = None) -> Design:
    text = f"name: lab\nimages: {images}\n"
    return design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target, wishes=wishes)


def switches(found: Design) -> tuple[str, ...]:
    return tuple(found.images.of(role).tagged for role in ("spine", "leaf", "border"))


def test_labctls_own_choice_is_a_tag_for_each_target() -> None:
    real, standin = lab(), lab(target=Target())
    assert switches(real) == ("vrnetlab/cisco_n9kv:10.5.4",) * 3
    assert real.images.node.tagged == "kindest/node:v1.37.0"
    assert switches(standin) == ("labctl/n9kv-standin:latest",) * 3
    assert standin.images.node.tagged == "labctl/k8s-standin:latest"
    assert real.images.host == standin.images.host == image_name("labctl/host:latest")


def test_a_higher_source_wins_and_in_one_source_the_role_does() -> None:
    wishes = ImageWishes(user={"leaf": "u/leaf:1", "node": "u/node:1"}, command=({"switch": "env/any:2"},))
    assert switches(lab(wishes=ImageWishes(user={"leaf": "u/leaf:1", "switch": "u/any:1"}))) == (
        "u/any:1", "u/leaf:1", "u/any:1",
    )  # fmt: skip
    assert switches(lab('{leaf: "s/leaf:1"}', wishes=wishes)) == ("env/any:2",) * 3
    assert lab('{node: "s/node:1"}', wishes=wishes).images.node.tagged == "s/node:1"
    last = ImageWishes(command=({"leaf": "env/leaf:1"}, {"leaf": "typed/leaf:1"}))
    assert switches(lab(wishes=last))[1] == "typed/leaf:1"


def test_the_users_real_images_make_no_standin() -> None:
    wishes = ImageWishes(user={"switch": "u/n9kv:1", "node": "u/kind:1", "host": "u/host:1"})
    found = lab(target=Target(), wishes=wishes).images
    assert (found.leaf.tagged, found.node.tagged) == ("labctl/n9kv-standin:latest", "labctl/k8s-standin:latest")
    assert found.host.tagged == "u/host:1"
    mixed = lab(target=Target("n9kv", "standin"), wishes=wishes).images
    assert (mixed.leaf.tagged, mixed.node.tagged) == ("u/n9kv:1", "labctl/k8s-standin:latest")


def test_a_part_that_fell_back_runs_labctls_standin_whatever_was_asked_for() -> None:
    wishes = ImageWishes(command=({"switch": "env/n9kv:1"},), standins=frozenset({"switch"}))
    found = lab('{leaf: "s/leaf:1", node: "s/node:1"}', Target("standin", "kind"), wishes)
    assert switches(found) == ("labctl/n9kv-standin:latest",) * 3
    assert found.images.node.tagged == "s/node:1"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("busybox", ImageName("busybox", "latest")),
        ("localhost:5000/a/b_c:1", ImageName("localhost:5000/a/b_c", "1")),
        ("Reg.example.org/x:V1.2-a", ImageName("Reg.example.org/x", "V1.2-a")),
        (f"kindest/node:v1@sha256:{DIGEST}", ImageName("kindest/node", "v1", DIGEST)),
    ],
)
def test_parts_of_a_name(text: str, parts: ImageName) -> None:
    assert image_trouble(text) is None
    assert image_name(text) == parts


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad-image"), ("upper/Case:1", "bad-image"), ("a b", "bad-image"), ("a:", "bad-image"),
        ("a:1@sha256:12", "bad-image"), ("-a", "bad-image"), ("$(x):1", "bad-image"),
        (f"kindest/node@sha256:{DIGEST}", "bare-digest"),
    ],
)  # fmt: skip
def test_what_is_no_name(text: str, code: str) -> None:
    trouble = image_trouble(text)
    assert trouble is not None
    assert trouble[0] == code
    if text:
        with pytest.raises(ValueError, match=r"is no name|has no tag"):
            image_name(text)


def test_where_each_image_comes_from() -> None:
    assert where_from("labctl/n9kv-standin:latest") == "labctl setup images"
    assert "vrnetlab/cisco/n9kv" in where_from("vrnetlab/cisco_n9kv:10.5.4")
    assert where_from("busybox:1.36") == "docker pull busybox:1.36"


@pytest.mark.parametrize(
    ("nxos", "tag", "memory"),
    [
        ("9.3(13)", "9.3.13", 6144), ("10.1(2)", "10.1.2", 8192), ("10.2(5)", "10.2.5", 10240),
        ("10.4(5)M", "10.4.5.M.lite", 10240), ("10.5(2)", "10.5.2", 10240), ("10.5(3)F", "10.5.3.F", 8192),
        ("10.5(4)", "10.5.4.M.lite", 6144), ("10.6(1)", "10.6.1", 8192),
    ],
)  # fmt: skip
def test_memory_of_a_9000v_by_version(nxos: str, tag: str, memory: int) -> None:
    found = machine(nxos, tag)
    assert found.memory == memory
    assert found.least_memory <= found.memory
    assert found.least_cpus <= found.cpus
