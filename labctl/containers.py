"""The container images of the stand-ins: what goes into them, and how they are built without a registry or a daemon.

One root file system for all three, out of Debian packages and our files: ``labctl/host`` is it, ``labctl/n9kv-standin``
starts a switch in it, ``labctl/k8s-standin`` has the control plane's programs on top. Packages, scripts and Dockerfiles
are in ``images/``. The archive is as ``docker load`` reads it (Docker Image Specification v1.2: manifest.json, layers).
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from labctl.guest.image import mirror, one_at_a_time, refuse_without_tools, run
from labctl.shipped import shipped
from labctl.standin.cluster.controlplane.binaries import ETCD, KUBERNETES, PROGRAMS, Binaries

SUITE = "trixie"
PYTHON_PATH = "usr/lib/python3/dist-packages"
CONTROL_PLANE = "usr/local/lib/labctl/controlplane"
CODE = (
    "__init__.py", "bonding.py", "errors.py", "imagename.py", "logs.py", "pace.py", "waiting.py", "guest/__init__.py",
    "guest/agent", "guest/api.py", "guest/client.py", "kube", "nxos", "peers.py", "standin",
)  # fmt: skip
"""The parts of this package that a stand-in is made of."""
INTERVAL = 30 * 10**9
"""Of the health check, in nanoseconds: Docker's default. Each check is a process; every 2 s they slow a lab down."""


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """One image. ``config``: the ``config`` object of an OCI image; ``programs``: whether it has the control plane."""

    tag: str
    config: dict[str, Any] = field(hash=False)
    programs: bool = False


ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
)  # fmt: skip


def _image(name: str, standin: str, *, programs: bool = False, **config: Any) -> ContainerImage:
    config = {"Env": list(ENVIRONMENT), "Labels": {"labctl.standin": standin}, **config}
    return ContainerImage(f"labctl/{name}:latest", config, programs)


CHECK = {"Test": ["CMD", "/usr/local/sbin/labctl-healthcheck"], "Interval": INTERVAL, "Timeout": INTERVAL, "Retries": 3}
TINI = ("/usr/bin/tini", "--")
SWITCH = (*TINI, "/usr/bin/python3", "-I", "-m", "labctl.standin.switch.container")
IMAGES = (
    _image("host", "host", Cmd=["sleep", "infinity"]),
    _image("n9kv-standin", "switch", Entrypoint=list(SWITCH), ExposedPorts={"22/tcp": {}}, Healthcheck=CHECK),
    _image("k8s-standin", "node", Entrypoint=[*TINI, "/usr/local/sbin/labctl-node"], programs=True),
)


def packages() -> tuple[str, ...]:
    """Debian packages of the root file system."""
    return tuple((shipped("images") / "packages.txt").read_text().split())


def overlay() -> Iterator[tuple[str, bytes, int]]:
    """Files on top of the packages: (path without leading slash, content, mode), in order."""
    root = shipped("images") / "root"
    rows = [
        (str(path.relative_to(root)), path.read_bytes(), 0o755 if path.parent.name in ("bin", "sbin") else 0o644)
        for path in root.rglob("*")
        if path.is_file()
    ]
    package = Path(__file__).resolve().parent
    for name in CODE:
        rows.extend(
            (f"{PYTHON_PATH}/labctl/{path.relative_to(package)}", path.read_bytes(), 0o644)
            for path in ((package / name).rglob("*") if (package / name).is_dir() else [package / name])
            if path.is_file() and path.suffix != ".pyc"
        )
    yield from sorted(rows)


def key() -> str:
    """Names the images: a hash over everything that goes into them."""
    digest = hashlib.sha256()
    configs = [(image.tag, image.config, image.programs) for image in IMAGES]
    for part in (SUITE, *packages(), KUBERNETES, ETCD, json.dumps(configs, sort_keys=True)):
        digest.update(part.encode() + b"\0")
    for path, data, mode in overlay():
        digest.update(f"{path} {mode:o} {len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


# --- the archive -----------------------------------------------------------------------------------------------------

Entry = tuple[str, dict[str, Any], Sequence[Path]]
"""An image of an archive: its tag, the ``config`` object of its configuration, its layers (uncompressed tars)."""


def write_archive(path: Path, entries: Sequence[Entry]) -> None:
    """Write it; a layer that several images have is written once."""
    manifest, digests = [], dict[Path, str]()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for tag, config, layers in entries:
            for layer in layers:
                if layer not in digests:
                    with layer.open("rb") as handle:
                        digests[layer] = hashlib.file_digest(handle, "sha256").hexdigest()
                        handle.seek(0)
                        _add(tar, f"{digests[layer]}/layer.tar", 0o644, handle, layer.stat().st_size)
            configuration = {
                "architecture": "amd64",
                "os": "linux",
                "created": created,
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digests[layer]}" for layer in layers]},
                "history": [{"created": created, "created_by": "labctl"} for _ in layers],
            }
            data = json.dumps(configuration, sort_keys=True).encode()
            name = f"{hashlib.sha256(data).hexdigest()}.json"
            _add(tar, name, 0o644, io.BytesIO(data), len(data))
            names = [f"{digests[layer]}/layer.tar" for layer in layers]
            manifest.append({"Config": name, "RepoTags": [tag], "Layers": names})
        data = json.dumps(manifest).encode()
        _add(tar, "manifest.json", 0o644, io.BytesIO(data), len(data))


