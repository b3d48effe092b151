"""Runs a scenario file: the lab is whole before, each step in turn, everything healed, and the lab whole again.

What a step could not do makes the scenario INCONCLUSIVE and ends its steps; healing and the proof of recovery follow in
any case.
"""

from __future__ import annotations

from typing import Any

from labctl.errors import LabctlError
from labctl.kube.apply import Applier
from labctl.pace import paced
from labctl.restore.changes import HEALERS, Change, Changes
from labctl.verify.capture.loss import Loss
from labctl.verify.capture.match import ExpectedPacket, ExpectedStack, find
from labctl.verify.capture.packet import decode
from labctl.verify.capturing import Recording
from labctl.verify.checks import hold, poll
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Unanswered
from labctl.verify.steps.expects import COUNTED, Baseline, checks, counted, counters
from labctl.verify.steps.faults import plan
from labctl.verify.steps.model import Capture, Expect, Fault, Heal, LossOf, Packets, ScenarioFile, Step, Stop, Traffic
from labctl.verify.steps.traffic import Measured, Running, begin
from labctl.verify.topics import bgp, links
from labctl.verify.verdict import CheckResult, Judgement, Verdict, combine, passes, ruled
from labctl.waiting import Cancelled, Deadline, DeadlinePassed


def run(file: ScenarioFile, lab: LabUnderTest) -> list[CheckResult]:
    """All of it."""
    return _Run(file, lab).run()


class _Run:
    def __init__(self, file: ScenarioFile, lab: LabUnderTest) -> None:
        self._file, self._lab, self._name = file, lab, file.name
        self._changes = Changes(lab.journal, lab.hands, HEALERS)
        self._faults: dict[str, list[str]] = {}
        self._traffic: dict[str, Running] = {}
        self._measured: dict[str, tuple[Measured, str, str]] = {}
        self._captures: dict[str, Recording] = {}
        self._captured: dict[str, tuple[bytes, str]] = {}
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
        return [*results, *healed, self._whole("recovered", "FAIL")]

    def _tell(self, name: str, title: str, judgement: Judgement, **more: Any) -> list[CheckResult]:
        return self._lab.tell([judgement.of(f"{self._name}.{name}", title, **more)])

    # --- before and after -------------------------------------------------------------------------------------

    def _whole(self, name: str, otherwise: Verdict) -> CheckResult:
        """The checks of links and BGP, as one: what the scenario begins from, and what it must come back to."""
        lab = self._lab
        asked = [*links.checks(lab), *bgp.checks(lab)]
        results = poll(asked, lab.observer, lab.deadline("converged"), lab.cancel, lambda _result: None)
        wrong = [result for result in results if result.verdict != "PASS"]
        verdict, sentence = combine(result.verdict for result in results), f"links and BGP: {len(results)} checks pass"
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            what = "the lab was not whole before" if name == "before" else "not recovered"
            sentence = f"{what}: {wrong[0].sentence}{more}"
            verdict = verdict if verdict == "INCONCLUSIVE" else otherwise
        seen = [f"{result.verdict} {result.id}: {result.sentence}" for result in wrong]
        judgement = Judgement(verdict, sentence, f"{len(results)} checks pass", seen)
        return self._tell(
            name, f"the lab is whole {'before' if name == 'before' else 'again'}", judgement,
            attempts=max((result.attempts for result in results), default=0),
            commands=tuple(dict.fromkeys(path for result in results for path in result.commands)),
        )[0]  # fmt: skip

    def _count(self) -> Baseline:
        """The connections of all sessions, where an expectation will ask whether they are unbroken."""
        asked = (step.sessions for step in self._file.steps if isinstance(step, Expect))
        wanted = any(sessions and sessions.are in COUNTED for sessions in asked)
        commands = counters(self._lab.section(bgp.BgpInput).sessions) if wanted else []
        return {row: counted(self._lab.observer.ask(row)[0]) for row in commands}

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
            Applier(self._lab.observer.cluster).apply(items, self._lab.deadline("workloads"), self._lab.cancel)

        self._changes.make(Change(f"{self._name}.objects", "kube-delete", {"objects": rows}), make)
        told = ", ".join(f"{row['kind']} {row['name']}" for row in rows)
        return self._tell("objects", "objects of the scenario", passes(f"applied {told}"))

    def _end(self) -> list[CheckResult]:
        """Stop what still runs, heal what is still open, whatever happened."""
        opened: list[Running | Recording] = [*self._traffic.values(), *self._captures.values()]
        for running in opened:
            running.close()
        try:
            self._changes.heal_all()
        except LabctlError as error:
            return self._tell("healed", "every fault is healed", Judgement("INCONCLUSIVE", str(error)))
        return []

    # --- steps ------------------------------------------------------------------------------------------------

    def _step(self, index: int, step: Step) -> list[CheckResult]:
        if self._lab.cancel.is_set():
            raise Cancelled("verification was stopped")
        try:
            return self._do(step)
        except (LabctlError, Unanswered, DeadlinePassed) as error:
            name = getattr(step, "name", None) or f"step-{index}"
            reason = error.reason if isinstance(error, DeadlinePassed) else str(error)
            what = f"{type(step).__name__.lower()} {name}"
            return self._tell(name, what, Judgement("INCONCLUSIVE", f"{what}: {reason}"))

    def _do(self, step: Step) -> list[CheckResult]:
        lab = self._lab
        match step:
            case Traffic():
                self._traffic[step.name] = begin(lab, step, lab.deadline("converged"))
            case Capture():
                capture = lab.observer.endpoints.capture(step.at, step.interface, step.filter)
                self._captures[step.name] = Recording(capture)
            case Fault():
                return self._fault(step)
            case Expect():
                return self._expect(step)
            case Heal():
                return self._heal(step)
            case Stop() if step.name in self._traffic:
                self._measure(step.name)
            case Stop() if step.name in self._captures:
                self._collect(step.name)
        return []

    def _fault(self, fault: Fault) -> list[CheckResult]:
        sentence, changes = plan(self._lab, fault)
        names = self._faults.setdefault(fault.name, [])
        for index, (healer, data, make) in enumerate(changes, 1):
            number = f".{index}" if index > 1 else ""
            names.append(f"{self._name}.{fault.name}{number}")
            self._changes.make(Change(names[-1], healer, data), make)
        return self._tell(fault.name, f"fault {fault.name} is made", passes(sentence))

    def _heal(self, heal: Heal) -> list[CheckResult]:
        done = []
        for fault in reversed(list(self._faults) if heal.name is None else [heal.name]):
            for name in reversed(self._faults.pop(fault, [])):
                self._changes.heal(name)
            done += self._tell(f"{fault}.healed", f"fault {fault} is healed", passes(f"{fault} is healed"))
        return done

    # --- expectations -----------------------------------------------------------------------------------------

    def _expect(self, expect: Expect) -> list[CheckResult]:
        lab = self._lab
        if expect.loss is not None:
            return self._loss(expect.name, expect.loss)
        if expect.packets is not None:
            of = expect.packets.of
            data, path = self._collect(of)
            return self._tell(expect.name, f"packets of {of}", judge_packets(expect.packets, data), captures=(path,))
        asked = checks(lab, expect, f"{self._name}.{expect.name}", self._baseline)
        if not asked:
            return self._tell(expect.name, expect.name, Judgement("INCONCLUSIVE", "the lab has no such session"))
        if expect.hold is not None:
            return hold(asked, lab.observer, expect.hold, lab.cancel, lab.told)
        deadline = Deadline(paced(expect.within)) if expect.within is not None else lab.deadline("converged")
        return poll(asked, lab.observer, deadline, lab.cancel, lab.told)

    def _measure(self, name: str) -> tuple[Measured, str, str]:
        """What came of a traffic, and where its packets and its output are."""
        if name not in self._measured:
            running, evidence = self._traffic.pop(name), self._lab.observer.evidence
            measured = running.stop()
            pcap = evidence.capture(f"{self._name}.{name}", measured.pcap)
            output = evidence.command(f"{self._name}.{name}", running.name, running.output.encode())
            self._measured[name] = measured, pcap, output
        return self._measured[name]

    def _loss(self, name: str, row: LossOf) -> list[CheckResult]:
        measured, pcap, output = self._measure(row.of)
        judgement = judge_loss(row, measured, str(self._lab.folder.lab.target["switch"]))
        title = f"loss of {row.of} ({measured.ends.source} to {measured.ends.target})"
        telling = lost(row, measured.loss)
        return self._tell(name, title, judgement, commands=(output,), captures=(pcap,), telling=telling)

    def _collect(self, name: str) -> tuple[bytes, str]:
        """The packets of a capture, and where they are."""
        if name not in self._captured:
            data = self._captures.pop(name).stop()
            self._captured[name] = data, self._lab.observer.evidence.capture(f"{self._name}.{name}", data)
        return self._captured[name]


