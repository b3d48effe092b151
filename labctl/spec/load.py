"""From a file to a `Spec`: all problems at once, each with ``file:line:col``, the line, and what to write instead.

First what the types say, then the rules that they cannot say: names that clash, addresses that overlap, things that do
not exist. Each rule names the parts that it cannot do without: where one of them is not even well-formed, the rule
would judge what nobody wrote, and is not heard until the next run; all others speak up at once.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from copy import deepcopy
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from labctl.design.plan import container_names, node_specs
from labctl.errors import Problem, SpecError, did_you_mean
from labctl.spec import conflicts, manifests, rules
from labctl.spec.keys import Spec
from labctl.spec.textfile import STDIN, label, read_text
from labctl.spec.validation import Judge
from labctl.yamldoc import VARIABLES, Document, Path, parse

Sentence = tuple[str, str | None]
"""(sentence, hint)"""
Fault = tuple[str, Path]
"""pydantic's kind of a finding, and where it is in the document."""


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
        problems, faults = _findings(error, found)
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

    near = difflib.get_close_matches(str(path[-1]), _fields_at(path[:-1]), n=1, cutoff=0.6)
    return near[0] if near else None


def _parts(kind: str, path: Path) -> set[Path]:
    """The part that a finding is about; an unknown key means the one that it is a near miss of, or any beside it."""
    if kind == "extra_forbidden" and len(path) < 3:
        meant = _meant(path)
        return {path, *((*path[:-1], key) for key in ([meant] if meant else _fields_at(path[:-1])))}
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


# --- what a validator's findings are called in front of a person: a sentence, where, and what to write instead --------


def _findings(error: ValidationError, found: Document) -> tuple[list[Problem], list[Fault]]:
    """What pydantic found, as problems and as places."""
    problems: dict[tuple[Any, ...], Problem] = {}
    faults: list[Fault] = []
    # of a list that could have been a number, what is wrong with the list is told first
    said = sorted(error.errors(include_url=False), key=lambda r: r["type"] in WHOLE and isinstance(r["input"], list))
    rows = [(row, _written(row["loc"], found, missing=row["type"] == "missing")) for row in said]
    paths = {path for _, path in rows}
    for row, path in rows:
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        if deeper and row["type"] != "missing" and row["loc"][-1] != "[key]":
            continue  # the reason lies deeper: this row only says that the whole is wrong then
        also = {other["type"] for other, its_path in rows if its_path == path}
        problem = _problem(row, path, found, also)
        # a union reports one error per member: the first (the likeliest) is enough for a person
        key = (problem.place.line, problem.place.column) if problem.place else path
        if key not in problems:
            problems[key] = problem
            faults.append((row["type"], path))
    return list(problems.values()), faults


def _sentence(row: Mapping[str, Any], path: Path, also: AbstractSet[str] = frozenset()) -> Sentence:
    """The words for one finding of pydantic at ``path`` of the document; ``also``: all kinds of finding there."""
    kind, given, context = row["type"], row.get("input"), row.get("ctx", {})
    if isinstance(given, str) and "${" in given:
        return f"{given!r} stands here as it is", VARIABLES
    name = next((step for step in reversed(path) if isinstance(step, str)), "the spec")
    if kind == "literal_error":
        return _literal(given, name, path, context["expected"], also)
    if given is None:
        return f"{name} says nothing", "leave it out for labctl's default, or write a value"
    if kind == "model_type" and path and isinstance(path[-1], int):
        name = f"an item of {name}"
    if kind in _SENTENCES:
        or_list = " or a list" if kind in WHOLE and "tuple_type" in also else ""
        message = f"{_SENTENCES[kind].format(name=name, **context)}{or_list}, not {_shown(given)}"
        return message, _form(kind, name, given)
    said = str(row["msg"])
    return _count(kind, name, context) or (f"{_shown(given)} {said[0].lower()}{said[1:]}", context.get("hint"))


def _dotted(path: Path) -> str:
    return ".".join(step for step in path if isinstance(step, str))


def _shown(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    return f"a {'list' if isinstance(given, list) else 'mapping'}" if isinstance(given, list | dict) else repr(given)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _literal(given: object, name: str, path: Path, expected: str, also: AbstractSet[str]) -> Sentence:
    """No word of those that there are."""
    why = f"there is no {given!r} among the {name}" if isinstance(path[-1], int) else f"{name} cannot be {given!r}"
    more = ", or a manifest beside the spec, as in web.yaml" if "string_pattern_mismatch" in also else ""
    options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(",")]
    return why, did_you_mean(str(given), options) or f"one of {', '.join(options)}{more}"


TWO_BYTES = "two bytes: the fabric's route targets are made of it"
MEANT = {
    "cluster.workers": "nodes, which counts the control plane too", "cluster.podSubnet": "calico: {pools: [{cidr: …}]}",
    "cluster.serviceSubnet": "services", "cluster.version": "kubernetes, or calico: {version: …}",
    "cluster.cni": "calico", "cluster.bgp_as": "asn", "fabric.bgp_as": "asn", "fabric.version": "nxos",
    "fabric.leafs": "leaf_pairs", "fabric.leaves": "leaf_pairs",
}  # fmt: skip
"""What kind, netlab or containerlab call it → what it is called here."""
WHOLE = ("int_parsing", "int_type", "int_from_float")
"""Kinds of finding that say: no whole number."""
_SENTENCES: dict[str, str] = {
    **dict.fromkeys(WHOLE, "{name} must be a whole number"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "{name} must be a mapping"),
    **dict.fromkeys(("tuple_type", "list_type"), "{name} must be a list"),
    "less_than_equal": "{name} must be at most {le}",
    "greater_than_equal": "{name} must be at least {ge}",
    "string_type": "{name} must be text",
}


