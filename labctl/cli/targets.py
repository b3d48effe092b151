"""For which target ``up`` renders a spec, on which runtime, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from labctl.design import versions
from labctl.design.design import Target
from labctl.design.images import ImageWishes, Part, choose_images
from labctl.errors import SpecError, UsageError
from labctl.imagename import SWITCH_ROLES
from labctl.peers import WRITTEN_FOR
from labctl.spec.keys import Cluster, Spec
from labctl.spec.load import load

RuntimeName = Literal["embedded", "containerlab"]
Present = Callable[[Iterable[str]], Mapping[str, object | None]]
"""Which images Docker has, by name; None for one that it has not."""
STANDINS = ("standin", "standin")
PARTS: tuple[Part, ...] = ("switch", "cluster")
REAL = {"switch": "n9kv", "cluster": "kind"}
TITLE = {"switch": "switches", "cluster": "nodes"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What came of it. ``reasons``: a line for each part that nobody had named."""

    runtime: RuntimeName
    target: tuple[str, str]
    wishes: ImageWishes
    reasons: tuple[str, ...] = ()


def choose(
    path: Path,
    runtime: str,
    given: tuple[str, str] | None,
    *,
    wishes: Callable[[], ImageWishes],
    present: Present,
    running: Callable[[str], tuple[str, str] | None],
    containerlab: Callable[[], str] = lambda: WRITTEN_FOR,
) -> Chosen:
    """Decide for a spec.

    ``runtime``: auto, embedded or containerlab; ``given``: --target; ``running``: the target of a lab of that name
    that is there already and goes on; ``containerlab``: the version that will read the folder. Raises `UsageError` for
    a target that the runtime cannot run, `SpecError`, and what ``present`` raises.
    """
    if runtime == "embedded" or (given == STANDINS and runtime == "auto"):
        return _embedded(given)
    spec = any_spec(path)
    written = written_target(spec)
    wanted: dict[str, str | None] = dict(zip(PARTS, given, strict=True)) if given else written
    if runtime == "auto" and not any(wanted[part] == REAL[part] for part in PARTS):
        return _embedded(given)
    asked = wishes()
    if all(wanted.values()):
        return Chosen("containerlab", (str(wanted["switch"]), str(wanted["cluster"])), asked)
    before = running(spec.name)
    if before is not None:
        known = {part: wanted[part] or before[index] for index, part in enumerate(PARTS)}
        fell_back = frozenset(part for part in PARTS if wanted[part] is None and known[part] == "standin")
        return Chosen("containerlab", (known["switch"], known["cluster"]), replace(asked, standins=fell_back))
    return _by_presence(spec, wanted, asked, present, containerlab())


def _embedded(given: tuple[str, str] | None) -> Chosen:
    if given is not None and given != STANDINS:
        wrong = ", ".join(f"{part}={kind}" for part, kind in zip(PARTS, given, strict=True) if kind != "standin")
        raise UsageError(
            f"the embedded runtime cannot run {wrong}",
            code="target-cannot-run",
            next_command="labctl up SPEC --runtime containerlab --target switch=n9kv,cluster=kind",
        )
    return Chosen("embedded", STANDINS, ImageWishes())


def _by_presence(
    spec: Spec, wanted: dict[str, str | None], wishes: ImageWishes, present: Present, containerlab: str
) -> Chosen:
    """Real parts where their images are in Docker, stand-ins elsewhere."""
    chosen: dict[str, str] = {part: kind for part, kind in wanted.items() if kind}
    images, reasons, fell_back = real_images(spec, wishes, containerlab), list[str](), set[Part]()
    open_parts = [part for part in PARTS if wanted[part] is None]
    there = present(dict.fromkeys(image for part in open_parts for image in images[part]))
    for part in open_parts:
        missing = [image for image in images[part] if there[image] is None]
        cannot = _cannot(spec, containerlab) if part == "cluster" and not missing else None
        if not images[part]:
            chosen[part] = "standin"
        elif missing or cannot:
            chosen[part] = "standin"
            fell_back.add(part)
            why = cannot or f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in Docker"
            reasons.append(f"{TITLE[part]}: stand-ins ({why})")
        else:
            chosen[part] = REAL[part]
            reasons.append(f"{TITLE[part]}: {REAL[part]} ({', '.join(images[part])}, in Docker)")
    decided = replace(wishes, standins=frozenset(fell_back))
    return Chosen("containerlab", (chosen["switch"], chosen["cluster"]), decided, tuple(reasons))


def real_images(spec: Spec, wishes: ImageWishes, containerlab: str) -> dict[Part, tuple[str, ...]]:
    """The images that real parts of a spec would run, each once."""
    from labctl.spec.rules import all_switches

    cluster = spec.cluster if isinstance(spec.cluster, Cluster) else None
    kubernetes = versions.of_cluster(spec, "kind", containerlab)[0] if cluster else ""
    images = choose_images(spec.images, Target("n9kv", "kind"), spec.fabric.nxos, kubernetes, wishes)
    roles = [role for role in SWITCH_ROLES if role in set(all_switches(spec).values())]
    names = (images.of(cast("Literal['leaf', 'spine', 'border']", role)).tagged for role in roles)
    return {"switch": tuple(dict.fromkeys(names)), "cluster": (images.node.tagged,) if cluster else ()}


def _cannot(spec: Spec, containerlab: str) -> str | None:
    """Why kind cannot run the versions that a spec asks for."""
    if not isinstance(spec.cluster, Cluster):
        return None
    from labctl.spec.rules_versions import of_cluster

    return next((one.message for one in of_cluster(spec, "kind", containerlab) if one.fatal), None)


def written_target(spec: Spec) -> dict[str, str | None]:
    """What the spec itself says, part by part."""
    return {part: getattr(spec.target, part) if part in spec.target.model_fields_set else None for part in PARTS}


def any_spec(path: Path) -> Spec:
    """The spec, judged for the first target that it is right for. Raises `SpecError` when there is none: that of the
    target which the spec itself names."""
    for target in (("n9kv", "kind"), ("standin", "kind"), ("n9kv", "standin"), STANDINS):
        try:
            return load(path, target=target)
        except SpecError:
            continue
    return load(path)
