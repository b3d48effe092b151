"""``labctl setup``: what labs need on this host, and the images of containerlab's."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.configured import image_option, image_wishes, in_docker, parse_target, target_option
from labctl.cli.interrupt import unwinding
from labctl.cli.labs import complete_labs, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json, result_table, say, told
from labctl.cli.sources import found, spec_argument
from labctl.errors import HostError, InconclusiveError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.folder import Folder
    from labctl.images import Need, Stored
    from labctl.setup.parts import PartStatus


PARTS = ("PART", "STATE", "VERSION", "SIZE", "SOURCE")


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Prepare this host: bring the guest image and the control plane into the cache.

    Without a subcommand it builds. Once is enough for all labs; a second time does nothing.

    \b
    labctl setup
    labctl setup status
    labctl setup export labctl.tar.gz
    labctl setup images list whitepaper
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
    from labctl.setup.parts import boot_once
    from labctl.setup.parts import build as bring

    cache, shared = cache_dir(), shared_caches()
    with unwinding("removing what is half made; what is whole stays, labctl setup goes on"):
        rows = bring(cache, say, shared)
        boot_once((cache, *shared), say)
    body = [
        {**_row(part), "brought": seconds is not None, "seconds": round(seconds or 0.0, 1)} for part, seconds in rows
    ]
    last = ["was there already" if seconds is None else f"brought in {seconds:.0f} s" for _, seconds in rows]
    told(body, PARTS, _texts([part for part, _ in rows], last), as_json=as_json)


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

    rows = setup_status(cache_dir(), shared_caches(), full=full)
    ready = all(row.state == "whole" for row in rows)
    part = rows[0].part
    launchers = [standing(name, GuestImage(part.folder, part.version)) for name in AUTO]
    if as_json:
        result_json(
            {
                "ready": ready,
                "cache": str(cache_dir()),
                "compared": "hashes" if full else "sizes",
                "parts": [_row(row) for row in rows],
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
    result_table(PARTS, _texts(rows, [row.source or "-" for row in rows]))
    for row in rows:
        if row.why:
            result(f"{row.part.name}: {row.why}")
    for one in launchers:
        result(f"{one.name}: {one.sentence}")
    for folder in dict.fromkeys(row.part.folder.parent.parent for row in rows):
        result(f"cache: {folder}")
    if not ready:
        result("next: labctl setup")


@command.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def export_(file: Path, as_json: bool) -> None:
    """Write image and control plane into FILE, for a host that cannot build them (gzip, unless FILE ends in .tar)."""
    from labctl.cache import cache_dir, shared_caches
    from labctl.setup.bundle import export_bundle

    began = time.monotonic()
    outcome = export_bundle(cache_dir(), file, say, shared_caches())
    _told(file, outcome, time.monotonic() - began, as_json=as_json)


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

    began = time.monotonic()
    outcome = import_bundle(cache_dir(), file, say)
    _told(file, outcome, time.monotonic() - began, as_json=as_json)


def _told(file: Path, outcome: Mapping[str, str], seconds: float, *, as_json: bool) -> None:
    size = file.stat().st_size
    if as_json:
        result_json({"file": str(file), "size": size, "seconds": round(seconds, 1), "parts": outcome})
        return
    for name, became in outcome.items():
        result(f"{name}: {became}")
    result(f"{file}: {megabytes(size)}, {seconds:.0f} s")


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


def _texts(rows: Sequence[PartStatus], last: Sequence[str]) -> list[tuple[str, ...]]:
    return [
        (row.part.name, row.state, row.part.version, megabytes(row.size) if row.size else "-", text)
        for row, text in zip(rows, last, strict=True)
    ]


def megabytes(size: int) -> str:
    """``263 MB``."""
    return f"{(size + (1 << 20) - 1) >> 20} MB"


# --- images of containers ----------------------------------------------------------------------------------------


class _Images(click.Group):
    """``labctl setup images`` alone, or with options of ``build``, builds; with a SPEC, or its options, it lists."""

    BUILDS = ("-o", "--output", "--load", "--no-load", "--json")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["build" if not args or args[0].partition("=")[0] in self.BUILDS else "list", *args]
        return super().parse_args(ctx, args)


@command.group(cls=_Images)
def images() -> None:
    """Images for the containerlab runtime: those of stand-ins are built here, of the others it is told where from.

    Without a subcommand the stand-ins' are built; with a SPEC they are listed.

    \b
    labctl setup images
    labctl setup images list whitepaper --target switch=n9kv,cluster=kind
    labctl setup images load n9kv.tar --lab whitepaper
    """


@images.command("build")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Copy the archive to a file.")
@click.option("--load/--no-load", default=None, help="Load them into Docker.  [default: where a daemon answers]")
@json_option
def build_images(output: Path | None, load: bool | None, as_json: bool) -> None:
    """Build the stand-ins' container images for the containerlab runtime: no registry and no daemon is needed.

    labctl/host, labctl/n9kv-standin and labctl/k8s-standin, out of Debian packages; half a minute.
    """
    from labctl.cache import cache_dir
    from labctl.containers import recipe
    from labctl.containers.build import build_archive
    from labctl.images import docker_client, load_archive
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
    tags, path = [image.tag for image in recipe.IMAGES], output or archive.path
    if as_json:
        result_json({"archive": str(path), "images": tags, "loaded": sorted(loaded)})
        return
    for tag in tags:
        result(f"{tag}: {'loaded into Docker' if tag in loaded else 'in the archive'}")
    result(f"{path}: {megabytes(archive.path.stat().st_size)}")
    if not loaded:
        result(f"next: docker load --input {path}")


@images.command("list")
@spec_argument("[SPEC|DIR]")
@target_option
@image_option
@json_option
def list_(source: str | None, target: str | None, images: tuple[str, ...], as_json: bool) -> None:
    """Every image that SPEC (or the artifact folder DIR) needs, what for, whether Docker has it, and how to get it.

    Images that pods run are pulled by the nodes, or loaded: `labctl setup images load`.
    """
    from labctl.cli.rendering import folder_of
    from labctl.folder import load_folder
    from labctl.images import needed
    from labctl.runtime.select import REAL, host_of, runtime_for

    spec = found(source)
    if spec.is_dir() and (target is not None or images):
        raise UsageError("--target and --image go with a spec: a folder has them in its files", code="usage")
    given, version = parse_target(target)
    read_by = version or host_of(runtime_for(REAL)).topology_reader()
    with folder_of(spec, target=given, containerlab=read_by, wishes=image_wishes(images)) as path:
        folder = load_folder(path)
        needs = needed(folder)
    there, why = in_docker([need.image for need in needs])
    body: dict[str, Any] = {"schema": "labctl.images/v1", "lab": folder.lab.name, "target": dict(folder.lab.target)}
    body |= {"docker": why is None, "images": [_image_row(need, there) for need in needs]}
    rows = [(need.image, ", ".join(need.used_by), _in_docker(need, there), need.get) for need in needs]
    told(body, ("IMAGE", "FOR", "IN DOCKER", "GET IT BY"), rows, as_json=as_json)
    if as_json:
        return
    if why is not None:
        say(f"note: not looked up. {why}")
    if any(need.place == "pods" for need in needs):
        say("note: the nodes pull what pods run; without a registry: docker save -o FILE IMAGE…, then"
            f" labctl setup images load FILE --lab {folder.lab.name}")  # fmt: skip


def _in_docker(need: Need, there: Mapping[str, Stored | None]) -> str:
    if need.image not in there:
        return "?"
    found = there[need.image]
    return f"{found.size / 1e6:.0f} MB, {found.id.removeprefix('sha256:')[:12]}" if found else "no"


def _image_row(need: Need, there: Mapping[str, Stored | None]) -> dict[str, Any]:
    found = there.get(need.image)
    return {
        "image": need.image,
        "place": need.place,
        "used_by": list(need.used_by),
        "in_docker": found is not None if need.image in there else None,
        "size": found.size if found else None,
        "id": found.id if found else None,
        "get": need.get,
    }


@images.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--lab", help="A running lab whose nodes get the images, too.", shell_complete=complete_labs)
@json_option
def load(archive: Path, lab: str | None, as_json: bool) -> None:
    """Load ARCHIVE (of `docker save`) into Docker, and into the kind nodes of a running lab."""
    from labctl.images import docker_client, load_archive

    folder = _running(lab) if lab is not None else None
    with docker_client(limit=600) as client:
        loaded = load_archive(client, archive)
        nodes: list[str] = []
        if lab is not None and folder is not None:
            nodes = _into_nodes(client, lab, folder, archive)
    if as_json:
        result_json({"images": [{"tags": list(tags), "id": image} for tags, image in loaded], "nodes": nodes})
        return
    for tags, image in loaded:
        result(f"{', '.join(tags) or '(no tag)'}  {image.removeprefix('sha256:')[:12]}")


def _running(lab: str) -> Folder:
    from labctl.folder import load_folder

    return load_folder(open_lab(lab).folder)


def _into_nodes(client: Any, lab: str, folder: Folder, archive: Path) -> list[str]:
    from labctl.images import digests_in, import_archive, node_containers

    if folder.lab.target.get("cluster") != "kind":
        say(f"lab {lab} has no real nodes: stand-ins need no image")
        return []
    containers = node_containers(client, lab)
    if not containers:
        raise InconclusiveError(f"no node of lab {lab} runs", code="no-nodes", next_command=f"labctl status {lab}")
    done = import_archive(containers, archive, say)
    for file, image in digests_in(folder):
        say(f"warning: {file} asks for {image}; an archive brings tags, so the nodes pull it: write the tag there")
    return [one.node for one in done]
