"""What ``up`` boots, and on which runtime: a spec, rendered for the target that fits, or a folder as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from labctl.cli.configured import image_wishes, in_docker, parse_images, parse_target
from labctl.cli.options import refuse
from labctl.cli.output import say
from labctl.cli.sources import planned, spec_name
from labctl.design import versions
from labctl.design.design import Target
from labctl.design.images import ImageWishes, Part, choose_images
from labctl.errors import LabctlError, Problem, SpecError
from labctl.folder import load_folder
from labctl.peers import WRITTEN_FOR
from labctl.render.folder import render_folder, write_folder
from labctl.runtime.select import AUTO, REAL, host_of, made_with, runtime_class, runtime_for
from labctl.spec.conflicts import unfit_cluster
from labctl.spec.keys import Cluster, Spec
from labctl.spec.load import load
from labctl.spec.rules import switches_of
from labctl.state import lab_state

Nodes = tuple[str, str]
"""What switches and cluster are."""
STANDINS = ("standin", "standin")
PARTS: dict[Part, tuple[str, str]] = {"switch": ("n9kv", "switches"), "cluster": ("kind", "nodes")}
"""What a part is called that is made of images, and what a person calls the part."""


@dataclass(frozen=True, slots=True)
class Source:
    """What puts a lab's artifact folder at a path, and what runs it."""

    lab: str
    render: Callable[[Path], None]
    runtime: str
    warnings: tuple[Problem, ...] = ()
    """What was told of its spec on stderr."""
    calico: Path | None = None
    """Calico's manifest that the spec names: a user's file never goes into the artifact folder."""


def from_spec(source: Path, runtime: str, target: str | None, images: tuple[str, ...], name: str | None) -> Source:
    """Render for the target that is asked for, or that fits. Raises `UsageError`, `SpecError` or `HostError`."""
    parse_images(images)
    given, reader = parse_target(target)
    if runtime == AUTO:
        parts = given or tuple(_written(any_spec(source)).values())
        runtime = runtime_for(parts, _has(source, name))
    able, wishes = runtime_for(REAL), ImageWishes()
    if runtime_class(runtime).images:
        here = None if reader else host_of(able).topology_reader()
        reader = reader or here
        given, wishes = _choose(source, given, image_wishes(images), name, reader or WRITTEN_FOR)
        if here:
            say(f"topology.clab.yml is written for containerlab {here}, which is on this host")
    else:
        message = f"the {runtime} runtime cannot run {_real(zip(PARTS, given or STANDINS, strict=True))}"
        instead = f"labctl up SPEC --runtime {able} --target switch=n9kv,cluster=kind"
        refuse(given not in (None, STANDINS), message, code="target-cannot-run", next_command=instead)
        message = f"the {runtime} runtime has no images: --image goes with {able}"
        refuse(images, message, code="image-without-docker", next_command=f"labctl up {source} --runtime {able}")
    design, spec = planned(source, target=given or STANDINS, containerlab=reader, name=name, wishes=wishes)
    manifest = spec.cluster.calico.manifest if isinstance(spec.cluster, Cluster) else None
    calico = source.parent / manifest if manifest else None
    files = render_folder(design)

    def render(folder: Path) -> None:
        write_folder(files, folder)

    return Source(design.name, render, runtime, spec.warnings, calico)


def from_folder(source: Path, runtime: str) -> Source:
    """A folder as it is. Raises `SpecError` for what is none, `UsageError` for one that the runtime cannot run."""
    lab = load_folder(source).lab
    kinds = {part: lab.target.get(part, "standin") for part in PARTS}
    if runtime == AUTO:
        runtime = runtime_for(kinds.values(), _has(source, lab.name))
    else:
        wrong = not REAL.isdisjoint(kinds.values()) and not runtime_class(runtime).images
        message = f"{source} was rendered for {_real(kinds.items())}, which the {runtime} runtime cannot run"
        instead = "labctl generate SPEC --target switch=standin,cluster=standin"
        refuse(wrong, message, code="target-cannot-run", next_command=instead)

    def render(folder: Path) -> None:
        shutil.copytree(source, folder)

    return Source(lab.name, render, runtime)


