"""A scenario file run against nodes that answer what a test says: the order of things, healing, and every verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest

from labctl.errors import InconclusiveError
from labctl.guest.api import Completed
from labctl.restore.changes import open_changes
from labctl.verify.inputs import ChecksInput, ModeInput
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.load import loads
from labctl.verify.steps.model import Packets
from labctl.verify.steps.run import judge_packets, run
from labctl.verify.topics.bgp import BgpInput, NodesInput, PairInput
from labctl.verify.topics.links import LacpInput, LinksInput
from labctl.verify.verdict import CheckResult, combine
from labctl.waiting import Cancelled
from tests.unit.verify.capture.test_loss import ping
from tests.unit.verify.capture.test_packets import echo, ethernet, ip4, pcap
from tests.unit.verify.conftest import ScriptedNodes
from tests.unit.verify.topics.test_links import bond

BOND = "cat /proc/net/bonding/bond0"
BOTH = bond(("eth1", "up", 1, 63, 63), ("eth2", "up", 1, 63, 63))
ONE = bond(("eth1", "down", 1, 63, 63), ("eth2", "up", 1, 63, 63))
SUMMARY = "show ip bgp summary vrf vrf-001"
NEIGHBORS = "show ip bgp neighbors vrf vrf-001"
FAULT = "  - fault: {name: member, shutdown: {switch: leaf2101, interface: Ethernet1/2}}\n"
DOWN = "  - expect: {name: down, within: 1, bond: {node: node01, up: [eth2], down: [eth1]}}\n"
UNBROKEN = "  - expect: {name: unbroken, hold: 0.2, sessions: {are: unbroken}}\n"
HEAL = "  - heal: member\n"


def neighbors(established: int = 1, dropped: int = 0, state: str = "Established") -> Any:
    row = {
        "neighbor": "192.168.1.11", "state": state, "connsestablished": str(established),
        "connsdropped": str(dropped), "elapsedtime": "PT5M",
    }  # fmt: skip
    return {"TABLE_neighbor": {"ROW_neighbor": row}}


def summary(state: str = "Established") -> Any:
    row = {"neighborid": "192.168.1.11", "neighboras": "65531", "state": state, "prefixreceived": "3"}
    saf = {"configuredpeers": "1", "capablepeers": "1", "TABLE_neighbor": {"ROW_neighbor": row}}
    af = {"TABLE_saf": {"ROW_saf": saf}}
    return {"TABLE_vrf": {"ROW_vrf": {"TABLE_af": {"ROW_af": af}}}}


@pytest.fixture
def small(lab: LabUnderTest, scripted: ScriptedNodes, done: Callable[..., Completed]) -> LabUnderTest:
    """The white paper's lab with one bond and one session to be whole; a shut port takes a leg of the bond."""
    pair = PairInput(leafs={"leaf2101": "10.2.0.3"}, nodes={"node01": ("192.168.1.11",)})
    nodes = NodesInput(vrf="vrf-001", asn=65531, pairs=(pair,))
    checks = ChecksInput(
        schema_="labctl.checks/v2",
        links=LinksInput(lacp=(LacpInput(node="node01", bond="bond0", members=("eth1", "eth2")),)),
        modes={"routed": ModeInput(bgp=BgpInput(nodes=nodes))},
    )
    scripted.nodes["node01", BOND] = done(BOTH)
    scripted.switches["leaf2101"] = {SUMMARY: summary(), NEIGHBORS: neighbors()}

    def changed(_switch: str, lines: list[str]) -> None:
        scripted.nodes["node01", BOND] = done(ONE if "shutdown" in lines else BOTH)

    scripted.changed = changed
    quick = lab.folder.lab.model_copy(update={"deadlines": {"converged": 0.4, "bond": 0.4}})
    return replace(lab, checks=checks, folder=replace(lab.folder, lab=quick))


def scenario(lab: LabUnderTest, steps: str) -> list[CheckResult]:
    text = f"schema: labctl.scenario/v1\nname: mine\nsteps:\n{steps}"
    return run(loads("mine.yaml", text, lab.folder, lab.checks), lab)


def verdicts(results: list[CheckResult]) -> dict[str, str]:
    return {result.id: result.verdict for result in results}


def test_whole_broken_healed_whole_again(small: LabUnderTest, scripted: ScriptedNodes) -> None:
    results = scenario(small, FAULT + DOWN + UNBROKEN + HEAL)
    assert verdicts(results) == dict.fromkeys(
        ("mine.before", "mine.member", "mine.down", "mine.unbroken.leaf2101.192.168.1.11", "mine.member.healed",
         "mine.recovered"), "PASS")  # fmt: skip
    assert [lines[1] for _, lines in scripted.typed] == ["shutdown", "no shutdown"]
    assert open_changes(small.journal) == []


