"""The report as one HTML page that needs no network: everything is in it but the pcaps and whole outputs, by link.

The page is made from an evidence folder alone. Its content security policy forbids every request; the one script (for
sorting) is named there by its hash, and the page is complete without it.

Python makes no markup but the picture's, the template judges nothing. Rows are those of ``labctl.evidence/v1`` with
what the page adds; no text of them is harmless before the template's ``finalize`` has made it so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os.path
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labctl.errors import LabctlError, SpecError
from labctl.report.evidencefolder import EvidenceFolder, facts, flat, own_times
from labctl.report.packets import CaptureShown, captures_shown, count_packets
from labctl.report.text import UNKNOWN, block, unique
from labctl.verify.verdict import SCHEMA, troubles

FEW = 10
"""Checks of a scenario that passed; more of them are folded."""
SHOWN = 40_000
"""Characters of one raw output that are in the page; the whole is behind the link."""
LONGEST = 60
"""Rows; what is beyond is counted, and is whole in ``evidence.json``."""
WIDEST = 2000
"""Characters of one value."""
State = Literal["same", "differs", "lacking", "extra", "open"]


def html(folder: EvidenceFolder, *, links: str = "") -> str:
    """The page. ``links`` is put before each link to a file of the folder: where the folder is, seen from the page."""
    environment = Environment(
        loader=PackageLoader("labctl.report.page", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
        finalize=_harmless,
    )
    environment.filters |= {"url": quote, "counts": counts}
    style, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        page=page_view(folder),
        links=links,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _harmless(value: Any) -> Any:
    """Escaping makes text no markup; control characters and half a surrogate have no place in a page either."""
    return block(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def links_from(page: Path, folder: Path) -> str:
    """Where a folder is, seen from a page: empty when it is the page's own."""
    found = Path(os.path.relpath(folder.resolve(), page.resolve().parent)).as_posix()
    return "" if found == "." else f"{quote(found)}/"


# --- what the page shows, made ready for its template -------------------------------------------------------------


def page_view(folder: EvidenceFolder) -> dict[str, Any]:
    """From the evidence alone."""
    body = folder.body
    used: set[str] = set()
    outputs = {path: _output(folder, path, used) for path in _commands(folder)}
    whole = max([body["seconds"], *(row["started"] + row["seconds"] for row in body["scenarios"]), 0.001])
    scenarios = [
        _scenario(folder, row, whole, own, outputs, used)
        for row, own in zip(body["scenarios"], own_times(body), strict=True)
    ]
    checks = [check for scenario in scenarios for check in scenario["checks"]]
    svg, note = _picture(folder)
    return {
        **body,
        "schema": SCHEMA,
        "sentence": _sentence(body),
        "facts": facts(body["environment"], "mode", "runtime", "launcher", "labctl", "guest_speed"),
        "troubles": troubles(checks),
        "picture": svg,
        "no_picture": note,
        "scenarios": scenarios,
        "checks": checks,
        "anchors": {check["id"]: check["anchor"] for check in checks},
        "beside": _beside(checks),
        "outputs": list(outputs.values()),
        "captures": list(count_packets(folder)),
        "environment": list(flat({**body["environment"], "edited": None})),
        "inputs": _inputs(folder),
        "files": [_file(path, **row) for path, row in body["files"].items()],
        "missing": folder.missing,
    }


def counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Rows by verdict, the worst first."""
    found = [row["verdict"] for row in rows]
    return {verdict: found.count(verdict) for verdict in ("FAIL", "INCONCLUSIVE", "PASS")}


def _sentence(body: Mapping[str, Any]) -> str:
    """What decided: the first scenario that has the verdict of all."""
    if not body["scenarios"]:
        return "nothing ran"
    if body["verdict"] == "PASS":
        return "every check passed"
    deciding = next((row for row in body["scenarios"] if row["verdict"] == body["verdict"]), None)
    cut = f"; cut short: {body['cut']}" if body["cut"] else ""
    return f"{deciding['title']}: {deciding['sentence']}{cut}" if deciding else str(body["sentence"])


def _anchor(used: set[str], kind: str, text: str) -> str:
    """A fragment identifier, given once."""
    return unique(f"{kind}-{re.sub(r'[^A-Za-z0-9._-]+', '-', text)[:100]}", used, "{}-{}")


def _commands(folder: EvidenceFolder) -> dict[str, None]:
    """What checks name, in their order, then what else was asked, such as where packets had to be looked for."""
    named = (name for check in folder.checks for name in check["commands"])
    there = sorted(f"commands/{path.name}" for path in (folder.path / "commands").glob("*.txt"))
    return dict.fromkeys((*named, *there))


def _output(folder: EvidenceFolder, path: str, used: set[str]) -> dict[str, Any]:
    """A file of ``commands/``: two lines of heading (`labctl.verify.evidence`), then what came."""
    data = folder.read(path)
    text = (data or b"").decode(errors="replace")
    head = re.match(r"# ([^\n]*?): ([^\n]*)\n# (\S+)\n", text)
    target, command, when = head.groups() if head else ("", path, "")
    rest = text[head.end() :] if head else text
    return {
        "path": path, "anchor": _anchor(used, "output", path.removeprefix("commands/").removesuffix(".txt")),
        "target": target, "command": command, "when": when, "text": rest[:SHOWN], "cut": max(0, len(rest) - SHOWN),
        "there": data is not None,
    }  # fmt: skip


def _scenario(
    folder: EvidenceFolder, row: Mapping[str, Any], whole: float, own: Sequence[float], outputs: Mapping[str, Any],
    used: set[str],
) -> dict[str, Any]:  # fmt: skip
    """``at`` and ``long`` are percents of the whole time; ``own``: of each check, seconds of the run's time.

    ``inside`` of a check: what is folded.
    """
    more: dict[str, Any] = {
        "anchor": _anchor(used, "scenario", row["id"]),
        "at": 100 * row["started"] / whole,
        "long": 100 * row["seconds"] / whole,
        "unfolded": row["verdict"] != "PASS" or len(row["checks"]) <= FEW,
        "checks": [],
    }
    for check, took in zip(row["checks"], own, strict=False):
        rows, captures = side_by_side(check["expected"], check["seen"]), captures_shown(folder, check)
        parts = ((rows, "expected beside seen"), (captures, "packets"), (check["commands"], "commands"))
        more["checks"].append({
            **check,
            "anchor": _anchor(used, "check", check["id"]),
            "took": took,
            "rows": [] if any(shown.layers for shown in captures) else rows,  # they are drawn as packets
            "captures": captures,
            "outputs": [outputs[path] for path in check["commands"]],
            "inside": ", ".join(name for there, name in parts if there) or "identity",
        })  # fmt: skip
    return {**row, **more}


def _beside(checks: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], CaptureShown]]:
    """Of each capture that the paper prints the first one here that is as expected."""
    found: dict[str, tuple[Mapping[str, Any], CaptureShown]] = {}
    for check in checks:
        for shown in check["captures"]:
            if shown.printed and not shown.wrong:
                found.setdefault(shown.printed.title, (check, shown))
    return list(found.values())


def _inputs(folder: EvidenceFolder) -> list[dict[str, str]]:
    """Images and manifests that the lab's folder names; none where the evidence does not hold it."""
    try:
        rows = json.loads(folder.read("lab/lab.json") or b"{}").get("inputs") or []
        keys = ("name", "version", "source", "sha256")
        return [{key: str(row.get(key) or "") for key in keys} for row in rows if isinstance(row, Mapping)]
    except (ValueError, AttributeError, TypeError):
        return []


