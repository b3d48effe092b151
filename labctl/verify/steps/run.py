"""Runs a scenario file: the lab is whole before, each step in turn, everything healed, and the lab whole again.

What a step could not do makes the scenario INCONCLUSIVE and ends its steps; healing and the proof of recovery follow in
any case. Traffic is a ping that goes on while things are broken, captured at its sender's interface from before its
first packet on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from labctl.errors import LabctlError
from labctl.guest.api import ExecStream
from labctl.kube.api import Json
from labctl.kube.apply import Applier
from labctl.kube.exec import PodSession
from labctl.kube.resources import NODES, PODS
from labctl.pace import paced
from labctl.restore.changes import HEALERS, Change, Changes
from labctl.restore.client import NotDone
from labctl.verify import expectation
from labctl.verify.capture.loss import Loss, measure
from labctl.verify.capture.match import ExpectedPacket, ExpectedStack, find
from labctl.verify.capture.packet import decode
from labctl.verify.capturing import Reader, Recording
from labctl.verify.checks import hold, poll
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Unanswered
from labctl.verify.steps import model as forms
from labctl.verify.steps.expects import COUNTED, Baseline, checks, counted, counters
from labctl.verify.steps.faults import plan
from labctl.verify.topics import bgp, links
from labctl.verify.topics.nodes import interface_of
from labctl.verify.verdict import CheckResult, Judgement, Verdict, combine, passes, ruled
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for


def run(file: forms.ScenarioFile, lab: LabUnderTest) -> list[CheckResult]:
    """All of it."""
    return _Run(file, lab).run()


class _Run:
    def __init__(self, file: forms.ScenarioFile, lab: LabUnderTest) -> None:
        self._file, self._lab, self._name = file, lab, file.name
        self._changes = Changes(lab.journal, lab.client, HEALERS)
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
                if any(result.verdict == "INCONCLUSIVE" for result in done) and not isinstance(step, forms.Expect):
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
        asked = (step.sessions for step in self._file.steps if isinstance(step, forms.Expect))
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

    def _step(self, index: int, step: forms.Step) -> list[CheckResult]:
        if self._lab.cancel.is_set():
            raise Cancelled("verification was stopped")
        try:
            return self._do(step)
        except (LabctlError, Unanswered, DeadlinePassed) as error:
            name = getattr(step, "name", None) or f"step-{index}"
            reason = error.reason if isinstance(error, DeadlinePassed) else str(error)
            what = f"{type(step).__name__.lower()} {name}"
            return self._tell(name, what, Judgement("INCONCLUSIVE", f"{what}: {reason}"))

    def _do(self, step: forms.Step) -> list[CheckResult]:
        lab = self._lab
        match step:
            case forms.Traffic():
                self._traffic[step.name] = begin(lab, step, lab.deadline("converged"))
            case forms.Capture():
                capture = lab.observer.endpoints.capture(step.at, step.interface, step.filter)
                self._captures[step.name] = Recording(capture)
            case forms.Fault():
                return self._fault(step)
            case forms.Expect():
                return self._expect(step)
            case forms.Heal():
                return self._heal(step)
            case forms.Stop() if step.name in self._traffic:
                self._measure(step.name)
            case forms.Stop() if step.name in self._captures:
                self._collect(step.name)
        return []

    def _fault(self, fault: forms.Fault) -> list[CheckResult]:
        sentence, changes = plan(self._lab, fault)
        names = self._faults.setdefault(fault.name, [])
        for index, (healer, data, make) in enumerate(changes, 1):
            number = f".{index}" if index > 1 else ""
            names.append(f"{self._name}.{fault.name}{number}")
            self._changes.make(Change(names[-1], healer, data), make)
        return self._tell(fault.name, f"fault {fault.name} is made", passes(sentence))

    def _heal(self, heal: forms.Heal) -> list[CheckResult]:
        done = []
        for fault in reversed(list(self._faults) if heal.name is None else [heal.name]):
            for name in reversed(self._faults.pop(fault, [])):
                self._changes.heal(name)
            done += self._tell(f"{fault}.healed", f"fault {fault} is healed", passes(f"{fault} is healed"))
        return done

    # --- expectations -----------------------------------------------------------------------------------------

    def _expect(self, expect: forms.Expect) -> list[CheckResult]:
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
        if name not in self._measured:
            running, evidence = self._traffic.pop(name), self._lab.observer.evidence
            measured = running.stop()
            pcap = evidence.capture(f"{self._name}.{name}", measured.pcap)
            output = evidence.command(f"{self._name}.{name}", running.name, running.output.encode())
            self._measured[name] = measured, pcap, output
        return self._measured[name]

    def _loss(self, name: str, row: forms.LossOf) -> list[CheckResult]:
        measured, pcap, output = self._measure(row.of)
        judgement = judge_loss(row, measured, str(self._lab.folder.lab.target["switch"]))
        title = f"loss of {row.of} ({measured.ends.source} to {measured.ends.target})"
        telling = lost(row, measured.loss)
        return self._tell(name, title, judgement, commands=(output,), captures=(pcap,), telling=telling)

    def _collect(self, name: str) -> tuple[bytes, str]:
        if name not in self._captured:
            data = self._captures.pop(name).stop()
            self._captured[name] = data, self._lab.observer.evidence.capture(f"{self._name}.{name}", data)
        return self._captured[name]


def lost(row: forms.LossOf, loss: Loss) -> str:
    """What one runs a failure for."""
    return f"{row.of}: {loss.lost} of {loss.requests} lost, longest outage {loss.longest_ms:.0f} ms"


def judge_loss(row: forms.LossOf, measured: Measured, platform: str) -> Judgement:
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


def judge_packets(row: forms.Packets, data: bytes) -> Judgement:
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


# --- traffic --------------------------------------------------------------------------------------------------

SIGINT = 2
COUNTS = re.compile(r"(\d+) packets transmitted, (\d+)(?: packets)? received")
ANSWER = re.compile(r"\bttl=\d+")


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a ping leaves from and goes to; ``sender`` for a person. ``pod``: the sending pod's name."""

    sender: str
    node: str
    interface: str
    source: str
    target: str
    pod: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a traffic. ``sent`` and ``received``: ping's own sums, None when it printed none."""

    ends: Ends
    loss: Loss
    pcap: bytes
    sent: int | None
    received: int | None

    @property
    def doubt(self) -> str | None:
        """Why the capture cannot be counted on; None when it can.

        ping counts for itself: where it sent or received more than was captured, the capture dropped packets.
        """
        if self.sent is None or self.received is None:
            return "the ping ended before it was stopped"
        if self.loss.requests < self.sent:
            return f"ping sent {self.sent} requests, and the capture has {self.loss.requests} of them"
        if self.loss.answered < self.received:
            return f"ping received {self.received} replies, and the capture has {self.loss.answered} of them"
        return None


