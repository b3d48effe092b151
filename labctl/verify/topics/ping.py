"""``ping``: from the test pod of one node to that of another, counted, with its ttl, captured on both sides."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from labctl.errors import LabctlError
from labctl.kube.api import Json
from labctl.kube.exec import PodExec
from labctl.kube.ready import pod_trouble
from labctl.kube.resources import BLOCK_AFFINITIES, PODS
from labctl.pace import limit
from labctl.verify import expectation
from labctl.verify.capturing import capturing, judge
from labctl.verify.checks import CUT, Check, Stopwatch, cluster_check, poll, unanswered_by
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command, Unanswered
from labctl.verify.values import (
    CaptureInput,
    Model,
    PodInput,
)
from labctl.verify.verdict import CheckResult, Judgement, fails, passes
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, tell_reason, wait_for


class PingInput(Model):
    name: str
    family: Literal["ipv4", "ipv6"]
    sender: Annotated[PodInput, Field(alias="from")]
    target: Annotated[PodInput, Field(alias="to")]
    count: int
    ttl: int
    captures: tuple[CaptureInput, ...] = ()


INTERVAL = "0.2"
EXEC_PAUSE = 0.5
"""Seconds before a ping that could not be started in its pod is tried again."""
VERSION = {"ipv4": 4, "ipv6": 6}
DIAGNOSTICS = (
    "ip -s link show", "ip addr show", "ip route show table all", "ip -6 route show table all", "ip neigh show",
    "iptables-legacy-save -c", "iptables-save -c",
)  # fmt: skip
"""Asked of both nodes when a ping is not answered: for the person who looks for the reason, nothing is judged by it."""


@dataclass(frozen=True, slots=True)
class PodFound:
    """A running pod: its name and its addresses by family."""

    name: str
    addresses: dict[int, str]


def run(lab: LabUnderTest) -> list[CheckResult]:
    return lab.flows("ping", PingInput, one)


def one(lab: LabUnderTest, row: PingInput, identity: str, deadline: Deadline) -> list[CheckResult]:
    """One ping: pods there, routes there, then the ping with its captures."""
    title = f"{row.sender.node} to {row.target.node}, {row.family}"
    try:
        sender, target = _await_pod(lab, row.sender, deadline), _await_pod(lab, row.target, deadline)
    except DeadlinePassed as passed:
        return [fails(passed.reason).of(f"{identity}.answered", title)]
    except Unanswered as trouble:
        return [unanswered_by(trouble).of(f"{identity}.answered", title)]
    version = VERSION[row.family]
    address = target.addresses.get(version)
    if address is None or version not in sender.addresses:
        found = fails(f"a pod has no {row.family} address", None, target.addresses)
        return [found.of(f"{identity}.answered", title)]
    routes = poll([route_check(lab, row, identity)], lab.observer, deadline, lab.cancel, lambda _result: None)
    if routes[0].verdict != "PASS":
        return routes
    with capturing(lab, row.captures) as taken:
        answered = _ping(lab, lab.pods, row, identity, sender.name, address, deadline)
    if answered.verdict != "PASS":
        answered = replace(answered, commands=(*answered.commands, *_diagnose(lab, row, identity)))
    resolved = {"from": frozenset({sender.addresses[version]}), "to": frozenset({address})}
    captures = [
        judge(lab, identity, capture, result, resolved) for capture, result in zip(row.captures, taken, strict=True)
    ]
    if answered.verdict == "INCONCLUSIVE":
        captures = [unsent(result) for result in captures]
    return [*routes, answered, *captures]


def unsent(result: CheckResult) -> CheckResult:
    """A capture of a ping that could not be sent: that there is no packet in it tells nothing."""
    if result.verdict != "FAIL":
        return result
    return replace(result, verdict="INCONCLUSIVE", sentence=f"the ping could not be sent; {result.sentence}")


def _diagnose(lab: LabUnderTest, row: PingInput, identity: str) -> list[str]:
    """Raw answers of both nodes, kept as evidence under the check's name: a later question must not replace them."""
    found = []
    for node in (row.sender.node, row.target.node):
        for text in DIAGNOSTICS:
            try:
                done = lab.observer.endpoints.exec(node, text.split())
                output = done.stdout + done.stderr
            except LabctlError as error:
                output = str(error).encode()
            found.append(lab.observer.evidence.command(f"{identity}.{node}", text, output))
    return found


def _await_pod(lab: LabUnderTest, wanted: PodInput, deadline: Deadline) -> PodFound:
    node = lab.kube_name(wanted.node)

    def there() -> PodFound | NotYet:
        cluster = lab.cluster(PODS)
        pod = expectation.pod_at(cluster.pods, node, wanted.namespace, selector=wanted.selector, name=wanted.pod)
        if pod is None:
            why = pod_absence(cluster.pods, node, wanted)
            return NotYet(f"no pod {wanted.pod or wanted.selector} runs on {wanted.node}: {why}")
        found = {version: address for version in (4, 6) if (address := expectation.pod_address(pod, version))}
        return (
            PodFound(pod["metadata"]["name"], found) if found else NotYet(f"{pod['metadata']['name']} has no address")
        )

    return wait_for(there, deadline, every=0.15, cancel=lab.cancel)


