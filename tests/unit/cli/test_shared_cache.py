"""A cache that belongs to somebody else: what is whole in it is used, what is brought goes to the user's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl import cache
from labctl.cli.hosts import EmbeddedHost, brought_kubectl
from labctl.errors import HostError
from labctl.guest import image
from labctl.guest.recipe import LAB
from labctl.runtime.embedded.daemon import lab_image
from labctl.setup import parts as building
from labctl.setup.parts import Part, control_plane, guest_image, parts

Run = Callable[..., Any]


def fill(part: Part) -> None:
    part.folder.mkdir(parents=True)
    for name in part.files:
        (part.folder / name).write_bytes(name.encode() * 50)
        (part.folder / name).chmod(0o755)
    part.write_manifest(part.folder, "made up", 1700000000)


@pytest.fixture
def shared(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's cache, whole, beside one of the user's own that is not there yet; nothing is built or booted."""
    monkeypatch.delenv("LABCTL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache, "SHARED", tmp_path / "shared")
    monkeypatch.setattr(building, "try_host", lambda *_: None)
    for part in parts(tmp_path / "shared"):
        fill(part)
    return tmp_path / "shared"


def own() -> Path:
    return cache.cache_dir()


def test_where_things_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "given"))
    assert (cache.cache_dir(), cache.shared_caches()) == (tmp_path / "given", ())
    monkeypatch.delenv("LABCTL_CACHE_DIR")
    assert cache.shared_caches() == (Path("/var/cache/labctl"),)
    assert not (tmp_path / "given").exists()  # asking makes nothing


def test_the_own_one_is_first(shared: Path) -> None:
    assert lab_image().folder == guest_image(shared).folder
    fill(guest_image(own()))
    assert lab_image().folder == guest_image(own()).folder
    guest_image(own()).folder.joinpath("initrd").unlink()  # one that is broken is not taken
    assert lab_image().folder == guest_image(shared).folder


def test_labs_run_with_what_is_shared(shared: Path) -> None:
    EmbeddedHost().ensure(lambda _at: None)
    assert brought_kubectl() == control_plane(shared).folder / "kubectl"
    assert not own().exists()


def test_set_up_has_nothing_to_do(run: Run, shared: Path) -> None:
    done = run("setup")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("was there already") == 2
    status = run("setup", "status")
    assert f"cache: {shared}\n" in status.out
    assert "next:" not in status.out
    assert {row["state"] for row in json.loads(run("setup", "status", "--full", "--json").out)["parts"]} == {"whole"}
    assert "guest-image         ok" in run("doctor").out
    assert not own().exists()


def test_what_is_missing_goes_to_the_own_one(run: Run, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "bring_binaries", lambda place, _: fill(control_plane(place)))
    (control_plane(shared).folder / "manifest.json").unlink()
    before = sorted(shared.rglob("*"))
    assert run("setup").code == 0
    assert (control_plane(own()).folder / "manifest.json").is_file()
    assert not guest_image(own()).folder.exists()
    assert sorted(shared.rglob("*")) == before
    assert json.loads(run("setup", "status", "--json").out)["ready"]


def test_a_bundle_of_what_is_shared(run: Run, shared: Path) -> None:
    assert run("setup", "export", "b.tar").code == 0
    assert run("setup", "import", "b.tar").code == 0
    assert all((part.folder / "manifest.json").is_file() for part in parts(own()))


def test_a_shared_image_of_an_older_labctl_is_taken_over_by_up(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a question, and without touching it."""
    guest_image(shared).folder.rename(older := guest_image(shared).folder.with_name(LAB.key(1)))
    image.write_manifest(older, LAB.key(1))
    before = {path: path.read_bytes() for path in older.iterdir()}
    EmbeddedHost().ensure(lambda _at: None)
    assert lab_image().folder == guest_image(own()).folder
    assert {path: path.read_bytes() for path in older.iterdir()} == before
    assert "taken over" in capsys.readouterr().err
    assert not guest_image(shared).folder.exists()


def test_a_cache_that_cannot_be_written_and_has_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    done = run("setup")
    assert done.code == 4
    assert "[cache-not-writable]" in done.err or "[missing-packages]" in done.err
    with pytest.raises(HostError, match="not prepared"):
        EmbeddedHost().ensure(lambda _at: None)
