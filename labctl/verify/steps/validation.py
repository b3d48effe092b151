"""What is wrong with the steps of a file, said before anything is touched: their order, names that nobody has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from labctl.errors import Problem, did_you_mean
from labctl.folder import Folder
from labctl.verify.inputs import ChecksInput
from labctl.verify.steps.model import (
    MEASURED,
    Bond,
    Capture,
    Drain,
    Expect,
    Fault,
    Heal,
    Leg,
    LossOf,
    NameOf,
    Neighbor,
    Packets,
    Pod,
    PodOf,
    Port,
    Step,
    StepModel,
    Stop,
    Traffic,
    listed,
)
from labctl.yamldoc import Document
from labctl.yamldoc import Path as DocumentPath

Placed = tuple[Step, DocumentPath]
"""A step and the path of its key in the document."""


def judge_order(document: Document, steps: Sequence[Placed]) -> list[Problem]:
    """All problems. What refers to a step that could not be read is not one: that step's own problem comes first."""
    written = _written(document)
    unread = {name for _, name in written} - {getattr(step, "name", None) for step, _ in steps}
    references = (problem for name, problem in _references(document, steps) if name not in unread)
    expects = any(kind == "expect" for kind, _ in written)
    return [*_names(document, steps), *references, *_proofs(document, steps, expects=expects)]


def _written(document: Document) -> list[tuple[str, str]]:
    """(kind, name) of every step that looks like one."""
    rows = document.data.get("steps")
    return [
        (kind, str(body["name"]))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        for kind, body in row.items()
        if isinstance(body, dict) and "name" in body
    ]


def _names(document: Document, steps: Sequence[Placed]) -> Iterator[Problem]:
    taken: dict[str, DocumentPath] = {}
    for step, path in steps:
        if isinstance(step, Heal | Stop):
            continue
        if step.name in taken:
            line = document.place((*taken[step.name], "name")).line
            why = f"{step.name} is the name of another step, in line {line}"
            yield Problem("duplicate-name", why, document.place((*path, "name")))
        taken.setdefault(step.name, path)


def _references(document: Document, steps: Sequence[Placed]) -> Iterator[tuple[str, Problem]]:
    """A step speaks of what is there when its turn comes: the name that it gives, and what is wrong with that."""
    faults: dict[str, bool] = {}
    running: dict[str, Step] = {}
    for step, path in steps:
        match step:
            case Fault():
                faults[step.name] = True
            case Traffic() | Capture():
                running[step.name] = step
            case Heal(name) if name is not None:
                if not faults.get(name):
                    why = f"{name} is healed already" if name in faults else f"no fault {name} was made before"
                    yield name, Problem("no-such-fault", why, document.place(path), did_you_mean(name, _open(faults)))
                faults[name] = False
            case Heal():
                faults = dict.fromkeys(faults, False)
            case Stop(name) if name not in running:
                why = f"no traffic or capture {name} was begun before"
                yield name, Problem("nothing-to-stop", why, document.place(path), did_you_mean(name, running))
            case Expect(loss=LossOf(of=name)):
                yield from _measured(document, (*path, "loss", "of"), name, running, Traffic)
            case Expect(packets=Packets(of=name)):
                yield from _measured(document, (*path, "packets", "of"), name, running, Capture)
            case _:
                pass


def _measured(
    document: Document, path: DocumentPath, name: str, running: Mapping[str, Step], kind: type[Traffic | Capture]
) -> Iterator[tuple[str, Problem]]:
    """An expectation that is judged out of a traffic or a capture: there must be one of that name."""
    if not isinstance(running.get(name), kind):
        known = [name for name, other in running.items() if isinstance(other, kind)]
        hint = did_you_mean(name, known, f"there is {', '.join(known)}" if known else None)
        what = kind.__name__.lower()
        problem = Problem(f"no-such-{what}", f"no {what} {name} was begun before", document.place(path), hint)
        yield name, problem


def _open(faults: dict[str, bool]) -> list[str]:
    return [name for name, is_open in faults.items() if is_open]


def _proofs(document: Document, steps: Sequence[Placed], *, expects: bool) -> Iterator[Problem]:
    expected = [(step, path) for step, path in steps if isinstance(step, Expect)]
    judged = {step.loss.of for step, _ in expected if step.loss is not None}
    for step, path in steps:
        if isinstance(step, Traffic) and step.name not in judged:
            hint = f"expect: {{name: …, loss: {{of: {step.name}, ms: 1000}}}}"
            yield Problem("not-judged", f"nothing says what {step.name} may lose", document.place(path), hint)
    for step, path in expected:
        yield from _timed(document, step, path)
    if steps and not expects:
        why = "nothing is expected, so nothing could fail"
        yield Problem("nothing-expected", why, document.place(("steps",)), "a step expect")


def _timed(document: Document, step: Expect, path: DocumentPath) -> Iterator[Problem]:
    timed = [word for word in ("within", "hold") if getattr(step, word) is not None]
    if len(timed) == 2:
        yield Problem("two-times", "within and hold do not go together", document.place((*path, "hold"), key=True))
    if timed and step.kind in MEASURED:
        why = f"{step.kind} is judged once, out of what was captured"
        yield Problem("no-time", why, document.place((*path, timed[0]), key=True), f"leave {timed[0]} out")


BOND = "bond0"
INTERFACE = re.compile(r"^interface (\S+)", re.MULTILINE)