def test_a_lab_that_is_not_whole_is_not_touched(small: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {SUMMARY: summary("Idle"), NEIGHBORS: neighbors()}
    (result,) = scenario(small, FAULT + DOWN)
    assert (result.id, result.verdict) == ("mine.before", "INCONCLUSIVE")
    assert "the lab was not whole before: leaf2101: neighbor 192.168.1.11 is Idle" in result.sentence
    assert scripted.typed == []


def test_an_expectation_that_fails_fails_the_scenario_and_is_healed(
    small: LabUnderTest, scripted: ScriptedNodes
) -> None:
    never = "  - expect: {name: gone, within: 0.2, sessions: {are: down}}\n"
    results = scenario(small, FAULT + never)
    assert verdicts(results)["mine.gone.leaf2101.192.168.1.11"] == "FAIL"
    assert "still Established" in results[2].sentence
    assert verdicts(results)["mine.recovered"] == "PASS"
    assert scripted.typed[-1][1][1] == "no shutdown"


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (neighbors(2, 1), "was reset: 2 connections and 1 dropped, 1 and 0 before"),
        (neighbors(1, 0, "Idle"), "is Idle"),
        ({}, "is not there any more"),
    ],
)
def test_a_session_that_was_reset_is_not_unbroken(
    small: LabUnderTest, scripted: ScriptedNodes, now: Any, message: str
) -> None:
    scripted.changed = lambda _switch, _lines: scripted.switches["leaf2101"].update({NEIGHBORS: now})  # type: ignore[attr-defined]
    results = {row.id: row for row in scenario(small, FAULT + UNBROKEN)}
    result = results["mine.unbroken.leaf2101.192.168.1.11"]
    assert result.verdict == "FAIL"
    assert message in result.sentence


def test_a_reset_that_did_not_happen_fails(small: LabUnderTest) -> None:
    wanted = "  - expect: {name: new, within: 0.2, sessions: {are: reset}}\n"
    results = {row.id: row for row in scenario(small, FAULT + wanted)}
    assert "was not reset" in results["mine.new.leaf2101.192.168.1.11"].sentence
    assert results["mine.new.leaf2101.192.168.1.11"].verdict == "FAIL"


def test_a_switch_that_does_not_answer_is_no_failure(small: LabUnderTest, scripted: ScriptedNodes) -> None:
    silent = {NEIGHBORS: InconclusiveError("the session ended")}
    scripted.changed = lambda _switch, _lines: scripted.switches["leaf2101"].update(silent)  # type: ignore[attr-defined]
    results = scenario(small, FAULT + UNBROKEN)
    assert combine(row.verdict for row in results) == "INCONCLUSIVE"


def test_a_lab_that_does_not_recover_fails(
    small: LabUnderTest, scripted: ScriptedNodes, done: Callable[..., Completed]
) -> None:
    def changed(_switch: str, _lines: list[str]) -> None:
        scripted.nodes["node01", BOND] = done(ONE)

    scripted.changed = changed
    results = scenario(small, FAULT + DOWN + HEAL)
    assert verdicts(results)["mine.recovered"] == "FAIL"
    assert "not recovered: node01: eth1 is down" in results[-1].sentence


def test_a_fault_that_a_switch_refuses_is_inconclusive_ends_the_steps_and_is_healed(
    small: LabUnderTest, scripted: ScriptedNodes
) -> None:
    scripted.refuses = "shutdown"
    results = scenario(small, FAULT + DOWN)
    assert verdicts(results) == {"mine.before": "PASS", "mine.member": "INCONCLUSIVE", "mine.recovered": "PASS"}
    assert "leaf2101 refused: shutdown" in results[1].sentence
    assert scripted.typed[-1][1][1] == "no shutdown", "it may have been half made"


