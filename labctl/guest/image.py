"""The private guest image: built once into the cache, read by every launcher, shared by all labs.

A folder ``guest/<key>/`` holds ``root.ext4`` (read-only), ``vmlinuz`` and ``initrd`` for QEMU, ``linux.uml`` with
its C library for User-mode Linux, and ``manifest.json``, which is written last: a folder without a manifest that
fits its files is a build that broke, and is built anew.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import HostError
from labctl.guest import recipe, userns

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
HEARTBEAT = 15.0
"""Seconds of silence after which a long step says that it still runs."""

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
    def uml_writes_all(self) -> bool:
        """Whether its User-mode Linux runs on processors of any size; true while there is no image to say otherwise."""
        try:
            return bool(json.loads((self.folder / "manifest.json").read_text()).get("uml_writes_all"))
        except (OSError, ValueError):
            return True


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
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and mismatch(folder, FILES, manifest.get("files"), full=full) is None


def mismatch(folder: Path, names: tuple[str, ...], rows: Any, *, full: bool) -> str | None:
    """The first file that is not what the manifest says; None when all are."""
    for name in names:
        try:
            row, size = rows[name], (folder / name).stat().st_size
            if size != row["size"]:
                return f"{name} has {size} bytes, its manifest says {row['size']}"
            if full and file_hash(folder / name) != row["sha256"]:
                return f"{name} is not what was built: its SHA-256 differs"
        except (KeyError, TypeError):
            return f"its manifest does not list {name}"
        except OSError as error:
            return f"{name}: {error.strerror}"
    return None


def file_hash(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_manifest(folder: Path, key: str, **origin: object) -> None:
    """Say that the folder is whole; the last thing that a build does. ``origin``: ``built`` and ``source`` of another
    host's or an older labctl's."""
    rows = {name: {"size": (folder / name).stat().st_size, "sha256": file_hash(folder / name)} for name in FILES}
    body = {"key": key, "files": rows, "built": round(time.time()), "uml_writes_all": writes_all(folder / "linux.uml")}
    temporary = folder / "manifest.new"
    temporary.write_text(json.dumps(body | origin, indent=1))
    temporary.chmod(0o644)
    temporary.replace(folder / "manifest.json")


def build_lock(cache: Path, progress: Progress) -> AbstractContextManager[None]:
    """One build at a time on this host; the second waits, and says so."""
    return one_at_a_time(guest_cache(cache), "the guest image", progress)


@contextmanager
def one_at_a_time(folder: Path, what: str, progress: Progress) -> Iterator[None]:
    """Hold the lock of a folder of the cache, which is made; waits for another labctl that builds ``what`` there.

    The folder can be read by all who may look into the cache, whatever the umask. Raises `HostError` when it cannot be
    written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(
            f"the cache {folder.parent} cannot be written: {error.strerror}",
            code="cache-not-writable",
            next_command="export LABCTL_CACHE_DIR=/a/folder/of/your/own",
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another labctl is bringing {what}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def missing_packages() -> list[str]:
    """Debian packages that a build needs and this host lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {package for tool, package in NEEDED_TOOLS.items() if shutil.which(tool, path=path) is None}
    return sorted(missing if Path(DEBIAN_KEYS).exists() else missing | {"debian-archive-keyring"})


def build_image(
    cache: Path, progress: Progress, flavour: recipe.Flavour = recipe.LAB, *, shared: Sequence[Path] = ()
) -> GuestImage:
    """Make what `find_image` would find. Raises `HostError` with the failing tool's last words.

    An image of an older labctl, in this cache or in a ``shared`` one, is taken over where it differs in nothing that
    would have to be fetched.
    """
    found = find_image(cache, flavour=flavour)
    if found:
        return found
    with build_lock(cache, progress):
        found = find_image(cache, flavour=flavour)
        if found:
            return found
        final = guest_cache(cache) / flavour.key()
        for left in guest_cache(cache).glob(".build-*"):
            shutil.rmtree(left)
        older = older_image((cache, *shared), flavour)
        if older is None:
            refuse_without_tools("the guest image")
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=guest_cache(cache)))
        try:
            (work / "out").mkdir()
            if older:
                _take_over(older, work / "out", progress, flavour)
            else:
                _build(work, progress, flavour)
            if final.exists():
                progress("the guest image that is there is broken or half-built; the new one takes its place")
                shutil.rmtree(final)
            (work / "out").rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return GuestImage(final, flavour.key())


def older_image(caches: Sequence[Path], flavour: recipe.Flavour = recipe.LAB) -> GuestImage | None:
    """An image that an older labctl built of the same recipe, if one is there and whole."""
    for key in (flavour.key(made_as) for made_as in range(recipe.FORMAT - 1, 0, -1)):
        for cache in caches:
            if is_whole(guest_cache(cache) / key, full=True):
                return GuestImage(guest_cache(cache) / key, key)
    return None


def refuse_without_tools(what: str) -> None:
    """Raises `HostError` when this user cannot build ``what`` here with mmdebstrap, before anything is fetched."""
    missing = missing_packages()
    if missing:
        raise HostError(
            f"{what} cannot be built without {', '.join(missing)}",
            code="missing-packages",
            next_command=f"apt-get install {' '.join(missing)}",
        )
    refusal = userns.refusal() if os.geteuid() != 0 else None
    if refusal:
        raise HostError(
            f"{what} cannot be built here: {refusal.sentence}",
            code="no-user-namespaces",
            hint=refusal.otherwise,
            next_command=refusal.fix,
        )


def _take_over(older: GuestImage, out: Path, progress: Progress, flavour: recipe.Flavour) -> None:
    """The older image's files, of which it keeps its own: links where that can be; what labctl writes itself anew."""
    for name in FILES:
        try:
            if name == "linux.uml":
                shutil.copy(older.folder / name, out / name)
            else:
                os.link(older.folder / name, out / name)
        except OSError:  # another disk, or somebody else's file
            shutil.copy(older.folder / name, out / name)
    body = json.loads((older.folder / "manifest.json").read_text())
    _finish(out, progress, flavour, **{name: body[name] for name in ("built", "source") if name in body})
    progress(f"guest image: taken over from {older.key}, which an older labctl built; nothing was fetched")


def _finish(out: Path, progress: Progress, flavour: recipe.Flavour, **origin: object) -> None:
    """What labctl does to the files of a distribution, and the manifest."""
    if not write_all(out / "linux.uml"):
        progress("guest image: this User-mode Linux is not known; it is not used on processors with AMX")
    out.chmod(0o755)
    write_manifest(out, flavour.key(), **origin)


def _build(work: Path, progress: Progress, flavour: recipe.Flavour) -> None:
    out = work / "out"
    clock = time.monotonic()
    progress(f"guest image: fetching {len(flavour.packages)} packages of {recipe.SUITE} (about 30 s)")
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
            "mmdebstrap", f"--mode={mode}", "--variant=minbase", f"--include={','.join(flavour.packages)}",
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
            f"--customize-hook={scripts / 'hook.sh'} \"$1\"",
            recipe.SUITE, str(tar), *mirror(),
        ]  # fmt: skip
        run(arguments, progress, {"KERNEL_PACKAGE": recipe.KERNEL_PACKAGE})
        progress(f"guest image: packages there after {time.monotonic() - clock:.0f} s; packing")
        pack = ["fakeroot", "sh", str(scripts / "pack.sh"), str(tar), str(work), str(out / "root.ext4")]
        run(pack, progress, {"MODULES": " ".join(flavour.modules)})
    busybox, block = (out / "busybox").read_bytes(), (work / "virtio_blk.ko").read_bytes()
    init = recipe.script("initramfs-init").encode()
    (out / "initrd").write_bytes(
        cpio({"init": (init, 0o755), "busybox": (busybox, 0o755), "virtio_blk.ko": (block, 0o644)})
    )
    (out / "busybox").unlink()
    use_relative_loader(out / "linux.uml")
    for name in FILES:
        (out / name).chmod(0o755 if name in {"linux.uml", "ld-linux-x86-64.so.2", "libc.so.6"} else 0o644)
    _finish(out, progress, flavour)
    progress(f"guest image: built in {time.monotonic() - clock:.0f} s")


