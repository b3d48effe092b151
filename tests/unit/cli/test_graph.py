"""``labctl graph``: of a spec, a folder or a lab; what it cannot draw it says."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.rendered import rendered_folder
from tests.unit.cli.conftest import Run

FOLDER = rendered_folder("minimal-standin-fabric")


def test_a_spec_and_its_folder_are_drawn_alike(run: Run, topologies: Path) -> None:
    assert run("generate", str(topologies / "minimal.yaml"), "-o", "made").code == 0
    spec, folder = run("graph", str(topologies / "minimal.yaml")), run("graph", "made")
    assert spec.code == folder.code == 0
    assert spec.out.startswith("<svg ")
    assert spec.out == folder.out


def test_mermaid_without_sessions_into_a_file(run: Run, tmp_path: Path) -> None:
    done = run("graph", str(FOLDER), "--format", "mermaid", "--no-bgp", "-o", "lab.mmd")
    assert (done.code, done.out, done.err) == (0, "", "drawn in lab.mmd\n")
    text = (tmp_path / "here" / "lab.mmd").read_text()
    assert "flowchart TB" in text
    assert "eth1" in text
    assert "BGP" not in text


@pytest.fixture
def lab(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab called paper that runs, and whose nodes do not answer."""
    shutil.copytree(FOLDER, tmp_path / "state" / "labs" / "paper" / "folder")
    monkeypatch.setattr("labctl.runtime.select.runtime_of", lambda _state: SimpleNamespace(endpoints=lambda: None))

    @contextmanager
    def observing(_state: Any, _endpoints: Any) -> Any:
        from labctl.verify.observer import Unanswered

        def silent(*_question: Any) -> Any:
            raise Unanswered("no route to host")

        yield SimpleNamespace(ask=silent, list=silent)

    monkeypatch.setattr("labctl.engine.proving.observing", observing)


@pytest.mark.usefixtures("lab")
def test_a_lab_is_drawn_out_of_its_folder(run: Run) -> None:
    assert run("graph", "paper").out == run("graph", str(FOLDER)).out


@pytest.mark.usefixtures("lab")
def test_a_folder_of_the_same_name_that_is_no_lab_of_ours_hides_no_lab(run: Run, tmp_path: Path) -> None:
    (tmp_path / "here" / "paper").mkdir()
    assert run("graph", "paper").code == 0


@pytest.mark.usefixtures("lab")
def test_nodes_that_do_not_answer_are_drawn_as_not_known(run: Run) -> None:
    done = run("graph", "paper", "--live")
    assert done.code == 0
    assert "leaf101 did not answer: no route to host" in done.err
    assert done.out.count('class="sign unknown"') > 20
    assert done.out.count('class="sign up"') == 1  # in the legend


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nolab",), "no-such-lab"),
        (("a/b.yaml",), "no-such-file"),
        (("lab.yaml",), "no-such-file"),
        ((".",), "no-folder"),
        ((str(FOLDER), "--live"), "live-needs-a-lab"),
        ((str(FOLDER), "--target", "switch=n9kv"), "usage"),
        ((str(FOLDER), "-o", "nowhere/x.svg"), "bad-path"),
    ],
)
def test_what_it_cannot_do_it_says(run: Run, arguments: tuple[str, ...], code: str) -> None:
    done = run("graph", *arguments)
    assert done.code == 2
    assert f"[{code}]" in done.err
    assert done.out == ""
