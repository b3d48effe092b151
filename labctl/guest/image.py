"""The private guest image: built once into the cache, read by every launcher, shared by all labs.

A folder ``guest/<key>/`` holds ``root.ext4`` (read-only), ``vmlinuz`` and ``initrd`` for QEMU, ``linux.uml`` with
its C library for User-mode Linux, and ``manifest.json``, which is written last: a folder without a manifest that
fits its files is a build that broke, and is built anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import HostError
from labctl.guest import recipe
from labctl.guest.cpio import cpio
from labctl.guest.elf import use_relative_loader

FILES = ("root.ext4", "vmlinuz", "initrd", "linux.uml", "ld-linux-x86-64.so.2", "libc.so.6")
NEEDED_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "fakeroot": "fakeroot",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "modprobe": "kmod",
    "xz": "xz-utils",
}
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
BUILD_LIMIT = 900.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class GuestImage:
    """A complete image."""

    folder: Path
    key: str

    @property
    def root(self) -> Path:
        return self.folder / "root.ext4"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def uml(self) -> Path:
        return self.folder / "linux.uml"


def guest_cache(cache: Path) -> Path:
    return cache / "guest"


def find_image(cache: Path, *, full: bool = False, flavour: recipe.Flavour = recipe.LAB) -> GuestImage | None:
    """The image of this labctl's recipe if it is there and whole; ``full`` compares every hash (0.5 s)."""
    folder = guest_cache(cache) / flavour.key()
    return GuestImage(folder, flavour.key()) if is_whole(folder, full=full) else None


def is_whole(folder: Path, *, full: bool) -> bool:
    """Whether the manifest is there and fits: sizes always, hashes when ``full``."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name in FILES:
            row = manifest["files"][name]
            path = folder / name
            if path.stat().st_size != row["size"]:
                return False
            if full and file_hash(path) != row["sha256"]:
                return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def file_hash(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_manifest(folder: Path, key: str) -> None:
    """Say that the folder is whole; the last thing that a build does."""
    rows = {name: {"size": (folder / name).stat().st_size, "sha256": file_hash(folder / name)} for name in FILES}
    temporary = folder / "manifest.new"
    temporary.write_text(json.dumps({"key": key, "files": rows, "built": round(time.time())}, indent=1))
    temporary.replace(folder / "manifest.json")


def build_lock(cache: Path, progress: Progress) -> AbstractContextManager[None]:
    """One build at a time on this host; the second waits, and says so."""
    return one_at_a_time(guest_cache(cache), "the guest image", progress)


@contextmanager
def one_at_a_time(folder: Path, what: str, progress: Progress) -> Iterator[None]:
    """Hold the lock of a folder of the cache, which is made; waits for another labctl that builds ``what`` there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another labctl is building {what}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def missing_packages() -> list[str]:
    """Debian packages that a build needs and this host lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {package for tool, package in NEEDED_TOOLS.items() if shutil.which(tool, path=path) is None}
    return sorted(missing if Path(DEBIAN_KEYS).exists() else missing | {"debian-archive-keyring"})


def build_image(cache: Path, progress: Progress, flavour: recipe.Flavour = recipe.LAB) -> GuestImage:
    """Build what `find_image` would find. Raises `HostError` with the failing tool's last words."""
    missing = missing_packages()
    if missing:
        raise HostError(
            f"the guest image needs {', '.join(missing)}",
            code="missing-packages",
            next_command=f"apt-get install {' '.join(missing)}",
        )
    with build_lock(cache, progress):
        found = find_image(cache, flavour=flavour)
        if found:
            return found
        final = guest_cache(cache) / flavour.key()
        if final.exists():
            progress("the guest image is broken or half-built; building it again")
            shutil.rmtree(final)
        for left in guest_cache(cache).glob(".build-*"):
            shutil.rmtree(left)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=guest_cache(cache)))
        try:
            _build(work, progress, flavour)
            (work / "out").rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return GuestImage(final, flavour.key())