def _add(tar: tarfile.TarFile, name: str, mode: int, data: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.mode, info.size = mode, size
    tar.addfile(info, data)


def write_tar(
    path: Path, files: Iterable[tuple[str, bytes | Path, int]], links: Iterable[tuple[str, str]] = ()
) -> None:
    """A tar of files (path, content or the file that has it, mode) and symbolic links; root's, with their folders."""
    folders: set[str] = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:

        def folders_of(name: str) -> None:
            for parent in map(str, reversed(Path(name).parents[:-1])):
                if parent not in folders:
                    folders.add(parent)
                    info = tarfile.TarInfo(parent)
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)

        for name, content, mode in files:
            folders_of(name)
            if isinstance(content, bytes):
                _add(tar, name, mode, io.BytesIO(content), len(content))
            else:
                with content.open("rb") as handle:
                    _add(tar, name, mode, handle, content.stat().st_size)
        for name, target in links:
            folders_of(name)
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


def containers_cache(cache: Path) -> Path:
    return cache / "containers"


def find_archive(cache: Path) -> Path | None:
    """The archive if it is there and whole (its manifest, the last thing written, fits its size)."""
    archive = containers_cache(cache) / key() / ARCHIVE
    try:
        manifest = json.loads((archive.parent / "manifest.json").read_text())
        return archive if archive.stat().st_size == manifest["size"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def build_archive(cache: Path, programs: Binaries, progress: Progress) -> Path:
    """Build what `find_archive` would find. Raises `HostError` with the failing tool's last words."""
    refuse_without_tools("the images")
    with one_at_a_time(containers_cache(cache), "the images", progress):
        found = find_archive(cache)
        if found:
            return found
        final = containers_cache(cache) / key()
        for left in (final, *containers_cache(cache).glob(".build-*")):
            shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=containers_cache(cache)))
        try:
            _build(work, programs, progress)
            work.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return final / ARCHIVE


def _build(work: Path, programs: Binaries, progress: Progress) -> None:
    clock = time.monotonic()
    base, control_plane = work / "base.tar", work / "programs.tar"
    _root(base, progress)
    version = ("kind/version", f"v{KUBERNETES}\n".encode(), 0o644)
    files = [(f"{CONTROL_PLANE}/{name}", programs.path(name), 0o755) for name in PROGRAMS]
    write_tar(control_plane, [*files, version], [("usr/local/bin/kubectl", f"/{CONTROL_PLANE}/kubectl")])
    archive = work / ARCHIVE
    write_archive(archive, [(one.tag, one.config, [base, control_plane] if one.programs else [base]) for one in IMAGES])
    base.unlink()
    control_plane.unlink()
    body = {"key": key(), "size": archive.stat().st_size, "built": round(time.time())}
    (work / "manifest.json").write_text(json.dumps(body, indent=1))
    progress(f"images: built in {time.monotonic() - clock:.0f} s")


def _root(target: Path, progress: Progress) -> None:
    """The root file system that all images share."""
    names = packages()
    progress(f"images: fetching {len(names)} packages of {SUITE} (about 30 s)")
    mode = "root" if os.geteuid() == 0 else "unshare"
    with tempfile.TemporaryDirectory(prefix="labctl-images-") as folder:
        # not in the cache: the root of a user namespace is a subordinate id, which may not look into a user's folders
        scripts = Path(folder)
        scripts.chmod(0o755)
        hook, ours = scripts / "hook.sh", scripts / "overlay.tar"
        hook.write_text(HOOK)
        hook.chmod(0o755)
        write_tar(ours, overlay())
        ours.chmod(0o644)
        arguments = [
            "mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--include={','.join(names)}", "--skip=output/dev",
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
            f"--customize-hook={hook} \"$1\"",
            SUITE, str(target), *mirror(),
        ]  # fmt: skip
        run(arguments, progress, {"OVERLAY": str(ours)})
