"""The catalogue: every figure has a row, no pattern is dead, and a row says what its checks said."""

from __future__ import annotations

import json
import re
import threading
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from labctl.errors import UsageError
from labctl.folder import load_folder
from labctl.paper.catalogue import ROWS, as_evidence, find_row, scenarios_of
from labctl.paper.reference import RUN, merged, read, reference, write
from labctl.verify.checks import Check
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.scenarios import ALWAYS, SCENARIOS
from labctl.verify.topics import bgp, cluster, leafs, links
from labctl.verify.values import CaptureInput
from labctl.verify.verdict import CheckResult, Report, ScenarioResult, Verdict
from tests.rendered import LABS, rendered_folder

ROOT = Path(__file__).parents[3]


def checks_of(folder: Path) -> list[Check]:
    """Of the scenarios that are lists of checks."""
    lab = LabUnderTest(load_folder(folder), load_checks(folder), None, threading.Event(), print, folder / "journal")  # type: ignore[arg-type]
    found = [*links.checks(lab), *bgp.checks(lab), *leafs.checks(lab), *leafs.negatives(lab)]
    if lab.checks.cluster:
        found += [*cluster.checks(lab), *cluster.negatives(lab)]
    return found


def captured(name: str, captures: tuple[CaptureInput, ...]) -> list[str]:
    return [f"{name}.capture.{'-'.join(capture.at)}" for capture in captures]


def identities(folder: Path) -> set[str]:
    """Ids of all checks that a folder's lab can run: of lists, and of the flows that pings and curls are."""
    found = {check.id for check in checks_of(folder)}
    checks = load_checks(folder)
    for scenario, pings in (("ping", checks.mode("routed").ping), ("ping-ipip", checks.mode("ipip").ping)):
        for ping in pings:
            name = f"{scenario}.{ping.name}"
            found |= {f"{name}.route", f"{name}.answered", *captured(name, ping.captures)}
            found |= {f"{name}.tunnelled", f"{name}.routed-again"} if scenario == "ping-ipip" else set()
    for curl in checks.mode("routed").curl:
        found |= {f"curl.{curl.name}.answered", *captured(f"curl.{curl.name}", curl.captures)}
    return found


KNOWN = {ALWAYS.name, *SCENARIOS}


def test_every_figure_has_a_row() -> None:
    assert [row.id for row in ROWS if row.kind == "figure"] == [f"figure-{number}" for number in range(1, 19)]


def test_rows_have_names_of_their_own() -> None:
    names = [row.id for row in ROWS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"(figure|table|claim)-[a-z0-9-]+", name) for name in names)


def test_a_row_has_checks_or_says_why_it_has_none() -> None:
    assert [row.id for row in ROWS if not row.checks and not row.note] == []


def test_no_pattern_is_dead() -> None:
    """Each pattern names checks of the white paper's lab, or of another rendered one."""
    found = set[str]()
    for name in LABS:
        found |= identities(rendered_folder(name))
    patterns = {pattern for row in ROWS for pattern in row.checks if pattern.partition(".")[0] in KNOWN}
    dead = {pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in found)}
    assert dead <= {pattern for row in ROWS if ran(row.id) for pattern in row.checks}


def ran(row: str) -> bool:
    """A row has a verdict only if each of its patterns had checks: of scenarios that are no lists, a real run tells."""
    return read(ROOT / RUN).get(row, {}).get("verdict") == "PASS"


def test_every_row_with_checks_passed_when_it_was_recorded() -> None:
    assert [row.id for row in ROWS if row.checks and not ran(row.id)] == []


def test_every_row_was_recorded_in_its_lab() -> None:
    runs = read(ROOT / RUN)
    assert [row.id for row in ROWS if row.checks and runs[row.id]["lab"] != row.lab] == []


def test_every_check_of_the_lab_is_in_some_row() -> None:
    """What labctl checks on the white paper's lab, the paper shows: but for the underlay and what leads there."""
    patterns = [pattern for row in ROWS for pattern in row.checks]
    ids = identities(rendered_folder("whitepaper-standin-fabric"))
    assert sorted(name for name in ids if not any(fnmatchcase(name, pattern) for pattern in patterns)) == []


def test_every_kind_of_check_is_in_the_list_of_sabotage() -> None:
    """docs/sabotage.md: how each of them was made to fail."""
    page = (ROOT / "docs" / "sabotage.md").read_text(encoding="utf-8")
    ids = identities(rendered_folder("whitepaper-standin-fabric")) | identities(
        rendered_folder("fabric-standin-fabric")
    )
    kinds = set()
    for name in ids:
        scenario, *words = name.split(".")
        if scenario in ("ping", "ping-ipip", "curl"):
            last = "capture" if "capture" in words else words[-1]
            kinds.add(
                f"{'ping' if last in ('route', 'answered', 'capture') and scenario != 'curl' else scenario}.{last}"
            )
        else:
            kinds.add(
                ".".join((scenario, *words[: 2 if words[0] in ("route", "absent") and scenario == "cluster" else 1]))
            )
    assert sorted(kind for kind in kinds if f"`{kind}" not in page) == []


def report(*checks: tuple[str, Verdict]) -> Report:
    found = tuple(CheckResult(name, name, verdict, "") for name, verdict in checks)
    return Report("whitepaper", (ScenarioResult("x", "x", 1.0, found),), 1.0)


