"""From a file to a `Spec`: all problems at once, each with ``file:line:col``, the line, and what to write instead.

First what the types say, then the rules that they cannot say: names that clash, addresses that overlap, things that do
not exist. Each rule names the parts that it cannot do without: where one of them is not even well-formed, the rule
would judge what nobody wrote, and is not heard until the next run; all others speak up at once.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from labctl.design.plan import container_names, node_specs
from labctl.errors import Problem, SpecError
from labctl.spec import conflicts, manifests, rules
from labctl.spec.keys import Spec
from labctl.spec.messages import fields_at, findings
from labctl.spec.textfile import STDIN, label, read_text
from labctl.spec.validation import Judge
from labctl.yamldoc import Document, Path, parse


def load(
    path: pathlib.Path,
    *,
    target: tuple[str, str] | None = None,
    name: str | None = None,
    containerlab: str | None = None,
) -> Spec:
    """Read a spec. ``name``: another name for the lab; ``containerlab``: the version that will read its folder.

    Raises `SpecError` with every problem; `Spec.warnings` has what is probably not meant.
    """
    if path != STDIN and not path.exists():
        raise SpecError([Problem("no-such-file", f"there is no file {path}")], next_command="labctl init")
    text, trouble = read_text(path)
    if trouble is not None:
        raise SpecError([trouble])
    return loads(label(path), text, target=target, name=name, containerlab=containerlab)


def loads(
    file: str,
    text: str,
    *,
    target: tuple[str, str] | None = None,
    name: str | None = None,
    containerlab: str | None = None,
) -> Spec:
    """The same from a text; manifests of workloads are looked for beside ``file``."""
    found, problems = parse(file, text)
    if found is None:
        raise SpecError(problems)
    specs, malformed, parts, values = _validated({**found.data, "name": name} if name else found.data, found)
    problems += malformed
    texts: dict[str, str] = {}
    if specs:
        judged = [_judge(spec, found, target, containerlab, parts, values) for spec in specs]
        problems += [problem for problem in judged[0] if problem in judged[-1]]
        texts, objects, troubles = manifests.read(specs[0], found, pathlib.Path(file).parent)
        problems += troubles
        if not malformed:
            problems += manifests.judge_objects(specs[0], found, target, objects, complete=not troubles)
    problems.sort(key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0))
    wrong = [problem for problem in problems if problem.severity == "error"]
    warnings = [problem for problem in problems if problem.severity == "warning"]
    if wrong:
        raise SpecError(wrong, warnings=warnings)
    return specs[0].as_read(texts, warnings)  # nothing is wrong: it is the one that was written


INSTEAD: dict[str, tuple[object, object]] = {
    "name": ("instead-a", "instead-b"), "vlan": (3966, 3965), "vni": (16777213, 16777212), "pair": (1, None),
    "address": (None, "203.0.113.1"), "role": (None, None), "peer_link": (None, None), "block_size": (None, None),
    "cidr": ("100.80.0.0/16", "fd00:80::/48"), "pod": ("instead-a", "instead-b"), "namespace": (None, "instead-b"),
    **dict.fromkeys(("loopback0", "vtep", "vip"), (None, "100.82.0.1")),
}  # fmt: skip
"""Two values for a malformed one deep in a list (None: left out). What is wrong with both is wrong whatever it was
meant to be; where one is malformed of which there is no row, the rules that read its part wait for the next run."""


def _validated(
    data: dict[str, Any], found: Document
) -> tuple[list[Spec], list[Problem], AbstractSet[Path], AbstractSet[Path]]:
    """A document as a `Spec`, or where it is malformed two that stand for what is meant, so that all else can be judged
    at once; what is wrong with its form; the parts that have labctl's defaults; single values that were set in."""
    try:
        return [Spec.model_validate(data)], [], set(), set()
    except ValidationError as error:
        problems, faults = findings(error, found)
    made: list[Spec] = []
    parts, values = set[Path](), set[Path]()
    for which in (0, 1):
        copy = deepcopy(data)
        for kind, path in faults:
            _mend(copy, kind, path, which, parts, values)
        spec = _without(copy, parts)
        if spec is None:  # what it was renamed to, or set in, is malformed again
            parts = {part for kind, path in faults for part in _parts(kind, path)}
            spec = _without(data, parts)
            return [spec] if spec else [], problems, parts, set()
        made.append(spec)
    return made, problems, parts, values


def _holder(data: Any, path: Path) -> Any:
    """The mapping of the document that has the last step of a path."""
    for step in path[:-1]:
        data = data[int(step)] if isinstance(data, list) else data.get(step, {})
    return data


def _mend(data: Any, kind: str, path: Path, which: int, parts: set[Path], values: set[Path]) -> None:
    while path and isinstance(path[-1], int):
        path = path[:-1]
    holder = _holder(data, path)
    meant = _meant(path) if kind == "extra_forbidden" else None
    if meant and path[-1] in holder and meant not in holder:
        holder[meant] = holder.pop(path[-1])
        values.add((*path[:-1], meant))
    elif len(path) > 2 and path[-1] in INSTEAD and isinstance(holder, dict):
        holder.pop(path[-1], None)
        value = INSTEAD[str(path[-1])][which]
        holder |= {path[-1]: value} if value is not None else {}
        values.add(path)
    else:
        parts |= {part for part in _parts(kind, path) if part == path or part[-1] not in holder or len(path) > 2}


