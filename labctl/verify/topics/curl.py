"""``curl``: a page from a ClusterIP, fetched by a node's host and a host behind the fabric, captured at the leafs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from labctl.errors import LabctlError
from labctl.kube.resources import ENDPOINT_SLICES, SERVICES
from labctl.pace import limit
from labctl.verify import expectation
from labctl.verify.capturing import capturing, judge
from labctl.verify.checks import CUT, Stopwatch, unanswered_by
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Unanswered
from labctl.verify.values import (
    CaptureInput,
    Model,
)
from labctl.verify.verdict import CheckResult, Judgement, fails, passes
from labctl.waiting import Cancelled, Deadline, tell_reason


class HostInput(Model):
    node: str


class CurlInput(Model):
    name: str
    sender: Annotated[HostInput, Field(alias="from")]
    service: str
    port: int
    contains: str
    endpoint: str | None = None
    """The pod that is to be seen answering: the page is fetched until it was that one's."""
    captures: tuple[CaptureInput, ...] = ()


CODES = {
    6: "the name was not resolved",
    7: "connection refused or no route",
    28: "no answer within {limit:.0f} s",
    52: "an empty answer",
}
"""curl's exit codes (curl(1))."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    return lab.flows("curl", CurlInput, one)


def one(lab: LabUnderTest, row: CurlInput, identity: str, deadline: Deadline) -> list[CheckResult]:
    """One page. The captures are those of the request that was answered.

    kube-proxy chooses an endpoint at random: where a certain one is asked for, the page is fetched again until the
    captures show that it was that one's.
    """
    title = f"{row.sender.node} fetches {row.service}"
    attempts, watch, path, captures = 0, Stopwatch(), "", list[CheckResult]()
    while True:
        attempts += 1
        lab.observer.release([path])
        try:
            judgement, path, captures = _fetched(lab, row, identity)
        except Unanswered as unanswered:
            judgement, path = unanswered_by(unanswered), ""
        if not path and judgement.verdict == "FAIL":
            return [judgement.of(f"{identity}.answered", title)]  # there is no such Service
        passed, late = judgement.verdict == "PASS", deadline.passed
        over = late or lab.cancel.wait(0.1)
        if not passed and not late:
            tell_reason(judgement.sentence)
            if over:
                raise Cancelled(f"{CUT}, last: {judgement.sentence}")
        if over or (passed and _served(row, captures)):
            break
    answered = judgement.of(
        f"{identity}.answered", title, attempts=attempts, commands=(path,) if path else (), seconds=watch.seconds,
        telling="the page came" if passed else None,
    )  # fmt: skip
    return [answered, *captures] if passed else [answered]


def _served(row: CurlInput, captures: Iterable[CheckResult]) -> bool:
    """Whether it was the page of the endpoint that is asked for."""
    return row.endpoint is None or all(result.verdict == "PASS" for result in captures)


def _fetched(lab: LabUnderTest, row: CurlInput, identity: str) -> tuple[Judgement, str, list[CheckResult]]:
    """The page once, captured: what is to be said of it, where its answer is kept, and its captures when it came."""
    cluster = lab.cluster(SERVICES, ENDPOINT_SLICES)
    service = expectation.service_of(cluster, row.service)
    if service is None:
        return fails(f"there is no Service {row.service}"), "", []
    before = _endpoints(cluster, row.service)
    with capturing(lab, row.captures) as taken:
        judgement, path = _fetch(lab, row, service["spec"]["clusterIP"], len(before))
    after = _endpoints(lab.cluster(ENDPOINT_SLICES), row.service)  # one may have come while curl waited
    if judgement.verdict != "PASS":
        return judgement, path, []
    resolved = {"endpoints": before | after}
    pairs = zip(row.captures, taken, strict=True)
    return judgement, path, [judge(lab, identity, capture, result, resolved) for capture, result in pairs]


def _endpoints(cluster: expectation.Cluster, service: str) -> frozenset[str]:
    return frozenset(address for address, _ in expectation.endpoints(cluster, service))


def _fetch(lab: LabUnderTest, row: CurlInput, address: str, endpoints: int) -> tuple[Judgement, str]:
    url = f"http://{f'[{address}]' if ':' in address else address}:{row.port}/"
    command = ["curl", "-sS", "-m", f"{limit('page'):.0f}", url]
    try:
        done = lab.observer.endpoints.exec(row.sender.node, command, timeout=limit("page") + limit("call"))
    except LabctlError as error:
        raise Unanswered(f"{row.sender.node}: {error}", row.sender.node, str(error)) from None
    path = lab.observer.evidence.command(row.sender.node, " ".join(command), done.stdout + done.stderr)
    text = done.stdout.decode(errors="replace")
    return judge_page(row, url, done.code, text, done.stderr.decode(errors="replace"), endpoints), path


def judge_page(row: CurlInput, url: str, code: int, page: str, words: str, endpoints: int) -> Judgement:
    """curl's exit code and the page. Pure."""
    expected = {"exit": 0, "contains": row.contains}
    seen = {"exit": code, "bytes": len(page), "endpoints": endpoints}
    behind = f"{row.service} has {endpoints} endpoint{'s' if endpoints != 1 else ''}"
    if code != 0:
        known = CODES[code].format(limit=limit("page")) if code in CODES else None
        why = known or words.strip() or f"curl ended with {code}"
        return fails(f"{row.sender.node}: {url}: {why}; {behind}", expected, seen)
    if row.contains not in page:
        return fails(f"{row.sender.node}: {url}: the page does not contain {row.contains!r}", expected, seen)
    return passes(f"{row.sender.node}: {url}: the page came ({len(page)} bytes)", expected, seen)


SCENARIO = Scenario("curl", "curl of a ClusterIP", run, traffic=True)
