"""``show protocols`` of both BIRDs, as calicoctl would tell it."""

from __future__ import annotations

import pytest

from labctl.report.table import node_status
from labctl.verify.observer import Unanswered
from labctl.verify.topics.bird import BirdSession, judge_session, parse

BIRD_1 = """\
BIRD v0.3.3+birdv1.6.8 ready.
name     proto    table    state  since       info
static1  Static   master   up     2021-09-28
kernel1  Kernel   master   up     2021-09-28
Global_192_168_100_1 BGP      master   up     03:19:34    Established
Global_192_168_100_2 BGP      master   up     2021-09-28  Established
Mesh_192_168_1_13 BGP      master   start  10:00:01    Active        Socket: Connection refused
"""
BIRD_6 = """\
BIRD v0.3.3+birdv1.6.8 ready.
name     proto    table    state  since       info
Global_2001_193_168_1__4 BGP      master   up     03:19:30    Established
Node_2001_193_168_1__5 BGP      master   start  03:20:00    Connect
"""
BIRD_2 = """\
BIRD 2.17.1 ready.
Name       Proto      Table      State  Since         Info
device1    Device     ---        up     10:26:01.123
Global_192_168_100_1 BGP        ---        up     10:26:02.234  Established
Global_2001_193_168_1__4 BGP        ---        start  10:26:02.345  Active        Socket: No route to host
"""


def test_calicos_own_birds_one_a_family() -> None:
    found = parse(BIRD_1, BIRD_6)
    assert [(row.address, row.type, row.state, row.since, row.info) for row in found] == [
        ("192.168.1.13", "node-to-node mesh", "start", "10:00:01", "Active        Socket: Connection refused"),
        ("192.168.100.1", "global", "up", "03:19:34", "Established"),
        ("192.168.100.2", "global", "up", "2021-09-28", "Established"),
        ("2001:193:168:1::4", "global", "up", "03:19:30", "Established"),
        ("2001:193:168:1::5", "node specific", "start", "03:20:00", "Connect"),
    ]


def test_one_bird_for_both_families() -> None:
    assert [(row.version, row.address, row.since) for row in parse(BIRD_2)] == [
        (4, "192.168.100.1", "10:26:02"),
        (6, "2001:193:168:1::4", "10:26:02"),
    ]


@pytest.mark.parametrize("text", ["", "birdcl: Unable to connect to server control socket: No such file"])
def test_no_bird_is_no_answer(text: str) -> None:
    with pytest.raises(Unanswered, match="BIRD did not answer"):
        parse(text)
    with pytest.raises(Unanswered):
        parse(BIRD_1, text)


def test_a_session_is_judged_by_state_and_type() -> None:
    assert judge_session("node01", "192.168.100.1", "global", BIRD_2).verdict == "PASS"
    down = judge_session("node01", "2001:193:168:1:0::4", "global", BIRD_2)
    assert (down.verdict, down.sentence[:49]) == ("FAIL", "node01: peer 2001:193:168:1:0::4 is start Active ")
    assert judge_session("node01", "192.168.100.1", "node specific", BIRD_2).verdict == "FAIL"
    missing = judge_session("node01", "192.168.100.9", "global", BIRD_2)
    assert missing.sentence == (
        "node01 has no BGP session with 192.168.100.9 (it has: 192.168.100.1, 2001:193:168:1::4)"
    )


def test_the_layout_is_the_papers() -> None:
    """Figure 10, character by character."""
    rows = [
        BirdSession("192.168.100.1", "global", "up", "03:19:34", "Established"),
        BirdSession("192.168.100.2", "global", "up", "2021-09-28", "Established"),
    ]
    assert node_status(rows) == (
        "IPv4 BGP status\n"
        "+---------------+-----------+-------+------------+-------------+\n"
        "| PEER ADDRESS  | PEER TYPE | STATE |   SINCE    |    INFO     |\n"
        "+---------------+-----------+-------+------------+-------------+\n"
        "| 192.168.100.1 | global    | up    | 03:19:34   | Established |\n"
        "| 192.168.100.2 | global    | up    | 2021-09-28 | Established |\n"
        "+---------------+-----------+-------+------------+-------------+\n"
        "\n"
        "No IPv6 peers found."
    )
