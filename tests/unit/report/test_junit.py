"""JUnit XML: valid for every text, nothing unproven counts as passed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from labctl.report.junit import junit
from tests.unit.report.conftest import whole

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "junit.xsd")


def test_golden(golden: Callable[[str, str], None], mixed: dict[str, Any]) -> None:
    golden("report/mixed.xml", junit(mixed))


@pytest.mark.parametrize("name", ["green", "mixed", "empty", "hostile"])
def test_valid_against_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    SCHEMA.validate(junit(request.getfixturevalue(name)))


@pytest.mark.parametrize(
    "change",
    [(' hostname="localhost"', ""), ("<system-err />", ""), ('time="7.320"', 'time="soon"'), ("failure", "fault")],
)
def test_the_schema_refuses(change: tuple[str, str], mixed: dict[str, Any]) -> None:
    good = junit(mixed)
    assert change[0] in good
    with pytest.raises(xmlschema.XMLSchemaException):
        SCHEMA.validate(good.replace(*change))


def test_counts_names_and_times(mixed: dict[str, Any]) -> None:
    suites = {suite.get("name"): suite for suite in ElementTree.fromstring(junit(mixed))}
    assert list(suites) == ["links", "bgp", "ping", "curl", "ping-ipip"]
    ping = suites["ping"]
    assert [ping.get(key) for key in ("tests", "failures", "errors", "time")] == ["3", "1", "1", "7.320"]
    assert ping.get("timestamp") == "2025-06-01T10:00:05"  # written at 10:00:20, after 14.22 s, begun 0.02 s later
    cases = ping.findall("testcase")
    assert {case.get("classname") for case in cases} == {"whitepaper.ping"}
    assert cases[0].get("name") == "ping.node01-node02.route"
    assert list(cases[0]) == []
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "node01 to node02 (10.244.2.3): 0 of 5 answered"
    assert '"ttl": 61' in str(failure.text)
    assert '"received": 0' in str(failure.text)
    error = cases[2].find("error")
    assert error is not None
    assert error.get("type") == "inconclusive"
    assert "captures/leaf2101.pcap" in str(error.text)
    properties = {row.get("name"): row.get("value") for row in ping.iter("property")}
    assert properties["versions.calico"] == "3.20.0"
    assert properties["edited"] == "nxos/leaf2101.cfg, checks.yaml"


def test_every_case_has_a_name_of_its_own_and_its_part_of_the_time() -> None:
    """Two were asked side by side for 1 s, one of them alone for 2 s more; the third began when they were over."""
    checks = [
        {"id": "a.b", "verdict": "PASS", "seconds": 1.0, "started": 0.0},
        {"id": "a.b", "verdict": "FAIL", "seconds": 3.0, "started": 0.0},
        {"id": "a.b", "verdict": "PASS", "seconds": None},
        {"id": "a.b", "verdict": "PASS", "seconds": 0.25, "started": 3.0},
    ]
    scenarios = [
        {"id": "a", "seconds": 3.0, "started": 0.0, "checks": checks[:2]},
        {"id": "b", "seconds": 1.0, "started": 3.0, "checks": checks[2:]},
    ]
    text = junit(whole(*scenarios, seconds=5.0, environment={"host": "ci-7"}))
    SCHEMA.validate(text)
    root = ElementTree.fromstring(text)
    cases = [(case.get("name"), case.get("time")) for case in root.iter("testcase")]
    assert cases == [("a.b", "0.500"), ("a.b (2)", "2.500"), ("a.b", "0.875"), ("a.b (2)", "0.125")]
    assert [suite.get("time") for suite in root] == ["3.000", "1.000"]
    assert {suite.get("hostname") for suite in root} == {"ci-7"}
    assert [root.get(key) for key in ("tests", "failures", "errors", "skipped", "time")] == [
        "4",
        "1",
        "0",
        "0",
        "5.000",
    ]


TIMES = st.floats(min_value=0, max_value=5000)
CHECKS = st.fixed_dictionaries({
    "id": st.text(max_size=3), "verdict": st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE"]),
    "seconds": st.none() | TIMES, "started": st.none() | TIMES,
})  # fmt: skip
SCENARIOS = st.fixed_dictionaries({"id": st.text(max_size=3), "seconds": TIMES, "started": TIMES,
                                   "checks": st.lists(CHECKS, max_size=6)})  # fmt: skip


@given(scenarios=st.lists(SCENARIOS, max_size=5), seconds=TIMES)
def test_cases_add_up_to_their_suites_and_suites_to_no_more_than_the_run(scenarios: list[Any], seconds: float) -> None:
    root = ElementTree.fromstring(junit(whole(*scenarios, seconds=seconds)))
    for suite in root:
        assert sum(milliseconds(case) for case in suite.iter("testcase")) == milliseconds(suite)
    assert sum(map(milliseconds, root)) <= milliseconds(root)
    for key in ("tests", "failures", "errors", "skipped"):
        assert sum(int(suite.get(key, "")) for suite in root) == int(root.get(key, ""))


def milliseconds(row: ElementTree.Element) -> int:
    return int(row.get("time", "").replace(".", ""))


def test_cases_of_one_cause_have_one_message_and_each_its_own_words() -> None:
    checks = [
        {"id": f"bgp.{leaf}", "verdict": "INCONCLUSIVE", "sentence": f"{leaf}: show: no prompt", "cause": "no prompt",
         "node": leaf}
        for leaf in ("leaf1", "leaf2")
    ]  # fmt: skip
    root = ElementTree.fromstring(junit(whole({"id": "bgp", "checks": checks}, drift=["leaf1: shutdown"])))
    errors = list(root.iter("error"))
    assert [row.get("message") for row in errors] == [
        "leaf1 and leaf2 did not answer (no prompt): 2 checks not judged"
    ] * 2
    assert [str(row.text).splitlines()[0] for row in errors] == ["leaf1: show: no prompt", "leaf2: show: no prompt"]
    properties = {row.get("name"): row.get("value") for row in root.iter("property")}
    assert properties["changed since up"] == "leaf1: shutdown"


def test_a_scenario_without_checks_is_no_pass(mixed: dict[str, Any]) -> None:
    suite = ElementTree.fromstring(junit(mixed))[-1]
    assert suite.get("errors") == suite.get("tests") == "1"


def test_an_empty_report_is_no_pass() -> None:
    text = junit(whole())
    SCHEMA.validate(text)
    (suite,) = ElementTree.fromstring(text)
    assert suite.get("errors") == suite.get("tests") == "1"


def test_control_characters_are_gone(hostile: dict[str, Any]) -> None:
    text = junit(hostile)
    assert not [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff"]
    assert "[31m" not in text.replace("\\u001b[31m", "")  # JSON keeps its own, harmless spelling
    assert "&lt;&amp;" in text


@given(text=st.text(), key=st.text(), number=st.floats())
def test_any_text_is_well_formed(text: str, key: str, number: float) -> None:
    said = {"id": text, "sentence": text, "verdict": "FAIL"}
    check = said | {"expected": {key: text}, "seen": number, "commands": [text]}
    environment = {"host": text, key: text, "time": text}
    body = whole(said | {"title": text, "checks": [check]}, lab=text, environment=environment)
    root = ElementTree.fromstring(junit(body).encode())
    assert root[0].get("failures") == "1"
