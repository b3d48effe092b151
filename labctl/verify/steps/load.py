"""From a scenario file to its steps: all problems at once, each with its place and what to write instead.

What is wrong is said before anything is touched: of the file's form, of the order of its steps, of names that the lab
does not have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from labctl.errors import Problem, SpecError, UsageError, did_you_mean
from labctl.folder import Folder
from labctl.verify.inputs import ChecksInput
from labctl.verify.steps import model as forms
from labctl.verify.values import listed
from labctl.yamldoc import Document, parse
from labctl.yamldoc import Path as DocumentPath

TOP = ("schema", "name", "title", "objects", "steps")
INSTEAD = {
    forms.NAME: "lower-case letters, digits and '-'; 2 to 40 of them", forms.LABEL: "key=value",
    forms.SERVICE: "namespace/name",
}  # fmt: skip
"""What to write where a pattern was not met."""
OBJECT = ("apiVersion", "kind", "metadata")
BOND = "bond0"
INTERFACE = re.compile(r"^interface (\S+)", re.MULTILINE)


def load_scenario(
    path: Path, folder: Folder, checks: ChecksInput, *, shown: str | None = None, taken: Collection[str] = ()
) -> forms.ScenarioFile:
    """Read a scenario for one lab. ``shown``: what the file is called in messages; ``taken``: names of others.

    Raises `SpecError` with every problem: of the file itself, and of names that the lab does not have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}", code="unreadable-scenario") from None
    return loads(shown or str(path), text, folder, checks, taken=taken)


def loads(
    file: str, text: str, folder: Folder, checks: ChecksInput, *, taken: Collection[str] = ()
) -> forms.ScenarioFile:
    """The same from a text."""
    document, problems = parse(file, text)
    if document is None:
        raise SpecError(problems)
    reader = _Reader(document, folder, checks)
    reader.head(taken)
    steps = reader.steps()
    reader.order(steps)
    for step, path in steps:
        reader.names(step, path)
    problems += reader.problems
    if problems:
        raise SpecError(sorted(problems, key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0)))
    data, found = document.data, tuple(step for step, _ in steps)
    return forms.ScenarioFile(data["name"], data.get("title") or data["name"], found, tuple(data.get("objects") or ()))


