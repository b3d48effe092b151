"""What is meant by a spec: a shipped topology, a file here, standard input, or nothing at all."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

SPEC = "name: mine\ncluster: none\n"
Pipe = Callable[[str], None]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """Standard input, which can be read once."""

    def put(text: str) -> None:
        stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode())))  # type: ignore[arg-type]
        monkeypatch.setattr(sys, "stdin", stream)

    return put


def test_a_shipped_topology_by_its_name(run: Run) -> None:
    done = run("validate", "minimal")
    assert (done.code, done.out.endswith("a valid lab, minimal\n")) == (0, True)
    assert done.err.startswith("minimal: the topology that labctl ships (")
    assert run("generate", "whitepaper-usecases").code == 0
    assert (Path("whitepaper-usecases.lab") / "lab.json").is_file()
    assert run("graph", "minimal").out.startswith("<svg")
    assert run("setup", "images", "list", "minimal").code == 0


def test_a_file_or_folder_here_wins_over_a_shipped_topology(run: Run) -> None:
    Path("minimal").write_text(SPEC)
    done = run("validate", "minimal")
    assert done.out == "minimal: a valid lab, mine\n"
    assert done.err == "note: minimal is the file here, not the topology that labctl ships\n"
    Path("fabric").mkdir()
    assert "note: fabric is the folder here" in run("generate", "fabric").err


def test_standard_input(run: Run, pipe: Pipe) -> None:
    pipe(run("init", "-", "--name", "piped").out)
    assert run("validate", "-").out == "<stdin>: a valid lab, piped\n"
    pipe(SPEC)
    assert run("generate", "-").code == 0
    assert Path("mine.lab/lab.json").is_file()
    pipe(SPEC)
    assert run("graph", "-", "--format", "mermaid").code == 0
    pipe("name: mine\nfabrik: {}\n")
    done = run("validate", "-")
    assert (done.code, done.err.startswith("error: <stdin>:2:1: unknown key fabrik [unknown-key]")) == (2, True)


def test_up_reads_standard_input(run: Run, pipe: Pipe) -> None:
    """As far as a host without a guest image comes: the spec was read, all the ways that up looks at it."""
    pipe(SPEC)
    done = run("up", "-")
    assert (done.code, "[not-prepared]" in done.err) == (4, True)
    pipe("name: mine\nfabrik: {}\n")
    assert "<stdin>:2:1" in run("up", "-").err


def test_a_folder_is_not_written_to_standard_output(run: Run) -> None:
    done = run("generate", "minimal", "-o", "-")
    assert (done.code, "[folder-to-stdout]" in done.err) == (2, True)
    assert not Path("-").exists()


def test_a_file_called_dash_is_named_with_its_folder(run: Run) -> None:
    Path("-").write_text(SPEC)
    assert run("validate", "./-").out.endswith("/-: a valid lab, mine\n")


def test_the_one_spec_of_the_folder_is_meant(run: Run) -> None:
    Path("lab.yaml").write_text(SPEC)
    Path("compose.yaml").write_text("name: x\nservices: {}\n")
    Path("pod.yml").write_text("apiVersion: v1\nkind: Pod\n")
    done = run("validate")
    assert (done.code, done.out, done.err) == (
        0,
        "lab.yaml: a valid lab, mine\n",
        "lab.yaml: the spec of this folder\n",
    )
    assert run("generate").code == run("graph").code == 0
    assert "[not-prepared]" in run("up").err
    Path("other.yml").write_text("name: other\n")
    done = run("up")
    assert (done.code, "name one of lab.yaml, other.yml" in done.err) == (2, True)


def test_a_spec_that_is_broken_is_still_the_one_of_the_folder(run: Run) -> None:
    Path("lab.yaml").write_text("name: [\n")
    assert run("validate").err.startswith("lab.yaml: the spec of this folder\nerror: lab.yaml:")


def test_an_artifact_folder_means_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("generate", "minimal").code == 0
    monkeypatch.chdir("minimal.lab")
    assert run("validate").out == ".: a valid lab, minimal\n"


def test_nothing_here(run: Run) -> None:
    done = run("up")
    assert (done.code, "[which-spec]" in done.err, "labctl up whitepaper" in done.err) == (2, True, True)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("whitepapr", "did you mean whitepaper?"),
        ("mylb.yaml", "did you mean mylab.yaml?"),
        ("wp.yaml", "labctl ships coloured-pairs, fabric, minimal, whitepaper, whitepaper-usecases"),
    ],
)
@pytest.mark.parametrize("verb", ["validate", "generate", "up", "images", "doctor"])
def test_what_is_not_there(run: Run, typed: str, hint: str, verb: str) -> None:
    for name in ("mylab.yaml", "empty.yaml"):
        Path(name).write_text(SPEC)
    done = run(verb, typed, *(["--runtime", "containerlab"] if verb == "doctor" else []))
    assert done.code == 2
    assert f"error: there is no file or folder {typed} [no-such-file]\n  hint: {hint}\n" in done.err
