"""The two things that set-up brings into the cache, described alike: where, what is in them, how they are now.

`build` brings whatever is missing or damaged, one thing after the other, with progress.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labctl.errors import HostError
from labctl.guest import image, recipe
from labctl.guest.image import build_image, find_image, heartbeat
from labctl.guest.trial import try_host
from labctl.standin.cluster.controlplane import binaries
from labctl.standin.cluster.controlplane.binaries import bring_binaries

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two. ``label`` is its folder in the cache and in a bundle; ``version`` is what must match exactly."""

    name: str
    label: str
    version: str
    folder: Path
    files: tuple[str, ...]
    lock: Callable[[Path, Progress], AbstractContextManager[None]]
    write_manifest: Callable[[Path, str, float], None]
    """Of a complete folder, with where it came from and when it was made: the last thing that is written."""

    def manifest(self, folder: Path | None = None) -> dict[str, Any]:
        """What the last build or import wrote. Raises OSError or ValueError when there is none that can be read."""
        body = json.loads(((folder or self.folder) / "manifest.json").read_text())
        if not isinstance(body, dict):
            raise ValueError("manifest.json is no object")  # noqa: TRY004 - one kind of error for a broken file
        # the builder of the image names no source
        return {"source": f"built here from Debian {recipe.SUITE}"} | body


def guest_image(cache: Path) -> Part:
    """The guest image of this labctl's recipe."""
    key = recipe.LAB.key()

    def write(folder: Path, source: str, made: float) -> None:
        image.write_manifest(folder, key, source=source, built=round(made))

    return Part("guest image", "guest", key, image.guest_cache(cache) / key, image.FILES, image.build_lock, write)


def control_plane(cache: Path) -> Part:
    """The control plane of this labctl's versions."""
    folder = binaries.binaries_folder(cache)

    def write(folder: Path, source: str, made: float) -> None:
        binaries.write_manifest(folder, source)
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"brought": round(made)}, indent=1))

    files, lock = binaries.PROGRAMS, binaries.bring_lock
    return Part("control plane", "controlplane", folder.name, folder, files, lock, write)


def parts(cache: Path) -> tuple[Part, Part]:
    """Both, in the order in which they are built and locked."""
    return guest_image(cache), control_plane(cache)


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part as it is now; ``why`` says what is wrong with one that is not whole."""

    part: Part
    state: Literal["whole", "broken", "missing"]
    why: str | None
    size: int
    source: str | None
    made: float | None
    busy: bool
    """Another labctl is building or importing it."""


def setup_status(cache: Path, shared: Sequence[Path] = (), *, full: bool = False) -> tuple[PartStatus, ...]:
    """Look at both parts. ``full`` compares every hash (a second or two), else sizes are compared."""
    return tuple(found_part(part, (cache, *shared), full=full) for part in (guest_image, control_plane))


def found_part(part: Callable[[Path], Part], caches: Sequence[Path], *, full: bool) -> PartStatus:
    """A part in the first cache that has it whole, which is the one that labs use; else in the first."""
    statuses = (part_status(part(cache), full=full) for cache in caches)
    first = next(statuses)
    return first if first.state == "whole" else next((one for one in statuses if one.state == "whole"), first)


def part_status(part: Part, *, full: bool) -> PartStatus:
    busy = is_locked(part.folder.parent / "lock")
    size, manifest = 0, dict[str, Any]()
    try:
        size = sum(path.stat().st_size for path in part.folder.iterdir() if path.is_file())
        manifest = part.manifest()
        why = image.mismatch(part.folder, part.files, manifest.get("files"), full=full)
    except (FileNotFoundError, NotADirectoryError):
        if not part.folder.is_dir():
            return PartStatus(part, "missing", "another labctl is bringing it" if busy else None, 0, None, None, busy)
        why = "there is no manifest: a build was cut off"
    except OSError as error:
        why = f"{part.folder} cannot be read: {error.strerror}"
    except ValueError:
        why = "its manifest cannot be read"
    source, made = manifest.get("source"), made_at(manifest)
    return PartStatus(part, "broken" if why else "whole", why, size, source and str(source), made, busy)


def made_at(manifest: Mapping[str, Any]) -> float | None:
    """When a part was made, by its manifest."""
    made = manifest.get("built", manifest.get("brought"))
    return float(made) if isinstance(made, int | float) else None


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock file (flock); a file that is not there is not locked."""
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def build(cache: Path, progress: Progress, shared: Sequence[Path] = ()) -> tuple[tuple[PartStatus, float | None], ...]:
    """Bring guest image, then control plane, into the cache. What a ``shared`` one has whole stays there.

    Gives each part's status and the seconds that it took to bring, None where it was there already. Raises `HostError`
    at the first that cannot be had; a second run goes on. What is there is checked by hash, and brought anew when it
    is damaged.
    """

    def binaries_with_heartbeat() -> None:
        with heartbeat(lambda line: progress(f"control plane: {line}")) as tell:
            tell("bringing etcd, Kubernetes and kubectl (6 to 8 minutes when they have to be built)")
            bring_binaries(cache, tell)

    return (
        _ensure(guest_image, cache, shared, progress, lambda: build_image(cache, progress, shared=shared)),
        _ensure(control_plane, cache, shared, progress, binaries_with_heartbeat),
    )


def _ensure(
    part_of: Callable[[Path], Part],
    cache: Path,
    shared: Sequence[Path],
    progress: Progress,
    bring: Callable[[], object],
) -> tuple[PartStatus, float | None]:
    part, clock = part_of(cache), time.monotonic()
    status = part_status(part, full=True)
    if status.state == "broken":
        with part.lock(cache, progress):
            status = part_status(part, full=True)  # again: another labctl may have repaired it meanwhile
            if status.state == "broken":
                progress(f"{part.name}: broken ({status.why}); bringing it again")
                # without it the builder, who looks at sizes alone, brings it anew
                (part.folder / "manifest.json").unlink(missing_ok=True)
    if status.state != "whole" and shared:
        status = found_part(part_of, shared, full=True)
    if status.state == "whole":
        return status, None
    bring()
    return part_status(part, full=False), time.monotonic() - clock


def boot_once(caches: Sequence[Path], progress: Progress) -> None:
    """Try this host's launchers, so that the doctor knows before the first lab; what fails is only said."""
    found = next((found for found in map(find_image, caches) if found), None)
    if found is None:
        return
    try:
        try_host(found, progress)
    except HostError as error:
        progress(f"note: no lab can boot here: {error.message} (labctl doctor)")
