"""Names in a scenario file that the lab does not have: said before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from labctl.errors import Problem, did_you_mean
from labctl.folder import Folder
from labctl.verify.inputs import ChecksInput
from labctl.verify.steps.expectmodel import Expect
from labctl.verify.steps.faultmodel import Fault
from labctl.verify.steps.forms import Pod
from labctl.verify.steps.model import Capture, Step, Traffic
from labctl.verify.steps.order import Placed
from labctl.yamldoc import Document
from labctl.yamldoc import Path as DocumentPath

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
        wired = self._folder.lab.interfaces(box)
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