class Running:
    """A traffic under way. Made by `begin`."""

    def __init__(self, ends: Ends, recording: Recording, ping: ExecStream | PodSession) -> None:
        self.ends, self.name = ends, f"{ends.sender} to {ends.target}"
        self._recording = recording
        self._ping = ping
        self._output = Reader(lambda: piece[1] if (piece := ping.read()) is not None else None)

    @property
    def output(self) -> str:
        """What ping has printed so far."""
        return self._output.text

    def answered(self) -> bool | NotYet:
        """Whether the first reply came. Raises `NotDone` when ping has ended."""
        text = self.output
        if ANSWER.search(text):
            return True
        last = text.strip().splitlines()[-1:] or ["no reply yet"]
        if self._output.over:
            raise NotDone(f"{self.name}: ping ended: {last[0]}")
        return NotYet(f"{self.name}: {last[0]}")

    def stop(self) -> Measured:
        """End ping, then the capture; count."""
        if isinstance(self._ping, PodSession):
            self._ping.write(b"\n")  # the shell in the pod then ends ping
        else:
            self._ping.signal(SIGINT)
        self._output.join()
        self._ping.close()
        data = self._recording.stop()
        sums = COUNTS.search(self.output)
        sent, received = (int(sums[1]), int(sums[2])) if sums else (None, None)
        return Measured(self.ends, measure(decode(data), self.ends.source, self.ends.target), data, sent, received)

    def close(self) -> None:
        """Give it up, whatever state it is in."""
        self._ping.close()
        self._recording.close()


