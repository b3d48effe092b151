"""JUnit XML for CI: a testsuite for each scenario, a testcase for each check.

What is written is what both schemas in wide use accept: that of Ant's junit task and that of Jenkins' xunit plugin.
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

from labctl.report.text import ESCAPES, clean

ILLEGAL = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 forbids (its production 2), and the control characters that it only discourages."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOST = "localhost"
"""What Ant's schema wants where the host is not known; the evidence does not hold its name."""


def junit(body: Mapping[str, Any]) -> str:
    """The document, from ``labctl.evidence/v1``. Pure."""
    root = Element("testsuites")
    lab = clean(body.get("lab", "")) or "lab"
    scenarios: Sequence[Mapping[str, Any]] = body.get("scenarios") or ({"id": "verify", "checks": ()},)
    properties = list(_flat("", body.get("environment") or {}))
    began = _began(body)
    for number, scenario in enumerate(scenarios):
        _suite(root, number, lab, scenario, began, properties)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(
    root: Element,
    number: int,
    lab: str,
    scenario: Mapping[str, Any],
    began: datetime,
    properties: list[tuple[str, str]],
) -> None:
    name = clean(scenario.get("id", "")) or "scenario"
    # nothing that ran is nothing proven: an empty suite would count as passed
    checks: Sequence[Mapping[str, Any]] = scenario.get("checks") or (
        {"id": f"{name}.ran", "verdict": "INCONCLUSIVE", "sentence": scenario.get("sentence") or "no check ran"},
    )
    verdicts = [check.get("verdict") for check in checks]
    failures, passed = verdicts.count("FAIL"), verdicts.count("PASS")
    suite = SubElement(
        root,
        "testsuite",
        {
            "name": name,
            "package": lab,
            "id": str(number),
            "timestamp": (began + timedelta(seconds=_number(scenario.get("started")))).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": HOST,
            "tests": str(len(checks)),
            "failures": str(failures),
            "errors": str(len(checks) - failures - passed),
            "time": f"{_number(scenario.get('seconds')):.3f}",
        },
    )
    held = SubElement(suite, "properties")
    for key, value in properties:
        SubElement(held, "property", {"name": key, "value": value})
    used: set[str] = set()
    for check in checks:
        _case(suite, f"{lab}.{name}", _once(clean(check.get("id", "")) or "check", used), check)
    SubElement(suite, "system-out").text = "\n".join(_told(check) for check in checks)
    SubElement(suite, "system-err")


def _once(name: str, used: set[str]) -> str:
    """A case's name: who reads the file knows a case by class and name, and takes a second one for a rerun."""
    found, number = name, 1
    while found in used:
        number += 1
        found = f"{name} ({number})"
    used.add(found)
    return found


def _case(suite: Element, classname: str, name: str, check: Mapping[str, Any]) -> None:
    """Checks of a scenario are asked side by side, so their times overlap; one without a time of its own has 0."""
    attributes = {
        "classname": classname,
        "name": name,
        "time": f"{_number(check.get('seconds')):.3f}",
    }
    case = SubElement(suite, "testcase", attributes)
    verdict = check.get("verdict")
    if verdict == "PASS":
        return
    tag, kind = ("failure", "failed") if verdict == "FAIL" else ("error", "inconclusive")
    result = SubElement(case, tag, {"type": kind, "message": clean(check.get("sentence", ""))})
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


def _told(check: Mapping[str, Any]) -> str:
    return clean(f"{check.get('verdict')} {check.get('id', '')}: {check.get('sentence', '')}")


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """``versions.calico`` → ``3.20.0``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{clean(key)}" if prefix else clean(key), inner)
    elif prefix:
        words = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str("" if value is None else value)
        yield prefix, clean(words)


def _began(body: Mapping[str, Any]) -> datetime:
    """When verification began: ``environment.time`` is written at its end."""
    written = (body.get("environment") or {}).get("time")
    try:
        ended = datetime.fromisoformat(str(written))
    except ValueError:
        return EPOCH
    ended = ended.replace(tzinfo=UTC) if ended.tzinfo is None else ended.astimezone(UTC)
    return ended - timedelta(seconds=_number(body.get("seconds")))


def _number(value: Any) -> float:
    return max(0.0, float(value)) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _legal(text: str) -> str:
    return ILLEGAL.sub("", ESCAPES.sub("", text))
