"""Reading what a verification left: whole, cut short, damaged, hostile. Never a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ExitCode, InconclusiveError, LabctlError, SpecError, UsageError
from labctl.report.evidencefolder import EvidenceDocument, evidence_schema, read_evidence
from tests.evidencekeys import unknown_keys
from tests.unit.report.evidence import write_evidence


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_evidence(tmp_path / "evidence")


def edit(folder: Path, change: Any) -> None:
    file = folder / "evidence.json"
    body = json.loads(file.read_text())
    change(body)
    file.write_text(json.dumps(body))


def test_what_is_written_is_read(folder: Path) -> None:
    found = read_evidence(folder)
    assert found.body["verdict"] == "FAIL"
    assert len(list(found.checks)) == 6
    assert found.missing == ()
    assert found.lab == folder / "lab"


def test_the_model_knows_every_key_that_is_written(folder: Path) -> None:
    body = json.loads((folder / "evidence.json").read_text())
    document = EvidenceDocument.model_validate(body)
    assert unknown_keys(document) == []
    assert document.model_dump(by_alias=True, exclude_unset=True) == body
    body["scenarios"][0]["checks"][1]["mood"] = body["files"]["lab.json"]["size"] = 5
    assert unknown_keys(EvidenceDocument.model_validate(body)) == ["size", "mood"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("verdict",), "pass", "verdict: Input should be 'PASS', 'FAIL' or 'INCONCLUSIVE'"),
        (("scenarios",), None, "scenarios: Input should be a valid list"),
        (("scenarios", 0, "checks", 1, "verdict"), None, "scenarios.0.checks.1.verdict"),
        (("scenarios", 0, "seconds"), "long", "scenarios.0.seconds"),
        (("scenarios", 0, "seconds"), -1, "scenarios.0.seconds: Input should be greater than or equal to 0"),
        (("scenarios", 0, "checks", 0, "commands"), [5], "scenarios.0.checks.0.commands.0"),
        (("files", "lab.json", "sha256"), "abc", "files.lab.json.sha256: String should match pattern"),
        (("catalogue",), [{"id": "figure-1", "kind": "joke", "title": ""}], "catalogue.0.kind"),
    ],
)
def test_what_is_no_evidence_is_refused_with_its_place(folder: Path, path: Any, value: Any, words: str) -> None:
    def change(body: Any) -> None:
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = value

    edit(folder, change)
    with pytest.raises(SpecError) as caught:
        read_evidence(folder)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.place is not None
    assert problem.place.file == str(folder / "evidence.json")


def test_all_problems_at_once_but_not_thousands(folder: Path) -> None:
    edit(folder, lambda body: body.update(lab=5, verdict="no", scenarios=[{}] * 50))
    with pytest.raises(SpecError) as caught:
        read_evidence(folder)
    words = [problem.message for problem in caught.value.problems]
    assert words[0].startswith("lab: ")
    assert len(words) == 21
    assert words[-1].startswith("and ")


def test_keys_that_a_newer_labctl_wrote_are_kept(folder: Path) -> None:
    edit(folder, lambda body: body.update(mood="good"))
    assert read_evidence(folder).body["mood"] == "good"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('{"schema": "labctl.evidence/v1",\n "lab": ', "json-syntax", "this is no JSON"),
        ("", "json-syntax", "this is no JSON"),
        ("[" * 100_000, "json-syntax", "nested too deeply"),
        ("[]", "wrong-schema", "schema None"),
        ('{"schema": "labctl.evidence/v9"}', "wrong-schema", "'labctl.evidence/v9', not 'labctl.evidence/v1'"),
        (b"\xff\xfe", "unreadable", "cannot be read"),
    ],
)
def test_broken_files(folder: Path, text: str | bytes, code: str, words: str) -> None:
    (folder / "evidence.json").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SpecError) as caught:
        read_evidence(folder)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert words in caught.value.problems[0].message
    assert "evidence.json" in caught.value.render()


def test_a_syntax_error_has_line_and_column(folder: Path) -> None:
    (folder / "evidence.json").write_text('{"schema": "labctl.evidence/v1",\n "lab": oops}')
    with pytest.raises(SpecError) as caught:
        read_evidence(folder)
    assert str(caught.value.problems[0].place).endswith("evidence.json:2:9")


def test_a_verification_that_was_cut_short(folder: Path) -> None:
    (folder / "evidence.json").unlink()
    with pytest.raises(InconclusiveError) as caught:
        read_evidence(folder)
    error = caught.value
    assert (error.code, error.exit_code) == ("evidence-incomplete", ExitCode.INCONCLUSIVE)
    assert "(1 answers and 4 captures are there)" in error.message
    assert error.next_command == "labctl verify whitepaper"
    (folder / "lab" / "lab.json").write_text('{"name": "x; rm"}')
    with pytest.raises(InconclusiveError, match="did not come to its end") as caught:
        read_evidence(folder)
    assert caught.value.next_command == "labctl verify LAB"


@pytest.mark.parametrize("kind", ["nothing", "file", "empty"])
def test_no_evidence_at_all(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("")
    elif kind == "empty":
        path.mkdir()
    with pytest.raises(UsageError) as caught:
        read_evidence(path)
    assert caught.value.code == "no-evidence"
    assert caught.value.next_command == "labctl status --all"


def test_files_that_are_not_there(folder: Path) -> None:
    (folder / "captures" / "curl.web.leaf2102.pcap").unlink()
    shutil.rmtree(folder / "commands")
    shutil.rmtree(folder / "lab")
    found = read_evidence(folder)
    assert set(found.missing) == {
        "captures/curl.web.leaf2102.pcap", "commands/leaf2101__show-port-channel-summary-json.txt",
    }  # fmt: skip
    assert found.lab is None


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "commands/../../secret", "a\0b", "link", "x" * 5000, ""]
)
def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("x")
    (folder / "link").symlink_to(folder.parent / "secret")
    found = read_evidence(folder)
    assert found.file(name) is None
    assert found.read(name) is None


def test_the_schema_is_that_of_the_model() -> None:
    schema = json.loads(evidence_schema())
    assert schema["title"] == "labctl.evidence/v1"
    assert schema["properties"]["schema"]["const"] == "labctl.evidence/v1"
    assert set(schema["required"]) == {
        "schema", "lab", "verdict", "sentence", "seconds", "environment", "scenarios",
    }  # fmt: skip


def test_every_error_is_one_of_labctls(folder: Path) -> None:
    """Whatever the file holds."""
    file = folder / "evidence.json"
    whole = file.read_text()
    for end in range(0, len(whole), 997):
        file.write_text(whole[:end])
        with pytest.raises(LabctlError):
            read_evidence(folder)
