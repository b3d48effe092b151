"""What the guest is started from: the initramfs archive and the relocated loader."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import HostError
from labctl.guest.binaries import RELATIVE, cpio, use_relative_loader

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


def elf(interpreter: bytes | None) -> bytes:
    """The least of a 64-bit ELF file: header, two program headers, the loader's name."""
    start = 64 + 2 * 56
    fields = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + fields
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0, 0, 4096)
    kind = 3 if interpreter is not None else 0
    size = len(interpreter or b"")
    return header + load + struct.pack("<IIQQQQQQ", kind, 4, start, start, start, size, size, 1) + (interpreter or b"")


def test_the_loader_becomes_a_relative_one(tmp_path: Path) -> None:
    name = b"/lib64/ld-linux-x86-64.so.2\0"
    path = tmp_path / "linux"
    path.write_bytes(elf(name))
    use_relative_loader(path)
    assert path.read_bytes() == elf(RELATIVE.ljust(len(name), b"\0"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no 64-bit ELF file"),
        (b"#!/bin/sh\n", "no 64-bit ELF file"),
        (b"\x7fELF\x01\x01" + b"\0" * 60, "no 64-bit ELF file"),
        (elf(None), "no loader name"),
        (elf(b"/lib/ld.so\0"), "no loader name"),
    ],
)
def test_what_has_no_such_loader_is_refused_and_left_alone(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "linux"
    path.write_bytes(data)
    with pytest.raises(HostError, match=words) as caught:
        use_relative_loader(path)
    assert caught.value.code == "bad-elf"
    assert path.read_bytes() == data
