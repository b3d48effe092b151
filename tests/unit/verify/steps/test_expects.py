"""The judges of a file's expectations, and a capture that is read while it runs."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from labctl.errors import LabError
from labctl.verify.capturing import Recording
from labctl.verify.checks import poll
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.expects import checks, judge_bond, judge_channel, judge_pods, judge_vpc
from labctl.verify.steps.model import Bond, Expect, PodsAt, VpcState
from labctl.verify.verdict import Judgement
from labctl.waiting import Deadline
from tests.unit.verify.conftest import ScriptedNodes
from tests.unit.verify.topics.test_links import bond

BOTH = bond(("eth1", "up", 1, 63, 63), ("eth2", "up", 1, 63, 63))
ONE = bond(("eth1", "down", 1, 63, 63), ("eth2", "up", 1, 63, 63))


def of(judgement: Judgement) -> tuple[str, str]:
    """Also: what failed shows something else beside what was expected, or a reader sees no difference."""
    assert judgement.verdict != "FAIL" or judgement.expected != judgement.seen, judgement
    return judgement.verdict, judgement.sentence


@pytest.mark.parametrize(
    ("text", "up", "down", "expected"),
    [
        (BOTH, ("eth1", "eth2"), (), ("PASS", "node01: eth1, eth2 distributes")),
        (ONE, ("eth2",), ("eth1",), ("PASS", "node01: eth2 distributes")),
        (BOTH, ("eth2",), ("eth1",), ("FAIL", "node01: eth1 still distributes")),
        (ONE, ("eth1",), (), ("FAIL", "node01: eth1 does not distribute")),
        ("", (), ("eth1",), ("PASS", "node01: no member distributes")),
    ],
)
def test_bond(text: str, up: Any, down: Any, expected: tuple[str, str]) -> None:
    assert of(judge_bond(Bond(node="node01", up=up, down=down), text)) == expected


def channel(flag: str) -> Any:
    member = {"TABLE_member": {"ROW_member": {"port": "Ethernet1/2", "port-status": flag}}}
    return {"TABLE_channel": {"ROW_channel": {"group": "12", **member}}}


@pytest.mark.parametrize(
    ("flag", "up", "verdict"),
    [("P", True, "PASS"), ("D", True, "FAIL"), ("D", False, "PASS"), ("s", False, "PASS"), ("P", False, "FAIL")],
)
def test_port_channel(flag: str, up: bool, verdict: str) -> None:
    judgement = judge_channel("leaf1", "port-channel12", channel(flag), up=up)
    assert judgement.verdict == verdict
    assert "Ethernet1/2 is" in judgement.sentence


def test_a_port_channel_that_is_not_there() -> None:
    assert of(judge_channel("leaf1", "port-channel12", {}, up=False)) == ("FAIL", "leaf1: there is no port-channel12")


@pytest.mark.parametrize(
    ("peer", "alive", "wanted", "verdict"),
    [
        ("peer-ok", "peer-alive", {"peer": "ok", "keepalive": "alive"}, "PASS"),
        ("peer-link-down", "peer-alive", {"peer": "down"}, "PASS"),
        ("peer-ok", "peer-not-alive", {"peer": "ok", "keepalive": "down"}, "PASS"),
        ("peer-ok", "peer-alive", {"peer": "down"}, "FAIL"),
        ("peer-ok", "peer-alive", {"keepalive": "down"}, "FAIL"),
        ("peer-link-down", "peer-alive", {"peer": "ok"}, "FAIL"),
    ],
)
def test_vpc(peer: str, alive: str, wanted: dict[str, str], verdict: str) -> None:
    body = {"vpc-peer-status": peer, "vpc-peer-keepalive-status": alive}
    assert judge_vpc(VpcState.model_validate({"switch": "leaf1", **wanted}), "leaf1", body).verdict == verdict


def pod(name: str, node: str, *, ready: str = "True", **meta: Any) -> Any:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}, **meta},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


@pytest.mark.parametrize(
    ("pods", "wanted", "verdict"),
    [
        ([pod("a", "n2")], {"node": "n2", "not_on": "n1"}, "PASS"),
        ([pod("a", "n1")], {"node": "n2"}, "FAIL"),
        ([pod("a", "n2"), pod("b", "n1")], {"node": "n2", "not_on": "n1"}, "FAIL"),
        ([pod("a", "n2"), pod("b", "n1", deletionTimestamp="now")], {"node": "n2", "not_on": "n1"}, "PASS"),
        ([pod("a", "n2", ready="False")], {}, "FAIL"),
        ([pod("a", "n1"), pod("b", "n2")], {"count": 2}, "PASS"),
        ([], {"count": 0}, "PASS"),
    ],
)
def test_pods(pods: Any, wanted: dict[str, Any], verdict: str) -> None:
    row = PodsAt.model_validate({"pod": "app=web", **wanted})
    assert judge_pods(row, lambda name: name, pods).verdict == verdict


# --- routes


def table(*hops: str) -> Any:
    paths = [{"ipnexthop": hop, "ubest": "true"} for hop in hops]
    prefix = {"ipprefix": "10.0.0.1/32", "TABLE_path": {"ROW_path": paths}}
    return {"TABLE_vrf": {"ROW_vrf": {"TABLE_addrf": {"ROW_addrf": {"TABLE_prefix": {"ROW_prefix": prefix}}}}}}


@pytest.mark.parametrize(
    ("body", "hops", "verdict"),
    [
        (table("192.168.1.11"), {"nodes": ["node01"]}, "PASS"),
        (table("192.168.1.13"), {"nodes": ["node01"]}, "FAIL"),
        (table("192.168.1.11", "192.168.1.13"), {"nodes": ["node01", "node02"]}, "PASS"),
        (table("192.168.1.11"), ["192.168.1.11"], "PASS"),
        ({}, [], "PASS"),
        (table("192.168.1.11"), [], "FAIL"),
        ({}, {"nodes": ["node01"]}, "FAIL"),
    ],
)
def test_route(lab: LabUnderTest, scripted: ScriptedNodes, body: Any, hops: Any, verdict: str) -> None:
    scripted.switches["leaf2101"] = {"show ip route vrf vrf-001": body}
    scripted.objects = {
        "nodes": [
            {"metadata": {"name": name, "annotations": {"projectcalico.org/IPv4Address": f"192.168.1.{number}/24"}}}
            for name, number in (("node01", 11), ("node02", 13))
        ]
    }
    route = {"switch": "leaf2101", "prefix": "10.0.0.1/32", "next_hops": hops}
    expect = Expect.model_validate({"name": "way", "route": route})
    (result,) = poll(checks(lab, expect, "s.way", {}), lab.observer, Deadline(0), lab.cancel, lambda _result: None)
    assert (result.id, result.verdict) == ("s.way.leaf2101", verdict)


@pytest.mark.parametrize(("hops", "verdict"), [(["192.168.1.11"], "PASS"), ({"nodes": ["node01"]}, "INCONCLUSIVE")])
def test_a_route_said_in_addresses_needs_no_api(
    lab: LabUnderTest, scripted: ScriptedNodes, hops: Any, verdict: str
) -> None:
    scripted.switches["leaf2101"] = {"show ip route vrf vrf-001": table("192.168.1.11")}
    scripted.objects = None
    route = {"switch": "leaf2101", "prefix": "10.0.0.1/32", "next_hops": hops}
    expect = Expect.model_validate({"name": "way", "route": route})
    (result,) = poll(checks(lab, expect, "s.way", {}), lab.observer, Deadline(0), lab.cancel, lambda _result: None)
    assert result.verdict == verdict


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 12),
        ({"switch": "leaf2101"}, 6),
        ({"node": ["node01", "node02"]}, 8),
        ({"node": "master", "family": "ipv6"}, 2),
    ],
)
def test_which_sessions(lab: LabUnderTest, wanted: dict[str, Any], count: int) -> None:
    expect = Expect.model_validate({"name": "up", "sessions": {"are": "up", **wanted}})
    assert len(checks(lab, expect, "s.up", {})) == count


# --- a capture that is read while it runs


class Capturing:
    """LabClient out pieces as they come; `end` lets the rest out."""

    def __init__(self) -> None:
        self.pieces: queue.SimpleQueue[bytes | LabError | None] = queue.SimpleQueue()
        self.closed = False

    def read(self) -> bytes | None:
        piece = self.pieces.get(timeout=5)
        if isinstance(piece, LabError):
            raise piece
        return piece

    def end(self) -> None:
        self.pieces.put(b"last")
        self.pieces.put(None)

    def stop(self) -> bytes:
        raise AssertionError("somebody reads already")

    def close(self) -> None:
        self.closed = True


def test_what_comes_before_and_after_the_end_is_all_there() -> None:
    capture = Capturing()
    recording = Recording(capture)
    for number in range(1000):
        capture.pieces.put(bytes([number % 256]) * 1000)
    data = recording.stop()
    assert (len(data), data[-4:], capture.closed) == (1_000_004, b"last", True)


def test_a_capture_that_breaks_says_so() -> None:
    capture = Capturing()
    recording = Recording(capture)
    capture.pieces.put(LabError("the channel is closed"))
    with pytest.raises(LabError, match="the channel is closed"):
        recording.stop()