def _count(kind: str, name: str, context: Mapping[str, Any]) -> Sentence | None:
    if kind not in {"too_short", "too_long"}:
        return None
    has = context["actual_length"]
    if kind == "too_short":
        return f"{name} is empty" if not has else f"{name} needs {context['min_length']} or more, and has {has}", None
    hint = f"labctl renders one of the {name} so far" if context["max_length"] == 1 else None
    return f"{name} takes {context['max_length']} at most, and has {has}", hint


def _form(kind: str, name: str, given: object) -> str | None:
    """What to write instead, where one form fits."""
    number = _is_number(given)
    rows = (
        (kind in {"model_type", "model_attributes_type"} and name == "cluster", "cluster: none, for a lab without one"),
        (kind in {"tuple_type", "list_type"} and isinstance(given, str | int | float), f"{name}: [{given}]"),
        (kind in WHOLE and not isinstance(given, bool), _number(name, given)),
        (kind == "less_than_equal" and name == "mtu", "with VXLAN's 50 bytes it must fit into the fabric's 9216"),
        (kind == "less_than_equal" and name == "asn" and number and float(str(given)) < 1 << 32, TWO_BYTES),
        (kind == "string_type" and number, f'{name}: "{given}"'),
    )
    return next((hint for fits, hint in rows if fits), None)


def _number(name: str, given: object) -> str | None:
    """The number that an odd spelling means, or could mean."""
    if isinstance(given, float):
        return f"{name}: {int(given)}" if given.is_integer() else None
    text = str(given).replace("_", "").removeprefix("+")
    if not re.fullmatch("0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|[0-9]+", text):
        return None
    if re.fullmatch("0[0-7]+", text):
        return f"{name}: {int(text)}, or {name}: {int(text, 8)}, which is what YAML 1.1 takes it for"
    return f"{name}: {int(text) if text.isdigit() else int(text, 0)}"


def _written(location: tuple[str | int, ...], found: Document, *, missing: bool) -> Path:
    """The part of pydantic's location that is in the document (it also names union members, and what is missing)."""
    path: Path = ()
    data: Any = found.data
    for step in location:
        in_mapping = isinstance(data, dict) and isinstance(step, str) and step in data
        in_sequence = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if in_mapping or in_sequence:
            path, data = (*path, step), data[step]
        elif missing and isinstance(data, dict) and isinstance(step, str) and step == location[-1]:
            path = (*path, step)
    return path


def _problem(row: Any, path: Path, found: Document, also: set[str]) -> Problem:
    kind, name = row["type"], str(row["loc"][-1])
    if kind == "extra_forbidden":
        return Problem("unknown-key", f"unknown key {name}", found.place(path, key=True), _instead_of_key(name, path))
    if kind == "missing" and isinstance(row["loc"][-1], int):
        return Problem("missing-item", f"{path[-1]} needs {row['loc'][-1] + 1} or more", found.place(path))
    if kind == "missing":
        return Problem("missing-key", f"{name} is missing", found.place(path))
    message, hint = _sentence(row, path, also)
    if kind == "model_type" and path and isinstance(path[-1], int) and isinstance(row["input"], str | list):
        item = row["input"] if isinstance(row["input"], str) else f"[{', '.join(map(str, row['input']))}]"
        hint = f"- {{{next(iter(_written_fields(_models_at(path)[0])))}: {item}}}"
    return Problem("bad-value", message, found.place(path, key=name == "[key]"), hint)


def _instead_of_key(name: str, path: Path) -> str | None:
    """What to write instead of a key that nobody knows: what is meant, a near miss, its home, or what there is."""
    meant = MEANT.get(_dotted(path))
    if meant:
        return f"did you mean {meant}?"
    known, homes = _fields_at(path[:-1]), [*_homes(name)]
    hint = f"known here: {', '.join(known)}" if known else None
    if len(homes) == 1 or "" in homes:
        hint = "it belongs on the first level, beside name" if "" in homes else f"it belongs under {homes[0]}"
    return did_you_mean(name, known, hint)


def _homes(key: str, model: type[BaseModel] = Spec, above: str = "") -> Iterable[str]:
    """Where a key is known: ``fabric.vrfs``."""
    for name, field in _written_fields(model).items():
        if name == key:
            yield above
        for inner in _models_in(field.annotation):
            yield from _homes(key, inner, f"{above}.{name}".removeprefix("."))


def _fields_at(path: Path) -> list[str]:
    """Keys that the model knows at a path."""
    return sorted({name for model in _models_at(path) for name in _written_fields(model)})


def _models_at(path: Iterable[str | int]) -> list[type[BaseModel]]:
    models: list[type[BaseModel]] = [Spec]
    for step in path:
        if isinstance(step, int):
            continue
        following: list[type[BaseModel]] = []
        for model in models:
            fields = _written_fields(model)
            if step in fields:
                following += list(_models_in(fields[step].annotation))
        models = following or models
    return models


def _written_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the keys that a person writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
