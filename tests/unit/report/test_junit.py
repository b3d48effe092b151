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

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "junit.xsd")


def test_golden(golden: Callable[[str, str], None], mixed: dict[str, Any]) -> None:
    golden("report/mixed.xml", junit(mixed))


@pytest.mark.parametrize("name", ["green", "mixed", "empty", "hostile"])
def test_valid_against_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    SCHEMA.validate(junit(request.getfixturevalue(name)))


@pytest.mark.parametrize(
    "change",
    [(' hostname="localhost"', ""), ("<system-err />", ""), ('time="9.910"', 'time="soon"'), ("failure", "fault")],
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
    assert [ping.get(key) for key in ("tests", "failures", "errors", "time")] == ["3", "1", "1", "9.910"]
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


def test_every_case_has_a_name_of_its_own_and_its_time(mixed: dict[str, Any]) -> None:
    checks = [{"id": "a.b", "verdict": "PASS", "seconds": 1.25}, {"id": "a.b", "verdict": "FAIL", "seconds": None}]
    text = junit({"lab": "x", "scenarios": [{"id": "a", "seconds": 2.0, "checks": [*checks, *checks]}]})
    SCHEMA.validate(text)
    cases = [(case.get("name"), case.get("time")) for case in ElementTree.fromstring(text)[0].iter("testcase")]
    assert cases == [("a.b", "1.250"), ("a.b (2)", "0.000"), ("a.b (3)", "1.250"), ("a.b (4)", "0.000")]


def test_a_scenario_without_checks_is_no_pass(mixed: dict[str, Any]) -> None:
    suite = ElementTree.fromstring(junit(mixed))[-1]
    assert suite.get("errors") == suite.get("tests") == "1"


@pytest.mark.parametrize("body", [{}, {"scenarios": []}])
def test_an_empty_report_is_no_pass(body: dict[str, Any]) -> None:
    text = junit(body)
    SCHEMA.validate(text)
    (suite,) = ElementTree.fromstring(text)
    assert suite.get("errors") == suite.get("tests") == "1"


def test_an_unreadable_verdict_is_no_pass() -> None:
    suite = ElementTree.fromstring(junit({"scenarios": [{"id": "a", "checks": [{"id": "a.b", "verdict": "pass"}]}]}))[0]
    assert suite.get("errors") == "1"


def test_control_characters_are_gone(hostile: dict[str, Any]) -> None:
    text = junit(hostile)
    assert not [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff"]
    assert "[31m" not in text.replace("\\u001b[31m", "")  # JSON keeps its own, harmless spelling
    assert "&lt;&amp;" in text


@given(text=st.text(), key=st.text(), number=st.floats())
def test_any_text_is_well_formed(text: str, key: str, number: float) -> None:
    check = {
        "id": text,
        "verdict": "FAIL",
        "sentence": text,
        "expected": {key: text},
        "seen": number,
        "commands": [text],
    }
    scenario = {"id": text, "title": text, "seconds": number, "checks": [check]}
    root = ElementTree.fromstring(
        junit({"lab": text, "scenarios": [scenario], "environment": {key: text, "time": text}}).encode()
    )
    assert root[0].get("failures") == "1"
