"""A summary for a pull request or a job's page: verdict first, what failed with expected and seen, the rest folded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labctl.report.environment import facts
from labctl.report.text import clean
from labctl.report.verdicts import differing
from labctl.verify.verdict import Trouble, troubles, verdict_of

SPECIAL = re.compile(r"([\\`*_{}\[\]|~$])")
MOST = 10
"""Checks that are told with expected and seen; a summary is short (GitHub takes 1 MiB of it)."""
LONGEST = 600
"""Characters of expected or seen."""
ORDER = ("FAIL", "INCONCLUSIVE", "PASS")


def markdown(body: Mapping[str, Any], *, report: str | None = None) -> str:
    """From ``labctl.evidence/v1``, for GitHub's kind of Markdown. ``report``: where the whole report is. Pure."""
    return "\n".join(_lines(body, report)) + "\n"


def _lines(body: Mapping[str, Any], report: str | None) -> Iterator[str]:
    scenarios: Sequence[Mapping[str, Any]] = body.get("scenarios") or ()
    verdict = verdict_of(body)
    yield f"## {verdict}: {escape(body.get('lab', 'lab'))}"
    yield ""
    yield f"{escape(body.get('sentence') or 'nothing ran')} in {float(body.get('seconds') or 0):.1f} s{_facts(body)}"
    if verdict != "PASS" and body.get("drift"):
        yield ""
        yield "**Changed since `up`:**"
        yield ""
        yield from (f"- {escape(change)}" for change in body["drift"])
    found = troubles(check for scenario in scenarios for check in scenario.get("checks") or ())
    for trouble in found[:MOST]:
        yield ""
        yield from _trouble(trouble)
    if found[MOST:]:
        yield ""
        yield f"… and {sum(len(trouble.checks) for trouble in found[MOST:])} more that did not pass."
    yield ""
    yield from _table(scenarios)
    yield from _passed(scenarios)
    if report:
        yield ""
        yield f"Report: {escape(report)}"


def _facts(body: Mapping[str, Any]) -> str:
    environment = body.get("environment") or {}
    known = facts(environment, "mode", "runtime", "labctl")
    edited = environment.get("edited") or []
    known += [f"edited: {', '.join(map(str, edited))}"] if edited else []
    return f" ({escape(', '.join(known))})" if known else ""


def _trouble(trouble: Trouble) -> Iterator[str]:
    check, *others = trouble.checks
    if others:
        yield f"**{trouble.verdict}** {escape(trouble.sentence)}"
        yield ""
        yield from _folded(f"{len(trouble.checks)} checks", trouble.checks)
        return
    yield f"**{trouble.verdict}** {code(check.get('id', ''))}: {escape(trouble.sentence)}"
    expected, seen = differing(check.get("expected"), check.get("seen"))
    if expected is None and seen is None:
        return
    yield ""
    yield "| expected | seen |"
    yield "|---|---|"
    yield f"| {_value(expected)} | {_value(seen)} |"


def _table(scenarios: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not scenarios:
        yield "No scenario ran."
        return
    yield "| verdict | scenario | checks | time | |"
    yield "|---|---|---|--:|---|"
    for row in scenarios:
        verdicts = [verdict_of(check) for check in row.get("checks") or ()]
        counts = ", ".join(f"{verdicts.count(name)} {name}" for name in ORDER if name in verdicts) or "none"
        cells = (
            verdict_of(row), escape(row.get("title") or row.get("id", "")), counts,
            f"{float(row.get('seconds') or 0):.1f} s", escape(row.get("sentence", "")),
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def _passed(scenarios: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    passed = [check for row in scenarios for check in row.get("checks") or () if verdict_of(check) == "PASS"]
    if not passed:
        return
    yield ""
    yield from _folded(f"{len(passed)} check{'s' * (len(passed) != 1)} passed", passed)


def _folded(summary: str, checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield ""
    for check in checks:
        yield f"- {code(check.get('id', ''))}: {escape(check.get('sentence', ''))}"
    yield ""
    yield "</details>"


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return code(text if len(text) <= LONGEST else f"{text[:LONGEST]} …")


def escape(value: object) -> str:
    """One line that says what it says: no markup, no HTML, nobody is mentioned."""
    text = clean(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # a number after # is a link to an issue, a word after @ is a person, an address is a link: in GitHub's Markdown
    text = text.replace("#", "&#35;").replace("@", "&#64;").replace("://", ":&#47;/")
    return SPECIAL.sub(r"\\\1", text)


def code(value: object) -> str:
    """The text as code, whatever it holds; a pipe would end a table's cell."""
    text = clean(value)
    if not text:
        return ""
    if "|" in text:  # inside backticks a pipe cannot be escaped outside of tables, nor left alone in one
        return f"<code>{escape(text)}</code>"
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    gap = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{gap}{text}{gap}{fence}"
