"""Files of the machine: written with their folders, mode and owner; read from an offset; removed with all below."""

from __future__ import annotations

import os
import shutil


def write_file(path: str, data: bytes, mode: int, owner: str | None) -> None:
    """Write atomically (a reader sees the old or the new file)."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    temporary = f"{path}.labctl-new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    if owner:
        user, _, group = owner.partition(":")
        shutil.chown(temporary, user, group or None)
    os.replace(temporary, path)


def read_file(path: str, offset: int) -> bytes:
    """Everything from ``offset`` on."""
    with open(path, "rb") as handle:
        handle.seek(offset)
        return handle.read()


def remove(path: str) -> None:
    """A file, or a folder with all that it holds; a missing one is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
