"""What travels beside the package is there, in a checkout and in a wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from labctl.errors import HostError
from labctl.shipped import shipped, topologies

ROOT = Path(__file__).parents[3]


def included() -> list[str]:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    return list(wheel["force-include"])


@pytest.mark.parametrize("name", ["topologies", "images", "kind"])
def test_every_folder_that_a_wheel_includes_has_content(name: str) -> None:
    """git keeps no empty folder, and a build from a clone ends at one that is not there."""
    assert name in included()
    assert any(path.is_file() for path in shipped(name).iterdir())


def test_a_wheel_has_its_own(tmp_path: Path) -> None:
    package = tmp_path / "labctl"
    (tmp_path / "kind").mkdir()
    package.mkdir()
    assert shipped("kind", package=package) == tmp_path / "kind"
    (package / "data" / "kind").mkdir(parents=True)
    assert shipped("kind", package=package) == package / "data" / "kind"


def test_an_installation_that_lost_one(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no folder kind"):
        shipped("kind", package=tmp_path / "labctl")


def test_topologies_by_name() -> None:
    assert {"coloured-pairs", "fabric", "minimal", "whitepaper", "whitepaper-usecases"} == set(topologies())


def test_tags_in_the_notes_on_images_are_the_rendered_ones() -> None:
    from labctl.design.design import Target
    from labctl.design.plan import design
    from labctl.spec.load import load

    notes = (shipped("images") / "README.md").read_text()
    spec = load(topologies()["whitepaper"])
    for target in (Target("n9kv", "kind"), Target("standin", "standin")):
        lab = design(spec, target)
        assert lab.cluster is not None
        for image in (lab.switch_image, lab.images.node, lab.images.host):
            assert f"`{image.repository}:" in notes
            assert image.tag in notes
        if target.cluster == "kind":
            assert f"v{lab.cluster.calico}" in notes
            assert lab.images.node.tagged in (shipped("kind") / "README.md").read_text()
