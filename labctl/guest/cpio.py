"""The archive format of an initramfs (newc), made in memory: no cpio program is needed."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

_TRAILER = "TRAILER!!!"


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4)


def cpio(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Gzipped newc archive of regular files: name → (contents, permission bits). Linux: driver-api/early-userspace."""
    body = b"".join(
        _entry(number, name, 0o100000 | mode, data) for number, (name, (data, mode)) in enumerate(files.items(), 1)
    )
    return gzip.compress(body + _entry(0, _TRAILER, 0, b""), compresslevel=1, mtime=0)
