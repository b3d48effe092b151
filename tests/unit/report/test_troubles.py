"""Many identical troubles are one, in every kind of report: grouped by one function."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.events import Event
from labctl.report.console import PATIENCE, LiveReporter, PlainReporter
from labctl.report.markdown import markdown
from labctl.report.text import cells
from labctl.report.verdicts import render_verdicts
from labctl.verify.verdict import CheckResult, Report, ScenarioResult, troubles

CAUSE = "no prompt within 10 s"
WORDS = f"leaf101 and leaf102 did not answer ({CAUSE}): 52 checks not judged"


def silent(scenario: str, leaf: str, number: int) -> CheckResult:
    sentence = f"{leaf}: show bgp {number}: {leaf}: {CAUSE}; last: ''"
    return CheckResult(f"{scenario}.{leaf}.{number}", "t", "INCONCLUSIVE", sentence, cause=CAUSE, node=leaf)


LEAFS = ("leaf101", "leaf102")
BGP = ScenarioResult("bgp", "BGP", 20.0, tuple(silent("bgp", leaf, n) for leaf in LEAFS for n in range(22)))
LINKS = ScenarioResult(
    "links", "LACP and vPC", 20.0, tuple(silent("links", leaf, n) for leaf in LEAFS for n in range(4))
)
FAILED = CheckResult("ping.a.answered", "5 of 5", "FAIL", "0 of 5 answered", 5, 0)
PING = ScenarioResult("ping", "pod ping", 9.0, (FAILED,))


@pytest.fixture
def body() -> dict[str, Any]:
    """Two silent switches, and a ping that failed."""
    return Report("lab", (LINKS, BGP, PING), 30.0, drift=("leaf101: interface port-channel11: shutdown",)).as_dict()


ROWS = st.lists(
    st.fixed_dictionaries({
        "id": st.text(max_size=3), "verdict": st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE", "?"]),
        "sentence": st.sampled_from("abc"), "cause": st.sampled_from([None, "no prompt", "cut"]),
        "node": st.sampled_from([None, "leaf1", "leaf2"]), "seen": st.sampled_from([None, 1, [2]]),
    })
)  # fmt: skip


@given(ROWS)
def test_what_did_not_pass_is_in_exactly_one_group(rows: list[dict[str, Any]]) -> None:
    found = troubles(rows)
    grouped = [id(row) for group in found for row in group.checks]
    assert sorted(grouped) == sorted(id(row) for row in rows if row["verdict"] != "PASS")
    verdicts = [group.verdict for group in found]
    assert verdicts == sorted(verdicts)  # FAIL before INCONCLUSIVE
    for group in found:
        assert len({(row["verdict"] == "FAIL", row["cause"]) for row in group.checks}) == 1
        if len(group.checks) == 1:
            assert group.sentence == group.checks[0]["sentence"]
        else:
            assert str(len(group.checks)) in group.sentence


def test_a_scenario_says_its_cause_once() -> None:
    assert BGP.sentence == f"leaf101 and leaf102 did not answer ({CAUSE}): 44 checks not judged"
    mixed = ScenarioResult("x", "X", 1.0, (*BGP.checks, FAILED))
    assert mixed.sentence == "0 of 5 answered", "of what decides alone"


def test_many_silent_nodes_are_not_all_named() -> None:
    rows = [silent("bgp", f"leaf{number}", 0) for number in range(9)]
    (found,) = troubles(row.gist for row in rows)
    assert found.sentence.startswith("leaf0, leaf1, leaf2, leaf3, leaf4, leaf5 and 3 more did not answer")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_verdicts(body: dict[str, Any], width: int) -> None:
    """What was changed first, then one trouble for 52 checks, then the one that failed, in full."""
    text = render_verdicts(body, colour=False, width=width)
    words = " ".join(text.split())
    assert words.count(CAUSE) == 3, "the two scenarios' rows, and the trouble itself"
    assert "8 of links, 44 of bgp" in words
    assert words.index("changed since up: leaf101: interface port-channel11: shutdown") < words.index("INCONCLUSIVE")
    assert "pod ping: 1 of 1 check did not pass" in words
    assert "bgp.leaf101" not in words
    assert max(cells(line) for line in text.splitlines()) <= width


def test_last_words_of_what_was_not_judged_are_told() -> None:
    """An overloaded host or Ctrl-C is no silence: what was seen last may be what is wrong."""
    checks = tuple(
        CheckResult(f"links.{n}", "t", "INCONCLUSIVE", f"not judged, last: port {n} is down", cause=f"overload ({n}%)")
        for n in range(8)
    )
    body = Report("lab", (ScenarioResult("links", "LACP", 1.0, checks),), 1.0).as_dict()
    lines = render_verdicts(body, colour=False, width=70).splitlines()
    assert "   links.0: not judged, last: port 0 is down" in lines
    assert "   and 3 more" in lines


def test_a_run_that_passed_says_nothing_of_changes(body: dict[str, Any]) -> None:
    passed = body | {"verdict": "PASS", "scenarios": []}
    assert "changed since" not in render_verdicts(passed, colour=False, width=80)
    assert "Changed since" not in markdown(passed)


def test_markdown(body: dict[str, Any]) -> None:
    text = markdown(body)
    assert text.index("Changed since") < text.index("**FAIL** `ping.a.answered`") < text.index("**INCONCLUSIVE**")
    assert text.count(WORDS) == 1
    assert "<summary>52 checks</summary>" in text


def events(*scenarios: ScenarioResult) -> list[Event]:
    found = []
    for scenario in scenarios:
        found.append(Event("scenario", "lab", scenario.id, scenario.title, time=100.0, data={"state": "started"}))
        found += [
            Event("check", "lab", check.id, check.sentence, time=110.0,
                  data={key: check.gist[key] for key in ("verdict", "cause", "node")})
            for check in scenario.checks
        ]  # fmt: skip
        done = {"state": "done", "verdict": scenario.verdict, "seconds": 20.0}
        found.append(Event("scenario", "lab", scenario.id, scenario.sentence, time=120.0, data=done))
    return found


def live(stream: io.StringIO) -> LiveReporter:
    return LiveReporter(stream, size=lambda: os.terminal_size((120, 24)), now=lambda: 121.0, interval=600.0)


def test_a_log_has_a_line_for_a_cause() -> None:
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    for event in events(BGP, PING):
        reporter(event)
    assert [line[7:].strip() for line in stream.getvalue().splitlines()] == [
        f"INCONCLUSIVE  bgp: leaf101 and leaf102 did not answer ({CAUSE}): 44 checks not judged (20.0 s)",
        "FAIL  ping.a.answered: 0 of 5 answered",
        "FAIL  ping: 0 of 5 answered (20.0 s)",
    ]


def test_a_terminal_has_a_line_for_a_cause() -> None:
    stream = io.StringIO()
    reporter = live(stream)
    for event in events(BGP):
        reporter(event)
    reporter.close()
    told = [
        line
        for line in stream.getvalue().splitlines()
        if CAUSE in line and "waits" not in line and "passed" not in line
    ]
    assert len(told) == 1


def waiting(at: float, reason: str) -> Event:
    return Event("scenario", "lab", "bgp", reason, time=at, data={"state": "waiting"})


def test_who_waits_says_for_what_always_at_a_terminal_and_now_and_then_in_a_log() -> None:
    log, painted = io.StringIO(), io.StringIO()
    plain, screen = PlainReporter(log), live(painted)
    facts = [
        events(BGP)[0],
        *(waiting(100.0 + second, f"reason {second}") for second in range(1, int(PATIENCE * 2) + 2)),
    ]
    for fact in facts:
        plain(fact)
        screen(fact)
    assert [line[7:].strip() for line in log.getvalue().splitlines()] == [
        "…     bgp: waits: reason 15", "…     bgp: waits: reason 30",
    ]  # fmt: skip
    assert all(f"waits: reason {second}" in painted.getvalue() for second in range(1, 31))
    screen.close()


def test_what_is_measured_makes_no_other_cause() -> None:
    rows = [
        {"id": f"a.{leaf}", "sentence": "s", "verdict": "INCONCLUSIVE", "node": leaf, "cause": cause}
        for leaf, cause in (("leaf1", "no prompt within 30 s"), ("leaf2", "no prompt within 27.5 s"))
    ]
    (found,) = troubles(rows)
    assert found.sentence == "leaf1 and leaf2 did not answer (no prompt within 30 s): 2 checks not judged"
