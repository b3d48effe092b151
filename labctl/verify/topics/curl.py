"""``curl``: a page from a ClusterIP, fetched by a node's host and a host behind the fabric, captured at the leafs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from labctl.errors import LabctlError
from labctl.guest.api import Completed
from labctl.kube.resources import ENDPOINT_SLICES, SERVICES
from labctl.pace import limit
from labctl.verify import expectation
from labctl.verify.capturing import capturing, judge
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Unanswered
from labctl.verify.values import CaptureInput, Flow, Model
from labctl.verify.verdict import CheckResult, Judgement, fails, passes
from labctl.waiting import Deadline


class HostInput(Model):
    node: str


class CurlInput(Flow):
    sender: Annotated[HostInput, Field(alias="from")]
    service: str
    port: int
    contains: str
    endpoint: str | None = None
    """The pod that is to be seen answering: the page is fetched until it was that one's."""
    captures: tuple[CaptureInput, ...] = ()


PAUSE = 0.1
"""Seconds before a page is fetched again."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    return lab.flows("curl", CurlInput, one)


def one(lab: LabUnderTest, row: CurlInput, identity: str, deadline: Deadline) -> list[CheckResult]:
    """One page. The captures are those of the request that was answered.

    kube-proxy chooses an endpoint at random: where a certain one is asked for, the page is fetched again until the
    captures show that it was that one's.
    """
    answer: Completed | None = None
    command: list[str] = []
    captures: list[CheckResult] = []

    def once() -> tuple[Judgement, bool]:
        nonlocal answer, command, captures
        answer = None
        cluster = lab.cluster(SERVICES, ENDPOINT_SLICES)
        service = expectation.service_of(cluster, row.service)
        if service is None:
            return fails(f"there is no Service {row.service}"), False
        before, address = _endpoints(cluster, row.service), service["spec"]["clusterIP"]
        url = f"http://{f'[{address}]' if ':' in address else address}:{row.port}/"
        command = ["curl", "-sS", "-m", f"{limit('page'):.0f}", url]
        with capturing(lab, row.captures) as taken:
            try:
                wait = limit("page") + limit("call")
                answer = lab.observer.endpoints.exec(row.sender.node, command, timeout=wait)
            except LabctlError as error:
                raise Unanswered(f"{row.sender.node}: {error}", row.sender.node, str(error)) from None
        judgement = judge_page(row, url, answer, len(before))
        if judgement.verdict != "PASS":
            return judgement, False
        after = _endpoints(lab.cluster(ENDPOINT_SLICES), row.service)  # one may have come while curl waited
        resolved, pairs = {"endpoints": before | after}, zip(row.captures, taken, strict=True)
        captures = [judge(lab, identity, capture, result, resolved) for capture, result in pairs]
        return judgement, row.endpoint is None or all(result.verdict == "PASS" for result in captures)

    judgement, more = lab.again(deadline, PAUSE, once)
    if answer is not None:
        output = answer.stdout + answer.stderr
        more["commands"] = (lab.observer.evidence.command(row.sender.node, " ".join(command), output),)
    passed = judgement.verdict == "PASS"
    telling = "the page came" if passed else None
    answered = judgement.of(f"{identity}.answered", f"{row.sender.node} fetches {row.service}", telling=telling, **more)
    return [answered, *captures] if passed else [answered]


def _endpoints(cluster: expectation.Cluster, service: str) -> frozenset[str]:
    return frozenset(address for address, _ in expectation.endpoints(cluster, service))


def judge_page(row: CurlInput, url: str, done: Completed, endpoints: int) -> Judgement:
    """curl's exit code and the page. Pure."""
    page = done.stdout.decode(errors="replace")
    expected = {"exit": 0, "contains": row.contains}
    seen = {"exit": done.code, "bytes": len(page), "endpoints": endpoints}
    if done.code != 0:
        why = done.stderr.decode(errors="replace").strip() or f"curl ended with {done.code}"
        behind = f"{row.service} has {endpoints} endpoint{'s' if endpoints != 1 else ''}"
        return fails(f"{row.sender.node}: {url}: {why}; {behind}", expected, seen)
    if row.contains not in page:
        return fails(f"{row.sender.node}: {url}: the page does not contain {row.contains!r}", expected, seen)
    return passes(f"{row.sender.node}: {url}: the page came ({len(page)} bytes)", expected, seen)


SCENARIO = Scenario("curl", "curl of a ClusterIP", run, traffic=True)
