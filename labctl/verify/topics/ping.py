"""``ping``: from the test pod of one node to that of another, counted, with its ttl, captured on both sides.

``ping-ipip``: the cluster is moved to IPIP with the full mesh, pinged, captured, and moved back (disruptive).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from labctl.errors import LabctlError
from labctl.kube.api import Json, Resource
from labctl.kube.apply import Applier, load
from labctl.kube.exec import PodExec
from labctl.kube.ready import pod_trouble
from labctl.kube.resources import BGP_CONFIGURATIONS, BLOCK_AFFINITIES, PODS
from labctl.pace import limit
from labctl.restore.changes import HEALERS, Change, change
from labctl.restore.client import LabClient
from labctl.verify import expectation
from labctl.verify.capturing import capturing, judge
from labctl.verify.checks import Check, poll, unanswered_by
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command, Unanswered
from labctl.verify.values import CaptureInput, Flow, PodInput
from labctl.verify.verdict import CheckResult, Judgement, fails, passes, ruled
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for


class PingInput(Flow):
    family: Literal["ipv4", "ipv6"]
    sender: Annotated[PodInput, Field(alias="from")]
    target: Annotated[PodInput, Field(alias="to")]
    count: int
    ttl: int
    captures: tuple[CaptureInput, ...] = ()

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if self.family == "ipv6" else 4


INTERVAL = "0.2"
EXEC_PAUSE = 0.5
"""Seconds before a ping is tried again: the API may still call a pod running whose node has just been started again."""
DIAGNOSTICS = (
    "ip -s link show", "ip addr show", "ip route show table all", "ip -6 route show table all", "ip neigh show",
    "iptables-legacy-save -c", "iptables-save -c",
)  # fmt: skip
"""Asked of both nodes when a ping is not answered: for the person who looks for the reason, nothing is judged by it."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    return lab.flows("ping", PingInput, one)


def one(lab: LabUnderTest, row: PingInput, identity: str, deadline: Deadline) -> list[CheckResult]:
    """One ping: pods there, routes there, then the ping with its captures."""
    try:
        ends = [_await_pod(lab, pod, row.version, deadline) for pod in (row.sender, row.target)]
    except (DeadlinePassed, Unanswered) as error:
        found = fails(error.reason) if isinstance(error, DeadlinePassed) else unanswered_by(error)
        return [found.of(f"{identity}.answered", f"{row.sender.node} to {row.target.node}, {row.family}")]
    (pod, source), (_, target) = ends
    routes = poll([route_check(lab, row, identity)], lab.observer, deadline, lab.cancel, lambda _result: None)
    if routes[0].verdict != "PASS":
        return routes
    with capturing(lab, row.captures) as taken:
        answered = _ping(lab, lab.observer.pods, row, identity, pod, target, deadline)
    if answered.verdict != "PASS":
        answered = replace(answered, commands=(*answered.commands, *_diagnose(lab, row, identity)))
    resolved = {"from": frozenset({source}), "to": frozenset({target})}
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


def _await_pod(lab: LabUnderTest, wanted: PodInput, version: int, deadline: Deadline) -> tuple[str, str]:
    node = lab.kube_name(wanted.node)

    def there() -> tuple[str, str] | NotYet:
        pods = lab.cluster(PODS).pods
        pod = expectation.pod_at(pods, node, wanted.namespace, selector=wanted.selector, name=wanted.pod)
        if pod is None:
            why = pod_absence(pods, node, wanted)
            return NotYet(f"no pod {wanted.pod or wanted.selector} runs on {wanted.node}: {why}")
        name, address = str(pod["metadata"]["name"]), expectation.pod_address(pod, version)
        return (name, address) if address else NotYet(f"{name} has no address of IPv{version}")

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


def _both_ways(
    lab: LabUnderTest,
    row: PingInput,
    identity: str,
    title: str,
    wanted: str,
    kinds: Sequence[Resource],
    look: Callable[[Cluster, list[str], str], tuple[Any, list[str], str]],
) -> Check:
    """Of the routes of both nodes. ``look``: by the other node's blocks and a node's table, what is seen of it, what is
    wrong with that, and what is right."""
    ends = ((row.sender.node, row.target.node), (row.target.node, row.sender.node))
    commands = [Command("node", here, f"ip -j -{row.version} route show") for here, _ in ends]

    def judged(cluster: Cluster, *tables: str) -> Judgement:
        seen, wrong, right = {}, list[str](), list[str]()
        for (here, there), text in zip(ends, tables, strict=True):
            blocks = expectation.block_of(cluster, lab.kube_name(there), row.version)
            seen[here], troubles, told = look(cluster, blocks, text or "[]")
            wrong += [f"{here} {trouble}" for trouble in troubles]
            right.append(f"{here}: {told}")
        expected = {here: wanted for here, _ in ends}
        return fails("; ".join(wrong), expected, seen) if wrong else passes("; ".join(right), expected, seen)

    return lab.cluster_check(identity, title, kinds, judged, *commands)


