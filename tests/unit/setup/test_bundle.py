"""Bundles: what comes out is what went in, and whatever is wrong with a file, the cache stays as it was."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import HostError, UsageError
from labctl.setup import bundle
from labctl.setup.bundle import MANIFEST, SCHEMA, export_bundle, import_bundle
from labctl.setup.parts import guest_image, parts, setup_status


def silent(_: str) -> None:
    """Progress that nobody reads."""


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without locks (they come and stay empty)."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def contents(cache: Path) -> dict[str, bytes]:
    return {f"{part.label}/{name}": (part.folder / name).read_bytes() for part in parts(cache) for name in part.files}


def manifest_of(cache: Path) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": SCHEMA, "labctl": "0", "machine": platform.machine(), "parts": {}}
    for part in parts(cache):
        body["parts"][part.label] = {
            "version": part.version,
            "source": "s",
            "made": 1,
            "files": part.manifest()["files"],
        }
    return body


Entry = tuple[str, bytes, dict[str, Any]]


def craft(path: Path, entries: Iterable[Entry]) -> Path:
    """A tar of our own making; the dict sets attributes of a member."""
    with tarfile.open(path, "w") as tar:
        for name, data, attributes in entries:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in attributes.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return path


def entries_of(cache: Path) -> list[Entry]:
    """A good bundle's entries."""
    first: Entry = (MANIFEST, json.dumps(manifest_of(cache)).encode(), {})
    return [first, *((name, data, {}) for name, data in contents(cache).items())]


@pytest.mark.parametrize("name", ["b.tar.gz", "b.tar", "odd"])
def test_what_comes_out_is_what_went_in(cache: Path, tmp_path: Path, name: str) -> None:
    export_bundle(cache, tmp_path / name, silent)
    assert ((tmp_path / name).read_bytes()[:2] == b"\x1f\x8b") == (name != "b.tar")
    imported = import_bundle(tmp_path / "other", tmp_path / name, silent)
    assert set(imported.values()) == {"imported"}
    assert contents(tmp_path / "other") == contents(cache)
    found = setup_status(tmp_path / "other", full=True)
    assert all(row.state == "whole" for row in found)
    assert [row.source for row in found] == ["import (made up guest)", "import (made up controlplane)"]
    assert [row.made for row in found] == [1700000000] * 2
    folder = guest_image(tmp_path / "other").folder
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "linux.uml").stat().st_mode & 0o777 == 0o755
    assert (folder / "root.ext4").stat().st_mode & 0o777 == 0o644
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "lock"}
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"guest", "controlplane"}


