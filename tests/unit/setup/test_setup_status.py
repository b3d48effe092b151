"""Whole, broken, missing: what is said of every way in which a part can be incomplete."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from labctl.guest.image import find_image
from labctl.setup.parts import control_plane, guest_image, part_status, parts, setup_status
from labctl.standin.cluster.controlplane.binaries import find_binaries


def test_whole(cache: Path) -> None:
    found = setup_status(cache, full=True)
    assert [(row.part.name, row.state, row.source, row.made) for row in found] == [
        ("guest image", "whole", "made up guest", 1700000000),
        ("control plane", "whole", "made up controlplane", 1700000000),
    ]
    assert all(row.size > 1000 and not row.busy for row in found)


def test_missing(tmp_path: Path) -> None:
    found = setup_status(tmp_path / "nothing")
    assert [(row.state, row.why) for row in found] == [("missing", None)] * 2
    assert not (tmp_path / "nothing").exists()  # looking makes nothing


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda folder, name: (folder / name).unlink(), "No such file"),
        (lambda folder, name: (folder / name).write_bytes(b""), "has 0 bytes"),
        (lambda folder, name: (folder / "manifest.json").unlink(), "no manifest"),
        (lambda folder, name: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (lambda folder, name: (folder / "manifest.json").write_text("[]"), "cannot be read"),
        (lambda folder, name: (folder / "manifest.json").write_text('{"source": "x"}'), "does not list"),
        (lambda folder, name: (folder / "manifest.json").write_text('{"source": "x", "files": []}'), "does not list"),
    ],
)
def test_broken(cache: Path, index: int, damage: object, why: str) -> None:
    part = parts(cache)[index]
    damage(part.folder, part.files[-1])  # type: ignore[operator]
    status = part_status(part, full=False)
    assert status.state == "broken"
    assert why in (status.why or "")
    assert (find_image(cache), find_binaries(cache))[index] is None  # the users of the cache see it the same way


@pytest.mark.parametrize("index", [0, 1])
def test_same_size_other_content_is_seen_by_hash_only(cache: Path, index: int) -> None:
    part = parts(cache)[index]
    path = part.folder / part.files[0]
    path.write_bytes(path.read_bytes()[::-1])
    assert part_status(part, full=False).state == "whole"
    status = part_status(part, full=True)
    assert status.state == "broken"
    assert "SHA-256" in (status.why or "")


def test_busy_while_another_builds(cache: Path) -> None:
    part = guest_image(cache)
    lock = part.folder.parent / "lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert part_status(part, full=False).busy
    assert not part_status(part, full=False).busy


def test_manifests_of_the_builders_have_no_source_or_another(cache: Path) -> None:
    """The image's builder writes no source: status has words for it."""
    part = guest_image(cache)
    manifest = part.manifest()
    del manifest["source"]
    (part.folder / "manifest.json").write_text(json.dumps(manifest))
    assert part_status(part, full=True).source == "built here from Debian trixie"
    assert part_status(control_plane(cache), full=True).source == "made up controlplane"
