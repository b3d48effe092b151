"""The two bytes of linux.uml, the image's key, and images of older labctls: taken over, not built anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labctl.errors import HostError
from labctl.guest import image, recipe
from labctl.guest.image import (
    FILES,
    LONG,
    SHORT,
    GuestImage,
    build_image,
    find_image,
    guest_cache,
    older_image,
    write_all,
    write_manifest,
)

AROUND = (b"\x7fELF code ", b" more code")
UML = SHORT.join(AROUND)


@pytest.mark.parametrize(
    ("before", "after", "done"),
    [
        (UML, LONG.join(AROUND), True),
        (LONG.join(AROUND), LONG.join(AROUND), True),  # a second time
        (UML + SHORT, UML + SHORT, False),  # twice: which one is it?
        (SHORT + LONG, LONG + LONG, False),
        (b"another compiler", b"another compiler", False),
        (b"", b"", False),
    ],
)
def test_two_bytes_where_they_are_found_once(tmp_path: Path, before: bytes, after: bytes, done: bool) -> None:
    path = tmp_path / "linux.uml"
    path.write_bytes(before)
    assert write_all(path) == done
    assert path.read_bytes() == after
    assert sum(one != other for one, other in zip(before, after, strict=True)) in {0, 2}


def test_the_key_counts_the_format() -> None:
    flavours = (recipe.LAB, recipe.Flavour(packages=(*recipe.PACKAGES, "docker.io")))
    keys = [flavour.key(made_as) for flavour in flavours for made_as in range(1, recipe.FORMAT + 1)]
    assert len(set(keys)) == len(keys)
    assert recipe.LAB.key() == recipe.LAB.key(recipe.FORMAT)


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> None:
        raise HostError("it would be built")

    monkeypatch.setattr(image, "missing_packages", list[str])
    monkeypatch.setattr(image.userns, "refusal", lambda: None)
    monkeypatch.setattr(image, "_build", build)


def old_image(cache: Path, uml: bytes = UML) -> Path:
    """As the labctl before the first change of format left it."""
    folder = guest_cache(cache) / recipe.LAB.key(1)
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(uml if name == "linux.uml" else f"content of {name}".encode())
        (folder / name).chmod(0o755 if name == "linux.uml" else 0o644)
    write_manifest(folder, recipe.LAB.key(1))
    body = json.loads((folder / "manifest.json").read_text())
    del body["uml_writes_all"]
    body |= {"built": 1700000000, "source": "import (built elsewhere)"}
    (folder / "manifest.json").write_text(json.dumps(body))
    return folder


@pytest.mark.usefixtures("nothing_is_built")
@pytest.mark.parametrize("where", ["own", "shared"])
def test_an_older_image_is_taken_over_and_left_as_it_was(tmp_path: Path, where: str) -> None:
    own, shared, said = tmp_path / "own", tmp_path / "shared", list[str]()
    folder = old_image(own if where == "own" else shared)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    made = build_image(own, said.append, shared=[shared])
    assert find_image(own, full=True) == made
    assert (made.folder / "linux.uml").read_bytes() == LONG.join(AROUND)
    assert made.uml_writes_all
    assert not GuestImage(folder, "old").uml_writes_all
    assert made.root.samefile(folder / "root.ext4")
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert (manifest["built"], manifest["source"]) == (1700000000, "import (built elsewhere)")
    assert (made.folder / "linux.uml").stat().st_mode & 0o777 == 0o755
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert said == [f"guest image: taken over from {folder.name}, which an older labctl built; nothing was fetched"]
    assert build_image(own, said.append) == made
    assert len(said) == 1


@pytest.mark.usefixtures("nothing_is_built")
def test_without_links_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(image.os, "link", no_links)
    folder = old_image(tmp_path)
    made = build_image(tmp_path, print)
    assert find_image(tmp_path, full=True) == made
    assert not made.root.samefile(folder / "root.ext4")


@pytest.mark.usefixtures("nothing_is_built")
def test_a_kernel_that_is_not_known_stays_and_is_said(tmp_path: Path) -> None:
    old_image(tmp_path, b"another compiler")
    said: list[str] = []
    made = build_image(tmp_path, said.append)
    assert (made.uml_writes_all, (made.folder / "linux.uml").read_bytes()) == (False, b"another compiler")
    assert "not used on processors with AMX" in said[0]


@pytest.mark.usefixtures("nothing_is_built")
def test_an_older_image_that_is_damaged_is_not_taken(tmp_path: Path) -> None:
    path = old_image(tmp_path) / "initrd"
    path.write_bytes(path.read_bytes()[::-1])
    assert older_image([tmp_path]) is None
    with pytest.raises(HostError, match="it would be built"):
        build_image(tmp_path, print)


@pytest.mark.usefixtures("nothing_is_built")
def test_what_is_made_can_be_read_by_all_whatever_the_umask(tmp_path: Path) -> None:
    import os

    folder = old_image(tmp_path)
    folder.parent.chmod(0o700)  # as older labctls made it
    before = os.umask(0o077)
    try:
        made = build_image(tmp_path, print)
    finally:
        os.umask(before)
    for path in (guest_cache(tmp_path), made.folder, made.folder / "manifest.json", made.root):
        assert path.stat().st_mode & 0o044 == 0o044


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "guest").write_text("in the way")
    with pytest.raises(HostError) as caught:
        build_image(tmp_path, print)
    assert caught.value.code == "cache-not-writable"
    assert caught.value.next_command == "export LABCTL_CACHE_DIR=/a/folder/of/your/own"
