"""``labctl setup``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.app import json_option, result, result_json, result_table, say
from labctl.cli.interrupt import unwinding

if TYPE_CHECKING:
    from labctl.setup.bundle import Bundle
    from labctl.setup.parts import PartStatus


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Prepare this host: bring the guest image and the control plane into the cache.

    Without a subcommand it builds. Once is enough for all labs; a second time does nothing.

    \b
    labctl setup
    labctl setup status
    labctl setup export labctl.tar.gz
    """
    if context.invoked_subcommand is None:
        context.invoke(build)


@command.command()
@json_option
def build(as_json: bool) -> None:
    """Bring what is missing or damaged: about a minute for the image, up to ten for the control plane.

    At the end a guest is booted once, unless that was done before: `labctl doctor` then knows how labs will run here.
    """
    from labctl.cache import cache_dir, shared_caches
    from labctl.setup.build import boot_once
    from labctl.setup.build import build as bring

    cache, shared = cache_dir(), shared_caches()
    with unwinding("removing what is half made; what is whole stays, labctl setup goes on"):
        rows = bring(cache, say, shared)
        boot_once((cache, *shared), say)
    if as_json:
        result_json([{**_row(row.status), "brought": row.brought, "seconds": round(row.seconds, 1)} for row in rows])
        return
    told = [f"brought in {row.seconds:.0f} s" if row.brought else "was there already" for row in rows]
    _tell_table([row.status for row in rows], told)


@command.command()
@click.option("--full", is_flag=True, help="Compare hashes too, not only sizes.")
@json_option
def status(full: bool, as_json: bool) -> None:
    """What is there: whole, broken or missing. Exit 0 whenever it could be told; `labctl doctor` judges."""
    from labctl.cache import cache_dir, shared_caches
    from labctl.guest.image import GuestImage
    from labctl.guest.launchers import AUTO
    from labctl.guest.trial import standing
    from labctl.setup.parts import setup_status

    found = setup_status(cache_dir(), shared_caches(), full=full)
    part = found.rows[0].part
    launchers = [standing(name, GuestImage(part.folder, part.version)) for name in AUTO]
    if as_json:
        result_json(
            {
                "ready": found.ready,
                "cache": str(found.cache),
                "compared": "hashes" if found.full else "sizes",
                "parts": [_row(row) for row in found.rows],
                "launchers": [
                    {
                        "launcher": one.name,
                        "refusal": one.refusal,
                        "tried": _time(one.tried.when if one.tried else None),
                    }
                    for one in launchers
                ],
            }
        )
        return
    _tell_table(found.rows, [row.source or "-" for row in found.rows])
    for row in found.rows:
        if row.why:
            result(f"{row.part.name}: {row.why}")
    for one in launchers:
        result(f"{one.name}: {one.words}")
    for folder in dict.fromkeys(row.part.folder.parent.parent for row in found.rows):
        result(f"cache: {folder}")
    if not found.ready:
        result("next: labctl setup")


@command.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Copy the archive to a file.")
@click.option("--load/--no-load", default=None, help="Load them into Docker.  [default: where a daemon answers]")
@json_option
def images(output: Path | None, load: bool | None, as_json: bool) -> None:
    """Build the stand-ins' container images for the containerlab runtime: no registry and no daemon is needed.

    labctl/host, labctl/n9kv-standin and labctl/k8s-standin, out of Debian packages; half a minute.
    """
    import shutil

    from labctl.cache import cache_dir
    from labctl.containers import recipe
    from labctl.containers.build import build_archive
    from labctl.errors import HostError
    from labctl.images.store import docker_client, load_archive
    from labctl.standin.cluster.controlplane.binaries import bring_binaries

    cache = cache_dir()
    archive = build_archive(cache, bring_binaries(cache, say), say)
    if output is not None:
        shutil.copyfile(archive.path, output)
    loaded: set[str] = set()
    if load is not False:
        try:
            with docker_client(limit=600) as client:
                loaded = {tag for tags, _ in load_archive(client, archive.path) for tag in tags}
        except HostError:
            if load:  # asked for; else it is loaded where a daemon answers
                raise
    if as_json:
        result_json(
            {
                "archive": str(output or archive.path),
                "images": [image.tag for image in recipe.IMAGES],
                "loaded": sorted(loaded),
            }
        )
        return
    for image in recipe.IMAGES:
        result(f"{image.tag}: {'loaded into Docker' if image.tag in loaded else 'in the archive'}")
    result(f"{output or archive.path}: {megabytes(archive.path.stat().st_size)}")
    if not loaded:
        result(f"next: docker load --input {output or archive.path}")


@command.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def export_(file: Path, as_json: bool) -> None:
    """Write image and control plane into FILE, for a host that cannot build them (gzip, unless FILE ends in .tar)."""
    from labctl.cache import cache_dir, shared_caches
    from labctl.setup.bundle import export_bundle

    _told(export_bundle(cache_dir(), file, say, shared_caches()), as_json=as_json)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
def import_(file: Path, as_json: bool) -> None:
    """Take image and control plane from FILE, which `labctl setup export` wrote on another host.

    Every hash is compared before anything gets into the cache. The hashes are the file's own: take it only from
    somebody whose programs you would run.
    """
    from labctl.cache import cache_dir
    from labctl.setup.bundle import import_bundle

    _told(import_bundle(cache_dir(), file, say), as_json=as_json)


def _told(bundle: Bundle, *, as_json: bool) -> None:
    if as_json:
        body = {"file": str(bundle.path), "size": bundle.size, "seconds": round(bundle.seconds, 1)}
        result_json({**body, "parts": dict(bundle.outcome)})
        return
    for name, outcome in bundle.outcome.items():
        result(f"{name}: {outcome}")
    result(f"{bundle.path}: {megabytes(bundle.size)}, {bundle.seconds:.0f} s")


def _row(status: PartStatus) -> dict[str, Any]:
    return {
        "part": status.part.name,
        "state": status.state,
        "why": status.why,
        "busy": status.busy,
        "version": status.part.version,
        "folder": str(status.part.folder),
        "size": status.size,
        "source": status.source,
        "made": _time(status.made),
    }


def _time(when: float | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)) if when is not None else None


def _tell_table(rows: Any, last: list[str]) -> None:
    result_table(
        ("PART", "STATE", "VERSION", "SIZE", "SOURCE"),
        [
            (row.part.name, row.state, row.part.version, megabytes(row.size) if row.size else "-", text)
            for row, text in zip(rows, last, strict=True)
        ],
    )


def megabytes(size: int) -> str:
    """``263 MB``."""
    return f"{(size + (1 << 20) - 1) >> 20} MB"