def _real(kinds: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{part}={kind}" for part, kind in kinds if kind in REAL)


def _choose(
    path: Path, given: Nodes | None, wishes: ImageWishes, name: str | None, containerlab: str
) -> tuple[Nodes, ImageWishes]:
    """For a runtime that has images: what nobody named is what a lab that is there already has, else what Docker has
    images for. Says why."""
    spec = any_spec(path)
    wanted = dict(zip(PARTS, given, strict=True)) if given else _written(spec)
    nobody_named = [part for part, kind in wanted.items() if kind is None]
    if not nobody_named:
        return (str(wanted["switch"]), str(wanted["cluster"])), wishes
    decided = _running(name or spec.name) or _by_presence(spec, nobody_named, wishes, containerlab)
    chosen = {part: kind or decided[part] for part, kind in wanted.items()}
    fell_back = frozenset(part for part in nobody_named if decided[part] == "standin")
    return (chosen["switch"], chosen["cluster"]), replace(wishes, standins=fell_back)


def _by_presence(spec: Spec, parts: list[Part], wishes: ImageWishes, containerlab: str) -> dict[Part, str]:
    """Real parts where their images are in Docker, stand-ins elsewhere."""
    images = {part: names for part, names in _images(spec, wishes, containerlab).items() if part in parts}
    there = _present([image for names in images.values() for image in names])
    decided: dict[Part, str] = dict.fromkeys(parts, "standin")
    for part, names in images.items():
        kind, title = PARTS[part]
        missing = [name for name in names if there[name] is None]
        why = _unfit(part, spec, missing, containerlab)
        if why is None:
            decided[part] = kind
        say(f"{title}: " + (f"stand-ins ({why})" if why else f"{kind} ({', '.join(names)}, in Docker)"))
    return decided


def _unfit(part: Part, spec: Spec, missing: list[str], containerlab: str) -> str | None:
    """Why a part is not made of images; None: it is."""
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in Docker"
    if part == "cluster":  # kind may not run the versions that the spec asks for
        return next((one.message for one in unfit_cluster(spec, "kind", containerlab) if one.fatal), None)
    return None


def _images(spec: Spec, wishes: ImageWishes, containerlab: str) -> dict[Part, list[str]]:
    """The images that real parts of a spec would run, each once; of parts that the lab has."""
    cluster = isinstance(spec.cluster, Cluster)
    kubernetes = versions.of_cluster(spec, "kind", containerlab)[0] if cluster else ""
    chosen = choose_images(spec.images, Target("n9kv", "kind"), spec.fabric.nxos, kubernetes, wishes)
    roles = {role for _, role, _ in switches_of(spec)}
    images = {"leaf": chosen.leaf, "spine": chosen.spine, "border": chosen.border}
    switches = list(dict.fromkeys(image.tagged for role, image in images.items() if role in roles))
    return {"switch": switches, "cluster": [chosen.node.tagged]} if cluster else {"switch": switches}


def _present(names: list[str]) -> Mapping[str, object | None]:
    """Which images Docker has, by name; None for one that it has not."""
    there, why = in_docker(names)
    if why is None:
        return there
    say(f"it could not be looked up which images Docker has: {why}")
    return dict.fromkeys(names)  # the doctor, who is asked next, says what is wrong with this host


def _written(spec: Spec) -> dict[Part, str | None]:
    """The target that the spec itself says, part by part."""
    said = spec.target.model_dump(include=spec.target.model_fields_set)
    return {part: said.get(part) for part in PARTS}


def any_spec(path: Path) -> Spec:
    """The spec, judged for the first target that it is right for. Raises `SpecError` when there is none: that of the
    target which the spec itself names."""
    for target in (("n9kv", "kind"), ("standin", "kind"), ("n9kv", "standin"), STANDINS):
        with suppress(SpecError):
            return load(path, target=target)
    return load(path)


def _has(source: Path, name: str | None) -> str | None:
    """The runtime of a lab of that name, else of the spec's, that is there already."""
    try:
        return made_with(lab_state(name or spec_name(source)))
    except (OSError, ValueError, LabctlError):
        return None  # no lab of ours, or no name of one: what reads it next says so with its place


def _running(lab: str) -> dict[Part, str] | None:
    """What the folder of a lab that is there was rendered for; None: there is none."""
    try:
        kinds = load_folder(lab_state(lab).folder).lab.target
    except LabctlError:
        return None
    return {part: kinds[part].replace("none", "standin") for part in PARTS}
