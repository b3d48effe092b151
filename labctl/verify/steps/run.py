"""Runs a scenario file: the lab is whole before, each step in turn, everything healed, and the lab whole again.

What a step could not do makes the scenario INCONCLUSIVE and ends its steps; healing and the proof of recovery follow in
any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from labctl.errors import LabctlError
from labctl.kube.apply import Applier
from labctl.pace import paced
from labctl.restore.changes import HEALERS, Change, Changes
from labctl.verify.capture.loss import Loss
from labctl.verify.capture.match import ExpectedPacket, ExpectedStack, find
from labctl.verify.capture.packet import decode
from labctl.verify.capturing import Recording
from labctl.verify.checks import Check, hold, poll
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Unanswered
from labctl.verify.steps.expects import COUNTED, Baseline, checks, counted, counters
from labctl.verify.steps.faults import plan
from labctl.verify.steps.model import Capture, Expect, Fault, Heal, LossOf, Packets, ScenarioFile, Step, Stop, Traffic
from labctl.verify.steps.traffic import Measured, Running, begin
from labctl.verify.topics import bgp, links
from labctl.verify.verdict import CheckResult, Judgement, combine, fails, passes
from labctl.waiting import Cancelled, Deadline, DeadlinePassed

Troubles = (LabctlError, Unanswered, DeadlinePassed)


def run(file: ScenarioFile, lab: LabUnderTest) -> list[CheckResult]:
    """All of it."""
    return _Run(file, lab).run()


class _Run:
    def __init__(self, file: ScenarioFile, lab: LabUnderTest) -> None:
        self._file, self._lab, self._name = file, lab, file.name
        self._changes = Changes(lab.journal, lab.hands, HEALERS)
        self._faults: dict[str, list[str]] = {}
        self._traffic: dict[str, Running] = {}
        self._measured: dict[str, Measured] = {}
        self._captures: dict[str, Recording] = {}
        self._captured: dict[str, bytes] = {}
        self._files: dict[str, str] = {}
        self._baseline: Baseline = {}

    def run(self) -> list[CheckResult]:
        before = self._whole("before", "INCONCLUSIVE")
        results = [before]
        if before.verdict != "PASS":
            return results
        try:
            self._baseline = self._count()
            results += self._objects()
            for index, step in enumerate(self._file.steps, 1):
                done = self._step(index, step)
                results += done
                if any(result.verdict == "INCONCLUSIVE" for result in done) and not isinstance(step, Expect):
                    break
        finally:
            healed = self._end()
        results += healed
        return [*results, self._whole("recovered", "FAIL")]

    # --- before and after -------------------------------------------------------------------------------------

    def _whole(self, word: str, otherwise: Any) -> CheckResult:
        """The checks of links and BGP, as one: what the scenario begins from, and what it must come back to."""
        lab = self._lab
        asked = [*links.checks(lab), *bgp.checks(lab)]
        results = poll(asked, lab.observer, lab.deadline("converged"), lab.cancel, lambda _result: None)
        wrong = [result for result in results if result.verdict != "PASS"]
        verdict = combine(result.verdict for result in results)
        sentence = f"links and BGP: {len(results)} checks pass"
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            sentence = (
                f"{'the lab was not whole before' if word == 'before' else 'not recovered'}: {wrong[0].sentence}{more}"
            )
            verdict = verdict if verdict == "INCONCLUSIVE" else otherwise
        found = CheckResult(
            f"{self._name}.{word}", f"the lab is whole {'before' if word == 'before' else 'again'}", verdict, sentence,
            f"{len(results)} checks pass", [f"{result.verdict} {result.id}: {result.sentence}" for result in wrong],
            max((result.attempts for result in results), default=0),
            tuple(dict.fromkeys(path for result in results for path in result.commands)),
        )  # fmt: skip
        return self._lab.tell([found])[0]

    def _count(self) -> Baseline:
        """The connections of all sessions, where an expectation will ask whether they are unbroken."""
        wanted = any(isinstance(step, Expect) and step.sessions and step.sessions.are in COUNTED
                     for step in self._file.steps)  # fmt: skip
        commands = counters(self._lab.section(bgp.BgpInput).sessions) if wanted else []
        return {(row.target, row.text): counted(self._lab.observer.ask(row)[0]) for row in commands}

    def _objects(self) -> list[CheckResult]:
        """The file's own objects, applied; deleted when it is over."""
        items = [dict(item) for item in self._file.objects]
        if not items:
            return []
        rows = [
            {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": item["metadata"]["name"],
             "namespace": item["metadata"].get("namespace")}
            for item in items
        ]  # fmt: skip

        def make() -> None:
            Applier(self._lab.api).apply(items, self._lab.deadline("workloads"), self._lab.cancel)

        words = ", ".join(f"{row['kind']} {row['name']}" for row in rows)
        self._changes.make(Change(f"{self._name}.objects", "kube-delete", {"objects": rows}), make)
        return self._lab.tell(
            [CheckResult(f"{self._name}.objects", "objects of the scenario", "PASS", f"applied {words}")]
        )

    def _end(self) -> list[CheckResult]:
        """Stop what still runs, heal what is still open, whatever happened."""
        for running in self._traffic.values():
            running.close()
        for capture in self._captures.values():
            capture.close()
        try:
            self._changes.heal_all()
        except LabctlError as error:
            result = CheckResult(f"{self._name}.healed", "every fault is healed", "INCONCLUSIVE", str(error))
            return self._lab.tell([result])
        return []

    # --- steps ------------------------------------------------------------------------------------------------

    def _step(self, index: int, step: Step) -> list[CheckResult]:
        doers: Mapping[type, Callable[[Any], list[CheckResult]]] = {
            Traffic: self._begin, Capture: self._capture, Fault: self._fault, Expect: self._expect, Heal: self._heal,
            Stop: self._stop,
        }  # fmt: skip
        if self._lab.cancel.is_set():
            raise Cancelled("verification was stopped")
        try:
            return doers[type(step)](step)
        except Troubles as error:
            name = getattr(step, "name", None) or f"step-{index}"
            reason = error.reason if isinstance(error, DeadlinePassed) else str(error)
            verb = type(step).__name__.lower()
            result = CheckResult(f"{self._name}.{name}", f"{verb} {name}", "INCONCLUSIVE", f"{verb} {name}: {reason}")
            return self._lab.tell([result])

    def _begin(self, row: Traffic) -> list[CheckResult]:
        self._traffic[row.name] = begin(self._lab, row, self._lab.deadline("converged"))
        return []

    def _capture(self, row: Capture) -> list[CheckResult]:
        self._captures[row.name] = Recording(self._lab.observer.endpoints.capture(row.at, row.interface, row.filter))
        return []

    def _fault(self, fault: Fault) -> list[CheckResult]:
        made = plan(self._lab, fault)
        identity = f"{self._name}.{fault.name}"
        names = self._faults.setdefault(fault.name, [])
        for change, action in made.named(identity):
            names.append(change.name)
            self._changes.make(change, action)
        return self._lab.tell([CheckResult(identity, f"fault {fault.name} is made", "PASS", made.sentence)])

    def _heal(self, heal: Heal) -> list[CheckResult]:
        wanted = list(self._faults) if heal.name is None else [heal.name]
        done = []
        for fault in reversed(wanted):
            for name in reversed(self._faults.pop(fault, [])):
                self._changes.heal(name)
            done.append(
                CheckResult(f"{self._name}.{fault}.healed", f"fault {fault} is healed", "PASS", f"{fault} is healed")
            )
        return self._lab.tell(done)

    def _stop(self, stop: Stop) -> list[CheckResult]:
        if stop.name in self._traffic:
            self._measure(stop.name)
        elif stop.name in self._captures:
            self._collect(stop.name)
        return []

    # --- expectations -----------------------------------------------------------------------------------------

    def _expect(self, expect: Expect) -> list[CheckResult]:
        lab, identity = self._lab, f"{self._name}.{expect.name}"
        if expect.loss is not None:
            return lab.tell([self._loss(expect.loss, identity)])
        if expect.packets is not None:
            return lab.tell([self._packets(expect.packets, identity)])
        asked: list[Check] = checks(lab, expect, identity, self._baseline)
        if not asked:
            nothing = "the lab has no such session"
            return lab.tell([CheckResult(identity, expect.name, "INCONCLUSIVE", nothing)])
        if expect.hold is not None:
            return hold(asked, lab.observer, expect.hold, lab.cancel, lab.told)
        deadline = Deadline(paced(expect.within)) if expect.within is not None else lab.deadline("converged")
        return poll(asked, lab.observer, deadline, lab.cancel, lab.told)

    def _measure(self, name: str) -> Measured:
        if name not in self._measured:
            running = self._traffic.pop(name)
            measured = running.stop()
            evidence = self._lab.observer.evidence
            self._files[name] = evidence.capture(f"{self._name}.{name}", measured.pcap)
            self._files[f"{name}.ping"] = evidence.command(
                f"{self._name}.{name}", running.words, running.output.encode()
            )
            self._measured[name] = measured
        return self._measured[name]

    def _loss(self, row: LossOf, identity: str) -> CheckResult:
        measured = self._measure(row.of)
        judgement = judge_loss(row, measured, str(self._lab.folder.lab.target["switch"]))
        title = f"loss of {row.of} ({measured.source} to {measured.target})"
        return CheckResult(
            identity, title, judgement.verdict, judgement.sentence, judgement.expected, judgement.seen, 1,
            (self._files[f"{row.of}.ping"],), (self._files[row.of],), telling=lost(row, measured.loss),
        )  # fmt: skip

    def _collect(self, name: str) -> bytes:
        if name not in self._captured:
            self._captured[name] = self._captures.pop(name).stop()
            self._files[name] = self._lab.observer.evidence.capture(f"{self._name}.{name}", self._captured[name])
        return self._captured[name]

    def _packets(self, row: Packets, identity: str) -> CheckResult:
        judgement = judge_packets(row, self._collect(row.of))
        result = CheckResult(identity, f"packets of {row.of}", judgement.verdict, judgement.sentence)
        return replace(result, expected=judgement.expected, seen=judgement.seen, captures=(self._files[row.of],))


