"""``labctl images``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.app import complete_labs, json_option, result, result_json, result_table, say
from labctl.cli.configured import image_option, target_option
from labctl.cli.sources import found, spec_argument
from labctl.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.folder import Folder
    from labctl.images.needed import Need
    from labctl.images.store import Stored


class _OrList(click.Group):
    """``labctl images SPEC`` is ``labctl images list SPEC``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_OrList)
def command() -> None:
    """Images that a lab needs on containerlab, and where each comes from: `labctl images SPEC`.

    \b
    labctl images whitepaper --target switch=n9kv,cluster=kind
    labctl images load n9kv.tar --lab whitepaper
    """


@command.command("list")
@spec_argument("[SPEC|DIR]")
@target_option
@image_option
@json_option
def list_(source: str | None, target: str | None, images: tuple[str, ...], as_json: bool) -> None:
    """Every image that SPEC (or the artifact folder DIR) needs, what for, whether Docker has it, and how to get it.

    `labctl images SPEC` is the same. Images that pods run are pulled by the nodes, or loaded: `labctl images load`.
    """
    from labctl.cli.configured import image_wishes
    from labctl.cli.generate import parse_containerlab, parse_target
    from labctl.cli.preparing import containerlab_here
    from labctl.cli.rendering import folder_of
    from labctl.folder import load_folder
    from labctl.images.needed import needed

    spec = found(source)
    if spec.is_dir() and (target is not None or images):
        raise UsageError("--target and --image go with a spec: a folder has them in its files", code="usage")
    read_by, wishes = parse_containerlab(target) or containerlab_here(), image_wishes(images)
    with folder_of(spec, target=parse_target(target), containerlab=read_by, wishes=wishes) as path:
        folder = load_folder(path)
        needs = needed(folder)
    there, why = _looked_up([need.image for need in needs])
    if as_json:
        result_json(
            {
                "schema": "labctl.images/v1",
                "lab": folder.lab.name,
                "target": dict(folder.lab.target),
                "docker": why is None,
                "images": [_row(need, there) for need in needs],
            }
        )
        return
    rows = [(need.image, ", ".join(need.used_by), _state(need, there), need.get) for need in needs]
    result_table(("IMAGE", "FOR", "IN DOCKER", "GET IT BY"), rows)
    if why is not None:
        say(f"note: not looked up. {why}")
    if any(need.place == "pods" for need in needs):
        say("note: the nodes pull what pods run; without a registry: docker save -o FILE IMAGE…, then"
            f" labctl images load FILE --lab {folder.lab.name}")  # fmt: skip


def _looked_up(names: list[str]) -> tuple[Mapping[str, Stored | None], str | None]:
    """What Docker has; or why that could not be told."""
    from labctl.images.store import docker_client, stored

    try:
        with docker_client() as client:
            return stored(client, names), None
    except HostError as error:
        return {}, error.message


def _state(need: Need, there: Mapping[str, Stored | None]) -> str:
    if need.image not in there:
        return "?"
    found = there[need.image]
    return f"{found.size / 1e6:.0f} MB, {found.id.removeprefix('sha256:')[:12]}" if found else "no"


def _row(need: Need, there: Mapping[str, Stored | None]) -> dict[str, Any]:
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


@command.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--lab", help="A running lab whose nodes get the images, too.", shell_complete=complete_labs)
@json_option
def load(archive: Path, lab: str | None, as_json: bool) -> None:
    """Load ARCHIVE (of `docker save`) into Docker, and into the kind nodes of a running lab."""
    from labctl.images.store import docker_client, load_archive

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
    from labctl.cli.app import open_lab
    from labctl.folder import load_folder

    return load_folder(open_lab(lab).folder)


def _into_nodes(client: Any, lab: str, folder: Folder, archive: Path) -> list[str]:
    from labctl.errors import InconclusiveError
    from labctl.images.needed import digests_in
    from labctl.images.store import import_archive, node_containers

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