def cpio(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Gzipped newc archive of regular files: name → (contents, permission bits). Linux: driver-api/early-userspace."""
    entries = [(number, name, 0o100000 | mode, data) for number, (name, (data, mode)) in enumerate(files.items(), 1)]
    body = b""
    for number, name, mode, data in (*entries, (0, "TRAILER!!!", 0, b"")):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        body += header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4)
    return gzip.compress(body, compresslevel=1, mtime=0)


LOADER, RELATIVE = b"/lib64/ld-linux-x86-64.so.2\0", b"./ld-linux-x86-64.so.2"
"""In linux.uml (PT_INTERP), and the one that lies beside it."""
SHORT, LONG = bytes.fromhex("48c745f8 880a0000 bf05420000"), bytes.fromhex("48c745f8 00400000 bf05420000")
"""In linux.uml: the length 0xa88, then PTRACE_SETREGSET, the same bytes in 6.1 and 6.12 of Debian; and what is long
enough for all registers of any processor."""


def use_relative_loader(path: Path) -> None:
    """Overwrite the loader's name in an ELF file. Raises `HostError` when it is not there once."""
    if not _replace_once(path, LOADER, RELATIVE.ljust(len(LOADER), b"\0")):
        raise HostError(f"{path.name} has no loader name that can be replaced", code="bad-elf")


def write_all(path: Path) -> bool:
    """Make a linux.uml write all registers back. False, and the file as it was, where that place is not found once."""
    _replace_once(path, SHORT, LONG)
    return writes_all(path)


def writes_all(path: Path) -> bool:
    """Whether that was done."""
    data = path.read_bytes()
    return data.count(LONG) == 1 and SHORT not in data


def _replace_once(path: Path, old: bytes, new: bytes) -> bool:
    data = path.read_bytes()
    if data.count(old) == 1:
        path.write_bytes(data.replace(old, new))
        return True
    return False


def mirror(root: Path = Path("/")) -> list[str]:
    """Arguments of mmdebstrap that say where packages come from: on Debian the host's own mirror.

    Another distribution's mirror (Ubuntu's) has no Debian, and its apt does not know Debian's keys: there it is the
    tool's default mirror, with the keys of the package debian-archive-keyring.
    """
    release = root / "etc/os-release"  # os-release(5); without the file it is taken for Debian
    if release.is_file() and not re.search(r"""^ID=["']?debian["']?$""", release.read_text(), re.MULTILINE):
        return [f"--keyring={DEBIAN_KEYS}"]
    for name in ("sources.list.d/debian.sources", "sources.list"):
        path = root / "etc/apt" / name
        text = path.read_text() if path.is_file() else ""
        found = re.search(r"^(?:URIs:|deb\s.*?)\s*(\S+://\S*)", text, re.MULTILINE)
        if found:
            return [found[1]]
    return []


def run(arguments: list[str], progress: Progress, extra: dict[str, str]) -> None:
    """Run a build tool; its last lines are the reason when it fails."""
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C", **extra}
    with tempfile.TemporaryFile() as log, heartbeat(progress, f"{arguments[0]} runs"):
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            code = child.wait(BUILD_LIMIT)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            child.terminate()
            child.wait()
            raise
        if code != 0:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()[-8:]
            raise HostError(
                f"{arguments[0]} ended with code {code}: " + " | ".join(lines),
                code="image-build-failed",
                hint="another host can do it: labctl setup export FILE there, labctl setup import FILE here",
                # a user may lack subordinate ids, which the doctor sees; root it would send back here
                next_command="labctl doctor" if os.geteuid() else None,
            )


@contextmanager
def heartbeat(progress: Progress, line: str = "", every: float = HEARTBEAT) -> Iterator[Progress]:
    """Passes lines on, and repeats the last one with its age when nothing was said for a while. ``line``: the first
    one, which is not passed on."""
    since = spoken = time.monotonic()
    ended = threading.Event()

    def tell(now: str) -> None:
        nonlocal line, since, spoken
        line, since, spoken = now, time.monotonic(), time.monotonic()
        progress(now)

    def beat() -> None:
        nonlocal spoken
        while not ended.wait(every / 5):
            now = time.monotonic()
            if line and now - spoken >= every:
                spoken = now
                progress(f"{line}: since {now - since:.0f} s")

    ticker = threading.Thread(target=beat, daemon=True)
    ticker.start()
    try:
        yield tell
    finally:
        ended.set()
        ticker.join()
