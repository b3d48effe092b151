"""What stand-in nodes do not do, judged before anything boots: as their API judges it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from labctl.design.design import Target
from labctl.design.limits import LIMITS, refusals
from labctl.design.plan import design
from labctl.imagename import STANDIN_PODS
from labctl.render.folder import render_folder
from labctl.spec.load import load
from labctl.standin.cluster.images import IMAGES
from tests.integration.refusals import refused_objects

OBJECTS = list(refused_objects())


@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_each_object_breaks_one_limit_alone(item: dict[str, object]) -> None:
    assert len(list(refusals(item))) == 1


def test_every_limit_is_broken_by_one() -> None:
    said = {reason for item in OBJECTS for reason in refusals(item)}
    assert said == {limit.reason for limits in LIMITS.values() for limit in limits}


def test_what_people_write_as_v3_is_judged_too() -> None:
    (reason,) = refusals({"apiVersion": "projectcalico.org/v3", "kind": "BGPFilter", "metadata": {"name": "f"}})
    assert reason == "apply no BGPFilter"


def test_what_labctl_renders_is_taken(topologies: Path) -> None:
    files = render_folder(design(load(topologies / "whitepaper.yaml"), Target()))
    for path, text in files.items():
        if path.startswith(("k8s/", "calico/")) and "patch" not in path and "kustom" not in path:
            for item in yaml.load_all(text, yaml.CSafeLoader):
                assert list(refusals(item)) == [], path


def test_the_images_of_pods_are_those_that_the_nodes_have_programs_for() -> None:
    assert {name for name, image in IMAGES.items() if not image.function} == set(STANDIN_PODS)
