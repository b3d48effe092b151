"""An image archive as ``docker load`` reads it (Docker Image Specification v1.2: manifest.json, layers)."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
