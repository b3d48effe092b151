"""What is probably not meant is said, by every verb that renders a spec, and stops none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.cli.upsource import from_spec

Run = Callable[..., Any]


TEXT = "name: lab\nscenarios: []\n"
SAID = """\
lab.yaml:2:12: warning: no scenario is listed: nothing is proven [nothing-proven]
  2 | scenarios: []
    |            ^
  hint: leave it out for all
"""
ROW = {"code": "nothing-proven", "message": "no scenario is listed: nothing is proven", "hint": "leave it out for all",
       "file": "lab.yaml", "line": 2, "column": 12}  # fmt: skip


def test_validate_and_generate_warn_on_stderr_and_pass(run: Run) -> None:
    Path("lab.yaml").write_text(TEXT)
    for verb in ("validate", "generate"):
        done = run(verb, "lab.yaml")
        assert (done.code, done.err) == (0, SAID)
        assert json.loads(run(verb, "lab.yaml", "--json").out)["warnings"] == [ROW]


def test_up_warns_and_keeps_the_rows_for_its_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab.yaml").write_text(TEXT)
    source = from_spec(Path("lab.yaml"), "embedded", None, (), None)
    assert SAID in capsys.readouterr().err
    assert [warning.as_dict() for warning in source.warnings] == [ROW]


def test_a_warning_stands_beside_what_is_wrong_and_is_not_counted(run: Run) -> None:
    Path("lab.yaml").write_text(TEXT + "extra: 1\n")
    done = run("validate", "lab.yaml")
    assert done.code == 2
    assert SAID in done.err
    assert "1 problem\n" in done.err
    said = json.loads(run("validate", "lab.yaml", "--json").out)
    assert [row["code"] for row in said["problems"]] == ["unknown-key"]
    assert said["warnings"] == [ROW]


def test_a_spec_that_is_as_meant_has_no_warnings(run: Run) -> None:
    Path("lab.yaml").write_text("name: lab\n")
    done = run("validate", "lab.yaml", "--json")
    assert (done.err, json.loads(done.out)) == ("", {"valid": True, "name": "lab", "problems": [], "warnings": []})
