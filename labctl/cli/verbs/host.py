"""Verbs for this host: what it can, what labs need on it, completion, versions."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class
from click.shell_completion import split_arg_string as split

from labctl import __version__
from labctl.cli.configured import TARGET_OF_SPEC, image_option, image_wishes, in_docker, parse_target, target_option
from labctl.cli.interrupt import unwinding
from labctl.cli.labs import complete_labs, open_lab
from labctl.cli.options import given, json_option, refuse
from labctl.cli.output import FILE, answer, columns, result, say
from labctl.cli.sources import folder_of, found, spec_argument
from labctl.errors import ExitCode, HostError
from labctl.runtime.select import RUNTIMES, host_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.folder import Folder
    from labctl.setup.parts import PartStatus

group = click.Group()


@group.command()
@spec_argument("[SPEC|DIR]")
@click.option("--runtime", type=click.Choice(list(RUNTIMES)), default=next(iter(RUNTIMES)), show_default=True)
@json_option
def doctor(source: str | None, runtime: str) -> None:
    """What this host can and cannot do, and the command that repairs it.

    With `--runtime containerlab` for one lab, too: of SPEC, with the target that it names, or of an artifact folder.

    Exit 0 when the runtime can run here (warnings are allowed), else 4. Nothing is changed or downloaded.

    \b
    labctl doctor
    labctl doctor whitepaper --runtime containerlab
    """
    from labctl.doctor.findings import can_run, page
    from labctl.report.style import wants_colour
    from labctl.report.table import width_of

    seen = host_of(runtime).examine(found(source) if source else None)
    able = can_run(seen.findings)
    body = {"can_run": able, **seen.more, "findings": [asdict(finding) for finding in seen.findings]}
    answer(body, page(seen.findings, seen.subject, width=width_of(sys.stdout), colour=wants_colour(sys.stdout)))
    if not able:
        raise SystemExit(ExitCode.HOST)


@group.group(invoke_without_command=True)
@click.pass_context
def setup(context: click.Context) -> None:
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


@setup.command()
@json_option
def build() -> None:
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
    body = [{**_row(part), "brought": took is not None, "seconds": round(took or 0.0, 1)} for part, took in rows]
    texts = [(part, "was there already" if took is None else f"brought in {took:.0f} s") for part, took in rows]
    answer(body, _table(texts))


@setup.command()
@click.option("--full", is_flag=True, help="Compare hashes too, not only sizes.")
@json_option
def status(full: bool) -> None:
    """What is there: whole, broken or missing. Exit 0 whenever it could be told; `labctl doctor` judges."""
    from labctl.cache import cache_dir, shared_caches
    from labctl.guest.image import GuestImage
    from labctl.guest.launchers import AUTO
    from labctl.guest.trial import standing
    from labctl.setup.parts import setup_status

    rows = setup_status(cache_dir(), shared_caches(), full=full)
    ready, part = all(row.state == "whole" for row in rows), rows[0].part
    launchers = [standing(name, GuestImage(part.folder, part.version)) for name in AUTO]
    tried = [{"launcher": one.name, "refusal": one.refusal, "tried": _time(one.tried.when if one.tried else None)}
             for one in launchers]  # fmt: skip
    body = {"ready": ready, "cache": str(cache_dir()), "compared": "hashes" if full else "sizes"}
    answer(
        body | {"parts": [_row(row) for row in rows], "launchers": tried},
        _table([(row, row.source or "-") for row in rows]),
        *(f"{row.part.name}: {row.why}" for row in rows if row.why),
        *(f"{one.name}: {one.sentence}" for one in launchers),
        *(f"cache: {folder}" for folder in dict.fromkeys(row.part.folder.parent.parent for row in rows)),
        *([] if ready else ["next: labctl setup"]),
    )


@setup.command("export")
@click.argument("file", type=FILE)
@json_option
def export_(file: Path) -> None:
    """Write image and control plane into FILE, for a host that cannot build them (gzip, unless FILE ends in .tar)."""
    from labctl.cache import cache_dir, shared_caches
    from labctl.setup.bundle import export_bundle

    began = time.monotonic()
    _told(file, export_bundle(cache_dir(), file, say, shared_caches()), began)


@setup.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
def import_(file: Path) -> None:
    """Take image and control plane from FILE, which `labctl setup export` wrote on another host.

    Every hash is compared before anything gets into the cache. The hashes are the file's own: take it only from
    somebody whose programs you would run.
    """
    from labctl.cache import cache_dir
    from labctl.setup.bundle import import_bundle

    began = time.monotonic()
    _told(file, import_bundle(cache_dir(), file, say), began)


def _told(file: Path, outcome: Mapping[str, str], began: float) -> None:
    """What became of each part of a bundle."""
    size, seconds = file.stat().st_size, time.monotonic() - began
    body = {"file": str(file), "size": size, "seconds": round(seconds, 1), "parts": outcome}
    answer(
        body, *(f"{part}: {became}" for part, became in outcome.items()), f"{file}: {_megabytes(size)}, {seconds:.0f} s"
    )


def _row(status: PartStatus) -> dict[str, Any]:
    part = {"part": status.part.name, "version": status.part.version, "folder": str(status.part.folder)}
    seen = {key: getattr(status, key) for key in ("state", "why", "busy", "size", "source")}
    return part | seen | {"made": _time(status.made)}


def _time(when: float | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)) if when is not None else None


def _table(rows: list[tuple[PartStatus, str]]) -> str:
    """Parts, each with what stands in its last column."""
    texts = [
        (row.part.name, row.state, row.part.version, _megabytes(row.size) if row.size else "-", last)
        for row, last in rows
    ]
    return columns(("PART", "STATE", "VERSION", "SIZE", "SOURCE"), texts)


def _megabytes(size: int) -> str:
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


@setup.group(cls=_Images)
def images() -> None:
    """Images for the containerlab runtime: those of stand-ins are built here, of the others it is told where from.

    Without a subcommand the stand-ins' are built; with a SPEC they are listed.

    \b
    labctl setup images
    labctl setup images list whitepaper --target switch=n9kv,cluster=kind
    labctl setup images load n9kv.tar --lab whitepaper
    """


@images.command("build")
@click.option("-o", "--output", type=FILE, help="Copy the archive to a file.")
@click.option("--load/--no-load", default=None, help="Load them into Docker.  [default: where a daemon answers]")
@json_option
def build_images(output: Path | None, load: bool | None) -> None:
    """Build the stand-ins' container images for the containerlab runtime: no registry and no daemon is needed.

    labctl/host, labctl/n9kv-standin and labctl/k8s-standin, out of Debian packages; half a minute.
    """
    from labctl.cache import cache_dir
    from labctl.containers import IMAGES, build_archive
    from labctl.images import docker_client, load_archive
    from labctl.standin.cluster.controlplane.binaries import bring_binaries

    cache = cache_dir()
    archive = build_archive(cache, bring_binaries(cache, say), say)
    if output is not None:
        shutil.copyfile(archive, output)
    loaded: set[str] = set()
    if load is not False:  # not asked for, it is loaded where a daemon answers
        with nullcontext() if load else suppress(HostError), docker_client(limit=600) as client:
            loaded = {tag for tags, _ in load_archive(client, archive) for tag in tags}
    tags, path = [image.tag for image in IMAGES], output or archive
    answer(
        {"archive": str(path), "images": tags, "loaded": sorted(loaded)},
        *(f"{tag}: {'loaded into Docker' if tag in loaded else 'in the archive'}" for tag in tags),
        f"{path}: {_megabytes(archive.stat().st_size)}",
        *([] if loaded else [f"next: docker load --input {path}"]),
    )


@images.command("list")
@spec_argument("[SPEC|DIR]")
@target_option(TARGET_OF_SPEC)
@image_option
@json_option
def list_(source: str | None, target: str | None, images: tuple[str, ...]) -> None:
    """Every image that SPEC (or the artifact folder DIR) needs, what for, whether Docker has it, and how to get it.

    Images that pods run are pulled by the nodes, or loaded: `labctl setup images load`.
    """
    from labctl.folder import load_folder
    from labctl.images import needed
    from labctl.runtime.select import REAL, host_of, runtime_for

    spec = found(source)
    mixed = spec.is_dir() and (target is not None or images)
    refuse(mixed, "--target and --image go with a spec: a folder has them in its files")
    nodes, version = parse_target(target)
    read_by = version or host_of(runtime_for(REAL)).topology_reader()
    with folder_of(spec, target=nodes, containerlab=read_by, wishes=image_wishes(images)) as path:
        folder = load_folder(path)
        needs = needed(folder)
    there, why = in_docker([need.image for need in needs])
    rows, texts = [], []
    for need in needs:
        stored, state = there.get(need.image), "no" if need.image in there else "?"
        if stored:
            state = f"{stored.size / 1e6:.0f} MB, {stored.id.removeprefix('sha256:')[:12]}"
        row: dict[str, Any] = {"image": need.image, "place": need.place, "used_by": list(need.used_by)}
        row |= {"in_docker": stored is not None if need.image in there else None, "get": need.get}
        rows.append(row | {"size": stored.size if stored else None, "id": stored.id if stored else None})
        texts.append((need.image, ", ".join(need.used_by), state, need.get))
    body: dict[str, Any] = {"schema": "labctl.images/v1", "lab": folder.lab.name, "target": dict(folder.lab.target)}
    body |= {"docker": why is None, "images": rows}
    answer(body, columns(("IMAGE", "FOR", "IN DOCKER", "GET IT BY"), texts))
    if given("as_json"):
        return
    if why is not None:
        say(f"note: not looked up. {why}")
    if any(need.place == "pods" for need in needs):
        say("note: the nodes pull what pods run; without a registry: docker save -o FILE IMAGE…, then"
            f" labctl setup images load FILE --lab {folder.lab.name}")  # fmt: skip


@images.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--lab", help="A running lab whose nodes get the images, too.", shell_complete=complete_labs)
@json_option
def load(archive: Path, lab: str | None) -> None:
    """Load ARCHIVE (of `docker save`) into Docker, and into the kind nodes of a running lab."""
    from labctl.images import docker_client, load_archive

    folder = open_lab(lab).folder() if lab is not None else None
    with docker_client(limit=600) as client:
        loaded = load_archive(client, archive)
        nodes = _into_nodes(client, folder, archive) if folder else []
    body = {"images": [{"tags": list(tags), "id": image} for tags, image in loaded], "nodes": nodes}
    answer(body, *(f"{', '.join(tags) or '(no tag)'}  {image.removeprefix('sha256:')[:12]}" for tags, image in loaded))


def _into_nodes(client: Any, folder: Folder, archive: Path) -> list[str]:
    from labctl.images import digests_in, import_archive

    lab = folder.lab.name
    if not folder.lab.real_cluster:
        say(f"lab {lab} has no real nodes: stand-ins need no image")
        return []
    done = import_archive(client, lab, archive, say)
    for file, image in digests_in(folder):
        say(f"warning: {file} asks for {image}; an archive brings tags, so the nodes pull it: write the tag there")
    return done


class Bash(BashComplete):
    """``node01:eth1`` comes from bash as three words, and what is offered replaces the last of them alone."""

    source_template = BashComplete.source_template.replace(
        "    return 0\n", "    [[ ${COMPREPLY[0]} == *[:=/] ]] && compopt -o nospace\n    return 0\n"
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        cut, current = split(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        words = [""]
        for word in [*cut[: current + 1], *([""] if current >= len(cut) else [])]:
            joined = word in (":", "=") or words[-1].endswith((":", "="))
            words[len(words) - joined :] = [words[-1] + word if joined else word]
        self._kept = len(words[-1]) - len(re.split("[:=]", words[-1])[-1])
        return words[2:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{item.value[self._kept :]}"


add_completion_class(Bash)


@group.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what SHELL is to read, so that Tab completes verbs, labs, nodes, interfaces, figures and scenarios.

    \b
    source <(labctl completion bash)          in ~/.bashrc
    source <(labctl completion zsh)           in ~/.zshrc, after compinit
    labctl completion fish | source           in ~/.config/fish/config.fish
    """
    from labctl.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has the three that the choice above names
    result(kind(cli, {}, "labctl", "_LABCTL_COMPLETE").source().strip())


@group.command()
@json_option
def version() -> None:
    """Versions of labctl and of what its labs boot: guest image and control plane.

    \b
    labctl version --json
    """
    from labctl.cache import cache_dir
    from labctl.setup.parts import setup_status

    python = platform.python_version()
    parts = [(row.part.name, row.part.version, row.state) for row in setup_status(cache_dir(), full=False)]
    rows = [dict(zip(("part", "version", "state"), part, strict=True)) for part in parts]
    table = columns(("PART", "VERSION", "STATE"), [("labctl", __version__, f"Python {python}"), *parts])
    answer({"schema": "labctl.version/v1", "labctl": __version__, "python": python, "parts": rows}, table)
