"""Reading what a person wrote: UTF-8, of a reasonable size, with a sentence for everything else."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from labctl.errors import Place, Problem
from labctl.yamldoc import MAX_BYTES

STDIN = Path("-")
"""Standard input, wherever a spec is read; manifests are then looked for in the current folder."""


def label(path: Path) -> str:
    """How messages name a spec's file."""
    return "<stdin>" if path == STDIN else str(path)


@lru_cache(maxsize=1)
def _piped(stream: TextIO) -> bytes:
    """All that it holds, read once however often the spec is looked at."""
    return stream.buffer.read(MAX_BYTES + 1)


def read_text(path: Path) -> tuple[str, Problem | None]:
    """The text, or why there is none. Reads no more than a spec may have (a pipe or a device never ends)."""
    try:
        if path == STDIN:
            raw = _piped(sys.stdin)
        else:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        hint = None if (path / "lab.json").is_file() else "an artifact folder has a lab.json, and this one has none"
        return "", Problem("is-a-folder", "this is a folder, not a spec", Place(label(path)), hint)
    except OSError as error:
        return "", Problem("unreadable", f"this file cannot be read: {error.strerror}", Place(label(path)))
    if len(raw) > MAX_BYTES:
        return "", Problem("too-large", f"this file is larger than {MAX_BYTES >> 10} KiB", Place(label(path)))
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return "", _not_utf8(path, raw, error.start)


def _not_utf8(path: Path, raw: bytes, at: int) -> Problem:
    start = raw.rfind(b"\n", 0, at) + 1
    text = raw[start:].split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
    column = len(raw[start:at].decode("utf-8", "replace")) + 1
    what = "UTF-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else f"byte 0x{raw[at]:02x}"
    place = Place(label(path), raw.count(b"\n", 0, at) + 1, column, text if what != "UTF-16" else None)
    return Problem("no-utf8", f"this is not UTF-8 text: {what}", place, "save the file as UTF-8")
