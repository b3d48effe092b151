"""Builds the archive of the stand-ins' images out of Debian packages and our files, without daemon or registry."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.containers import recipe
from labctl.containers.archive import Entry, Layer, write_archive, write_tar
from labctl.guest.image import mirror, one_at_a_time, refuse_without_tools, run
from labctl.standin.cluster.controlplane.binaries import KUBERNETES, PROGRAMS, Binaries

Progress = Callable[[str], None]

ARCHIVE = "images.tar"
HOOK = """\
#!/bin/sh
# Run by mmdebstrap with the new root as $1: our files, compiled by the root's own interpreter; nothing of apt left.
set -eu
tar -x -C "$1" -f "$OVERLAY"
chroot "$1" python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3/dist-packages/labctl
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/etc/machine-id "$1"/var/lib/dbus/machine-id
: >"$1/etc/machine-id"
"""


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """The archive of this labctl's images."""

    path: Path
    key: str


def containers_cache(cache: Path) -> Path:
    return cache / "containers"


def find_archive(cache: Path) -> ImageArchive | None:
    """The archive if it is there and whole (its manifest, the last thing written, fits its size)."""
    folder = containers_cache(cache) / recipe.key()
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        if (folder / ARCHIVE).stat().st_size != manifest["size"]:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ImageArchive(folder / ARCHIVE, recipe.key())


def build_archive(cache: Path, programs: Binaries, progress: Progress) -> ImageArchive:
    """Build what `find_archive` would find. Raises `HostError` with the failing tool's last words."""
    refuse_without_tools("the images")
    with one_at_a_time(containers_cache(cache), "the images", progress):
        found = find_archive(cache)
        if found:
            return found
        final = containers_cache(cache) / recipe.key()
        for left in (final, *containers_cache(cache).glob(".build-*")):
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=containers_cache(cache)))
        try:
            _build(work, programs, progress)
            work.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return ImageArchive(final / ARCHIVE, recipe.key())


def _build(work: Path, programs: Binaries, progress: Progress) -> None:
    clock = time.monotonic()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    base, control_plane = work / "base.tar", work / "programs.tar"
    _root(base, progress)
    files: list[tuple[str, bytes | Path, int]] = [
        (f"{recipe.PROGRAMS}/{name}", programs.path(name), 0o755) for name in PROGRAMS
    ]
    files.append(("kind/version", f"v{KUBERNETES}\n".encode(), 0o644))
    write_tar(control_plane, files, [("usr/local/bin/kubectl", f"/{recipe.PROGRAMS}/kubectl")])
    shared, own = Layer.of(base), Layer.of(control_plane)
    entries = [
        Entry(image.tag, image.config, (shared, own) if image.programs else (shared,), created)
        for image in recipe.IMAGES
    ]
    write_archive(work / ARCHIVE, entries)
    base.unlink()
    control_plane.unlink()
    body = {"key": recipe.key(), "size": (work / ARCHIVE).stat().st_size, "built": round(time.time())}
    (work / "manifest.json").write_text(json.dumps(body, indent=1))
    progress(f"images: built in {time.monotonic() - clock:.0f} s")


def _root(target: Path, progress: Progress) -> None:
    """The root file system that all images share."""
    names = recipe.packages()
    progress(f"images: fetching {len(names)} packages of {recipe.SUITE} (about 30 s)")
    mode = "root" if os.geteuid() == 0 else "unshare"
    with tempfile.TemporaryDirectory(prefix="labctl-images-") as folder:
        # not in the cache: the root of a user namespace is a subordinate id, which may not look into a user's folders
        scripts = Path(folder)
        scripts.chmod(0o755)
        hook, overlay = scripts / "hook.sh", scripts / "overlay.tar"
        hook.write_text(HOOK)
        hook.chmod(0o755)
        write_tar(overlay, recipe.overlay())
        overlay.chmod(0o644)
        arguments = [
            "mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--include={','.join(names)}", "--skip=output/dev",
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
            f"--customize-hook={hook} \"$1\"",
            recipe.SUITE, str(target), *mirror(),
        ]  # fmt: skip
        run(arguments, progress, {"OVERLAY": str(overlay)})
