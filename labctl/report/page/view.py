"""What the page shows, made ready for its template: no markup here, no judgement there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labctl.report.environment import facts
from labctl.report.evidencefolder import EvidenceFolder
from labctl.report.facing import facing
from labctl.report.packets import all_captures, captures_shown
from labctl.report.page.model import (
    CatalogueView,
    CheckView,
    FileView,
    InputView,
    OutputView,
    PageView,
    ScenarioView,
    TroubleView,
)  # fmt: skip
from labctl.report.page.picture import picture
from labctl.report.text import clean
from labctl.report.times import own_times
from labctl.verify.verdict import SCHEMA, troubles

VERDICTS = ("FAIL", "INCONCLUSIVE", "PASS")
SHOWN = 40_000
"""Characters of one raw output that are in the page; the whole is behind the link."""


class _Anchors:
    """Fragment identifiers, each once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def new(self, kind: str, text: str) -> str:
        stem = f"{kind}-{re.sub(r'[^A-Za-z0-9._-]+', '-', text)[:100]}"
        name, number = stem, 1
        while name in self._used:
            number += 1
            name = f"{stem}-{number}"
        self._used.add(name)
        return name


def page_view(folder: EvidenceFolder) -> PageView:
    """From the evidence alone."""
    body = folder.body
    anchors = _Anchors()
    outputs = {path: _output(folder, path, anchors) for path in _outputs(folder)}
    whole = max([float(body["seconds"]), *(_end(row) for row in body["scenarios"]), 0.001])
    scenarios = [
        _scenario(folder, row, outputs, anchors, whole, own)
        for row, own in zip(body["scenarios"], own_times(body), strict=True)
    ]
    views = [check for scenario in scenarios for check in scenario.checks]
    rows = [{**check, "view": view} for check, view in zip(folder.checks, views, strict=True)]
    places = {check.id: check.anchor for scenario in scenarios for check in scenario.checks}
    environment = body.get("environment") or {}
    return PageView(
        SCHEMA,
        clean(body["lab"]),
        body["verdict"],
        _sentence(body),
        float(body["seconds"]),
        _counts(row["verdict"] for row in body["scenarios"]),
        _counts(check["verdict"] for check in folder.checks),
        list(_facts(environment)),
        [clean(change) for change in body.get("drift") or ()] if body["verdict"] != "PASS" else [],
        [
            TroubleView(found.verdict, clean(found.sentence), [row["view"] for row in found.checks])
            for found in troubles(rows)
        ],
        picture(folder),
        scenarios,
        list(outputs.values()),
        list(all_captures(folder)),
        list(_flat("", {key: value for key, value in environment.items() if key != "edited"})),
        _inputs(folder),
        [_file(path, row) for path, row in (body.get("files") or {}).items()],
        [
            CatalogueView(
                clean(row["id"]),
                clean(row["title"]),
                clean(row.get("place") or ""),
                clean(row.get("mode") or ""),
                row.get("verdict") or "",
                clean(row.get("note") or ""),
                [(clean(name), places.get(clean(name), "")) for name in row.get("checks") or ()],
            )
            for row in body.get("catalogue") or ()
        ],
        folder.missing,
    )


def _sentence(body: Mapping[str, Any]) -> str:
    """What decided: the first scenario that has the verdict of all."""
    if not body["scenarios"]:
        return "nothing ran"
    if body["verdict"] == "PASS":
        return "every check passed"
    deciding = next((row for row in body["scenarios"] if row["verdict"] == body["verdict"]), None)
    cut = f"; cut short: {body['cut']}" if body.get("cut") else ""
    return clean(f"{deciding['title']}: {deciding['sentence']}{cut}" if deciding else body["sentence"])


def _scenario(
    folder: EvidenceFolder,
    row: Mapping[str, Any],
    outputs: Mapping[str, OutputView],
    anchors: _Anchors,
    whole: float,
    own: Sequence[float],
) -> ScenarioView:
    seconds = float(row["seconds"])
    return ScenarioView(
        clean(row["id"]), anchors.new("scenario", row["id"]), clean(row["title"]), row["verdict"],
        clean(row["sentence"]), seconds, 100 * float(row.get("started") or 0) / whole, 100 * seconds / whole,
        _counts(check["verdict"] for check in row["checks"]),
        [_check(folder, check, outputs, anchors, took) for check, took in zip(row["checks"], own, strict=False)],
    )  # fmt: skip


def _check(
    folder: EvidenceFolder, check: Mapping[str, Any], outputs: Mapping[str, OutputView], anchors: _Anchors, took: float
) -> CheckView:
    return CheckView(
        clean(check["id"]), anchors.new("check", check["id"]), clean(check["title"]), check["verdict"],
        clean(check["sentence"]), took, check.get("seconds"), int(check.get("attempts", 1)),
        facing(check.get("expected"), check.get("seen")),
        [outputs[str(path)] for path in check.get("commands") or ()],
        captures_shown(folder, check),
    )  # fmt: skip


def _output(folder: EvidenceFolder, path: str, anchors: _Anchors) -> OutputView:
    """A file of ``commands/``: two lines of heading (`labctl.verify.evidence`), then what came."""
    data = folder.read(path)
    text = (data or b"").decode(errors="replace")
    head = re.match(r"# ([^\n]*?): ([^\n]*)\n# (\S+)\n", text)
    target, command, when = head.groups() if head else ("", path, "")
    rest = text[head.end() :] if head else text
    return OutputView(
        path, anchors.new("output", path.removeprefix("commands/").removesuffix(".txt")), clean(target),
        clean(command), clean(when), rest[:SHOWN], max(0, len(rest) - SHOWN), data is not None,
    )  # fmt: skip


def _outputs(folder: EvidenceFolder) -> list[str]:
    """What checks name, in their order, then what else was asked, such as where packets had to be looked for."""
    named = [str(name) for check in folder.checks for name in check.get("commands") or ()]
    there = sorted(f"commands/{path.name}" for path in (folder.path / "commands").glob("*.txt"))
    return list(dict.fromkeys((*named, *there)))


def _counts(verdicts: Iterator[str]) -> dict[str, int]:
    found = list(verdicts)
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def _end(row: Mapping[str, Any]) -> float:
    return float(row.get("started") or 0) + float(row["seconds"])


def _facts(environment: Mapping[str, Any]) -> Iterator[str]:
    """On what it was proven, in few words."""
    yield from map(clean, facts(environment, "mode", "runtime", "launcher", "labctl", "guest_speed"))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix} {clean(key)}".strip(), inner)
    elif value not in (None, "", []):
        yield prefix, clean(", ".join(map(str, value)) if isinstance(value, list | tuple) else value)


def _inputs(folder: EvidenceFolder) -> list[InputView]:
    """Images and manifests that the lab's folder names; none where the evidence does not hold it."""
    data = folder.read("lab/lab.json")
    try:
        rows = json.loads(data or b"{}").get("inputs") or []
        return [
            InputView(*(clean(row.get(key) or "") for key in ("name", "version", "source", "sha256")))
            for row in rows
            if isinstance(row, Mapping)
        ]
    except (ValueError, AttributeError, TypeError):
        return []


def _file(path: str, row: Mapping[str, Any]) -> FileView:
    found, rendered = row.get("sha256"), row.get("rendered")
    state = "missing" if found is None else "not hashed" if rendered is None else ""
    return FileView(clean(path), clean(found or ""), state or ("as rendered" if found == rendered else "edited"))
