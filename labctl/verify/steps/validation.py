"""What is wrong with the steps of a file, said before anything is touched: their order, names that nobody has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from labctl.errors import Problem, did_you_mean
from labctl.folder import Folder
from labctl.verify.inputs import ChecksInput
from labctl.verify.steps.model import MEASURED, Capture, Expect, Fault, Heal, Pod, Step, Stop, Traffic
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
            case Expect(loss=loss) if loss is not None and not isinstance(running.get(loss.of), Traffic):
                known = [name for name, other in running.items() if isinstance(other, Traffic)]
                yield loss.of, _unknown(document, (*path, "loss", "of"), loss.of, "traffic", known)
            case Expect(packets=packets) if packets is not None and not isinstance(running.get(packets.of), Capture):
                known = [name for name, other in running.items() if isinstance(other, Capture)]
                yield packets.of, _unknown(document, (*path, "packets", "of"), packets.of, "capture", known)
            case _:
                pass


def _open(faults: dict[str, bool]) -> list[str]:
    return [name for name, is_open in faults.items() if is_open]


def _unknown(document: Document, path: DocumentPath, name: str, what: str, known: Sequence[str]) -> Problem:
    hint = did_you_mean(name, known, f"there is {', '.join(known)}" if known else None)
    return Problem(f"no-such-{what}", f"no {what} {name} was begun before", document.place(path), hint)


def _proofs(document: Document, steps: Sequence[Placed], *, expects: bool) -> Iterator[Problem]:
    expected = [(step, path) for step, path in steps if isinstance(step, Expect)]
    judged = {step.loss.of for step, _ in expected if step.loss is not None}
    for step, path in steps:
        if isinstance(step, Traffic) and step.name not in judged:
            hint = f"expect: {{name: …, loss: {{of: {step.name}, ms: 1000}}}}"
            yield Problem("not-judged", f"nothing says what {step.name} may lose", document.place(path), hint)
    for step, path in expected:
        timed = [word for word in ("within", "hold") if getattr(step, word) is not None]
        if len(timed) == 2:
            yield Problem("two-times", "within and hold do not go together", document.place((*path, "hold"), key=True))
        if timed and step.kind in MEASURED:
            why = f"{step.kind} is judged once, out of what was captured"
            yield Problem("no-time", why, document.place((*path, timed[0]), key=True), f"leave {timed[0]} out")
    if steps and not expects:
        why = "nothing is expected, so nothing could fail"
        yield Problem("nothing-expected", why, document.place(("steps",)), "a step expect")


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
        self.vpc = tuple(row.switch for row in checks.links.vpc)
        self.platform = lab.target.get("switch", "standin")
        self._sessions = checks.mode(lab.mode).bgp.sessions

    @cached_property
    def boxes(self) -> tuple[str, ...]:
        return (*self.switches, *self.nodes, *self.hosts)

    def interfaces(self, box: str) -> list[str]:
        """Of a switch, those that it has a configuration for; of a node, its wires and its bond."""
        lab = self._folder.lab
        wired = self._folder.topology.interfaces(lab.nodes[box].topology)
        if box not in self.switches:
            return [*wired, *([BOND] if box in self.nodes else [])]
        try:
            text = (self._folder.path / "nxos" / f"{box}.cfg").read_text()
        except OSError:
            text = ""  # a person may have taken the file away: the wires are still there
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
                yield from self._interface(step.at, (step.interface,), "at", (), self._lab.boxes)
            case Fault():
                yield from self._fault(step)
            case Expect():
                yield from self._expect(step)
            case _:
                pass

    def _end(self, end: Pod, below: DocumentPath) -> Iterator[Problem]:
        if end.node is not None:
            known = self._lab.nodes if end.pod is not None else (*self._lab.nodes, *self._lab.hosts)
            yield from self._known((end.node,), known, "node", (*below, "node"))
        if end.pod is not None and not self._lab.nodes:
            yield self._problem("no-cluster", "this lab has no cluster, so no pods", below)

    def _fault(self, fault: Fault) -> Iterator[Problem]:
        lab, kind = self._lab, fault.kind
        if fault.shutdown:
            row = fault.shutdown
            yield from self._interface(row.switch, row.interface, "switch", (kind,), lab.switches)
        if fault.unplug:
            leg = fault.unplug
            yield from self._interface(leg.node, leg.interface, "node", (kind,), (*lab.nodes, *lab.hosts))
        if fault.isolate:
            yield from self._known((fault.isolate,), lab.switches, "switch", (kind,))
        if fault.node_down:
            yield from self._known((fault.node_down,), lab.nodes, "node", (kind,))
        for leaf in (fault.keepalive, fault.peer_link):
            if leaf:
                yield from self._known((leaf,), lab.vpc, "leaf of a vPC pair", (kind,))
        if fault.clear_bgp:
            neighbor = fault.clear_bgp
            yield from self._known((neighbor.switch,), lab.switches, "switch", (kind, "switch"))
            if neighbor.switch in lab.switches and neighbor.vrf is None:
                known = lab.neighbors(neighbor.switch)
                yield from self._known(
                    (neighbor.neighbor,), known, f"neighbor of {neighbor.switch}", (kind, "neighbor")
                )
        for pod in (fault.restart_pod, fault.move_pod, fault.drain):
            if pod is not None and not lab.nodes:
                yield self._problem("no-cluster", "this lab has no cluster, so no pods", (kind,))
            elif pod is not None and pod.node is not None:
                yield from self._known((pod.node,), lab.nodes, "node", (kind, "node"))

    def _expect(self, expect: Expect) -> Iterator[Problem]:
        lab, kind = self._lab, expect.kind
        row = getattr(expect, kind)
        for word, known in (("switch", lab.switches), ("node", lab.nodes)):
            names = getattr(row, word, None)
            if names:
                yield from self._known((names,) if isinstance(names, str) else names, known, word, (kind, word))
        if expect.pods and expect.pods.not_on:
            yield from self._known((expect.pods.not_on,), lab.nodes, "node", (kind, "not_on"))
        if expect.vpc:
            yield from self._known(expect.vpc.switch, lab.vpc, "leaf of a vPC pair", (kind, "switch"))
        if expect.bond:
            members = [name for name in lab.interfaces(expect.bond.node) if name != BOND] if (
                expect.bond.node in lab.nodes) else []  # fmt: skip
            for word in ("up", "down"):
                if members:
                    yield from self._known(getattr(expect.bond, word), members, f"member of {BOND}", (kind, word))
        if expect.loss:
            for word in ("packets", "ms"):
                limits = getattr(expect.loss, word)
                if limits is not None and lab.platform not in limits:
                    why = f"there is no limit for {lab.platform}, the switches of this lab"
                    yield self._problem("no-limit", why, (kind, word))

    def _interface(
        self, box: str, names: Iterable[str], word: str, below: DocumentPath, boxes: Sequence[str]
    ) -> Iterator[Problem]:
        if box not in boxes:
            yield from self._known((box,), boxes, "node" if word == "node" else "switch", (*below, word))
            return
        yield from self._known(tuple(names), self._lab.interfaces(box), f"interface of {box}", (*below, "interface"))

    def _known(self, names: Iterable[str], known: Sequence[str], what: str, below: DocumentPath) -> Iterator[Problem]:
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
