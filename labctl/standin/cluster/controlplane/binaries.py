"""The control plane's programs: found, downloaded or built once, then kept in the cache by version.

Order: the cache; folders where somebody has them already (``LABCTL_CONTROLPLANE_DIR``, ``KUBEBUILDER_ASSETS``, PATH);
the projects' release files with their published checksums; a build from Go modules, whose versions and hashes are
pinned by the ``go.mod`` and ``go.sum`` that travel with labctl.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import HostError
from labctl.peers import STANDIN_KUBERNETES
from labctl.standin.cluster.controlplane import gobuild, releases

KUBERNETES = STANDIN_KUBERNETES
ETCD = "3.6.5"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
VERSION_COMMANDS = dict.fromkeys(PROGRAMS, ("--version",)) | {"kubectl": ("version", "--client")}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Binaries:
    """A complete set; ``source`` says in words where it came from."""

    folder: Path
    version: str
    source: str

    def path(self, name: str) -> Path:
        """One program of `PROGRAMS`."""
        return self.folder / name


def binaries_folder(cache: Path) -> Path:
    """The set's place in the cache."""
    return cache / "controlplane" / f"{KUBERNETES}-etcd-{ETCD}"


def find_binaries(cache: Path) -> Binaries | None:
    """The cached set when it is whole (manifest fits the files' sizes)."""
    folder = binaries_folder(cache)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in PROGRAMS:
            if (folder / name).stat().st_size != manifest["files"][name]["size"]:
                return None
        return Binaries(folder, KUBERNETES, manifest["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def bring_binaries(cache: Path, progress: Progress) -> Binaries:
    """The set, brought into the cache when it is not there. Raises `HostError` saying every way that was tried."""
    found = find_binaries(cache)
    if found:
        return found
    with bring_lock(cache, progress):
        found = find_binaries(cache)
        if found:
            return found
        target = binaries_folder(cache)
        work = Path(tempfile.mkdtemp(prefix="bring-", dir=target.parent))
        try:
            source = _bring(work, cache, progress)
            write_manifest(work, source)
            work.chmod(0o755)  # a temporary folder is its maker's alone, a cache may be shared
            shutil.rmtree(target, ignore_errors=True)
            work.replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return Binaries(target, KUBERNETES, source)


def write_manifest(folder: Path, source: str) -> None:
    """Say that the folder is whole, with sizes and hashes; the last thing that is written."""
    rows = {}
    for name in PROGRAMS:
        path = folder / name
        path.chmod(0o755)
        with path.open("rb") as handle:
            rows[name] = {"size": path.stat().st_size, "sha256": hashlib.file_digest(handle, "sha256").hexdigest()}
    body = {"kubernetes": KUBERNETES, "etcd": ETCD, "source": source, "files": rows, "brought": round(time.time())}
    (folder / "manifest.json").write_text(json.dumps(body, indent=1))
    (folder / "manifest.json").chmod(0o644)


def _bring(work: Path, cache: Path, progress: Progress) -> str:
    tried = []
    for label, folders in given_folders(os.environ):
        paths = {name: _program(name, folders) for name in PROGRAMS}
        if all(paths.values()):
            for name, path in paths.items():
                assert path is not None  # noqa: S101 - all() above
                shutil.copyfile(path, work / name)
            return label
        if label != "PATH":  # somebody has named it
            lacking = [f"{name} {wanted_version(name)}" for name, path in paths.items() if path is None]
            tried.append(f"{label} lacks {', '.join(lacking)}")
            progress(tried[-1])
    try:
        releases.download(work, KUBERNETES, ETCD, progress)
    except releases.NotReachable as reason:
        tried.append(f"release files: {reason}")
        progress(f"release files cannot be had ({reason}); building from Go modules")
    else:
        return "release files"
    try:
        gobuild.build(work, cache, KUBERNETES, progress)
    except gobuild.CannotBuild as reason:
        tried.append(f"Go build: {reason}")
    else:
        return "built from Go modules"
    raise HostError(
        "the control plane's programs cannot be had: " + "; ".join(tried),
        code="no-control-plane",
        hint="labctl setup import FILE takes what another host exported; LABCTL_CONTROLPLANE_DIR names a folder",
    )


def given_folders(environment: Mapping[str, str]) -> list[tuple[str, list[Path]]]:
    """Places where a person may have the programs, with what to call them."""
    result = [
        (variable, [Path(environment[variable])])
        for variable in ("LABCTL_CONTROLPLANE_DIR", "KUBEBUILDER_ASSETS")
        if environment.get(variable)
    ]
    result.append(("PATH", [Path(part) for part in environment.get("PATH", "").split(os.pathsep) if part]))
    return result


def _program(name: str, folders: list[Path]) -> Path | None:
    for folder in folders:
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK) and reported_version(path) == wanted_version(name):
            return path
    return None


def wanted_version(name: str) -> str:
    return ETCD if name == "etcd" else KUBERNETES


def reported_version(path: Path) -> str | None:
    """The version that a program says of itself."""
    try:
        done = subprocess.run((str(path), *VERSION_COMMANDS[path.name]), capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb"v?(\d+\.\d+\.\d+)", done.stdout)
    return found[1].decode() if found else None


@contextmanager
def bring_lock(cache: Path, progress: Progress) -> Iterator[None]:
    """One at a time brings the set on this host (set-up's import, too); the second waits, and says so."""
    from labctl.guest.image import one_at_a_time  # not in the container images, where nothing is brought

    folder = binaries_folder(cache).parent
    with one_at_a_time(folder, "the control plane", progress):
        for stale in folder.glob("bring-*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield
