"""The two things that set-up brings into the cache, described alike: where, what is in them, how they are now."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labctl.guest import image, recipe
from labctl.guest.image import mismatch
from labctl.standin.cluster.controlplane import binaries

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two. ``label`` is its folder in the cache and in a bundle; ``version`` is what must match exactly."""

    name: str
    label: str
    version: str
    folder: Path
    files: tuple[str, ...]
    stage: str
    """Prefix of temporary folders beside it: the builder removes what a killed run left under that prefix."""
    lock: Callable[[Path, Progress], AbstractContextManager[None]]
    default_source: str

    def manifest(self) -> dict[str, object]:
        """What the last build or import wrote. Raises OSError or ValueError when there is none that can be read."""
        body = json.loads((self.folder / "manifest.json").read_text())
        if not isinstance(body, dict):
            raise ValueError("manifest.json is no object")  # noqa: TRY004 - one kind of error for a broken file
        return body

    def seal(self, folder: Path, source: str, made: float) -> None:
        """Write the manifest of a complete folder, with where it came from and when it was made."""
        if self.label == "guest":
            image.write_manifest(folder, self.version)
        else:
            binaries.write_manifest(folder, source)
        path = folder / "manifest.json"
        body = json.loads(path.read_text()) | {"source": source, self.made_key: round(made)}
        path.write_text(json.dumps(body, indent=1))

    @property
    def made_key(self) -> str:
        """The manifest's key for the time at which it was made."""
        return "built" if self.label == "guest" else "brought"


def guest_image(cache: Path) -> Part:
    """The guest image of this labctl's recipe."""
    return Part(
        name="guest image",
        label="guest",
        version=recipe.key(),
        folder=image.guest_cache(cache) / recipe.key(),
        files=image.FILES,
        stage=".build-",
        lock=image.build_lock,
        default_source=f"built here from Debian {recipe.SUITE}",
    )


def control_plane(cache: Path) -> Part:
    """The control plane of this labctl's versions."""
    folder = binaries.binaries_folder(cache)
    return Part(
        name="control plane",
        label="controlplane",
        version=folder.name,
        folder=folder,
        files=binaries.PROGRAMS,
        stage="bring-",
        lock=binaries.bring_lock,
        default_source="unknown",
    )


def parts(cache: Path) -> tuple[Part, Part]:
    """Both, in the order in which they are built and locked."""
    return guest_image(cache), control_plane(cache)


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
