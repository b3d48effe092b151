"""Guest image and control plane as one file, to carry them to a host that cannot build them.

A bundle is a tar, compressed with gzip unless its name ends in ``.tar``: first ``labctl-bundle.json`` with versions,
sizes and SHA-256 of everything, then ``guest/<file>`` and ``controlplane/<file>``. An import reads it once from
front to end and never extracts by name: a member that is no plain file of that list, in size and hash, ends it, and
nothing has been moved into the cache then.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from labctl import __version__
from labctl.errors import HostError, UsageError
from labctl.setup.parts import Part, Progress, made_at, part_status, parts, setup_status

MANIFEST = "labctl-bundle.json"
SCHEMA = "labctl.bundle/v1"
MANIFEST_LIMIT = 1 << 20
CHUNK = 1 << 20


class _File(BaseModel):
    size: Annotated[int, Field(strict=True, ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Listed(BaseModel):
    version: str
    source: str
    made: FiniteFloat
    files: Mapping[str, _File]


class _Parts(BaseModel):
    guest: _Listed
    controlplane: _Listed


class _Manifest(BaseModel):
    schema_: Annotated[str, Field(alias="schema", pattern=f"^{SCHEMA}$")]
    labctl: str
    machine: str
    parts: _Parts


def export_bundle(cache: Path, target: Path, progress: Progress, shared: Sequence[Path] = ()) -> dict[str, str]:
    """Write both parts into one file; what became of each. Raises `HostError` when one is not whole, `UsageError`
    when the file is there."""
    if target.exists():
        raise UsageError(f"{target} is there already and is not overwritten", code="file-exists")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", code="no-such-folder")
    progress("comparing hashes")
    wanted = []
    for status in setup_status(cache, shared, full=True):
        if status.state != "whole":
            raise HostError(
                f"there is nothing to export: the {status.part.name} is {status.state}"
                + (f" ({status.why})" if status.why else ""),
                code="setup-incomplete",
                next_command="labctl setup build",
            )
        wanted.append(status.part)
    temporary = target.with_name(f".{target.name}.part")
    try:
        _write(wanted, temporary, progress, compress=target.suffix != ".tar")
        temporary.replace(target)
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror}", code="cannot-write") from None
    finally:
        temporary.unlink(missing_ok=True)
    return {part.name: "exported" for part in wanted}


def _write(wanted: Sequence[Part], path: Path, progress: Progress, *, compress: bool) -> None:
    listed = {}
    for part in wanted:
        body = part.manifest()
        row = {"source": body["source"], "made": made_at(body) or 0, "files": body["files"]}
        listed[part.label] = {"version": part.version, **row}
    head = {"schema": SCHEMA, "labctl": __version__, "machine": platform.machine(), "parts": listed}
    text = json.dumps(head, indent=1).encode()
    with ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))  # then a GzipFile, which typing calls no IO
        if compress:
            # no name and no time in the header: the same cache makes the same bundle
            raw = stack.enter_context(gzip.GzipFile("", "wb", 1, raw, mtime=0))
        tar = stack.enter_context(tarfile.open(fileobj=raw, mode="w|", format=tarfile.PAX_FORMAT))
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
        for part in wanted:
            for name in part.files:
                member, facts = tarfile.TarInfo(f"{part.label}/{name}"), (part.folder / name).stat()
                member.size, member.mode = facts.st_size, facts.st_mode & 0o777
                progress(f"packing {name} ({member.size >> 20} MB)")
                with (part.folder / name).open("rb") as source:
                    tar.addfile(member, source)


def import_bundle(cache: Path, source: Path, progress: Progress) -> dict[str, str]:
    """Take both parts from a bundle into the cache; one that is whole already stays as it is. What became of each.

    Raises `UsageError` for what is no whole bundle for this labctl, `HostError` when the cache's disk is full.
    """
    try:
        raw = source.open("rb")
    except OSError as error:
        refuse(source, str(error.strerror or error), code="unreadable-bundle")
    try:
        with raw, tarfile.open(fileobj=raw, mode="r|*") as tar:
            taken = _take(source, tar, cache, progress)
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, TypeError) as error:
        # TypeError: tarfile's, of a gzip header that was cut off
        refuse(source, f"it is no bundle, or was cut off ({error})")
    except OSError as error:
        raise HostError(
            f"{cache} cannot be written: {error.strerror or error}",
            code="cannot-write",
            hint="LABCTL_CACHE_DIR names another place",
        ) from None
    return {part.name: "imported" if part.label in taken else "was there already" for part in parts(cache)}


def _take(source: Path, tar: tarfile.TarFile, cache: Path, progress: Progress) -> Mapping[str, Part]:
    """Into the cache, when all of it is right, what was not whole there: these parts by label."""
    with ExitStack() as stack:
        listed = _read_manifest(source, tar, cache)
        for part in parts(cache):
            stack.enter_context(part.lock(cache, progress))
        missing = {part.label: part for part in parts(cache) if part_status(part, full=True).state != "whole"}
        for left in cache.glob(".import-*"):  # of one that was killed
            shutil.rmtree(left)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".import-", dir=cache)))
        targets = {label: work / label for label in missing}
        for target in targets.values():
            target.mkdir()
        _unpack(source, tar, listed, targets, progress)
        for label, part in missing.items():
            _seal(source, part, targets[label], listed[label])
        for label, part in missing.items():
            _move(targets[label], part)
    return missing


def _seal(source: Path, part: Part, folder: Path, row: _Listed) -> None:
    """Write the part's own manifest, which has the hashes of what was unpacked, and compare them."""
    origin = row.source if row.source.startswith("import") else f"import ({row.source})"
    part.write_manifest(folder, origin, row.made)
    files = part.manifest(folder)["files"]
    for name in part.files:
        if files[name] != row.files[name].model_dump():
            reason = f"{part.label}/{name} is damaged: its SHA-256 is not the manifest's"
            refuse(source, reason, code="wrong-hash")


