"""What ``up`` and ``verify`` are asked to write is looked at before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.state import lab_state
from tests.unit.cli.conftest import Run


@pytest.mark.parametrize("option", ["--report", "--junit", "--summary"])
def test_nothing_to_report_without_a_verification(run: Run, option: str, tmp_path: Path) -> None:
    done = run("up", "lab.yaml", option, str(tmp_path / "x"), "--no-verify")
    assert done.code == 2
    assert "[no-report]" in done.err


@pytest.mark.parametrize("verb", ["up", "verify"])
@pytest.mark.parametrize("option", ["--junit", "--summary"])
def test_a_file_that_cannot_be_written_is_told_before_anything_runs(run: Run, verb: str, option: str) -> None:
    """And not after ten minutes: there is no such spec, the lab does not run, and it does not come to that."""
    lab_state("nothing").make()
    done = run(verb, "nothing", option, "no/such/folder/x")
    assert done.code == 2
    assert "no/such/folder/x cannot be written" in done.err
    assert "[unwritable]" in done.err


def test_looking_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    lab_state("nothing").make()
    run("verify", "nothing", "--junit", str(tmp_path / "x.xml"))
    assert not (tmp_path / "x.xml").exists()
    assert not list(tmp_path.glob(".new-*"))