class _Reader:
    def __init__(self, document: Document, folder: Folder, checks: ChecksInput) -> None:
        self._document, self._folder, self._lab = document, folder, folder.lab
        self._sessions = checks.mode(folder.lab.mode).bgp.sessions
        self.problems: list[Problem] = []
        switches, nodes, hosts = self._lab.switches, self._lab.kube_nodes, self._lab.hosts
        self._all = (*switches, *nodes, *hosts)
        self._named: Mapping[forms.NameOf, tuple[str, Sequence[str]]] = {
            "switch": ("switch", switches), "node": ("node", nodes), "any": ("switch", self._all),
            "node or host": ("node", (*nodes, *hosts)),
            "leaf": ("leaf of a vPC pair", tuple(row.switch for row in checks.links.vpc)),
        }  # fmt: skip
        """What a field may name: how it is called in a message, and those that there are."""

    def _say(self, code: str, message: str, path: DocumentPath, hint: str | None = None, *, key: bool = False) -> None:
        self.problems.append(Problem(code, message, self._document.place(path, key=key), hint))

    # --- the form -----------------------------------------------------------------------------------------------

    def head(self, taken: Collection[str]) -> None:
        """All but the steps."""
        data = self._document.data
        for key in data:
            if key not in TOP:
                hint = did_you_mean(key, TOP, f"a scenario has {', '.join(TOP)}")
                self._say("unknown-key", f"a scenario has no {key}", (key,), hint, key=True)
        if data.get("schema") != forms.SCHEMA:
            self._say("wrong-schema", f"the schema is {data.get('schema')!r}", ("schema",), f"schema: {forms.SCHEMA}")
        name = data.get("name")
        if not isinstance(name, str) or not re.fullmatch(forms.NAME, name):
            why = f"{name!r} is no name of a scenario" if name else "it has no name"
            self._say("bad-name", why, ("name",), INSTEAD[forms.NAME])
        elif name in taken:
            why = f"{name} is a scenario of the lab already"
            self._say("name-taken", why, ("name",), "checks are told apart by it")
        if not isinstance(data.get("title") or "", str):
            self._say("wrong-type", "title must be text", ("title",))
        self._objects(data.get("objects") or [])

    def _objects(self, objects: Any) -> None:
        if not isinstance(objects, list):
            self._say("wrong-type", "objects must be a list", ("objects",))
            return
        for index, row in enumerate(objects):
            if not isinstance(row, dict) or not set(OBJECT) <= set(row) or not (row.get("metadata") or {}).get("name"):
                self._say("no-object", "an object has apiVersion, kind, and metadata with a name", ("objects", index))

    def steps(self) -> list[tuple[forms.Step, DocumentPath]]:
        """Those that can be read, each with the path of its key in the document."""
        rows = self._document.data.get("steps")
        if not isinstance(rows, list) or not rows:
            self._say("no-steps", "steps must be a list with one step or more", ("steps",))
            return []
        found: list[tuple[forms.Step, DocumentPath]] = []
        for index, row in enumerate(rows):
            if not isinstance(row, dict) or len(row) != 1:
                what = f"has {', '.join(row)}" if isinstance(row, dict) and row else "is no mapping"
                hint = f"one of {', '.join(forms.STEPS)}; each in a list item of its own"
                self._say("bad-step", f"a step is one thing, and this {what}", ("steps", index), hint)
                continue
            ((key, value),) = row.items()
            step = self._step(key, value, ("steps", index, key))
            if step is not None:
                found.append((step, ("steps", index, key)))
        return found

    def _step(self, key: str, value: Any, path: DocumentPath) -> forms.Step | None:
        if key == "heal" and (value is None or isinstance(value, str)):
            return forms.Heal(None if value == "all" else value)
        if key == "stop" and isinstance(value, str):
            return forms.Stop(value)
        if key not in forms.STEPS:
            hint = did_you_mean(key, forms.STEPS, f"one of {', '.join(forms.STEPS)}")
            self._say("unknown-key", f"there is no step {key}", path, hint, key=True)
            return None
        model, kind = forms.STEPS[key]
        if model is None or not isinstance(value, dict):
            self._say("wrong-type", f"{key} must be {kind}", path)
            return None
        if not issubclass(model, forms.OneOf) or self._one_of(model, key, value, path):
            try:
                return model.model_validate(value)
            except ValidationError as error:
                self._invalid(error, model, path)
        return None

    def _one_of(self, model: type[forms.OneOf], key: str, value: Mapping[str, Any], path: DocumentPath) -> bool:
        kinds = model.kinds()
        given = [kind for kind in value if kind in kinds]
        unknown = [name for name in value if name not in model.model_fields]
        for name in unknown:
            hint = did_you_mean(name, model.model_fields, f"one of {', '.join(kinds)}")
            self._say("unknown-key", f"there is no {key} {name}", (*path, name), hint, key=True)
        if len(given) > 1:
            why = f"a step has one {key}, and this has {' and '.join(given)}"
            self._say("two-at-once", why, (*path, given[1]), "a step for each", key=True)
        elif not given and not unknown:
            self._say("nothing-said", f"{key} says nothing", path, f"one of {', '.join(kinds)}")
        return len(given) == 1 and not unknown

    def _invalid(self, error: ValidationError, model: type[BaseModel], path: DocumentPath) -> None:
        seen = set()
        for row in error.errors():
            where = path
            for part in row["loc"]:  # pydantic names the forms that it tried, too: those are not in the document
                where = (*where, part) if (*where, part) in self._document.values else where
            if where not in seen:  # else one of several forms that a value may have: the first says enough
                self._refused(row, model, where)
            seen.add(where)

    def _refused(self, row: Any, model: type[BaseModel], where: DocumentPath) -> None:
        kind, context, name = row["type"], row.get("ctx", {}), str(where[-1])
        last = str(row["loc"][-1]) if row["loc"] else name
        if kind == "extra_forbidden":
            known = _fields(model, row["loc"])
            hint = did_you_mean(last, known, f"it has {', '.join(known)}")
            return self._say("unknown-key", f"there is no {last} here", where, hint, key=True)
        if kind == "missing":
            return self._say("missing-key", f"{last} is missing", where)
        message, hint = f"{name} cannot be {row['input']!r}", None
        if kind == "literal_error":
            options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(",")]
            hint = did_you_mean(str(row["input"]), options, f"one of {', '.join(options)}")
        elif kind == "string_pattern_mismatch":
            hint = INSTEAD.get(context["pattern"])
        else:
            text = str(row["msg"]).removeprefix("Value error, ")
            message = f"{name}: {text[0].lower()}{text[1:]}"
        return self._say("bad-value", message, where, hint)

    # --- the order ----------------------------------------------------------------------------------------------

    def order(self, steps: Sequence[tuple[forms.Step, DocumentPath]]) -> None:
        """A step speaks of what is there when its turn comes, and what is begun is judged.

        What refers to a step that could not be read is no problem: that step's own comes first.
        """
        rows = self._document.data.get("steps")
        written = [item for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)
                   for item in row.items()]  # fmt: skip
        unread = {str(body["name"]) for _, body in written if isinstance(body, dict) and "name" in body}
        unread -= {str(getattr(step, "name", None)) for step, _ in steps}
        self._turns(steps, unread)
        self._proofs(steps)
        if steps and not any(key == "expect" for key, _ in written):
            self._say("nothing-expected", "nothing is expected, so nothing could fail", ("steps",), "a step expect")

    def _turns(self, steps: Sequence[tuple[forms.Step, DocumentPath]], unread: Collection[str]) -> None:
        """What a step refers to is there by then. ``unread``: names of the steps that could not be read."""
        faults: dict[str, bool] = {}
        running: dict[str, forms.Step] = {}
        for step, path in steps:
            match step:
                case forms.Fault():
                    faults[step.name] = True
                case forms.Traffic() | forms.Capture():
                    running[step.name] = step
                case forms.Expect():
                    self._expectation(step, path, running, unread)
                case forms.Stop(name) if name not in running and name not in unread:
                    why = f"no traffic or capture {name} was begun before"
                    self._say("nothing-to-stop", why, path, did_you_mean(name, running))
                case forms.Heal(None):
                    faults = dict.fromkeys(faults, False)
                case forms.Heal(str() as name):
                    if not faults.get(name) and name not in unread:
                        why = f"{name} is healed already" if name in faults else f"no fault {name} was made before"
                        still = [fault for fault, is_open in faults.items() if is_open]
                        self._say("no-such-fault", why, path, did_you_mean(name, still))
                    faults[name] = False

    def _proofs(self, steps: Sequence[tuple[forms.Step, DocumentPath]]) -> None:
        """No name is there twice, and each traffic is judged."""
        taken: dict[str, DocumentPath] = {}
        judged = {step.loss.of for step, _ in steps if isinstance(step, forms.Expect) and step.loss is not None}
        for step, path in steps:
            if isinstance(step, forms.Traffic) and step.name not in judged:
                hint = f"expect: {{name: …, loss: {{of: {step.name}, ms: 1000}}}}"
                self._say("not-judged", f"nothing says what {step.name} may lose", path, hint)
            if isinstance(step, forms.Heal | forms.Stop):
                continue
            if step.name in taken:
                line = self._document.place((*taken[step.name], "name")).line
                why = f"{step.name} is the name of another step, in line {line}"
                self._say("duplicate-name", why, (*path, "name"))
            taken.setdefault(step.name, path)

    def _expectation(
        self, step: forms.Expect, path: DocumentPath, running: Mapping[str, forms.Step], unread: Collection[str]
    ) -> None:
        timed = [key for key in ("within", "hold") if getattr(step, key) is not None]
        if len(timed) == 2:
            self._say("two-times", "within and hold do not go together", (*path, "hold"), key=True)
        if step.kind in forms.MEASURED:
            if timed:
                why = f"{step.kind} is judged once, out of what was captured"
                self._say("no-time", why, (*path, timed[0]), f"leave {timed[0]} out", key=True)
            kind, name = (
                (forms.Traffic, step.loss.of) if step.loss else (forms.Capture, getattr(step.packets, "of", ""))
            )
            if not isinstance(running.get(name), kind) and name not in unread:
                known = [name for name, other in running.items() if isinstance(other, kind)]
                what = kind.__name__.lower()
                hint = did_you_mean(name, known, f"there is {', '.join(known)}" if known else None)
                self._say(f"no-such-{what}", f"no {what} {name} was begun before", (*path, step.kind, "of"), hint)

    # --- names of the lab ---------------------------------------------------------------------------------------

    def names(self, step: forms.Step, path: DocumentPath) -> None:
        """Those of one step."""
        match step:
            case forms.Traffic():
                self._end(step.sender, (*path, "from"))
                self._end(step.target, (*path, "to"))
                if step.sender.address is not None:
                    self._say("bad-value", "a traffic is sent by a node, a host or a pod", (*path, "from"))
            case forms.Capture():
                self._row(step, path)
            case forms.Fault() | forms.Expect():
                row = getattr(step, step.kind)
                self._row(row if isinstance(row, forms.StepModel) else step, (*path, step.kind))

    def _end(self, end: forms.Pod, path: DocumentPath) -> None:
        if end.node is not None:
            known = self._named["node" if end.pod is not None else "node or host"]
            self._known((end.node,), *known, (*path, "node"))
        if end.pod is not None and not self._lab.kube_nodes:
            self._say("no-cluster", "this lab has no cluster, so no pods", path)

    def _row(self, row: forms.StepModel, path: DocumentPath) -> None:
        """The fields of a mapping that name something of the lab, then what depends on these."""
        if isinstance(row, forms.PodOf | forms.Drain) and not self._lab.kube_nodes:
            self._say("no-cluster", "this lab has no cluster, so no pods", path)
            return
        for field, what in row.names.items():
            at = path if path[-1] == field else (*path, field)  # a fault may be a name and no mapping
            self._known(listed(getattr(row, field, None)) or (), *self._named[what], at)
        self._dependent(row, path)

    def _dependent(self, row: forms.StepModel, path: DocumentPath) -> None:
        """What there is of a switch or node that is named, and limits for the lab's platform."""
        match row:
            case forms.Port(switch=name) | forms.Leg(node=name) | forms.Capture(at=name) if name in self._all:
                known = self._interfaces(name)
                self._known(listed(row.interface), f"interface of {name}", known, (*path, "interface"))
            case forms.Neighbor(switch=switch, vrf=None) if switch in self._lab.switches:
                known = [session.neighbor for session in self._sessions if session.switch == switch]
                self._known((row.neighbor,), f"neighbor of {switch}", known, (*path, "neighbor"))
            case forms.Bond(node=node) if node in self._lab.kube_nodes:
                for key, given in (("up", row.up), ("down", row.down)) if self._lab.interfaces(node) else ():
                    self._known(given, f"member of {BOND}", self._lab.interfaces(node), (*path, key))
            case forms.LossOf():
                platform = self._lab.target.get("switch", "standin")
                for unit in (unit for unit, limit in row.limits.items() if platform not in limit):
                    why = f"there is no limit for {platform}, the switches of this lab"
                    self._say("no-limit", why, (*path, unit))

    def _interfaces(self, name: str) -> list[str]:
        """Of a switch, those that it has a configuration for; of a node, its links and its bond."""
        wired = self._lab.interfaces(name)
        if name not in self._lab.switches:
            return [*wired, *([BOND] if name in self._lab.kube_nodes else [])]
        file = self._folder.path / "nxos" / f"{name}.cfg"  # a person may have taken it away: the links are still there
        return list(dict.fromkeys((*wired, *(INTERFACE.findall(file.read_text()) if file.is_file() else ()))))

    def _known(self, names: Iterable[str], what: str, known: Sequence[str], path: DocumentPath) -> None:
        for index, name in enumerate(names):
            if name not in known:
                at: DocumentPath = (*path, index)
                hint = did_you_mean(name, known, f"there is {', '.join(known)}" if known else "there is none")
                code = f"no-such-{what.split(maxsplit=1)[0]}"
                self._say(code, f"there is no {what} {name}", at if at in self._document.values else path, hint)


def _fields(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Keys that the mapping at a location has: of the model itself, or of the one that a field holds."""
    for part in loc[:-1]:
        fields = model.model_fields.items()
        below = [_model_in(field.annotation) for name, field in fields if part in {name, field.alias}]
        if not below or below[0] is None:
            break
        model = below[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
