"""What ``up`` boots, and on which runtime: a spec, rendered for the target that fits, or a folder as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.cli.configured import image_wishes, parse_images
from labctl.cli.output import say
from labctl.errors import HostError, LabError, Problem, UsageError
from labctl.peers import WRITTEN_FOR

if TYPE_CHECKING:
    from labctl.state import LabState

Render = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What puts a lab's artifact folder at a path, and what runs it."""

    lab: str
    render: Render
    runtime: str
    warnings: tuple[Problem, ...] = ()
    """What was told of its spec on stderr."""


def from_spec(source: Path, runtime: str, target: str | None, images: tuple[str, ...], name: str | None) -> Source:
    """Render for the target that is asked for, or that fits. Raises `UsageError`, `SpecError` or `HostError`."""
    from labctl.cli.preparing import containerlab_here
    from labctl.cli.rendering import planned
    from labctl.cli.targets import choose
    from labctl.cli.verbs.generate import parse_containerlab, parse_target
    from labctl.render.folder import render_folder, write_folder
    from labctl.state import lab_state

    parse_images(images)

    @cache
    def read_by() -> str | None:
        return parse_containerlab(target) or containerlab_here()

    def running(lab: str) -> tuple[str, str] | None:
        return _target_of(lab_state(name or lab))

    if runtime == "auto" and name is None and _on_containerlab(_name(source)):
        runtime = "containerlab"  # the lab is there: it goes on where it is
    chosen = choose(
        source, runtime, parse_target(target),
        wishes=lambda: image_wishes(images), present=_present, running=running,
        containerlab=lambda: read_by() or WRITTEN_FOR,
    )  # fmt: skip
    if images and chosen.runtime == "embedded":
        raise UsageError(
            "the embedded runtime has no images: --image goes with containerlab",
            code="image-without-docker",
            next_command=f"labctl up {source} --runtime containerlab",
        )
    for reason in chosen.reasons:
        say(reason)
    reader = read_by() if chosen.runtime == "containerlab" else parse_containerlab(target)
    if reader is not None and parse_containerlab(target) is None:
        say(f"topology.clab.yml is written for containerlab {reader}, which is on this host")
    design, warnings = planned(source, target=chosen.target, containerlab=reader, name=name, wishes=chosen.wishes)
    files = render_folder(design)

    def render(folder: Path) -> None:
        write_folder(files, folder)

    return Source(design.name, render, chosen.runtime, warnings)


def _present(names: Iterable[str]) -> Mapping[str, object | None]:
    from labctl.images.store import docker_client, stored

    wanted = tuple(names)
    try:
        with docker_client() as client:
            return stored(client, wanted)
    except HostError as error:
        say(f"it could not be looked up which images Docker has: {error.message}")
        return dict.fromkeys(wanted)  # the doctor, who is asked next, says what is wrong with this host


def _name(source: Path) -> str | None:
    """The name that a spec gives its lab."""
    from labctl.cli.labs import spec_name

    try:
        return spec_name(source)
    except UsageError:
        return None  # no spec: what reads it next says so with its place


def _on_containerlab(lab: str | None) -> bool:
    """Whether a lab of that name is there already, on containerlab."""
    from labctl.runtime.select import CONTAINERLAB, made_with
    from labctl.state import lab_state

    try:
        return lab is not None and made_with(lab_state(lab)) == CONTAINERLAB
    except (OSError, ValueError, LabError, UsageError):
        return False  # no lab of ours, or no name of one: what reads it next says so with its place


def _target_of(state: LabState) -> tuple[str, str] | None:
    """What the folder of a lab that is there was rendered for."""
    try:
        target = json.loads((state.folder / "lab.json").read_text())["target"]
        return str(target["switch"]), "standin" if target["cluster"] == "none" else str(target["cluster"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none


def from_folder(source: Path, runtime: str) -> Source:
    """A folder as it is. Raises `UsageError` for one that the runtime cannot run."""
    from labctl.folder import load_folder

    if not (source / "lab.json").is_file():
        raise UsageError(
            f"{source} is no artifact folder: it has no lab.json",
            code="no-artifact-folder",
            next_command=f"labctl generate SPEC -o {source}",
        )
    lab = load_folder(source).lab
    kinds = {part: lab.target.get(part, "standin") for part in ("switch", "cluster")}
    wrong = [f"{part}={kind}" for part, kind in kinds.items() if kind not in {"standin", "none"}]
    if wrong and runtime == "embedded":
        raise UsageError(
            f"{source} was rendered for {', '.join(wrong)}, which the embedded runtime cannot run",
            code="target-cannot-run",
            next_command="labctl generate SPEC --target switch=standin,cluster=standin",
        )
    if runtime == "auto":
        runtime = "containerlab" if wrong or _on_containerlab(lab.name) else "embedded"

    def render(folder: Path) -> None:
        shutil.copytree(source, folder, symlinks=False)

    return Source(lab.name, render, runtime)
