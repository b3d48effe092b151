"""Set-up: a damaged image is noticed and brought again; the wheel holds all that a lab needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from labctl.guest import recipe
from tests.integration.harness import ROOT, Labctl
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(300))]
MINIMAL = ROOT / "topologies" / "minimal.yaml"


@pytest.fixture
def own_cache(labctl: Labctl, tmp_path: Path) -> Labctl:
    """labctl with a copy of the cache; the control plane is shared by hard links where that can be."""
    from labctl.cache import cache_dir

    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    # one of an older labctl would be taken over instead of a build
    shutil.copytree(cache_dir() / "guest" / recipe.LAB.key(), cache / "guest" / recipe.LAB.key())
    if subprocess.run(("cp", "-al", cache_dir() / "controlplane", cache), capture_output=True, check=False).returncode:
        shutil.copytree(cache_dir() / "controlplane", cache / "controlplane", dirs_exist_ok=True)
    return Labctl(labctl.state, {"LABCTL_CACHE_DIR": str(cache)}, labctl.program)


def test_a_broken_image_is_noticed_and_built_again(own_cache: Labctl) -> None:
    image = Path(own_cache.env["LABCTL_CACHE_DIR"]) / "guest" / recipe.LAB.key() / "root.ext4"
    with image.open("r+b") as handle:
        handle.truncate(image.stat().st_size // 2)
    states = {row["part"]: row["state"] for row in own_cache("setup", "status", "--json").json()["parts"]}
    assert states == {"guest image": "broken", "control plane": "whole"}
    refused = own_cache("up", MINIMAL).expect(4)
    assert "labctl setup" in refused.err
    built = own_cache("setup", "build", timeout=280).expect(0)
    assert "guest image: fetching" in built.err  # progress
    assert own_cache("setup", "status", "--full", "--json").json()["ready"] is True
    assert own_cache("status", "--all", "--json").json() == []


def test_the_wheel_holds_all(tmp_path: Path) -> None:
    """Built, unpacked without its dependencies, and used from another folder."""
    build = (sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT))
    subprocess.run(build, capture_output=True, timeout=patient(200), check=True)
    wheel = next(tmp_path.glob("nxos_labctl-*.whl"))
    target = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    environment = {**os.environ, "PYTHONPATH": str(target), "LABCTL_STATE_DIR": str(tmp_path / "state")}

    def labctl(*arguments: str) -> str:
        command = (sys.executable, "-m", "labctl", *arguments)
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=patient(60), check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        (sys.executable, "-c", "import labctl; print(labctl.__file__)"), cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=patient(60), check=True,
    )  # fmt: skip
    assert str(target) in where.stdout
    labctl("init", "first.yaml")
    example = re.search(r"^  labctl up (\S+)", labctl("--help"), re.MULTILINE)
    assert example is not None
    assert labctl("validate", example[1]).startswith(str(target)), "the help's first example works in a wheel"
    labctl("init", "paper.yaml", "--from", "whitepaper")
    labctl("generate", "first.yaml", "-o", "first")
    assert "a valid lab" in labctl("validate", "paper.yaml")
    for name in (
        "guest/recipe/hook.sh",
        "standin/cluster/controlplane/gomod/go.sum",
        "data/topologies/minimal.yaml",
        "data/images/packages.txt",
        "data/images/root/usr/local/bin/kubeadm",
    ):
        assert (target / "labctl" / name).is_file()