def verdict_of(row: str, *checks: tuple[str, Verdict]) -> Verdict | None:
    return next(result["verdict"] for result in as_evidence(report(*checks)) if result["id"] == row)


def test_a_row_passes_when_all_of_it_ran_and_passed() -> None:
    sessions: tuple[tuple[str, Verdict], ...] = (("bgp.session.a.b", "PASS"), ("bgp.prefixes.a.b", "PASS"))
    assert verdict_of("figure-16", *sessions, ("bgp.peers.a.ipv4", "PASS")) == "PASS"
    assert verdict_of("figure-16", *sessions, ("bgp.peers.a.ipv4", "INCONCLUSIVE")) == "INCONCLUSIVE"
    assert verdict_of("figure-16", *sessions) is None  # a third of it was not run
    assert verdict_of("figure-16", *sessions, ("bgp.session.a.c", "FAIL")) == "FAIL"
    assert verdict_of("figure-16") is None


def test_a_row_names_its_checks_and_what_was_not_run() -> None:
    rows = {row["id"]: row for row in as_evidence(report(("bgp.session.a.b", "PASS"), ("bgp.peers.a.ipv4", "PASS")))}
    assert rows["figure-16"]["checks"] == ["bgp.session.a.b", "bgp.peers.a.ipv4"]
    assert "not run: bgp.prefixes.*" in rows["figure-16"]["note"]
    assert set(rows["figure-16"]) == {"id", "kind", "title", "place", "mode", "checks", "verdict", "note"}
    assert json.loads(json.dumps(rows)) == rows
    assert rows["claim-network-policies"]["verdict"] is None


def test_a_row_is_found_by_number_or_name() -> None:
    assert find_row("15").id == "figure-15"
    assert find_row("claim-as-override").kind == "claim"
    assert scenarios_of(find_row("15")) == ("bgp", "leafs")
    with pytest.raises(UsageError, match="no row 19"):
        find_row("19")
    with pytest.raises(UsageError) as near:
        find_row("table-host-route")
    assert near.value.hint == "did you mean table-host-routes?"
    with pytest.raises(UsageError, match="cannot be shown: the paper configures none"):
        find_row("claim-network-policies")


def test_a_record_keeps_the_rows_that_did_not_run(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert read(path) == {}
    old = {"figure-1": {"verdict": "PASS", "lab": "other"}, "figure-15": {"verdict": "FAIL", "lab": "other"}}
    body = {
        "lab": "whitepaper",
        "environment": {"time": "2026-11-27T10:00:00Z", "labctl": "1", "versions": {"calico": "3"}},
        "catalogue": [{"id": "figure-15", "verdict": "PASS"}, {"id": "figure-1", "verdict": None}],
    }  # fmt: skip
    write(path, merged(old, body, {"figure-15": "whitepaper"}))
    rows = read(path)
    assert rows["figure-1"] == old["figure-1"]
    assert (rows["figure-15"]["verdict"], rows["figure-15"]["date"]) == ("PASS", "2026-11-27")


@pytest.mark.parametrize(
    ("known", "ran", "kept"),
    [
        ("coloured-pairs", "whitepaper", "coloured-pairs"),
        ("whitepaper", "coloured-pairs", "coloured-pairs"),
        ("coloured-pairs", "coloured-pairs", "coloured-pairs"),
        ("mine", "whitepaper", "whitepaper"),
    ],
)
def test_a_row_keeps_the_run_of_the_lab_that_it_is_about(known: str, ran: str, kept: str) -> None:
    old = {"claim-same-loopbacks": {"verdict": "PASS", "lab": known, "date": "2026-11-01"}}
    body = {
        "lab": ran, "environment": {"time": "2026-11-27T10:00:00Z"},
        "catalogue": [{"id": "claim-same-loopbacks", "verdict": "PASS"}],
    }  # fmt: skip
    found = merged(old, body, {"claim-same-loopbacks": "coloured-pairs"})["claim-same-loopbacks"]
    assert found["lab"] == kept
    assert (found["date"] == "2026-11-27") == (ran == kept)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "x", "rows": {}}', '{"schema": "labctl.whitepaper-run/v1"}'])
def test_a_file_of_something_else_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read(path)
    assert error.value.code == "unreadable-run"


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "whitepaper.md").read_text(encoding="utf-8")
    assert page == reference(read(ROOT / RUN)), "run `python -m labctl.paper.reference >docs/whitepaper.md`"


def test_the_page_has_every_row_and_its_last_run() -> None:
    run = {"lab": "whitepaper", "date": "2026-11-27", "labctl": "1", "target": {"switch": "standin"},
           "versions": {"calico": "3.20.0"}, "runtime": "embedded", "launcher": "uml", "verdict": "PASS"}  # fmt: skip
    page = reference({"figure-15": run})
    assert all(f"| `{row.id}` |" in page for row in ROWS)
    line = next(text for text in page.splitlines() if text.startswith("| `figure-15`"))
    assert line.endswith("| PASS, whitepaper |")
    assert "| whitepaper | 2026-11-27 | labctl 1 on uml | switch standin | calico 3.20.0 |" in page
