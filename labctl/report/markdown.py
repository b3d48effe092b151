"""A summary for a pull request or a job's page: verdict first, what failed with expected and seen, the rest folded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labctl.report.evidencefolder import facts
from labctl.report.text import clean
from labctl.report.verdicts import differing
from labctl.verify.verdict import Trouble, troubles

SPECIAL = re.compile(r"([\\`*_{}\[\]|~$])")
MOST = 10
"""Checks that are told with expected and seen; a summary is short (GitHub takes 1 MiB of it)."""
LONGEST = 600
"""Characters of expected or seen."""
ORDER = ("FAIL", "INCONCLUSIVE", "PASS")
Check = Mapping[str, Any]


def markdown(body: Mapping[str, Any]) -> str:
    """From ``labctl.evidence/v1``, for GitHub's kind of Markdown. Pure."""
    return "\n".join(_lines(body)) + "\n"


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    checks = [check for scenario in body["scenarios"] for check in scenario["checks"]]
    yield from _heading(body)
    found = troubles(checks)
    for trouble in found[:MOST]:
        yield from ("", *_trouble(trouble))
    if found[MOST:]:
        yield from ("", f"… and {sum(len(trouble.checks) for trouble in found[MOST:])} more that did not pass.")
    yield from ("", *_table(body["scenarios"]))
    passed = [check for check in checks if check["verdict"] == "PASS"]
    if passed:
        yield from ("", *_folded(f"{len(passed)} check{'s' * (len(passed) != 1)} passed", passed))


def _heading(body: Mapping[str, Any]) -> Iterator[str]:
    environment = body["environment"]
    told = facts(environment, "mode", "runtime", "labctl")
    told += [f"edited: {', '.join(environment['edited'])}"] if environment.get("edited") else []
    about = f" ({escape(', '.join(told))})" if told else ""
    yield from (f"## {body['verdict']}: {escape(body['lab'])}", "")
    yield f"{escape(body['sentence'])} in {body['seconds']:.1f} s{about}"
    if body["verdict"] != "PASS" and body["drift"]:
        yield from ("", "**Changed since `up`:**", "", *(f"- {escape(change)}" for change in body["drift"]))


def _trouble(trouble: Trouble) -> Iterator[str]:
    check, *others = trouble.checks
    if others:
        yield from (f"**{trouble.verdict}** {escape(trouble.sentence)}", "")
        yield from _folded(f"{len(trouble.checks)} checks", trouble.checks)
        return
    yield f"**{trouble.verdict}** {code(check['id'])}: {escape(trouble.sentence)}"
    expected, seen = differing(check["expected"], check["seen"])
    if expected is not None or seen is not None:
        yield from ("", "| expected | seen |", "|---|---|", f"| {_value(expected)} | {_value(seen)} |")


def _table(scenarios: Iterable[Check]) -> Iterator[str]:
    head = ("| verdict | scenario | checks | time | |", "|---|---|---|--:|---|")
    yield from head if scenarios else ("No scenario ran.",)
    for row in scenarios:
        verdicts = [check["verdict"] for check in row["checks"]]
        counts = ", ".join(f"{verdicts.count(name)} {name}" for name in ORDER if name in verdicts) or "none"
        cells = (row["verdict"], escape(row["title"]), counts, f"{row['seconds']:.1f} s", escape(row["sentence"]))
        yield f"| {' | '.join(cells)} |"


def _folded(summary: str, checks: Iterable[Check]) -> Iterator[str]:
    return details(summary, (f"- {code(check['id'])}: {escape(check['sentence'])}" for check in checks))


def details(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """Folded; ``summary`` is markup."""
    yield from (f"<details><summary>{summary}</summary>", "", *lines, "", "</details>")


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
