"""What goes into the images: whole by itself, named by a hash, and the Dockerfile says the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labctl import containers
from labctl.containers import ARCHIVE, build_archive, containers_cache, find_archive
from labctl.errors import HostError
from labctl.shipped import shipped
from labctl.standin.cluster.controlplane.binaries import Binaries

STARTED = (
    "labctl.standin.switch.container", "labctl.standin.switch.sshd", "labctl.standin.switch.dataplane.platform",
    "labctl.standin.switch.shows.table", "labctl.standin.cluster.agents", "labctl.standin.cluster.container.kubeadm",
    "labctl.standin.cluster.container.start", "labctl.guest.client",
)  # fmt: skip
"""What the containers' programs import, sooner or later."""


def test_the_code_in_the_images_is_whole(tmp_path: Path) -> None:
    for path, data, _ in containers.overlay():
        if path.startswith(containers.PYTHON_PATH):
            target = tmp_path / path.removeprefix(f"{containers.PYTHON_PATH}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    statement = f"import {', '.join(STARTED)}; print(labctl.__file__)"
    done = subprocess.run(
        (sys.executable, "-c", statement), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(tmp_path / "labctl" / "__init__.py")


def test_scripts_can_be_executed() -> None:
    modes = {path: mode for path, _, mode in containers.overlay() if path.startswith("usr/local/")}
    assert modes
    assert set(modes.values()) == {0o755}


def test_the_key_names_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    before = containers.key()
    assert containers.key() == before
    monkeypatch.setattr(containers, "packages", lambda: ("frr",))
    assert containers.key() != before


@pytest.mark.parametrize("image", containers.IMAGES, ids=lambda image: image.tag)
def test_the_dockerfile_says_the_same(image: containers.ContainerImage) -> None:
    text = (shipped("images") / "Dockerfile").read_text()
    name = image.tag.removeprefix("labctl/").removesuffix(":latest")
    stage = text.split(f" AS {name}\n")[1].split("\nFROM ")[0]
    assert f"LABEL labctl.standin={image.config['Labels']['labctl.standin']}" in stage
    for key, words in (("ENTRYPOINT", "Entrypoint"), ("CMD", "Cmd")):
        found = re.search(rf"^{key} (\[.*\])$", stage, re.MULTILINE)
        assert (json.loads(found[1]) if found else None) == image.config.get(words)
    check = re.search(r"^HEALTHCHECK --interval=(\d+)s .*CMD (\[.*\])$", stage, re.MULTILINE)
    wanted = image.config.get("Healthcheck")
    assert (check is None) == (wanted is None)
    if check and wanted:
        assert int(check[1]) * 10**9 == wanted["Interval"] == 30 * 10**9
        assert ["CMD", *json.loads(check[2])] == wanted["Test"]


def test_the_dockerfile_copies_the_same_code() -> None:
    text = (shipped("images") / "Dockerfile").read_text()
    copied = re.findall(
        r"(?<=labctl/)[\w/.]+(?=[ ])", " ".join(re.findall(r"^COPY (labctl/.*?) /usr", text, re.M | re.S)) + " "
    )
    assert sorted(name.rstrip("/") for name in copied) == sorted(containers.CODE)


def test_an_archive_that_is_not_whole_is_none(tmp_path: Path) -> None:
    assert find_archive(tmp_path) is None
    folder = containers_cache(tmp_path) / containers.key()
    folder.mkdir(parents=True)
    (folder / ARCHIVE).write_bytes(b"1234")
    (folder / "manifest.json").write_text('{"size": 4}')
    found = find_archive(tmp_path)
    assert found == folder / ARCHIVE
    (folder / ARCHIVE).write_bytes(b"123")
    assert find_archive(tmp_path) is None


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise HostError("mmdebstrap ended with code 25: no such mirror")

    monkeypatch.setattr(containers, "refuse_without_tools", lambda _what: None)
    monkeypatch.setattr(containers, "run", refuse)
    with pytest.raises(HostError, match="no such mirror"):
        build_archive(tmp_path, Binaries(tmp_path, "1.34.3", "test"), lambda _text: None)
    assert [path.name for path in containers_cache(tmp_path).iterdir()] == ["lock"]
