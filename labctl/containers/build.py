"""Builds the archive of the stand-ins' images out of Debian packages and our files, without daemon or registry.

An archive is as ``docker load`` reads it (Docker Image Specification v1.2: manifest.json, layers).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.containers import recipe
from labctl.guest.image import mirror, one_at_a_time, refuse_without_tools, run
from labctl.standin.cluster.controlplane.binaries import KUBERNETES, PROGRAMS, Binaries


@dataclass(frozen=True, slots=True)
class Layer:
    """An uncompressed tar and its SHA-256."""

    path: Path
    digest: str

    @staticmethod
    def of(path: Path) -> Layer:
        with path.open("rb") as handle:
            return Layer(path, hashlib.file_digest(handle, "sha256").hexdigest())

    @property
    def name(self) -> str:
        """Inside the archive."""
        return f"{self.digest}/layer.tar"


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of an archive. ``config`` is the ``config`` object of its configuration."""

    tag: str
    config: dict[str, Any]
    layers: tuple[Layer, ...]
    created: str
    """RFC 3339."""


def write_archive(path: Path, entries: Sequence[Entry]) -> None:
    """Write it; a layer that several images have is written once."""
    manifest = []
    written: set[str] = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            for layer in entry.layers:
                if layer.name not in written:
                    written.add(layer.name)
                    tar.add(layer.path, layer.name, filter=_plain)
            body = json.dumps(_configuration(entry), sort_keys=True).encode()
            name = f"{hashlib.sha256(body).hexdigest()}.json"
            _add(tar, name, body)
            manifest.append({"Config": name, "RepoTags": [entry.tag], "Layers": [layer.name for layer in entry.layers]})
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _configuration(entry: Entry) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": entry.created,
        "config": entry.config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in entry.layers]},
        "history": [{"created": entry.created, "created_by": "labctl"} for _ in entry.layers],
    }


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def write_tar(
    path: Path, files: Iterable[tuple[str, bytes | Path, int]], links: Iterable[tuple[str, str]] = ()
) -> None:
    """A tar of files (path, content or the file that has it, mode) and symbolic links; root's, with their folders."""
    folders: set[str] = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:

        def folder_of(name: str) -> None:
            for parent in reversed(Path(name).parents[:-1]):
                if str(parent) not in folders:
                    folders.add(str(parent))
                    info = tarfile.TarInfo(str(parent))
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)

        for name, content, mode in files:
            folder_of(name)
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.size = content.stat().st_size
                with content.open("rb") as handle:
                    tar.addfile(info, handle)
        for name, target in links:
            folder_of(name)
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(info)


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