class LabNames:
    """What a lab has, from its folder."""

    def __init__(self, folder: Folder, checks: ChecksInput) -> None:
        self._folder = folder
        lab = folder.lab
        self.switches = lab.switches
        self.nodes = lab.kube_nodes
        self.hosts = lab.hosts
        self.platform = lab.target.get("switch", "standin")
        self._sessions = checks.mode(lab.mode).bgp.sessions

        self.all = (*self.switches, *self.nodes, *self.hosts)
        self.named: Mapping[NameOf, tuple[str, Sequence[str]]] = {
            "switch": ("switch", self.switches), "node": ("node", self.nodes), "any": ("switch", self.all),
            "node or host": ("node", (*self.nodes, *self.hosts)),
            "leaf": ("leaf of a vPC pair", tuple(row.switch for row in checks.links.vpc)),
        }  # fmt: skip
        """What a field may name: how it is called in a message, and those that there are."""

    def interfaces(self, name: str) -> list[str]:
        """Of a switch, those that it has a configuration for; of a node, its links and its bond."""
        wired = self._folder.lab.interfaces(name)
        if name not in self.switches:
            return [*wired, *([BOND] if name in self.nodes else [])]
        try:
            text = (self._folder.path / "nxos" / f"{name}.cfg").read_text()
        except OSError:
            text = ""  # a person may have taken the file away: the links are still there
        return list(dict.fromkeys((*wired, *INTERFACE.findall(text))))

    def neighbors(self, switch: str) -> list[str]:
        """BGP neighbors of a leaf among the nodes."""
        return [row.neighbor for row in self._sessions if row.switch == switch]


def judge_names(document: Document, steps: Sequence[Placed], lab: LabNames) -> list[Problem]:
    """All problems."""
    return [problem for step, path in steps for problem in _Names(document, lab, path).of(step)]


class _Names:
    """The names of one step."""

    def __init__(self, document: Document, lab: LabNames, path: DocumentPath) -> None:
        self._document, self._lab, self._path = document, lab, path

    def of(self, step: Step) -> Iterator[Problem]:
        match step:
            case Traffic():
                yield from self._end(step.sender, ("from",))
                yield from self._end(step.target, ("to",))
                if step.sender.address is not None:
                    yield self._problem("bad-value", "a traffic is sent by a node, a host or a pod", ("from",))
            case Capture():
                yield from self._row(step, ())
            case Fault() | Expect():
                row = getattr(step, step.kind)
                yield from self._row(row if isinstance(row, StepModel) else step, (step.kind,))

    def _end(self, end: Pod, below: DocumentPath) -> Iterator[Problem]:
        if end.node is not None:
            known = self._lab.named["node" if end.pod is not None else "node or host"]
            yield from self._known((end.node,), *known, (*below, "node"))
        if end.pod is not None and not self._lab.nodes:
            yield self._problem("no-cluster", "this lab has no cluster, so no pods", below)

    def _row(self, row: StepModel, below: DocumentPath) -> Iterator[Problem]:
        """The fields of a mapping that name something, then those whose names depend on these."""
        if isinstance(row, PodOf | Drain) and not self._lab.nodes:
            yield self._problem("no-cluster", "this lab has no cluster, so no pods", below)
            return
        for field, what in row.names.items():
            path = below if below == (field,) else (*below, field)  # a fault may be a name and no mapping
            yield from self._known(listed(getattr(row, field)) or (), *self._lab.named[what], path)
        match row:
            case Port(switch=name) | Leg(node=name) | Capture(at=name) if name in self._lab.all:
                known = self._lab.interfaces(name)
                yield from self._known(listed(row.interface), f"interface of {name}", known, (*below, "interface"))
            case Neighbor(switch=switch, vrf=None) if switch in self._lab.switches:
                known = self._lab.neighbors(switch)
                yield from self._known((row.neighbor,), f"neighbor of {switch}", known, (*below, "neighbor"))
            case Bond(node=node) if node in self._lab.nodes:
                members = [name for name in self._lab.interfaces(node) if name != BOND]
                if members:
                    yield from self._known(row.up, f"member of {BOND}", members, (*below, "up"))
                    yield from self._known(row.down, f"member of {BOND}", members, (*below, "down"))
            case LossOf():
                yield from self._limits(row, below)

    def _limits(self, row: LossOf, below: DocumentPath) -> Iterator[Problem]:
        platform = self._lab.platform
        for word, limits in (("packets", row.packets), ("ms", row.ms)):
            if limits is not None and platform not in limits:
                why = f"there is no limit for {platform}, the switches of this lab"
                yield self._problem("no-limit", why, (*below, word))

    def _known(self, names: Iterable[str], what: str, known: Sequence[str], below: DocumentPath) -> Iterator[Problem]:
        for index, name in enumerate(names):
            if name not in known:
                path: DocumentPath = (*below, index)
                path = path if (*self._path, *path) in self._document.values else below
                there = f"there is {', '.join(known)}" if known else "there is none"
                hint = did_you_mean(name, known, there)
                code = f"no-such-{what.split(maxsplit=1)[0]}"
                yield self._problem(code, f"there is no {what} {name}", path, hint)

    def _problem(self, code: str, message: str, below: DocumentPath, hint: str | None = None) -> Problem:
        return Problem(code, message, self._document.place((*self._path, *below)), hint)