def _without(data: dict[str, Any], unsound: set[Path]) -> Spec | None:
    """The spec with labctl's defaults for its malformed parts."""
    kept = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    for top, *below in unsound:
        inner = kept.get(str(top))
        if below and isinstance(inner, dict):
            inner.pop(below[0], None)
        elif not below:
            kept.pop(str(top), None)
    kept.setdefault("name", "lab")
    try:
        return Spec.model_validate(kept)
    except ValidationError:
        return None


def _meant(path: Path) -> str | None:
    """The key that a misspelt one is a near miss of."""
    import difflib  # only needed once something is wrong

    near = difflib.get_close_matches(str(path[-1]), fields_at(path[:-1]), n=1, cutoff=0.6)
    return near[0] if near else None


def _parts(kind: str, path: Path) -> set[Path]:
    """The part that a finding is about; an unknown key means the one that it is a near miss of, or any beside it."""
    if kind == "extra_forbidden" and len(path) < 3:
        meant = _meant(path)
        return {path, *((*path[:-1], key) for key in ([meant] if meant else fields_at(path[:-1])))}
    return {path[:2] if all(isinstance(step, str) for step in path[:2]) else path[:1]}


# --- what the types cannot say ---------------------------------------------------------------------------------------

SWITCHES: tuple[Path, ...] = (("fabric", "spines"), ("fabric", "leaf_pairs"), ("fabric", "borders"))
NODES: tuple[Path, ...] = (("cluster", "nodes"),)
VRF: tuple[Path, ...] = (("fabric", "vrfs"),)


def names(it: Judge) -> None:
    """Switches, nodes and hosts share one space of names; kind's containers and its cluster another with those two."""
    switches = [(name, f"the switch {name}", path) for name, _, path in rules.switches_of(it.spec)]
    hosts = [(e.name, f"the external host {e.name}", ("external", i, "name")) for i, e in enumerate(it.spec.external)]
    nodes = [(n.name, f"the node {n.name}", ("cluster", "nodes", i, "name")) for i, n in enumerate(node_specs(it.spec))]
    it.taken_once([*switches, *nodes, *hosts], "duplicate-name")
    if not nodes or not it.sound(("cluster", "nodes")):
        return
    others = {name.lower(): what for name, what, path in [*switches, *hosts] if it.sound(path)}
    for node in (it.spec.name, *container_names(it.spec, it.spec.name)):
        if node in others:
            why = f"{node} is {others[node]} already, and the cluster of a lab {it.spec.name} has a node of that name"
            it.say("duplicate-name", why, ("name",), "another name for one of them")


RULES: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (names, ()),
    (rules.numbers, (*VRF, ("fabric", "anycast_mac"))),
    (rules.images, (("images",),)),
    (rules.as_numbers, (("fabric", "asn"), ("cluster", "asn"))),
    (rules.gateway, VRF),
    (rules.switches, (*SWITCHES, ("fabric", "peer_link"), ("fabric", "nxos"), ("target",))),
    (rules.addresses, (*SWITCHES, ("fabric", "addresses"))),
    (rules.loopbacks, (*SWITCHES, *VRF)),
    (rules.nodes, (*NODES, *VRF, ("fabric", "leaf_pairs"))),
    (
        conflicts.judge_versions,
        (("cluster", "kubernetes"), ("cluster", "calico"), ("fabric", "nxos"), ("images",), ("target",)),
    ),
    (conflicts.overlaps, ()),
    (rules.ranges, (*VRF, ("cluster", "calico"), ("cluster", "services"), ("target",))),
    (rules.externals, (*SWITCHES, *VRF, ("external",))),
    (rules.workloads, (*NODES, ("workloads",), ("scenarios",), ("traffic",))),
    (rules.traffic, (*NODES, ("cluster", "calico"), ("traffic",))),
    (rules.management, (*SWITCHES, ("external",), ("management",))),
)


PLANNED: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (conflicts.room, (*NODES, *VRF)),
    (conflicts.underlay, SWITCHES),
    (conflicts.tenant, (("fabric", "leaf_pairs"), *VRF)),
    (conflicts.ports, (*SWITCHES, *NODES, ("external",))),
)
"""Rules that ask the plan: in their turn, and only while nothing was found that leaves a lab without one."""
NO_PLAN = frozenset({
    "bad-gateway", "duplicate-name", "management", "no-ipv4-gateway", "no-leafs", "no-room", "no-spines", "same-leaf",
})  # fmt: skip


def _judge(
    spec: Spec,
    found: Document,
    target: tuple[str, str] | None,
    containerlab: str | None,
    malformed: AbstractSet[Path],
    unsound: AbstractSet[Path],
) -> list[Problem]:
    """Every semantic problem.

    ``target``: (switch, cluster) when the command line or the runtime decides it; ``malformed``: parts of the document
    that ``spec`` has labctl's defaults for; ``unsound``: single values in it that stand in for malformed ones.
    """
    it = Judge(spec, found, target or (spec.target.switch, spec.target.cluster), unsound | malformed, containerlab)
    for rule, parts in (*RULES, *PLANNED):
        if (rule, parts) in PLANNED and it.codes & NO_PLAN:
            continue
        said = list(it.problems)
        rule(it)
        if any(_meet(part, path) for part in parts for path in malformed):
            it.problems = said  # it was run for its codes alone
    return it.problems


def _meet(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