def refuse(source: Path, reason: str, *, code: str = "bad-bundle", hint: str | None = None) -> NoReturn:
    """Raises the `UsageError` that says why a bundle is not taken."""
    raise UsageError(f"{source} is not imported: {reason}", code=code, hint=hint, next_command="labctl setup build")


def _plain(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """What is in a file with all its bytes in the tar: no link, no device, no folder, no holes."""
    return tar.extractfile(member) if member.isreg() and not member.issparse() else None


def _read_manifest(source: Path, tar: tarfile.TarFile, cache: Path) -> Mapping[str, _Listed]:
    first = tar.next()
    content = _plain(tar, first) if first and first.name == MANIFEST and first.size <= MANIFEST_LIMIT else None
    if content is None:
        refuse(source, f"it does not begin with {MANIFEST}", hint="labctl setup export writes bundles")
    try:
        body = _Manifest.model_validate_json(content.read())
    except ValidationError as error:
        first_error = error.errors()[0]
        place = ".".join(map(str, first_error["loc"]))
        refuse(source, f"its manifest is not as it should be: {place}: {first_error['msg']}")
    listed: dict[str, _Listed] = dict(body.parts)
    if body.machine != platform.machine():
        refuse(source, f"it is for {body.machine!r}, this host is {platform.machine()}", code="other-machine")
    for part in parts(cache):
        row = listed[part.label]
        if row.version != part.version:
            by = f"it was made by labctl {body.labctl!r}, this is {__version__}: export it with the same one"
            reason = f"it has {part.name} {row.version!r}, this labctl needs {part.version}"
            refuse(source, reason, code="other-version", hint=by)
        if set(row.files) != set(part.files):
            refuse(source, f"it lists other files for the {part.name} than {', '.join(part.files)}")
        row.source = "".join(letter for letter in row.source if letter.isprintable())[:200]  # status prints it
    return listed


def _unpack(
    source: Path,
    tar: tarfile.TarFile,
    listed: Mapping[str, _Listed],
    targets: Mapping[str, Path],
    progress: Progress,
) -> None:
    """Every listed file once, into its part's folder; of parts without one nothing is written."""
    rows = ((label, name, file.size) for label, part in listed.items() for name, file in part.files.items())
    waiting = {f"{label}/{name}": (label, name, size) for label, name, size in rows}
    while (member := tar.next()) is not None:
        content = _plain(tar, member)
        if member.name not in waiting or content is None:
            refuse(source, f"{member.name!r} is no plain file of its manifest, or is there twice", code="foreign-name")
        label, name, size = waiting.pop(member.name)
        if member.size != size:
            refuse(source, f"{member.name} has {member.size} bytes, the manifest says {size}", code="wrong-hash")
        if label in targets:
            progress(f"unpacking {name} ({size >> 20} MB)")
            # the name in our own list, never the member's: nothing is written anywhere else
            with (targets[label] / name).open("xb") as out:
                shutil.copyfileobj(content, out, CHUNK)
                os.fchmod(out.fileno(), 0o755 if member.mode & 0o100 else 0o644)
    if waiting:
        refuse(source, f"it was cut off: {', '.join(waiting)} missing")


def _move(new: Path, part: Part) -> None:
    """Put a complete part in its place; a broken one that is there stays until the new one has taken it."""
    new.chmod(0o755)
    old = new.with_name(f"{new.name}.old")
    if part.folder.exists():
        part.folder.rename(old)
    try:
        new.rename(part.folder)
    except OSError:
        if old.exists():
            old.rename(part.folder)
        raise