def _file(path: str, sha256: str | None, rendered: str | None, **_more: object) -> dict[str, str]:
    """A file of the artifact folder and what became of it since it was rendered."""
    state = "missing" if sha256 is None else "not hashed" if rendered is None else ""
    state = state or ("as rendered" if sha256 == rendered else "edited")
    return {"path": path, "sha256": sha256 or "", "state": state}


def _picture(folder: EvidenceFolder) -> tuple[Markup | None, str]:
    """The topology with what failed marked, as markup; None with the reason: nothing else depends on it."""
    from labctl.graph import draw

    if folder.lab is None:
        return None, "The evidence holds no description of the lab (lab/), so there is no picture of it."
    try:
        drawn = draw(folder.lab, evidence=folder.body)
    except LabctlError as error:
        reason = str(error)
        if isinstance(error, SpecError):
            more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
            reason = f"{error.problems[0].place or 'lab'}: {error.problems[0].message}{more}"
        return None, f"The lab cannot be drawn from this evidence: {reason}."
    # character by character: an escape sequence taken out whole could take markup with it
    harmless = "".join(c if c.isprintable() or c == "\n" else UNKNOWN for c in drawn)
    return Markup(harmless), ""  # noqa: S704 - labctl.graph escapes what it writes


# --- expected beside seen -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """``state``: lacking was expected and not seen, extra the reverse; open: the two cannot be laid side by side."""

    key: str
    expected: str
    seen: str
    state: State


def side_by_side(expected: Any, seen: Any) -> list[Pair]:
    """One a key where both are objects, one a line where both are lists; none when neither says anything. Pure."""
    if expected is None and seen is None:
        return []
    pairs = list(_pairs("", expected, {} if isinstance(expected, Mapping) and seen is None else seen))
    if len(pairs) > LONGEST:
        # what differs first: it must not be what is cut
        pairs = sorted(pairs, key=lambda row: row.state in ("same", "open"))
        pairs = [*pairs[:LONGEST], Pair(f"and {len(pairs) - LONGEST} more", "", "", "open")]
    return pairs


def _pairs(name: str, expected: Any, seen: Any) -> Iterator[Pair]:
    if isinstance(expected, Mapping) and isinstance(seen, Mapping):
        lacking: State = "lacking" if expected.keys() & seen.keys() or not seen else "open"  # else of other things
        for key in dict.fromkeys((*expected, *seen)):
            inner = f"{name}.{key}" if name else str(key)
            if key not in expected:
                yield Pair(inner, "", _text(seen[key]), "open")  # more was seen than was asked for
            elif key not in seen:
                yield Pair(inner, _text(expected[key]), "", lacking)
            else:
                yield from _pairs(inner, expected[key], seen[key])
    elif _plain_list(expected) and _plain_list(seen) and (expected or seen) and (expected != seen or not name):
        for item in expected:
            yield Pair(name, _text(item), *((_text(item), "same") if item in seen else ("", "lacking")))
        yield from (Pair(name, "", _text(item), "extra") for item in seen if item not in expected)
    else:
        yield Pair(name, _text(expected), _text(seen), _state(expected, seen))


def _plain_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value)


def _state(expected: Any, seen: Any) -> State:
    if seen in (expected, [expected]):
        return "same"
    if isinstance(expected, Mapping | list) is not isinstance(seen, Mapping | list):
        return "open"
    return "differs"


def _text(value: Any) -> str:
    text = "nothing" if value is None else value
    if _plain_list(value):
        text = ", ".join(map(str, value)) or "none"
    elif not isinstance(text, str):
        text = json.dumps(value, ensure_ascii=False, default=str)
    more = len(text) - WIDEST
    return f"{text[:WIDEST]} … and {more} more characters" if more > 0 else text