def lost(row: LossOf, loss: Loss) -> str:
    """What one runs a failure for."""
    return f"{row.of}: {loss.lost} of {loss.requests} lost, longest outage {loss.longest_ms:.0f} ms"


def judge_loss(row: LossOf, measured: Measured, platform: str) -> Judgement:
    """Against the platform's limits. Pure."""
    loss = measured.loss
    limits = {
        word: limit[platform]  # type: ignore[index]
        for word, limit in (("packets", row.packets), ("ms", row.ms))
        if limit is not None
    }
    expected, seen = {"at_most": limits, "platform": platform}, {**loss.as_json(), "ping_sent": measured.sent}
    if measured.doubt is not None:
        return Judgement("INCONCLUSIVE", f"{row.of}: the capture cannot be counted: {measured.doubt}", expected, seen)
    if not loss.answered:
        return Judgement("INCONCLUSIVE", f"{row.of}: nothing was answered, {loss.requests} requests", expected, seen)
    words = lost(row, loss)
    if loss.outages and loss.outages[-1].end is None:
        return fails(f"{words}, which did not end", expected, seen)
    wrong = []
    if loss.lost > limits.get("packets", float("inf")):
        wrong.append(f"{limits['packets']:g} packets")
    if loss.longest_ms > limits.get("ms", float("inf")):
        wrong.append(f"{limits['ms']:g} ms")
    if wrong:
        return fails(f"{words}: more than {' and '.join(wrong)} on {platform}", expected, seen)
    allowed = ", ".join(f"{value:g} {'packets' if word == 'packets' else 'ms'}" for word, value in limits.items())
    return passes(f"{words} (at most {allowed} on {platform})", expected, seen)


def judge_packets(row: Packets, data: bytes) -> Judgement:
    """How many packets of a capture have these addresses. Pure."""
    stack = ExpectedStack(frozenset({row.source}), frozenset({row.target}), row.protocol)
    found = find(decode(data), ExpectedPacket(stack))
    count = len(found.packets)
    expected = {"at_least": row.at_least, "at_most": row.at_most, "source": row.source, "target": row.target}
    seen = {"packets": count, "of": found.seen, "first": found.packets[0].describe() if found.packets else None}
    words = f"{row.of}: {count} packets from {row.source} to {row.target}"
    if row.at_least is not None and count < row.at_least:
        return fails(f"{words}, at least {row.at_least} expected; {found.nearest}", expected, seen)
    if row.at_most is not None and count > row.at_most:
        return fails(f"{words}, at most {row.at_most} expected", expected, seen)
    return passes(words, expected, seen)