def route_check(lab: LabUnderTest, row: PingInput, identity: str) -> Check:
    """Both nodes have a route to the other's block: without one a ping would leave by the default route."""

    def look(_cluster: Cluster, blocks: list[str], text: str) -> tuple[Any, list[str], str]:
        routes = block_routes(text, blocks)
        found = next(filter(None, routes.values()), "")
        trouble = f"has no route to the other node's block {', '.join(blocks) or '(none yet)'}"
        return routes, [] if found else [trouble], found

    title = f"routes between {row.sender.node} and {row.target.node}, {row.family}"
    return _both_ways(lab, row, f"{identity}.route", title, "a route to the block", (BLOCK_AFFINITIES,), look)


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
    command = ["ping", f"-{row.version}", "-c", str(row.count), "-i", INTERVAL, "-W", "1", address]
    output = ""

    def once() -> tuple[Judgement, bool]:
        nonlocal output
        output = ""
        try:
            done = exec_in.run(row.sender.namespace, pod, command, timeout=row.count * 2 + limit("call"))
        except LabctlError as error:
            raise Unanswered(str(error)) from None
        output = done.stdout + done.stderr
        judgement = judge_ping(row, address, output)
        return judgement, judgement.verdict == "PASS"

    judgement, more = lab.again(deadline, EXEC_PAUSE, once)
    if output:
        more["commands"] = (lab.observer.evidence.command(pod, " ".join(command), output.encode()),)
    if judgement.verdict == "PASS":
        more["telling"] = f"{row.count} of {row.count} answered, ttl {row.ttl}"
    return judgement.of(f"{identity}.answered", f"{row.count} of {row.count} with ttl {row.ttl}, {row.family}", **more)


def judge_ping(row: PingInput, address: str, text: str) -> Judgement:
    """The words of ping (busybox or iputils). Pure."""
    found = re.search(r"(\d+) packets transmitted, (\d+)(?: packets)? received", text)
    sent, received = (int(found[1]), int(found[2])) if found else (0, 0)
    ttls = sorted({int(value) for value in re.findall(r"ttl=(\d+)", text)})
    expected = {"received": row.count, "ttl": row.ttl}
    seen = {"sent": sent, "received": received, "ttl": ttls}
    what = f"{row.sender.node} to {row.target.node} ({address}): {received} of {row.count} answered"
    rules = (
        (received != row.count, ""),
        (ttls != [row.ttl], f", with ttl {', '.join(map(str, ttls))} and not {row.ttl}"),
    )
    return ruled(what, rules, f", ttl {row.ttl}", expected, seen)


SCENARIO = Scenario("ping", "pod ping", run, traffic=True)


# --- over IPIP ------------------------------------------------------------------------------------------------------

TUNNEL = "tunl0"
PROTOCOLS = {"bird": {"bird", "12"}, "80": {"80"}}
"""Of a route's programmer: its name in iproute2's list, or its number where that is not there."""


def run_ipip(lab: LabUnderTest) -> list[CheckResult]:
    """Move, prove, move back, and prove that it is back."""
    home, limit = lab.folder.lab.mode, lab.deadline("scenario").seconds
    inputs = [row for row in lab.parts(PingInput, "ipip") if lab.wanted.flow(f"ping-ipip.{row.name}")]
    found: list[CheckResult] = []

    def make() -> None:
        apply_mode(lab.client, "ipip", lab.deadline("scenario"))

    with change(lab.journal, Change("mode-ipip", "calico-mode", {"seconds": limit}), make, lab.client, HEALERS):
        deadline = lab.deadline("converged")
        for row in inputs:
            gate = poll([tunnelled(lab, row, expected=True)], lab.observer, deadline, lab.cancel, lab.told)
            found += gate
            if gate[0].verdict == "PASS":
                found += lab.tell(one(lab, row, f"ping-ipip.{row.name}", deadline))
    if home != "ipip":
        back = [tunnelled(lab, row, expected=False) for row in inputs]
        found += poll(back, lab.observer, lab.deadline("converged"), lab.cancel, lab.told)
    return found


def tunnelled(lab: LabUnderTest, row: PingInput, *, expected: bool) -> Check:
    """Each node's route to the other's block leads into the tunnel; or no longer does, and no other route either.

    BIRD moves its routes one by one: the pair's own may be back while one to a third node still is in the tunnel.
    """

    def look(cluster: Cluster, blocks: list[str], text: str) -> tuple[Any, list[str], str]:
        table, wrong = json.loads(text), list[str]()
        rows = [entry for entry in table if entry.get("dst") in blocks]
        devices = sorted({str(entry.get("dev")) for entry in rows})
        made = {str(entry.get("protocol")) for entry in rows}
        if expected and devices == [TUNNEL] and made - PROTOCOLS[expectation.tunnel_protocol(cluster)]:
            wrong.append(f"has routes into {TUNNEL} of protocol {', '.join(sorted(made))}")
        if (devices == [TUNNEL]) is not expected or not devices:
            wrong.append(f"reaches {', '.join(blocks)} by {', '.join(devices) or 'no route'}")
        left = [str(entry.get("dst")) for entry in table if entry.get("dev") == TUNNEL and entry not in rows]
        if left and not expected:
            devices.append(TUNNEL)
            wrong.append(f"still reaches {', '.join(left)} by {TUNNEL}")
        return devices, wrong, f"by {', '.join(devices)}"

    name = "tunnelled" if expected else "routed-again"
    title = f"{row.sender.node} and {row.target.node} are {name.replace('-', ' ')}"
    wanted, kinds = TUNNEL if expected else "not the tunnel", (BLOCK_AFFINITIES, BGP_CONFIGURATIONS)
    return _both_ways(lab, row, f"ping-ipip.{row.name}.{name}", title, wanted, kinds, look)


def heal(client: LabClient, data: Mapping[str, Any]) -> None:
    """``{seconds}``: the mode that the folder begins with, applied within that time."""
    apply_mode(client, client.folder.lab.mode, Deadline(float(data.get("seconds", 120.0))))


def apply_mode(client: LabClient, mode: str, deadline: Deadline) -> None:
    """``calico/modes/<mode>/*`` through the API."""
    folder = client.folder.path
    Applier(client.cluster).apply(load(sorted((folder / "calico" / "modes" / mode).glob("*.yaml"))), deadline)


HEALERS["calico-mode"] = heal
IPIP = Scenario("ping-ipip", "pod ping over IPIP", run_ipip, disruptive=True)
