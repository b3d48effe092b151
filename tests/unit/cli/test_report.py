"""``labctl report``, and what ``verify`` and ``up`` refuse before anything runs."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from labctl.errors import UsageError
from labctl.report.publish import append_text, check_target, publish
from labctl.state import lab_state
from tests.unit.cli.conftest import Run
from tests.unit.report.evidence import write_evidence


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "evidence")


def test_the_page_again(run: Run, evidence: Path) -> None:
    done = run("report", str(evidence))
    assert (done.code, done.out, done.err) == (0, f"{evidence}/index.html\n", "")
    assert "<title>FAIL: whitepaper</title>" in (evidence / "index.html").read_text()


def test_the_page_elsewhere_links_to_the_evidence(run: Run, evidence: Path, tmp_path: Path) -> None:
    assert run("report", str(evidence), "-o", str(tmp_path / "page.html")).code == 0
    assert 'href="evidence/captures/' in (tmp_path / "page.html").read_text()
    assert not (evidence / "index.html").exists()


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("markdown", "## FAIL: whitepaper"),
        ("junit", "<?xml"),
        ("json", "{"),
        ("text", " whitepaper  "),
        ("html", "<!DOC"),
    ],
)
def test_formats(run: Run, evidence: Path, tmp_path: Path, form: str, begins: str) -> None:
    out = run("report", str(evidence), "--format", form, "-o", "-").out
    assert out.startswith(begins)
    run("report", str(evidence), "--format", form, "-o", str(tmp_path / "file"))
    if form != "html":  # its links are relative to where it is
        assert (tmp_path / "file").read_text() == out


def test_json_is_the_evidence(run: Run, evidence: Path) -> None:
    assert json.loads(run("report", str(evidence), "--json").out) == json.loads(
        (evidence / "evidence.json").read_text()
    )


def test_two_runs(run: Run, evidence: Path, tmp_path: Path) -> None:
    better = write_evidence(tmp_path / "better")
    file = better / "evidence.json"
    file.write_text(file.read_text().replace('"FAIL"', '"PASS"'))
    worse = run("report", str(better), str(evidence))
    assert worse.code == 1
    assert "links.port-channel.leaf2101.13: PASS → FAIL" in worse.out
    assert run("report", str(evidence), str(better)).code == 0
    assert run("report", str(evidence), str(evidence)).code == 0
    body = json.loads(run("report", str(better), str(evidence), "--json").out)
    assert (body["schema"], body["worse"]) == ("labctl.comparison/v1", True)
    assert run("report", str(better), str(evidence), "--format", "markdown").out.startswith("## 2 got worse")


@pytest.mark.parametrize("form", ["html", "junit"])
def test_two_runs_are_no_page(run: Run, evidence: Path, form: str) -> None:
    done = run("report", str(evidence), str(evidence), "--format", form)
    assert (done.code, "[format]" in done.err) == (2, True)


def test_json_and_another_format(run: Run, evidence: Path) -> None:
    assert run("report", str(evidence), "--json", "--format", "html").code == 2


@pytest.mark.parametrize(("damage", "code", "word"), [
    (lambda path: (path / "evidence.json").unlink(), 3, "evidence-incomplete"),
    (lambda path: (path / "evidence.json").write_text("{"), 2, "json-syntax"),
    (lambda path: (path / "evidence.json").write_text("{}"), 2, "wrong-schema"),
])  # fmt: skip
def test_damaged(run: Run, evidence: Path, damage: object, code: int, word: str) -> None:
    assert callable(damage)
    damage(evidence)
    for arguments in ((str(evidence),), (str(evidence), str(evidence))):
        done = run("report", *arguments)
        assert (done.code, done.out) == (code, "")
        assert f"[{word}]" in done.err
        assert "next: labctl verify " in done.err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing-there", "next: labctl status --all"),
        ("demos", "hint: did you mean demo?"),
        (".", "next: labctl status --all"),
        ("demo", "lab demo was never verified [no-evidence]\n  next: labctl verify demo"),
    ],
)
def test_no_evidence(run: Run, tmp_path: Path, given: str, message: str) -> None:
    (tmp_path / "state" / "labs" / "demo" / "evidence").mkdir(parents=True)
    done = run("report", given)
    assert done.code == 2
    assert "[no-evidence]" in done.err
    assert message in done.err


def test_what_is_missing_is_said(run: Run, evidence: Path) -> None:
    (evidence / "captures" / "curl.web.leaf2102.pcap").unlink()
    done = run("report", str(evidence))
    assert done.code == 0
    assert done.err == f"missing in {evidence}: captures/curl.web.leaf2102.pcap\n"


def test_the_newest_of_a_lab(run: Run, tmp_path: Path) -> None:
    state = tmp_path / "state" / "labs" / "demo"
    write_evidence(state / "evidence")
    (state / "journal.jsonl").write_text("")
    assert run("report", "demo").out.endswith("labs/demo/evidence/index.html\n")


def test_a_file_that_cannot_be_written(run: Run, evidence: Path) -> None:
    done = run("report", str(evidence), "-o", "/proc/nothing/page.html")
    assert (done.code, "[unwritable]" in done.err) == (2, True)


def test_published_is_whole_and_readable_by_others(evidence: Path, tmp_path: Path) -> None:
    page = publish(evidence, tmp_path / "a" / "report")
    there = {path.relative_to(page.parent) for path in page.parent.rglob("*") if path.is_file()}
    assert there == {path.relative_to(evidence) for path in evidence.rglob("*") if path.is_file()} | {
        Path("index.html")
    }
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in page.parent.rglob("*")}
    assert modes == {0o044, 0o055}


def test_an_older_report_is_replaced(evidence: Path, tmp_path: Path) -> None:
    target = tmp_path / "report"
    publish(evidence, target)
    (target / "captures" / "old.pcap").write_text("")
    (target / "mine.txt").write_text("a person's own")
    publish(evidence, target)
    assert not (target / "captures" / "old.pcap").exists()
    assert (target / "mine.txt").exists()


@pytest.mark.parametrize("kind", ["file", "other"])
def test_nothing_of_anybody_else_is_overwritten(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("x")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("x")
    with pytest.raises(UsageError) as caught:
        check_target(target)
    assert caught.value.code == "report-folder"


def test_refused_before_anything_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here" / "thesis.txt").write_text("x")
    lab_state("dead").make()
    for arguments in (("verify", "dead", "--report", "."), ("up", "whitepaper.yaml", "--report", ".")):
        done = run(*arguments)
        assert (done.code, "[report-folder]" in done.err) == (2, True), done.err
    done = run("up", "whitepaper.yaml", "--report", "new", "--no-verify")
    assert (done.code, "[no-report]" in done.err) == (2, True)


def test_a_summary_goes_behind_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    append_text(file, "one\n")
    append_text(file, "two\n")
    assert file.read_text() == "one\ntwo\n"
    with pytest.raises(UsageError, match="cannot be written"):
        append_text(tmp_path, "x")