def begin(lab: LabUnderTest, row: forms.Traffic, deadline: Deadline) -> Running:
    """Find both ends, capture, ping, and wait for the first reply.

    Raises `DeadlinePassed` with the reason when none comes, and what the runtime raises when it cannot capture.
    """
    ends = wait_for(lambda: _ends(lab, row), deadline, every=0.2, cancel=lab.cancel)
    capture = lab.observer.endpoints.capture(ends.node, ends.interface, f"(icmp or icmp6) and host {ends.target}")
    recording = Recording(capture)
    opened: Recording | Running = recording
    try:
        opened = running = Running(ends, recording, _ping(lab, row, ends))
        wait_for(running.answered, deadline, every=0.05, cancel=lab.cancel)
    except BaseException:
        opened.close()
        raise
    return running


def _ends(lab: LabUnderTest, row: forms.Traffic) -> Ends | NotYet:
    version = bgp.VERSION[row.family]
    try:
        target = row.target.address or _address(lab, row.target, version)
        if row.sender.pod is None:
            node = str(row.sender.node)
            return Ends(node, node, *_way(lab, node, target), target)
        pod, source = _pod(lab, row.sender), _address(lab, row.sender, version)
    except NotDone as error:
        return NotYet(str(error))
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    names = {kubernetes: known for known, kubernetes in lab.folder.lab.kubernetes.items()}
    return Ends(f"pod {name}", names.get(node, node), interface_of(pod), source, target, name)


def _address(lab: LabUnderTest, end: forms.Pod, version: int) -> str:
    """Of a pod, or a node's own, from the node. Raises `NotDone` for none."""
    if end.pod is not None:
        pod = _pod(lab, end)
        address = expectation.pod_address(pod, version)
        if address is None:
            raise NotDone(f"pod {pod['metadata']['name']} has no address of IPv{version}")
        return address
    node = str(end.node)
    interface = "bond0" if node in lab.folder.lab.kube_nodes else next(iter(lab.folder.lab.interfaces(node)), "eth1")
    text = lab.client.run(node, ["ip", "-j", f"-{version}", "addr", "show", "dev", interface, "scope", "global"])
    for info in (info for row in json.loads(text or "[]") for info in row.get("addr_info", [])):
        if "local" in info:
            return str(ip_interface(info["local"]).ip)
    raise NotDone(f"{interface} of {node} has no address of IPv{version}")


def _pod(lab: LabUnderTest, end: forms.Pod) -> Json:
    cluster = lab.cluster(NODES, PODS)
    nodes = [lab.kube_name(end.node)] if end.node else [item["metadata"]["name"] for item in cluster.nodes]
    for node in nodes:
        pod = expectation.pod_at(cluster.pods, node, end.namespace, selector=end.pod)
        if pod is not None:
            return pod
    raise NotDone(f"no pod {end.pod} runs{f' on {end.node}' if end.node else ''}")


def _way(lab: LabUnderTest, node: str, target: str) -> tuple[str, str]:
    """(interface, source address) by which a node sends to a target, as its kernel decides. Raises `NotDone`."""
    for row in json.loads(lab.client.run(node, ["ip", "-j", "route", "get", target]) or "[]"):
        if row.get("dev") and row.get("prefsrc"):
            return str(row["dev"]), str(row["prefsrc"])
    raise NotDone(f"{node} has no way to {target}")


def _ping(lab: LabUnderTest, row: forms.Traffic, ends: Ends) -> ExecStream | PodSession:
    """Of a node: ping itself. Of a pod: under a shell that ends it when its own input ends, so that none is left."""
    argv = ["ping", f"-{bgp.VERSION[row.family]}", "-i", f"{row.interval_ms / 1000:g}", ends.target]
    if ends.pod is None:
        return lab.observer.endpoints.stream(ends.node, argv)
    script = f"{' '.join(argv)} & p=$!; read _; kill -INT $p; wait $p"
    return lab.observer.pods.start(row.sender.namespace, ends.pod, ["sh", "-c", script])
