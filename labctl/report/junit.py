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

from labctl.report.evidencefolder import flat, own_times
from labctl.report.text import ESCAPES, clean, unique
from labctl.verify.verdict import troubles

ILLEGAL = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 forbids (its production 2), and the control characters that it only discourages."""
HOST = "localhost"
"""What Ant's schema wants where the host is not known."""
OUTCOMES = {"FAIL": ("failure", "failed"), "INCONCLUSIVE": ("error", "inconclusive")}
TOTALS = ("tests", "failures", "errors", "skipped")


def junit(body: Mapping[str, Any]) -> str:
    """The document, from ``labctl.evidence/v1``. Pure."""
    root = Element("testsuites", {"name": "labctl"})
    scenarios: Sequence[Mapping[str, Any]] = body["scenarios"] or (
        {"id": "verify", "checks": (), "sentence": "no check ran", "started": 0.0},
    )
    lab, host = clean(body["lab"]) or "lab", clean(body["environment"].get("host") or "") or HOST
    began, own = _began(body), own_times(body) or [[0.0]]
    causes = troubles(check for scenario in scenarios for check in scenario["checks"])
    messages = {id(check): found.sentence for found in causes for check in found.checks}
    for order, (scenario, times) in enumerate(zip(scenarios, own, strict=True)):
        started = (began + timedelta(seconds=scenario["started"])).strftime("%Y-%m-%dT%H:%M:%S")
        suite = SubElement(root, "testsuite", {
            "name": clean(scenario["id"]) or "scenario", "package": lab, "hostname": host, "id": str(order),
            "timestamp": started,
        })  # fmt: skip
        _properties(suite, body)
        _cases(suite, scenario, times, messages)
    for key in TOTALS:
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{body['seconds']:.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _properties(suite: Element, body: Mapping[str, Any]) -> None:
    """What ran, what was changed before, and why it was cut short."""
    told = dict(flat(body["environment"], "."))
    told |= {"changed since up": "; ".join(map(clean, body["drift"])), "cut short": clean(body["cut"] or "")}
    found = SubElement(suite, "properties")
    for name, value in told.items():
        if name and value:
            SubElement(found, "property", {"name": name, "value": value})


def _cases(suite: Element, scenario: Mapping[str, Any], times: Sequence[float], messages: Mapping[int, str]) -> None:
    name = suite.get("name")
    # nothing that ran is nothing proven: an empty suite would count as passed
    checks = scenario["checks"] or (
        {"id": f"{name}.ran", "verdict": "INCONCLUSIVE", "sentence": scenario["sentence"] or "no check ran"},
    )
    # whole milliseconds: what is rounded up would add up to more than the run
    times = [math.floor(time * 1000) / 1000 for time in times]
    verdicts = [check["verdict"] for check in checks]
    counts = (len(checks), verdicts.count("FAIL"), verdicts.count("INCONCLUSIVE"), 0)
    suite.attrib |= dict(zip(TOTALS, map(str, counts), strict=True)) | {"time": f"{sum(times):.3f}"}
    used: set[str] = set()  # who reads the file knows a case by class and name, and takes a second one for a rerun
    for check, time in zip(checks, times, strict=True):
        case = SubElement(suite, "testcase", {
            "classname": f"{suite.get('package')}.{name}", "name": unique(clean(check["id"]) or "check", used),
            "time": f"{time:.3f}",
        })  # fmt: skip
        if check["verdict"] in OUTCOMES:
            tag, kind = OUTCOMES[check["verdict"]]
            # of all checks of one cause: by its message a viewer puts them together
            message = messages.get(id(check), check["sentence"])
            result = SubElement(case, tag, {"type": kind, "message": clean(message)})
            result.text = ILLEGAL.sub("", ESCAPES.sub("", "\n".join(_details(check))))
    lines = (clean(f"{check['verdict']} {check['id']}: {check['sentence']}") for check in checks)
    SubElement(suite, "system-out").text = "\n".join(lines)
    SubElement(suite, "system-err")


def _details(check: Mapping[str, Any]) -> Iterator[str]:
    """The body of a failure."""
    yield check["sentence"]
    if check.get("title"):
        yield f"check: {check['title']}"
    for key in ("expected", "seen") if check.get("expected") is not None or check.get("seen") is not None else ():
        yield f"{key}: {json.dumps(check[key], indent=2, ensure_ascii=False, default=str)}"
    if check.get("attempts"):
        yield f"attempts: {check['attempts']}"
    for key in ("commands", "captures"):
        if check.get(key):
            yield f"{key}: {', '.join(check[key])}"


def _began(body: Mapping[str, Any]) -> datetime:
    """When verification began: ``environment.time`` is written at its end."""
    try:
        ended = datetime.fromisoformat(str(body["environment"].get("time")))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    ended = ended.replace(tzinfo=UTC) if ended.tzinfo is None else ended.astimezone(UTC)
    return ended - timedelta(seconds=body["seconds"])
