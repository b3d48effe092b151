"""What set-up has brought: whole, broken or missing, and why. Reads only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labctl.guest.image import file_hash
from labctl.setup.parts import Part, control_plane, guest_image

State = Literal["whole", "broken", "missing"]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part as it is now; ``why`` says what is wrong with one that is not whole."""

    part: Part
    state: State
    why: str | None
    size: int
    source: str | None
    made: float | None
    busy: bool
    """Another labctl is building or importing it."""


@dataclass(frozen=True, slots=True)
class SetupStatus:
    """Both parts; ``full`` says whether hashes were compared, or sizes alone."""

    cache: Path
    full: bool
    rows: tuple[PartStatus, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is left to do."""
        return all(row.state == "whole" for row in self.rows)


def setup_status(cache: Path, shared: Sequence[Path] = (), *, full: bool = False) -> SetupStatus:
    """Look at both parts. ``full`` compares every hash (a second or two), else sizes are compared."""
    rows = tuple(found_part(part, (cache, *shared), full=full) for part in (guest_image, control_plane))
    return SetupStatus(cache, full, rows)


def found_part(part: Callable[[Path], Part], caches: Sequence[Path], *, full: bool) -> PartStatus:
    """A part in the first cache that has it whole, which is the one that labs use; else in the first."""
    statuses = (part_status(part(cache), full=full) for cache in caches)
    first = next(statuses)
    return first if first.state == "whole" else next((one for one in statuses if one.state == "whole"), first)


def part_status(part: Part, *, full: bool) -> PartStatus:
    """Look at one part."""
    busy = is_locked(part.folder.parent / "lock")
    try:
        size = sum(path.stat().st_size for path in part.folder.iterdir() if path.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return PartStatus(part, "missing", "another labctl is bringing it" if busy else None, 0, None, None, busy)
    except OSError as error:
        return PartStatus(part, "broken", f"{part.folder} cannot be read: {error.strerror}", 0, None, None, busy)
    try:
        manifest = part.manifest()
    except OSError:
        return PartStatus(part, "broken", "there is no manifest: a build was cut off", size, None, None, busy)
    except ValueError:
        return PartStatus(part, "broken", "its manifest cannot be read", size, None, None, busy)
    why = mismatch(part.folder, part.files, manifest.get("files"), full=full)
    source = str(manifest.get("source", part.default_source))
    made = manifest.get(part.made_key)
    time_made = float(made) if isinstance(made, int | float) else None
    return PartStatus(part, "broken" if why else "whole", why, size, source, time_made, busy)


def mismatch(folder: Path, names: tuple[str, ...], rows: object, *, full: bool) -> str | None:
    """The first file that is not what the manifest says; None when all are."""
    for name in names:
        row = rows.get(name) if isinstance(rows, dict) else None
        if not isinstance(row, dict) or not isinstance(row.get("size"), int):
            return f"its manifest does not list {name}"
        try:
            size = (folder / name).stat().st_size
            if size != row["size"]:
                return f"{name} has {size} bytes, its manifest says {row['size']}"
            if full and file_hash(folder / name) != row.get("sha256"):
                return f"{name} is not what was built: its SHA-256 differs"
        except OSError as error:
            return f"{name}: {error.strerror}"
    return None


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock file (flock); a file that is not there is not locked."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