def test_an_import_of_an_import_keeps_its_source(cache: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        export_bundle(cache, tmp_path / f"{number}.tar", silent)
        cache = tmp_path / f"cache{number}"
        import_bundle(cache, tmp_path / f"{number}.tar", silent)
    assert setup_status(cache)[0].source == "import (made up guest)"


def test_the_same_cache_makes_the_same_bundle(cache: Path, tmp_path: Path) -> None:
    for name in ("1.tgz", "2.tgz"):
        export_bundle(cache, tmp_path / name, silent)
    assert (tmp_path / "1.tgz").read_bytes() == (tmp_path / "2.tgz").read_bytes()


def test_an_export_overwrites_nothing(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("mine")
    with pytest.raises(UsageError, match="not overwritten"):
        export_bundle(cache, tmp_path / "b.tar", silent)
    assert (tmp_path / "b.tar").read_text() == "mine"
    with pytest.raises(UsageError, match="no folder"):
        export_bundle(cache, tmp_path / "no" / "b.tar", silent)


def test_an_export_needs_both_parts_whole_by_hash(cache: Path, tmp_path: Path) -> None:
    path = guest_image(cache).folder / "root.ext4"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(HostError, match="guest image is broken") as caught:
        export_bundle(cache, tmp_path / "b.tar", silent)
    assert caught.value.next_command == "labctl setup build"
    assert not list(tmp_path.glob("*b.tar*"))


def test_an_export_that_fails_leaves_no_file(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(HostError, match="No space left"):
        export_bundle(cache, tmp_path / "b.tar", silent)
    assert not list(tmp_path.glob("*b.tar*"))


def test_what_is_whole_stays_and_what_is_broken_is_replaced(cache: Path, tmp_path: Path) -> None:
    export_bundle(cache, tmp_path / "b.tar", silent)
    wanted = contents(cache)
    image = guest_image(cache)
    (image.folder / "initrd").write_bytes(b"broken")
    untouched = parts(cache)[1].folder.stat().st_ino
    done = import_bundle(cache, tmp_path / "b.tar", silent)
    assert done == {"guest image": "imported", "control plane": "was there already"}
    assert contents(cache) == wanted
    assert parts(cache)[1].folder.stat().st_ino == untouched
    assert {path.name for path in image.folder.parent.iterdir()} == {image.folder.name, "lock"}


EVIL = {
    "parent": ("../../evil", b"x", {}),
    "absolute": ("/evil", b"x", {}),
    "inside but foreign": ("guest/evil", b"x", {}),
    "sneaky": ("guest/../guest/root.ext4", b"x", {}),
    "symlink": ("guest/root.ext4", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
    "hard link": ("guest/root.ext4", b"", {"type": tarfile.LNKTYPE, "linkname": MANIFEST}),
    "fifo": ("guest/root.ext4", b"", {"type": tarfile.FIFOTYPE}),
    "device": ("guest/root.ext4", b"", {"type": tarfile.CHRTYPE}),
    "folder": ("guest/root.ext4", b"", {"type": tarfile.DIRTYPE}),
    "second manifest": (MANIFEST, b"{}", {}),
}


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("what", EVIL)
def test_foreign_members_end_an_import(cache: Path, tmp_path: Path, what: str, where: str) -> None:
    good = entries_of(cache)
    entries = [good[0], EVIL[what], *good[1:]] if where == "first" else [*good, EVIL[what]]
    other = tmp_path / "a" / "b" / "other"
    with pytest.raises(UsageError, match="not imported") as caught:
        import_bundle(other, craft(tmp_path / "evil.tar", entries), silent)
    assert caught.value.code == "foreign-name"
    assert tree(tmp_path / "a") == {}
    assert not (tmp_path / "evil").exists()


def test_a_damaged_file_ends_an_import_and_what_was_there_stays(cache: Path, tmp_path: Path) -> None:
    entries = entries_of(cache)
    name, data, _ = entries[1]
    entries[1] = (name, data[:-1] + b"?", {})
    (guest_image(cache).folder / "initrd").write_bytes(b"broken")
    before = tree(cache)
    with pytest.raises(UsageError) as caught:
        import_bundle(cache, craft(tmp_path / "bad.tar", entries), silent)
    assert caught.value.code == "wrong-hash"
    assert name in caught.value.message
    assert tree(cache) == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body["parts"]["guest"].update(version="0" * 16), "other-version"),
        (lambda body: body["parts"]["controlplane"].update(version="1.0-etcd-1"), "other-version"),
        (lambda body: body.update(machine="pdp11"), "other-machine"),
        (lambda body: body.update(schema="labctl.bundle/v9"), "bad-bundle"),
        (lambda body: body["parts"].pop("guest"), "bad-bundle"),
        (lambda body: body["parts"]["guest"]["files"].pop("initrd"), "bad-bundle"),
        (lambda body: body["parts"]["guest"]["files"].update({"../../evil": {"size": 1}}), "bad-bundle"),
        (lambda body: body["parts"]["guest"]["files"]["initrd"].update(size=-1), "bad-bundle"),
        (lambda body: body["parts"]["guest"]["files"]["initrd"].update(size=True), "bad-bundle"),
        (lambda body: body["parts"]["guest"]["files"]["initrd"].update(size=1), "wrong-hash"),
        (lambda body: body["parts"]["guest"]["files"]["initrd"].update(sha256="0" * 63), "bad-bundle"),
        (lambda body: body["parts"]["guest"]["files"]["initrd"].update(sha256="0" * 64), "wrong-hash"),
        (lambda body: body["parts"]["guest"].update(made="soon"), "bad-bundle"),
        (lambda body: body["parts"]["guest"].update(made=float("inf")), "bad-bundle"),
        (lambda body: body["parts"]["guest"].update(files=None), "bad-bundle"),
    ],
)  # fmt: skip
def test_manifests_that_do_not_fit(cache: Path, tmp_path: Path, change: Callable[[Any], Any], code: str) -> None:
    entries = entries_of(cache)
    body = json.loads(entries[0][1])
    change(body)
    entries[0] = (MANIFEST, json.dumps(body).encode(), {})
    with pytest.raises(UsageError) as caught:
        import_bundle(tmp_path / "other", craft(tmp_path / "b.tar", entries), silent)
    assert caught.value.code == code
    assert tree(tmp_path / "other") == {} if (tmp_path / "other").exists() else True


def test_other_versions_are_told_apart(cache: Path, tmp_path: Path) -> None:
    entries = entries_of(cache)
    body = json.loads(entries[0][1])
    body["parts"]["guest"]["version"], body["labctl"] = "abc", "9.9.9"
    entries[0] = (MANIFEST, json.dumps(body).encode(), {})
    with pytest.raises(UsageError) as caught:
        import_bundle(tmp_path / "other", craft(tmp_path / "b.tar", entries), silent)
    assert f"guest image 'abc', this labctl needs {guest_image(cache).version}" in caught.value.message
    assert "9.9.9" in (caught.value.hint or "")


def test_a_file_that_is_no_bundle(tmp_path: Path) -> None:
    packed = gzip.compress(b"hello")
    for data in (
        b"",
        b"x",
        b"\x1f\x8bxxxxxxxxxxxx",
        b"\0" * 10240,
        *(packed[:size] for size in range(2, len(packed) + 1)),
    ):
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(UsageError, match="not imported"):
            import_bundle(tmp_path / "other", tmp_path / "b", silent)
    with pytest.raises(UsageError, match="No such file"):
        import_bundle(tmp_path / "other", tmp_path / "nothing", silent)


def test_a_compressed_bundle_that_was_cut_off(cache: Path, tmp_path: Path) -> None:
    export_bundle(cache, tmp_path / "b.tgz", silent)
    data = (tmp_path / "b.tgz").read_bytes()
    for length in range(2, len(data) - 8, 97):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises(UsageError, match="cut off"):
            import_bundle(tmp_path / "other", tmp_path / "cut", silent)
    assert not (tmp_path / "other").exists() or tree(tmp_path / "other") == {}


def test_a_manifest_without_end(cache: Path, tmp_path: Path) -> None:
    entries = entries_of(cache)
    entries[0] = (MANIFEST, b"[" * (bundle.MANIFEST_LIMIT + 1), {})
    with pytest.raises(UsageError, match="does not begin"):
        import_bundle(tmp_path / "other", craft(tmp_path / "b.tar", entries), silent)
    entries[0] = (MANIFEST, b"[" * bundle.MANIFEST_LIMIT, {})
    with pytest.raises(UsageError, match="manifest is not as it should be"):
        import_bundle(tmp_path / "other", craft(tmp_path / "b.tar", entries), silent)


def test_a_full_disk(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    export_bundle(cache, tmp_path / "b.tar", silent)
    monkeypatch.setattr(bundle.shutil, "copyfileobj", full)
    with pytest.raises(HostError, match="No space left on device") as caught:
        import_bundle(tmp_path / "other", tmp_path / "b.tar", silent)
    assert caught.value.hint == "LABCTL_CACHE_DIR names another place"
    assert tree(tmp_path / "other") == {}
    import_bundle(cache, tmp_path / "b.tar", silent)  # all is there: nothing is needed


def test_what_a_failed_move_leaves(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new folder cannot take its place: the broken one that was there is there again."""
    export_bundle(cache, tmp_path / "b.tar", silent)
    (guest_image(cache).folder / "initrd").write_bytes(b"broken")
    before, rename = tree(cache), Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.parent.name.startswith(".import-") and self.name == "guest":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(HostError, match="Input/output error"):
        import_bundle(cache, tmp_path / "b.tar", silent)
    assert tree(cache) == before


def test_an_import_waits_for_a_build(cache: Path, tmp_path: Path, said: list[str]) -> None:
    export_bundle(cache, tmp_path / "b.tar", silent)
    other = tmp_path / "other"
    waiting = threading.Event()

    def progress(line: str) -> None:
        said.append(line)
        if "waiting" in line:
            waiting.set()

    thread = threading.Thread(target=import_bundle, args=(other, tmp_path / "b.tar", progress))
    with parts(other)[1].lock(other, silent):
        thread.start()
        assert waiting.wait(10)
        assert {row.state for row in setup_status(other)} == {"missing"}
        assert not any("unpacking" in line for line in said)
    thread.join(10)
    assert {row.state for row in setup_status(other, full=True)} == {"whole"}


NAMES = st.one_of(
    st.sampled_from(
        ["guest/root.ext4", "controlplane/etcd", "../x", "/x", "guest/../../x", "guest", ".", "a/b", MANIFEST]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30),
)
TYPES = st.sampled_from(
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE]
)
MEMBERS = st.lists(
    st.tuples(NAMES, st.binary(max_size=50), TYPES, st.sampled_from(["/etc/passwd", "../../x", "guest/initrd", ""])),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that property tests share: they only read it."""
    cache = tmp_path_factory.mktemp("good") / "cache"
    for part in parts(cache):
        part.folder.mkdir(parents=True)
        for name in part.files:
            (part.folder / name).write_bytes(name.encode() * 20)
        part.write_manifest(part.folder, "made up", 1)
    return cache


@settings(max_examples=60)
@given(extra=MEMBERS, position=st.integers(1, 12))
def test_whatever_is_added_nothing_is_written_anywhere(good: Path, extra: list[Any], position: int) -> None:
    entries = entries_of(good)
    evil = [(name, data, {"type": kind, "linkname": link}) for name, data, kind, link in extra]
    entries[position:position] = evil
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "root"
        root.mkdir()
        path = craft(Path(work) / "b.tar", entries)
        with pytest.raises(UsageError):
            import_bundle(root / "deep" / "cache", path, silent)
        assert tree(root) == {}
        assert {p.name for p in Path(work).iterdir()} == {"root", "b.tar"}


@settings(max_examples=60)
@given(cut=st.floats(0, 0.999), flip=st.none() | st.tuples(st.floats(0, 0.999), st.integers(1, 255)))
def test_whatever_is_cut_off_or_flipped(good: Path, cut: float, flip: tuple[float, int] | None) -> None:
    """Either refused with nothing moved, or (a flip in padding or a date) imported with exactly the right contents."""
    with tempfile.TemporaryDirectory() as work:
        root, path = Path(work), Path(work) / "b.tar"
        craft(path, entries_of(good))
        data = bytearray(path.read_bytes())
        if flip is None:
            del data[int(len(data) * cut) :]
        else:
            data[int(len(data) * flip[0])] ^= flip[1]
        path.write_bytes(data)
        try:
            import_bundle(root / "cache", path, silent)
        except UsageError:
            assert not (root / "cache").exists() or tree(root / "cache") == {}
        else:
            assert contents(root / "cache") == contents(good)


def test_hashes_in_a_bundle_are_of_its_files(cache: Path, tmp_path: Path) -> None:
    export_bundle(cache, tmp_path / "b.tar", silent)
    with tarfile.open(tmp_path / "b.tar") as tar:
        members = tar.getmembers()
        body = json.load(tar.extractfile(members[0]))  # type: ignore[arg-type]
        for member in members[1:]:
            label, name = member.name.split("/")
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            row = body["parts"][label]["files"][name]
            assert row == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        assert {(member.uid, member.uname, member.mtime) for member in members} == {(0, "", 0)}