def pod_absence(pods: Sequence[Json], node: str, wanted: PodInput) -> str:
    """Why no such pod runs on a node (by its Kubernetes name), in the API's words. Pure."""
    such = [pod for pod in pods if expectation.is_pod(pod, wanted.namespace, selector=wanted.selector, name=wanted.pod)]
    here = [pod for pod in such if pod["spec"].get("nodeName") in (node, None)]
    troubles = [trouble for pod in here if (trouble := pod_trouble(pod))]
    if troubles:
        return "; ".join(dict.fromkeys(troubles))
    if here:
        return f"{here[0]['metadata']['name']} is {(here[0].get('status') or {}).get('phase', 'Pending')}"
    if such and wanted.pod:
        return f"it is on {such[0]['spec'].get('nodeName')}"
    return f"{len(such)} of them are on other nodes" if such else "there is none"


def route_check(lab: LabUnderTest, row: PingInput, identity: str) -> Check:
    """Both nodes have a route to the other's block: without one a ping would leave by the default route."""
    flag = "-6" if row.family == "ipv6" else "-4"
    ends = ((row.sender.node, row.target.node), (row.target.node, row.sender.node))
    commands = tuple(Command("node", here, f"ip -j {flag} route show") for here, _ in ends)

    def judged(cluster: Cluster, *tables: str) -> Judgement:
        seen, missing = {}, []
        for (here, there), text in zip(ends, tables, strict=True):
            blocks = expectation.block_of(cluster, lab.kube_name(there), VERSION[row.family])
            routes = block_routes(text, blocks)
            seen[here] = routes
            if not any(routes.values()):
                missing.append(
                    f"{here} has no route to the other node's block {', '.join(blocks) or '(none yet)'} of {there}"
                )
        expected = {here: f"a route to the block of {there}" for here, there in ends}
        if missing:
            return fails("no route to the other node's block: " + "; ".join(missing), expected, seen)
        words = [f"{here}: {next(filter(None, routes.values()))}" for here, routes in seen.items()]
        return passes("; ".join(words), expected, seen)

    return cluster_check(
        f"{identity}.route", f"routes between {row.sender.node} and {row.target.node}, {row.family}", commands, judged,
        calico=lab.calico, kinds=(BLOCK_AFFINITIES,),
    )  # fmt: skip


def block_routes(text: str, blocks: list[str]) -> dict[str, str | None]:
    """Block → ``via …`` of a route that is no default, no black hole; None when there is none. Pure."""
    result: dict[str, str | None] = dict.fromkeys(blocks)
    for row in json.loads(text or "[]"):
        nowhere = row.get("type") in ("blackhole", "unreachable", "prohibit")
        gateway = row.get("gateway") or ", ".join(str(hop.get("gateway")) for hop in row.get("nexthops") or [])
        if row.get("dst", "default") == "default" or nowhere or not gateway:
            continue
        for block in blocks:
            if expectation.inside(block, row["dst"]):
                result[block] = f"{block} via {gateway} dev {row.get('dev', '')}".strip()
    return result


def _ping(
    lab: LabUnderTest, exec_in: PodExec, row: PingInput, identity: str, pod: str, address: str, deadline: Deadline
) -> CheckResult:
    """Ping until all are answered; the last try counts."""
    command = ["ping", "-6" if row.family == "ipv6" else "-4", "-c", str(row.count), "-i", INTERVAL, "-W", "1", address]
    title = f"{row.count} of {row.count} with ttl {row.ttl}, {row.family}"
    attempts, watch, path = 0, Stopwatch(), ""
    while True:
        attempts += 1
        lab.observer.release([path])
        try:
            done = exec_in.run(row.sender.namespace, pod, command, timeout=row.count * 2 + limit("call"))
        except LabctlError as error:
            tell_reason(str(error))
            if not deadline.passed and not lab.cancel.wait(EXEC_PAUSE):
                continue  # the API may still call a pod running whose node has just been started again
            return CheckResult(
                f"{identity}.answered", title, "INCONCLUSIVE", str(error), attempts=attempts, seconds=watch.seconds
            )
        text = done.stdout + done.stderr
        path = lab.observer.evidence.command(pod, " ".join(command), text.encode())
        judgement = judge_ping(row, address, text)
        if judgement.verdict != "PASS" and not deadline.passed:
            tell_reason(judgement.sentence)
            if lab.cancel.is_set():
                raise Cancelled(f"{CUT}, last: {judgement.sentence}")
        if judgement.verdict == "PASS" or deadline.passed:
            told = f"{row.count} of {row.count} answered, ttl {row.ttl}" if judgement.verdict == "PASS" else None
            more = {"attempts": attempts, "commands": (path,), "seconds": watch.seconds, "telling": told}
            return judgement.of(f"{identity}.answered", title, **more)


def judge_ping(row: PingInput, address: str, text: str) -> Judgement:
    """The words of ping (busybox or iputils). Pure."""
    found = re.search(r"(\d+) packets transmitted, (\d+)(?: packets)? received", text)
    sent, received = (int(found[1]), int(found[2])) if found else (0, 0)
    ttls = sorted({int(value) for value in re.findall(r"ttl=(\d+)", text)})
    expected = {"received": row.count, "ttl": row.ttl}
    seen = {"sent": sent, "received": received, "ttl": ttls}
    what = f"{row.sender.node} to {row.target.node} ({address})"
    if received != row.count:
        return fails(f"{what}: {received} of {row.count} answered", expected, seen)
    if ttls != [row.ttl]:
        return fails(
            f"{what}: {received} of {row.count} answered, with ttl {', '.join(map(str, ttls))} and not {row.ttl}",
            expected,
            seen,
        )
    return passes(f"{what}: {received} of {row.count} answered, ttl {row.ttl}", expected, seen)


SCENARIO = Scenario("ping", "pod ping", run, traffic=True)
