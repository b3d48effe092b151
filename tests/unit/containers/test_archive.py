"""The archive is what ``docker load`` reads: layers once, configurations by hash, tags."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from labctl.containers import write_archive, write_tar


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path]:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    write_tar(tmp_path / "base.tar", [("etc/motd", b"hello\n", 0o644)])
    write_tar(
        tmp_path / "own.tar", [("usr/lib/x/program", program, 0o755)], [("usr/bin/program", "/usr/lib/x/program")]
    )
    return tmp_path / "base.tar", tmp_path / "own.tar"


@pytest.fixture
def archive(tmp_path: Path, layers: tuple[Path, Path]) -> tarfile.TarFile:
    entries = [
        ("lab/base:latest", {"Cmd": ["sh"]}, layers[:1]),
        ("lab/own:latest", {"Entrypoint": ["program"]}, layers),
    ]
    write_archive(tmp_path / "images.tar", entries)
    return tarfile.open(tmp_path / "images.tar")


def member(archive: tarfile.TarFile, name: str) -> bytes:
    handle = archive.extractfile(name)
    assert handle is not None
    return handle.read()


def test_a_shared_layer_is_there_once(archive: tarfile.TarFile, layers: tuple[Path, Path]) -> None:
    names = archive.getnames()
    assert len(names) == len(set(names))
    digests = [hashlib.sha256(layer.read_bytes()).hexdigest() for layer in layers]
    assert [name for name in names if name.endswith("layer.tar")] == [f"{digest}/layer.tar" for digest in digests]


def test_manifest_configurations_and_layers_fit(archive: tarfile.TarFile) -> None:
    rows = json.loads(member(archive, "manifest.json"))
    assert [row["RepoTags"] for row in rows] == [["lab/base:latest"], ["lab/own:latest"]]
    for row in rows:
        text = member(archive, row["Config"])
        assert row["Config"] == f"{hashlib.sha256(text).hexdigest()}.json"
        digests = [f"sha256:{hashlib.sha256(member(archive, name)).hexdigest()}" for name in row["Layers"]]
        assert json.loads(text)["rootfs"] == {"type": "layers", "diff_ids": digests}
    assert json.loads(member(archive, rows[1]["Config"]))["config"] == {"Entrypoint": ["program"]}


def test_a_layer_has_folders_modes_and_links(layers: tuple[Path, Path]) -> None:
    with tarfile.open(layers[1]) as tar:
        assert tar.getnames() == ["usr", "usr/lib", "usr/lib/x", "usr/lib/x/program", "usr/bin", "usr/bin/program"]
        assert tar.getmember("usr/lib/x/program").mode == 0o755
        assert tar.getmember("usr/bin/program").linkname == "/usr/lib/x/program"
        assert {(info.uid, info.gid) for info in tar.getmembers()} == {(0, 0)}
