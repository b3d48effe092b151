"""Loss out of captured packets: what is lost, for how long, and what a capture cannot tell."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.verify.capture.loss import Loss, measure
from labctl.verify.capture.packet import Frame, Header, Packet, decode
from labctl.verify.steps.model import LossOf
from labctl.verify.steps.run import Ends, Measured, judge_loss
from tests.unit.verify.capture.test_packets import ethernet, ip4, ip6, pcap

A, B = "10.0.0.1", "10.0.0.2"
INTERVAL = 0.02


def packet(time: float, kind: str, sequence: int, *, identifier: int = 7, source: str = A, target: str = B) -> Packet:
    ends = (source, target) if kind == "request" else (target, source)
    header = Header(*ends, 64, "icmp", echo=kind, identifier=identifier, sequence=sequence & 0xFFFF)
    return Packet(time, (Frame("m", "n", None, (header,)),))


def ping(answers: list[bool], *, first: int = 1, identifier: int = 7) -> list[Packet]:
    """A request each 20 ms; the answered ones 1 ms later."""
    found = []
    for index, answered in enumerate(answers):
        time = index * INTERVAL
        found.append(packet(time, "request", first + index, identifier=identifier))
        if answered:
            found.append(packet(time + 0.001, "reply", first + index, identifier=identifier))
    return found


def test_nothing_lost() -> None:
    loss = measure(ping([True] * 50), A, B)
    assert (loss.requests, loss.answered, loss.lost, loss.in_flight, loss.longest_ms) == (50, 50, 0, 0, 0.0)
    assert loss.outages == ()


def test_an_outage_lasts_from_the_last_answered_before_to_the_first_after() -> None:
    loss = measure(ping([True] * 10 + [False] * 4 + [True] * 40), A, B)
    assert loss.lost == 4
    assert loss.longest_ms == pytest.approx(100)  # requests 10 and 15 are five intervals apart
    (outage,) = loss.outages
    assert (outage.begin, outage.end) == (pytest.approx(9 * INTERVAL), pytest.approx(14 * INTERVAL))


def test_the_longest_of_several_counts() -> None:
    loss = measure(ping([True, False, True, False, False, False, True, *[True] * 40]), A, B)
    assert [outage.lost for outage in loss.outages] == [1, 3]
    assert loss.longest_ms == pytest.approx(80)


def test_what_was_just_sent_is_neither_answered_nor_lost() -> None:
    loss = measure(ping([True] * 100 + [False] * 10), A, B)
    assert (loss.lost, loss.in_flight) == (0, 10)


def test_an_outage_that_does_not_end_is_open() -> None:
    loss = measure(ping([True] * 10 + [False] * 100), A, B)
    assert loss.outages[-1].end is None
    assert loss.lost + loss.in_flight == 100


def test_no_answer_at_all() -> None:
    loss = measure(ping([False] * 100), A, B)
    assert (loss.answered, loss.outages[0].end) == (0, None)


def test_no_packet_at_all() -> None:
    assert measure([], A, B) == Loss(0, 0, 0, 0.0, 0.0, ())


def test_another_ping_between_the_same_hosts_is_not_counted() -> None:
    mine, other = ping([True] * 60), ping([False] * 30, identifier=9)
    assert measure(sorted([*mine, *other], key=lambda row: row.time), A, B).lost == 0


def test_a_request_seen_twice_counts_once() -> None:
    rows = ping([True, False, *[True] * 40])
    assert measure([copy for row in rows for copy in (row, row)], A, B).requests == 42


def test_sequence_numbers_begin_anew_after_65535() -> None:
    loss = measure(ping([True] * 70000, first=60000), A, B)
    assert (loss.requests, loss.lost) == (70000, 0)


def test_a_reply_out_of_order_still_answers() -> None:
    request1, reply1, request2, reply2, *rest = ping([True] * 50)
    assert measure([request1, request2, reply2, reply1, *rest], A, B).lost == 0


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_every_request_is_answered_lost_or_under_way(answers: list[bool]) -> None:
    loss = measure(ping(answers), A, B)
    assert loss.answered + loss.lost + loss.in_flight == loss.requests == len(answers)
    assert all(outage.lost > 0 and outage.ms >= 0 for outage in loss.outages)
    assert loss.longest_ms <= (loss.ended - loss.began) * 1000 + 1e-6


@given(st.lists(st.booleans(), min_size=30, max_size=200))
def test_more_loss_is_never_a_shorter_outage(answers: list[bool]) -> None:
    settled = [True, *answers, *[True] * 30]
    worse = [True, *(answer and index % 3 != 0 for index, answer in enumerate(answers)), *[True] * 30]
    assert measure(ping(worse), A, B).lost >= measure(ping(settled), A, B).lost
    assert measure(ping(worse), A, B).longest_ms >= measure(ping(settled), A, B).longest_ms - 1e-6


# --- identifier and sequence out of bytes -------------------------------------------------------------------------


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.sampled_from([8, 0]))
def test_identifier_and_sequence_of_ipv4(identifier: int, sequence: int, kind: int) -> None:
    body = struct.pack(">BBHHH", kind, 0, 0, identifier, sequence) + b"payload."
    header = decode(pcap(ethernet(ip4(A, B, 1, body))))[0].inner
    assert header is not None
    assert (header.identifier, header.sequence, header.payload) == (identifier, sequence, b"payload.")


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.sampled_from([128, 129]))
def test_identifier_and_sequence_of_ipv6(identifier: int, sequence: int, kind: int) -> None:
    body = struct.pack(">BBHHH", kind, 0, 0, identifier, sequence)
    header = decode(pcap(ethernet(ip6("2001:db8::1", "2001:db8::2", 58, body), kind=0x86DD)))[0].inner
    assert header is not None
    assert (header.identifier, header.sequence) == (identifier, sequence)


@pytest.mark.parametrize("body", [b"\x08", b"\x08\x00\x00\x00\x00\x07\x00", b"\x03\x01\x00\x00\x00\x07\x00\x01"])
def test_what_is_cut_or_no_echo_has_neither(body: bytes) -> None:
    header = decode(pcap(ethernet(ip4(A, B, 1, body))))[0].inner
    assert header is not None
    assert (header.identifier, header.sequence) == (None, None)


# --- verdicts -----------------------------------------------------------------------------------------------------

LIMIT = LossOf.model_validate({"of": "pods", "ms": {"standin": 100, "n9kv": 1000}, "packets": 50})


def measured(answers: list[bool], *, sent: int | None = -1, received: int | None = -1) -> Measured:
    loss = measure(ping(answers), A, B)
    ends = Ends("node01", "node01", "bond0", A, B)
    return Measured(
        ends, loss, b"", loss.requests if sent == -1 else sent, loss.answered if received == -1 else received
    )


@pytest.mark.parametrize(
    ("answers", "platform", "verdict", "message"),
    [
        ([True] * 50, "standin", "PASS", "pods: 0 of 50 lost, longest outage 0 ms"),
        ([True, *[False] * 4, *[True] * 40], "standin", "PASS", "longest outage 100 ms"),
        ([True, *[False] * 5, *[True] * 40], "standin", "FAIL", "more than 100 ms on standin"),
        ([True, *[False] * 5, *[True] * 40], "n9kv", "PASS", "at most 50 packets, 1000 ms on n9kv"),
        ([True, *[False] * 51, *[True] * 40], "n9kv", "FAIL", "more than 50 packets and 1000 ms on n9kv"),
        ([True, *[False] * 100], "n9kv", "FAIL", "which did not end"),
        ([False] * 100, "n9kv", "INCONCLUSIVE", "nothing was answered"),
    ],
)
def test_limits_belong_to_the_platform(answers: list[bool], platform: str, verdict: str, message: str) -> None:
    judgement = judge_loss(LIMIT, measured(answers), platform)
    assert judgement.verdict == verdict
    assert message in judgement.sentence


@pytest.mark.parametrize(
    ("sent", "received", "message"),
    [
        (51, 50, "ping sent 51 requests, and the capture has 50 of them"),
        (50, 51, "ping received 51 replies, and the capture has 50 of them"),
        (None, None, "the ping ended before it was stopped"),
    ],
)
def test_a_capture_that_dropped_packets_proves_nothing(sent: int | None, received: int | None, message: str) -> None:
    judgement = judge_loss(LIMIT, measured([True] * 50, sent=sent, received=received), "standin")
    assert judgement.verdict == "INCONCLUSIVE"
    assert message in judgement.sentence