def _build(work: Path, progress: Progress, flavour: recipe.Flavour) -> None:
    out = work / "out"
    out.mkdir()
    clock = time.monotonic()
    progress(f"guest image: fetching {len(flavour.all_packages)} packages of {recipe.SUITE} (about 30 s)")
    tar = work / "root.tar"
    mode = "root" if os.geteuid() == 0 else "unshare"
    with tempfile.TemporaryDirectory(prefix="labctl-recipe-") as folder:
        # not in the cache: the root of a user namespace is a subordinate id, which may not look into a user's folders
        scripts = Path(folder)
        scripts.chmod(0o755)
        for name in recipe.SCRIPTS:
            (scripts / name).write_text(recipe.script(name))
            (scripts / name).chmod(0o755)
        arguments = [
            "mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--include={','.join(flavour.all_packages)}",
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
            f"--customize-hook={scripts / 'hook.sh'} \"$1\"",
            recipe.SUITE, str(tar), *mirror(),
        ]  # fmt: skip
        run(arguments, progress, {"KERNEL_PACKAGE": recipe.KERNEL_PACKAGE})
        progress(f"guest image: packages there after {time.monotonic() - clock:.0f} s; packing")
        pack = ["fakeroot", "sh", str(scripts / "pack.sh"), str(tar), str(work), str(out / "root.ext4")]
        run(pack, progress, {"MODULES": " ".join(flavour.all_modules)})
    busybox, block = (out / "busybox").read_bytes(), (work / "virtio_blk.ko").read_bytes()
    init = recipe.script("initramfs-init").encode()
    (out / "initrd").write_bytes(
        cpio({"init": (init, 0o755), "busybox": (busybox, 0o755), "virtio_blk.ko": (block, 0o644)})
    )
    (out / "busybox").unlink()
    use_relative_loader(out / "linux.uml")
    for name in FILES:
        (out / name).chmod(0o755 if name in {"linux.uml", "ld-linux-x86-64.so.2", "libc.so.6"} else 0o644)
    out.chmod(0o755)
    write_manifest(out, flavour.key())
    progress(f"guest image: built in {time.monotonic() - clock:.0f} s")


def mirror(root: Path = Path("/")) -> list[str]:
    """Words for mmdebstrap that say where packages come from: on Debian the host's own mirror.

    Another distribution's mirror (Ubuntu's) has no Debian, and its apt does not know Debian's keys: there it is the
    tool's default mirror, with the keys of the package debian-archive-keyring.
    """
    if not _is_debian(root):
        return [f"--keyring={DEBIAN_KEYS}"]
    for name in ("sources.list.d/debian.sources", "sources.list"):
        path = root / "etc/apt" / name
        if path.is_file():
            for line in path.read_text().splitlines():
                words = line.split()
                if words[:1] == ["URIs:"] and len(words) > 1:
                    return [words[1]]
                if words[:1] == ["deb"]:
                    addresses = [word for word in words[1:] if "://" in word]
                    if addresses:
                        return addresses[:1]
    return []


def _is_debian(root: Path) -> bool:
    """By os-release(5). Without the file it is taken for Debian."""
    path = root / "etc/os-release"
    return not path.is_file() or re.search(r"""^ID=["']?debian["']?$""", path.read_text(), re.MULTILINE) is not None


def run(arguments: list[str], progress: Progress, extra: dict[str, str]) -> None:
    """Run a build tool; its last lines are the reason when it fails."""
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C", **extra}
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        started = time.monotonic()
        ended = threading.Event()
        ticker = threading.Thread(target=_tick, args=(progress, arguments[0], started, ended), daemon=True)
        ticker.start()
        try:
            code = child.wait(BUILD_LIMIT)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            child.terminate()
            child.wait()
            raise
        finally:
            ended.set()
        if code != 0:
            log.seek(0)
            words = log.read().decode(errors="replace").strip().splitlines()[-8:]
            raise HostError(
                f"{arguments[0]} ended with code {code}: " + " | ".join(words),
                code="image-build-failed",
                hint="as a user, mmdebstrap needs subordinate ids: see labctl doctor",
            )


def _tick(progress: Progress, name: str, started: float, ended: threading.Event) -> None:
    while not ended.wait(10.0):
        progress(f"{name} runs since {time.monotonic() - started:.0f} s")
