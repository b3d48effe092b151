"""JUnit XML for CI: a testsuite for each scenario, a testcase for each check, totals that add up to the run.

What is written is what both schemas in wide use accept: that of Ant's junit task (which has no totals of the whole,
and does not forbid them) and that of Jenkins' xunit plugin. A case's time is its own part of the run's; those of one
cause have one message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from labctl.report.evidencefolder import flat, number, own_times
from labctl.report.text import ESCAPES, clean, unique
from labctl.verify.verdict import troubles, verdict_of

ILLEGAL = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 forbids (its production 2), and the control characters that it only discourages."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOST = "localhost"
"""What Ant's schema wants where the host is not known."""


def junit(body: Mapping[str, Any]) -> str:
    """The document, from ``labctl.evidence/v1``. Pure."""
    root = Element("testsuites", {"name": "labctl"})
    lab = clean(body.get("lab", "")) or "lab"
    scenarios: Sequence[Mapping[str, Any]] = body.get("scenarios") or ({"id": "verify", "checks": ()},)
    host = clean((body.get("environment") or {}).get("host") or "") or HOST
    began, own = _began(body), own_times(body) or [[0.0]]
    messages = _messages(scenarios)
    for order, (scenario, times) in enumerate(zip(scenarios, own, strict=True)):
        common = {"package": lab, "hostname": host, "id": str(order)}
        suite = _suite(scenario, common, began, [_floor(time) for time in times], messages)
        suite.insert(0, _properties(body))
        root.append(suite)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{number(body.get('seconds')):.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _messages(scenarios: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """By `id` of a check that did not pass: the sentence of its cause."""
    checks = (check for scenario in scenarios for check in scenario.get("checks") or ())
    return {id(row): found.sentence for found in troubles(checks) for row in found.checks}


def _properties(body: Mapping[str, Any]) -> Element:
    """What ran, what was changed before, and why it was cut short."""
    told = [(name, text) for name, text in flat(body.get("environment") or {}, ".") if name]
    told += [
        (name, "; ".join(map(clean, rows)))
        for name, rows in (("changed since up", body.get("drift")), ("cut short", body.get("cut") and [body["cut"]]))
        if rows
    ]
    found = Element("properties")
    for name, value in told:
        SubElement(found, "property", {"name": name, "value": value})
    return found


def _floor(seconds: float) -> float:
    """Whole milliseconds: what is rounded up would add up to more than the run."""
    return math.floor(seconds * 1000) / 1000


def _suite(
    scenario: Mapping[str, Any],
    common: Mapping[str, str],
    began: datetime,
    times: Sequence[float],
    messages: Mapping[int, str],
) -> Element:
    name = clean(scenario.get("id", "")) or "scenario"
    # nothing that ran is nothing proven: an empty suite would count as passed
    checks: Sequence[Mapping[str, Any]] = scenario.get("checks") or (
        {"id": f"{name}.ran", "verdict": "INCONCLUSIVE", "sentence": scenario.get("sentence") or "no check ran"},
    )
    verdicts = [verdict_of(check) for check in checks]
    suite = Element(
        "testsuite",
        {
            "name": name,
            **common,
            "timestamp": (began + timedelta(seconds=number(scenario.get("started")))).strftime("%Y-%m-%dT%H:%M:%S"),
            "tests": str(len(checks)),
            "failures": str(verdicts.count("FAIL")),
            "errors": str(verdicts.count("INCONCLUSIVE")),
            "skipped": "0",
            "time": f"{sum(times):.3f}",
        },
    )
    used: set[str] = set()  # who reads the file knows a case by class and name, and takes a second one for a rerun
    for check, time in zip(checks, times, strict=True):
        case = SubElement(suite, "testcase", {
            "classname": f"{common['package']}.{name}", "name": unique(clean(check.get("id", "")) or "check", used),
            "time": f"{time:.3f}",
        })  # fmt: skip
        _outcome(case, check, messages.get(id(check), str(check.get("sentence", ""))))
    SubElement(suite, "system-out").text = "\n".join(
        clean(f"{verdict} {check.get('id', '')}: {check.get('sentence', '')}")
        for verdict, check in zip(verdicts, checks, strict=True)
    )
    SubElement(suite, "system-err")
    return suite


def _outcome(case: Element, check: Mapping[str, Any], message: str) -> None:
    """``message`` is that of all checks of one cause, by which a viewer puts them together."""
    verdict = verdict_of(check)
    if verdict == "PASS":
        return
    tag, kind = ("failure", "failed") if verdict == "FAIL" else ("error", "inconclusive")
    result = SubElement(case, tag, {"type": kind, "message": clean(message)})
    result.text = _legal("\n".join(_details(check)))


def _details(check: Mapping[str, Any]) -> Iterator[str]:
    """The body of a failure."""
    yield str(check.get("sentence", ""))
    if check.get("title"):
        yield f"check: {check['title']}"
    for key in ("expected", "seen") if check.get("expected") is not None or check.get("seen") is not None else ():
        yield f"{key}: {json.dumps(check.get(key), indent=2, ensure_ascii=False, default=str)}"
    if check.get("attempts"):
        yield f"attempts: {check['attempts']}"
    for key in ("commands", "captures"):
        if check.get(key):
            yield f"{key}: {', '.join(map(str, check[key]))}"


def _began(body: Mapping[str, Any]) -> datetime:
    """When verification began: ``environment.time`` is written at its end."""
    written = (body.get("environment") or {}).get("time")
    try:
        ended = datetime.fromisoformat(str(written))
    except ValueError:
        return EPOCH
    ended = ended.replace(tzinfo=UTC) if ended.tzinfo is None else ended.astimezone(UTC)
    return ended - timedelta(seconds=number(body.get("seconds")))


def _legal(text: str) -> str:
    return ILLEGAL.sub("", ESCAPES.sub("", text))
