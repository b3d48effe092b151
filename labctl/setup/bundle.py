"""Guest image and control plane as one file, to carry them to a host that cannot build them.

A bundle is a tar, compressed with gzip unless its name ends in ``.tar``: first ``labctl-bundle.json`` with versions,
sizes and SHA-256 of everything, then ``guest/<file>`` and ``controlplane/<file>``. An import reads it once from
front to end and never extracts by name: a member that is no plain file of that list, in size and hash, ends it, and
nothing has been moved into the cache then.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import platform
import re
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from labctl import __version__
from labctl.errors import HostError, UsageError
from labctl.setup.parts import Part, Progress, part_status, parts, setup_status

MANIFEST = "labctl-bundle.json"
SCHEMA = "labctl.bundle/v1"
MANIFEST_LIMIT = 1 << 20
CHUNK = 1 << 20
SPARE = 64 << 20
"""Bytes that an import leaves free on the disk."""
GZIP_MAGIC = b"\x1f\x8b"
_HASH = re.compile(r"[0-9a-f]{64}")
Members = Iterator[tuple[tarfile.TarInfo, Iterator[bytes]]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was written or read, and what became of its parts."""

    path: Path
    size: int
    seconds: float
    outcome: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """One part as the bundle's manifest lists it."""

    part: Part
    source: str
    made: float
    files: Mapping[str, tuple[int, str]]
    """Size and SHA-256 by name."""

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())


def export_bundle(cache: Path, target: Path, progress: Progress, shared: Sequence[Path] = ()) -> Bundle:
    """Write both parts into one file. Raises `HostError` when one is not whole, `UsageError` when the file is there."""
    clock = time.monotonic()
    if target.exists():
        raise UsageError(f"{target} is there already and is not overwritten", code="file-exists")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", code="no-such-folder")
    progress("comparing hashes")
    found = setup_status(cache, shared, full=True).rows
    for status in found:
        part = status.part
        if status.state != "whole":
            raise HostError(
                f"there is nothing to export: the {part.name} is {status.state}"
                + (f" ({status.why})" if status.why else ""),
                code="setup-incomplete",
                next_command="labctl setup build",
            )
    wanted = tuple(status.part for status in found)
    temporary = target.with_name(f".{target.name}.part")
    try:
        _write(wanted, temporary, progress, compress=target.suffix != ".tar")
        temporary.replace(target)
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror}", code="cannot-write") from None
    finally:
        temporary.unlink(missing_ok=True)
    return Bundle(target, target.stat().st_size, time.monotonic() - clock, {p.name: "exported" for p in wanted})


def _write(wanted: tuple[Part, ...], path: Path, progress: Progress, *, compress: bool) -> None:
    listed = {part.label: part.manifest() for part in wanted}
    body = {
        "schema": SCHEMA,
        "labctl": __version__,
        "machine": platform.machine(),
        "parts": {
            part.label: {
                "version": part.version,
                "source": listed[part.label].get("source", part.default_source),
                "made": listed[part.label].get(part.made_key, 0),
                "files": listed[part.label]["files"],
            }
            for part in wanted
        },
    }
    text = json.dumps(body, indent=1).encode()
    with ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))  # then a GzipFile, which typing calls no IO
        if compress:
            # no name and no time in the header: the same cache makes the same bundle
            raw = stack.enter_context(gzip.GzipFile("", "wb", 1, raw, mtime=0))
        tar = stack.enter_context(tarfile.open(fileobj=raw, mode="w|", format=tarfile.PAX_FORMAT))
        tar.addfile(_member(MANIFEST, len(text), 0o644), io.BytesIO(text))
        for part in wanted:
            for name in part.files:
                file = part.folder / name
                size = file.stat().st_size
                progress(f"packing {name} ({size >> 20} MB)")
                with file.open("rb") as source:
                    tar.addfile(_member(f"{part.label}/{name}", size, file.stat().st_mode & 0o777), source)


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    return member


def import_bundle(cache: Path, source: Path, progress: Progress) -> Bundle:
    """Take both parts from a bundle into the cache; one that is whole already stays as it is.

    Raises `UsageError` for what is no whole bundle for this labctl, `HostError` when the cache's disk is full.
    """
    clock = time.monotonic()
    with ExitStack() as stack:
        members = _members(source, stack)
        listed = _read_manifest(source, members, cache)
        try:
            for item in listed:
                stack.enter_context(item.part.lock(cache, progress))
            missing = [item for item in listed if part_status(item.part, full=True).state != "whole"]
            _check_space(cache, sum(item.size for item in missing))
            stages = {item.part.label: stack.enter_context(_stage(item.part)) for item in missing}
            _unpack(source, members, listed, stages, progress)
            for item in missing:
                stage = stages[item.part.label]
                kept = item.source if item.source.startswith("import") else f"import ({item.source})"
                item.part.seal(stage, kept, item.made)
                _move(stage, item.part)
        except OSError as error:  # of the cache: those of the bundle are the reader's
            raise HostError(f"{cache} cannot be written: {error.strerror or error}", code="cannot-write") from None
    outcome = {item.part.name: "imported" if item in missing else "was there already" for item in listed}
    return Bundle(source, source.stat().st_size, time.monotonic() - clock, outcome)


def refuse(source: Path, reason: str, *, code: str = "bad-bundle", hint: str | None = None) -> NoReturn:
    """Raises the `UsageError` that says why a bundle is not taken."""
    raise UsageError(f"{source} is not imported: {reason}", code=code, hint=hint, next_command="labctl setup build")


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Every way in which the file can be broken becomes one error."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError) as error:
        refuse(source, f"it is no bundle, or was cut off ({error})")
    except OSError as error:
        refuse(source, str(error.strerror or error), code="unreadable-bundle")