def lost(row: LossOf, loss: Loss) -> str:
    """What one runs a failure for."""
    return f"{row.of}: {loss.lost} of {loss.requests} lost, longest outage {loss.longest_ms:.0f} ms"


def judge_loss(row: LossOf, measured: Measured, platform: str) -> Judgement:
    """Against the platform's limits. Pure."""
    loss = measured.loss
    limits = {word: limit[platform] for word, limit in row.limits.items()}
    expected, seen = {"at_most": limits, "platform": platform}, {**loss.as_json(), "ping_sent": measured.sent}
    if measured.doubt is not None:
        return Judgement("INCONCLUSIVE", f"{row.of}: the capture cannot be counted: {measured.doubt}", expected, seen)
    if not loss.answered:
        return Judgement("INCONCLUSIVE", f"{row.of}: nothing was answered, {loss.requests} requests", expected, seen)
    told = lost(row, loss)
    found = {"packets": loss.lost, "ms": loss.longest_ms}
    wrong = " and ".join(f"{limit:g} {unit}" for unit, limit in limits.items() if found[unit] > limit)
    rules = (
        (loss.outages and loss.outages[-1].end is None, ", which did not end"),
        (wrong, f": more than {wrong} on {platform}"),
    )
    allowed = ", ".join(f"{limit:g} {unit}" for unit, limit in limits.items())
    return ruled(told, rules, f" (at most {allowed} on {platform})", expected, seen)


def judge_packets(row: Packets, data: bytes) -> Judgement:
    """How many packets of a capture have these addresses. Pure."""
    stack = ExpectedStack(frozenset({row.source}), frozenset({row.target}), row.protocol)
    found = find(decode(data), ExpectedPacket(stack))
    count = len(found.packets)
    expected = {"at_least": row.at_least, "at_most": row.at_most, "source": row.source, "target": row.target}
    seen = {"packets": count, "of": found.seen, "first": found.packets[0].describe() if found.packets else None}
    told = f"{row.of}: {count} packets from {row.source} to {row.target}"
    rules = (
        (row.at_least is not None and count < row.at_least, f", at least {row.at_least} expected; {found.nearest}"),
        (row.at_most is not None and count > row.at_most, f", at most {row.at_most} expected"),
    )
    return ruled(told, rules, "", expected, seen)
