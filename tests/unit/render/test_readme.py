"""The folder's README: what a person types is there, for every target, and names what the folder has."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.render.folder import render_folder
from labctl.spec.load import loads

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
TARGETS = [Target(*pair) for pair in product(("n9kv", "standin"), ("kind", "standin"))]
PAPER = (TOPOLOGIES / "whitepaper.yaml").read_text(encoding="utf-8")
FABRIC = "name: bare\ncluster: none\n"
CASES = [(text, target) for text in (PAPER, FABRIC, "name: lab\ncluster: {nodes: 2}\n") for target in TARGETS]


@cache
def folder(text: str, target: Target) -> dict[str, str]:
    return render_folder(design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target))


def commands(readme: str) -> str:
    return "\n".join(line[4:] for line in readme.splitlines() if line.startswith("    "))


@pytest.mark.parametrize(("text", "target"), CASES)
def test_every_command_is_shell_and_every_file_that_it_names_is_there(text: str, target: Target) -> None:
    files = folder(text, target)
    typed = commands(files["README.md"])
    shell = shutil.which("bash")
    if shell:
        assert subprocess.run([shell, "-n"], input=typed, text=True, capture_output=True, check=False).stderr == ""
    for path in re.findall(r"(?<![\w/$.-])(?:nodes|kind|calico|k8s)/[\w./-]+", typed):
        laid_by_hand = path == "calico/calico.yaml"
        assert path in files or laid_by_hand or any(name.startswith(path) for name in files), path
    switches = [path for path in files if path.startswith("nxos/")]
    assert all(Path(path).stem in typed for path in switches)
    assert all(path in typed for path in files if path.startswith("nodes/"))


@pytest.mark.parametrize(("text", "target"), CASES)
def test_only_what_the_target_has_is_said(text: str, target: Target) -> None:
    files = folder(text, target)
    readme = files["README.md"]
    cluster = text is not FABRIC
    assert ("kubectl apply" in readme) is cluster
    assert ("curl -fLo calico/calico.yaml" in readme) is (cluster and target.cluster == "kind")
    assert ("5 to 15 minutes" in readme) is (target.switch == "n9kv")
    assert ("labctl up ." in readme) is (target.switch == "standin" and not (cluster and target.cluster == "kind"))
    assert "\n\n\n" not in readme


def test_images_of_the_topology_are_asked_for() -> None:
    files = folder(PAPER, Target("n9kv", "kind"))
    for image in re.findall(r"image: (\S+)", files["topology.clab.yml"]):
        assert image in commands(files["README.md"])


def test_a_lab_that_may_pull_does_not_say_that_nothing_is_pulled() -> None:
    files = folder("name: lab\nimages: {pull: if-not-present}\n", Target())
    assert "Nothing is pulled" not in files["README.md"]
    assert "image-pull-policy: IfNotPresent" in files["topology.clab.yml"]
