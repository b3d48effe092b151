"""What the guest is started from: the initramfs archive and the relocated loader."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import HostError
from labctl.guest.image import LOADER, RELATIVE, cpio, use_relative_loader

FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True),
    st.tuples(st.binary(max_size=40), st.sampled_from([0o644, 0o755, 0o600])),
    max_size=5,
)


def entries(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Reads newc as the kernel does: magic, 13 fields of 8 hex digits, name, data, each padded to 4 bytes."""
    data, at, found = gzip.decompress(archive), 0, []
    while True:
        assert data[at : at + 6] == b"070701"
        assert at % 4 == 0
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name_end = at + 110 + name_size
        name = data[at + 110 : name_end - 1].decode()
        start = (name_end + 3) & ~3
        if name == "TRAILER!!!":
            assert start + size == len(data)
            return found
        found.append((name, mode, data[start : start + size]))
        at = (start + size + 3) & ~3


@given(FILES)
def test_archive_holds_the_files(files: dict[str, tuple[bytes, int]]) -> None:
    assert entries(cpio(files)) == [(name, 0o100000 | mode, data) for name, (data, mode) in files.items()]


def test_same_files_same_bytes() -> None:
    files = {"init": (b"#!/bin/sh\n", 0o755)}
    assert cpio(files) == cpio(files)


AROUND = (b"\x7fELF headers", b"code")


def test_the_loader_becomes_a_relative_one(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    path.write_bytes(LOADER.join(AROUND))
    use_relative_loader(path)
    assert path.read_bytes() == RELATIVE.ljust(len(LOADER), b"\0").join(AROUND)
    assert len(path.read_bytes()) == len(LOADER.join(AROUND))


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"/lib/ld.so\0".join(AROUND), LOADER + LOADER])
def test_what_has_no_such_loader_is_refused_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "linux"
    path.write_bytes(data)
    with pytest.raises(HostError, match="no loader name") as caught:
        use_relative_loader(path)
    assert caught.value.code == "bad-elf"
    assert path.read_bytes() == data
