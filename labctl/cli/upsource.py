"""What ``up`` boots, and on which runtime: a spec, rendered for the target that fits, or a folder as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from labctl.cli.configured import image_wishes, in_docker, parse_images, parse_target
from labctl.cli.labs import spec_name
from labctl.cli.output import say
from labctl.cli.rendering import planned
from labctl.design.design import Target
from labctl.design.images import ImageWishes, Part, choose_images
from labctl.errors import LabError, Problem, SpecError, UsageError
from labctl.imagename import SWITCH_ROLES
from labctl.peers import WRITTEN_FOR
from labctl.runtime.select import AUTO, REAL, host_of, made_with, runtime_class, runtime_for
from labctl.spec.keys import Cluster, Spec
from labctl.spec.load import load
from labctl.state import LabState, lab_state

if TYPE_CHECKING:
    from labctl.runtime.api import Runtime

Render = Callable[[Path], None]
Present = Callable[[Iterable[str]], Mapping[str, object | None]]
"""Which images Docker has, by name; None for one that it has not."""
STANDINS = ("standin", "standin")
PARTS: tuple[Part, ...] = ("switch", "cluster")
MADE_OF_IMAGES = {"switch": "n9kv", "cluster": "kind"}
TITLE = {"switch": "switches", "cluster": "nodes"}


@dataclass(frozen=True, slots=True)
class Source:
    """What puts a lab's artifact folder at a path, and what runs it."""

    lab: str
    render: Render
    runtime: str
    warnings: tuple[Problem, ...] = ()
    """What was told of its spec on stderr."""
    calico: Path | None = None
    """Calico's manifest that the spec names: a user's file never goes into the artifact folder."""

    @property
    def kind(self) -> type[Runtime]:
        """The runtime, to be asked what it can."""
        return runtime_class(self.runtime)


@dataclass(frozen=True, slots=True)
class Chosen:
    """For which target a spec is rendered, and what runs it. ``reasons``: a line for each part that nobody named."""

    runtime: str
    target: tuple[str, str]
    wishes: ImageWishes
    reasons: tuple[str, ...] = ()


def from_spec(source: Path, runtime: str, target: str | None, images: tuple[str, ...], name: str | None) -> Source:
    """Render for the target that is asked for, or that fits. Raises `UsageError`, `SpecError` or `HostError`."""
    from labctl.render.folder import render_folder, write_folder

    parse_images(images)
    given, version = parse_target(target)

    @cache
    def read_by() -> str | None:
        return version or host_of(runtime_for(REAL)).topology_reader()

    chosen = choose(
        source, runtime, given, has=_has(name or _name(source)),
        wishes=lambda: image_wishes(images), present=_present, running=lambda lab: _target_of(lab_state(name or lab)),
        containerlab=lambda: read_by() or WRITTEN_FOR,
    )  # fmt: skip
    kind = runtime_class(chosen.runtime)
    if images and not kind.images:
        able = runtime_for(REAL)
        raise UsageError(
            f"the {chosen.runtime} runtime has no images: --image goes with {able}",
            code="image-without-docker",
            next_command=f"labctl up {source} --runtime {able}",
        )
    for reason in chosen.reasons:
        say(reason)
    reader = read_by() if kind.images else version
    if reader is not None and version is None:
        say(f"topology.clab.yml is written for containerlab {reader}, which is on this host")
    design, warnings = planned(source, target=chosen.target, containerlab=reader, name=name, wishes=chosen.wishes)
    files = render_folder(design)

    def render(folder: Path) -> None:
        write_folder(files, folder)

    return Source(design.name, render, chosen.runtime, warnings, _calico_of(source))


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
    kinds = {part: lab.target.get(part, "standin") for part in PARTS}
    wrong = ", ".join(f"{part}={kind}" for part, kind in kinds.items() if kind in REAL)
    if runtime == AUTO:
        runtime = runtime_for(kinds.values(), _has(lab.name))
    elif wrong and not runtime_class(runtime).images:
        raise UsageError(
            f"{source} was rendered for {wrong}, which the {runtime} runtime cannot run",
            code="target-cannot-run",
            next_command="labctl generate SPEC --target switch=standin,cluster=standin",
        )

    def render(folder: Path) -> None:
        shutil.copytree(source, folder, symlinks=False)

    return Source(lab.name, render, runtime)


def choose(
    path: Path,
    runtime: str,
    given: tuple[str, str] | None,
    *,
    wishes: Callable[[], ImageWishes],
    present: Present,
    running: Callable[[str], tuple[str, str] | None],
    has: str | None = None,
    containerlab: Callable[[], str] = lambda: WRITTEN_FOR,
) -> Chosen:
    """Decide for a spec.

    ``given``: --target; ``has``: the runtime of a lab of that name that is there already and goes on, ``running`` its
    target; ``containerlab``: the version that will read the folder. Raises `UsageError` for a target that the runtime
    cannot run, `SpecError`, and what ``present`` raises.
    """
    if runtime == AUTO and given is not None:
        runtime = runtime_for(given, has)
    if runtime != AUTO and not runtime_class(runtime).images:
        return _standins(runtime, given)
    spec = any_spec(path)
    wanted: dict[str, str | None] = dict(zip(PARTS, given, strict=True)) if given else written_target(spec)
    if runtime == AUTO:
        runtime = runtime_for(wanted.values(), has)
        if not runtime_class(runtime).images:
            return _standins(runtime, given)
    asked = wishes()
    if all(wanted.values()):
        return Chosen(runtime, (str(wanted["switch"]), str(wanted["cluster"])), asked)
    before = running(spec.name)
    if before is not None:
        known = {part: wanted[part] or before[index] for index, part in enumerate(PARTS)}
        fell_back = frozenset(part for part in PARTS if wanted[part] is None and known[part] == "standin")
        return Chosen(runtime, (known["switch"], known["cluster"]), replace(asked, standins=fell_back))
    return _by_presence(runtime, spec, wanted, asked, present, containerlab())