def _members(source: Path, stack: ExitStack) -> Members:
    """Members and their contents, read once from front to end; the file is closed with ``stack``."""
    with _reading(source):
        raw: Any = stack.enter_context(source.open("rb"))
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if packed:
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="rb"))
        tar = stack.enter_context(tarfile.open(fileobj=raw, mode="r|"))  # noqa: SIM115 - the stack closes it
    while True:
        with _reading(source):
            member = tar.next()
        if member is None:
            return
        yield member, _chunks(source, tar, member)


def _chunks(source: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """The content of a plain file."""
    handle = tar.extractfile(member)
    assert handle is not None  # noqa: S101 - it is a plain file
    while True:
        with _reading(source):
            data = handle.read(CHUNK)
        if not data:
            return
        yield data


def _read_manifest(source: Path, members: Members, cache: Path) -> tuple[Listed, ...]:
    first, chunks = next(members, (None, iter(())))
    if first is None or first.name != MANIFEST or not _is_plain(first) or first.size > MANIFEST_LIMIT:
        refuse(source, f"it does not begin with {MANIFEST}", hint="labctl setup export writes bundles")
    text = b"".join(chunks)
    try:
        body = json.loads(text)
        if body["schema"] != SCHEMA:
            refuse(source, f"its schema is {body['schema']!r}, this labctl reads {SCHEMA}", code="other-bundle-schema")
        if body["machine"] != platform.machine():
            refuse(source, f"it is for {body['machine']!r}, this host is {platform.machine()}", code="other-machine")
        by = f"it was made by labctl {body['labctl']!r}, this is {__version__}: export it with the same one"
        return tuple(_listed(part, body["parts"][part.label], source, by) for part in parts(cache))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        refuse(source, f"its manifest is not as it should be ({type(error).__name__}: {error})")


def _is_plain(member: tarfile.TarInfo) -> bool:
    """A file, with all its bytes in the tar: no link, no device, no folder, no holes."""
    return member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and member.sparse is None


def _listed(part: Part, row: Mapping[str, Any], source: Path, by: str) -> Listed:
    if row["version"] != part.version:
        reason = f"it has {part.name} {row['version']!r}, this labctl needs {part.version}"
        refuse(source, reason, code="other-version", hint=by)
    if set(row["files"]) != set(part.files):
        refuse(source, f"it lists other files for the {part.name} than {', '.join(part.files)}", code="foreign-name")
    files = {}
    for name in part.files:
        size, sha256 = row["files"][name]["size"], row["files"][name]["sha256"]
        if type(size) is not int or size < 0 or not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
            refuse(source, f"size or hash of {name} is nonsense")
        files[name] = size, sha256
    made = float(row["made"])
    if not math.isfinite(made):
        refuse(source, f"the {part.name} was made at {made}")
    origin = "".join(letter for letter in str(row["source"]) if letter.isprintable())  # status prints it
    return Listed(part, origin[:200], made, files)


def _check_space(cache: Path, needed: int) -> None:
    free = shutil.disk_usage(cache).free
    if needed and free < needed + SPARE:
        raise HostError(
            f"the cache needs {needed >> 20} MB and its disk has {free >> 20} MB free",
            code="disk-full",
            hint="LABCTL_CACHE_DIR names another place",
        )


@contextmanager
def _stage(part: Part) -> Iterator[Path]:
    """A temporary folder beside the part's own; gone at the end unless it was moved."""
    path = Path(tempfile.mkdtemp(prefix=f"{part.stage}import-", dir=part.folder.parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _unpack(
    source: Path, members: Members, listed: tuple[Listed, ...], stages: Mapping[str, Path], progress: Progress
) -> None:
    """Every listed file once, into its stage; files of parts without a stage are only compared."""
    waiting = {f"{item.part.label}/{name}": (item, name) for item in listed for name in item.part.files}
    for member, chunks in members:
        if member.name not in waiting:
            refuse(source, f"{member.name!r} is not in its manifest, or is there twice", code="foreign-name")
        if not _is_plain(member):
            refuse(source, f"{member.name} is no plain file", code="foreign-name")
        item, name = waiting.pop(member.name)
        size, sha256 = item.files[name]
        if member.size != size:
            refuse(source, f"{member.name} has {member.size} bytes, the manifest says {size}", code="wrong-hash")
        stage = stages.get(item.part.label)
        progress(f"{'unpacking' if stage else 'comparing'} {name} ({size >> 20} MB)")
        # the name in our own list, never the member's: nothing is written anywhere else
        found = _copy(chunks, stage / name if stage else None, executable=bool(member.mode & 0o100))
        if found != sha256:
            refuse(source, f"{member.name} is damaged: its SHA-256 is not the manifest's", code="wrong-hash")
    if waiting:
        refuse(source, f"it was cut off: {', '.join(waiting)} missing")


def _copy(chunks: Iterator[bytes], target: Path | None, *, executable: bool) -> str:
    """Copy (or only read) and return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with ExitStack() as stack:
        out = stack.enter_context(target.open("xb")) if target else None
        for data in chunks:
            digest.update(data)
            if out:
                out.write(data)
    if target:
        target.chmod(0o755 if executable else 0o644)
    return digest.hexdigest()


def _move(stage: Path, part: Part) -> None:
    """Put a complete stage in the part's place; a broken one that is there stays until the new one has taken it."""
    stage.chmod(0o755)
    aside = Path(tempfile.mkdtemp(prefix=f"{part.stage}old-", dir=part.folder.parent))
    try:
        if part.folder.exists():
            part.folder.rename(aside / "old")
        try:
            stage.rename(part.folder)
        except OSError:
            if (aside / "old").exists():
                (aside / "old").rename(part.folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