def test_a_fault_that_cannot_be_healed_is_said_and_stays_in_the_journal(
    small: LabUnderTest, scripted: ScriptedNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.refuses = "no shutdown"
    monkeypatch.setattr("labctl.restore.changes.PATIENCE", 0.1)
    results = scenario(small, FAULT + DOWN)
    assert verdicts(results)["mine.healed"] == "INCONCLUSIVE"
    assert [change.name for change in open_changes(small.journal)] == ["mine.member"]


def test_ctrl_c_heals(small: LabUnderTest, scripted: ScriptedNodes) -> None:
    def interrupt(_result: CheckResult) -> None:
        if scripted.typed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scenario(replace(small, told=interrupt), FAULT + DOWN)
    assert scripted.typed[-1][1][1] == "no shutdown"
    assert open_changes(small.journal) == []


def test_a_verification_that_is_stopped_heals(small: LabUnderTest, scripted: ScriptedNodes) -> None:
    stop = threading.Event()
    scripted.changed = lambda _switch, _lines: stop.set()
    with pytest.raises(Cancelled):
        scenario(replace(small, cancel=stop), FAULT + DOWN)
    assert scripted.typed[-1][1][1] == "no shutdown"
    assert open_changes(small.journal) == []


# --- traffic ------------------------------------------------------------------------------------------------------


class Stream:
    """A ping in a node: it answers at once, and prints its sums when it is interrupted."""

    def __init__(self, sums: str) -> None:
        self._sums = sums
        self._over = threading.Event()
        self._pieces: Iterator[bytes] = iter([b"64 bytes from 10.0.0.2: icmp_seq=1 ttl=61 time=0.1 ms\n"])
        self.closed = False

    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        piece = next(self._pieces, None)
        if piece is not None:
            return "stdout", piece
        if self._over.wait(5) and self._sums:
            self._sums, sums = "", self._sums
            return "stdout", sums.encode()
        return None

    def signal(self, _number: int) -> None:
        self._over.set()

    def close(self) -> None:
        self.closed = True
        self._over.set()


def as_pcap(answers: list[bool]) -> bytes:
    """The packets of a ping as a file."""
    frames, times = [], []
    for packet in ping(answers):
        header = packet.inner
        assert header is not None
        body = bytes([8 if header.echo == "request" else 0, 0, 0, 0, 0, 7]) + int(header.sequence or 0).to_bytes(
            2, "big"
        )
        frames.append(ethernet(ip4(header.source, header.target, 1, body)))
        times.append(packet.time)
    data = bytearray(pcap(*frames))
    offset = 24
    for frame, time in zip(frames, times, strict=True):
        data[offset : offset + 8] = int(time).to_bytes(4, "little") + int(time % 1 * 1e6).to_bytes(4, "little")
        offset += 16 + len(frame)
    return bytes(data)


TRAFFIC = "  - traffic: {name: out, from: ext1, to: 10.0.0.2}\n"
LOSS = "  - expect: {name: loss, loss: {of: out, ms: 100}}\n"


@pytest.fixture
def pinging(
    small: LabUnderTest, scripted: ScriptedNodes, done: Callable[..., Completed]
) -> Callable[[list[bool], str], Stream]:
    """Set up what a ping from ext1 prints and what is captured of it."""

    def make(answers: list[bool], sums: str) -> Stream:
        stream = Stream(sums)
        scripted.nodes["ext1", "ip -j route get 10.0.0.2"] = done(
            '[{"dst": "10.0.0.2", "gateway": "10.0.0.9", "dev": "eth1", "prefsrc": "10.0.0.1"}]'
        )
        scripted.captures["ext1"] = as_pcap(answers)
        scripted.streams["ext1"] = stream
        return stream

    return make


@pytest.mark.parametrize(
    ("answers", "sums", "verdict", "message"),
    [
        ([True] * 60, "60 packets transmitted, 60 received", "PASS", "out: 0 of 60 lost"),
        ([True, *[False] * 9, *[True] * 50], "60 packets transmitted, 51 received", "FAIL", "longest outage 200 ms"),
        ([True] * 60, "61 packets transmitted, 60 received", "INCONCLUSIVE", "ping sent 61 requests"),
        ([True] * 60, "", "INCONCLUSIVE", "the ping ended before it was stopped"),
        ([], "3 packets transmitted, 3 received", "INCONCLUSIVE", "the capture has 0 of them"),
    ],
)
def test_loss_is_counted_from_the_capture(
    small: LabUnderTest, pinging: Any, answers: list[bool], sums: str, verdict: str, message: str
) -> None:
    stream = pinging(answers, sums)
    results = {row.id: row for row in scenario(small, TRAFFIC + LOSS)}
    result = results["mine.loss"]
    assert result.verdict == verdict
    assert message in result.sentence
    assert stream.closed
    assert result.captures == ("captures/mine.out.pcap",)


def test_a_ping_that_nobody_answers_does_not_begin(small: LabUnderTest, pinging: Any) -> None:
    stream = pinging([True], "")
    stream._pieces = iter([b"From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n"])
    results = scenario(small, TRAFFIC + FAULT + LOSS)
    assert verdicts(results) == {"mine.before": "PASS", "mine.out": "INCONCLUSIVE", "mine.recovered": "PASS"}
    assert "Destination Host Unreachable" in results[1].sentence
    assert stream.closed


# --- packets ------------------------------------------------------------------------------------------------------

SEEN = pcap(*[ethernet(ip4("10.0.0.1", "10.0.0.2", 1, echo(8)))] * 3)


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [({"at_least": 3}, "PASS"), ({"at_least": 4}, "FAIL"), ({"at_most": 2}, "FAIL"), ({"at_most": 3}, "PASS")],
)
def test_packets_of_a_capture(bounds: dict[str, int], verdict: str) -> None:
    row = Packets.model_validate(
        {"of": "cap", "source": "10.0.0.1", "target": "10.0.0.2", "protocol": "icmp", **bounds}
    )
    assert judge_packets(row, SEEN).verdict == verdict


def test_a_capture_step(small: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.captures["leaf2101"] = SEEN
    steps = (
        "  - capture: {name: cap, at: leaf2101, interface: port-channel11}\n"
        "  - expect: {name: none, packets: {of: cap, source: 10.0.0.1, target: 10.0.0.2, at_most: 0}}\n"
    )
    results = {row.id: row for row in scenario(small, steps)}
    assert results["mine.none"].verdict == "FAIL"
    assert results["mine.none"].captures == ("captures/mine.cap.pcap",)