def _standins(runtime: str, given: tuple[str, str] | None) -> Chosen:
    if given is not None and given != STANDINS:
        wrong = ", ".join(f"{part}={kind}" for part, kind in zip(PARTS, given, strict=True) if kind != "standin")
        raise UsageError(
            f"the {runtime} runtime cannot run {wrong}",
            code="target-cannot-run",
            next_command=f"labctl up SPEC --runtime {runtime_for(REAL)} --target switch=n9kv,cluster=kind",
        )
    return Chosen(runtime, STANDINS, ImageWishes())


def _by_presence(
    runtime: str,
    spec: Spec,
    wanted: dict[str, str | None],
    wishes: ImageWishes,
    present: Present,
    containerlab: str,
) -> Chosen:
    """Real parts where their images are in Docker, stand-ins elsewhere; of parts that nobody named."""
    images = {part: names for part, names in real_images(spec, wishes, containerlab).items() if wanted[part] is None}
    there = present(dict.fromkeys(image for names in images.values() for image in names))
    chosen: dict[str, str] = {part: wanted[part] or "standin" for part in PARTS}
    reasons, fell_back = list[str](), set[Part]()
    for part, names in images.items():
        if not names:
            continue  # the lab has no such part
        why = _not_there([name for name in names if there[name] is None])
        if why is None and part == "cluster":
            why = _cannot(spec, containerlab)
        if why is None:
            chosen[part] = MADE_OF_IMAGES[part]
            reasons.append(f"{TITLE[part]}: {chosen[part]} ({', '.join(names)}, in Docker)")
        else:
            fell_back.add(part)
            reasons.append(f"{TITLE[part]}: stand-ins ({why})")
    decided = replace(wishes, standins=frozenset(fell_back))
    return Chosen(runtime, (chosen["switch"], chosen["cluster"]), decided, tuple(reasons))


def _not_there(images: list[str]) -> str | None:
    return f"{', '.join(images)} {'is' if len(images) == 1 else 'are'} not in Docker" if images else None


def real_images(spec: Spec, wishes: ImageWishes, containerlab: str) -> dict[Part, tuple[str, ...]]:
    """The images that real parts of a spec would run, each once."""
    from labctl.design import versions
    from labctl.spec.rules import switches_of

    cluster = spec.cluster if isinstance(spec.cluster, Cluster) else None
    kubernetes = versions.of_cluster(spec, "kind", containerlab)[0] if cluster else ""
    images = choose_images(spec.images, Target("n9kv", "kind"), spec.fabric.nxos, kubernetes, wishes)
    there = {role for _, role, _ in switches_of(spec)}
    roles = [role for role in SWITCH_ROLES if role in there]
    names = (images.of(cast("Literal['leaf', 'spine', 'border']", role)).tagged for role in roles)
    return {"switch": tuple(dict.fromkeys(names)), "cluster": (images.node.tagged,) if cluster else ()}


def _cannot(spec: Spec, containerlab: str) -> str | None:
    """Why kind cannot run the versions that a spec asks for."""
    if not isinstance(spec.cluster, Cluster):
        return None
    from labctl.spec.conflicts import unfit_cluster

    return next((one.message for one in unfit_cluster(spec, "kind", containerlab) if one.fatal), None)


def written_target(spec: Spec) -> dict[str, str | None]:
    """What the spec itself says, part by part."""
    said = spec.target.model_dump(include=spec.target.model_fields_set)
    return {part: said.get(part) for part in PARTS}


def any_spec(path: Path) -> Spec:
    """The spec, judged for the first target that it is right for. Raises `SpecError` when there is none: that of the
    target which the spec itself names."""
    for target in (("n9kv", "kind"), ("standin", "kind"), ("n9kv", "standin"), STANDINS):
        try:
            return load(path, target=target)
        except SpecError:
            continue
    return load(path)


def _present(names: Iterable[str]) -> Mapping[str, object | None]:
    wanted = tuple(names)
    there, why = in_docker(wanted)
    if why is not None:
        say(f"it could not be looked up which images Docker has: {why}")
        return dict.fromkeys(wanted)  # the doctor, who is asked next, says what is wrong with this host
    return there


def _name(source: Path) -> str | None:
    """The name that a spec gives its lab."""
    try:
        return spec_name(source)
    except UsageError:
        return None  # no spec: what reads it next says so with its place


def _has(lab: str | None) -> str | None:
    """The runtime of a lab of that name that is there already."""
    try:
        return made_with(lab_state(lab)) if lab is not None else None
    except (OSError, ValueError, LabError, UsageError):
        return None  # no lab of ours, or no name of one: what reads it next says so with its place


def _target_of(state: LabState) -> tuple[str, str] | None:
    """What the folder of a lab that is there was rendered for."""
    try:
        target = json.loads((state.folder / "lab.json").read_text())["target"]
        return str(target["switch"]), "standin" if target["cluster"] == "none" else str(target["cluster"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none


def _calico_of(spec: Path) -> Path | None:
    """``cluster.calico.manifest`` of a spec that was judged already, relative to it; None: it names none."""
    import yaml

    from labctl.spec.textfile import read_text

    found = yaml.load(read_text(spec)[0], Loader=yaml.CSafeLoader).get("cluster")
    for key in ("calico", "manifest"):
        found = found.get(key) if isinstance(found, dict) else None
    return spec.parent / str(found) if found else None
