"""The verbs of labctl 0.1 go on for a release: each does what the new words do, and says them on stderr alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import BashComplete

from labctl.cli.main import cli
from labctl.cli.words import RENAMED, VERBS, WAYS_BACK, renamed
from labctl.journal import Journal
from labctl.paper.catalogue import ROWS
from labctl.restore.changes import ENTRY
from tests.unit.cli.conftest import Here, Run

OLD: list[tuple[str, str]] = [
    ("calico status", "status --bgp"),
    ("calico status lab node01 --json", "status --bgp lab node01 --json"),
    ("console lab leaf1", "ssh --console lab leaf1"),
    ("figures", "report --paper"),
    ("figures lab --record run.json --json", "report --paper lab --record run.json --json"),
    ("heal lab --json", "repair --only faults lab --json"),
    ("images", "setup images list"),
    ("images lab.yaml --target switch=n9kv --image leaf=a:1 --json",
     "setup images list lab.yaml --target switch=n9kv --image leaf=a:1 --json"),
    ("images list lab.yaml", "setup images list lab.yaml"),
    ("images load a.tar --lab lab --json", "setup images load a.tar --lab lab --json"),
    ("images --help", "setup images --help"),
    ("kubeconfig lab", "kubectl --print-kubeconfig lab"),
    ("kubeconfig --show lab", "kubectl --print-kubeconfig --show lab"),
    ("list --json", "status --all --json"),
    ("list --past lab --json", "status --past lab --json"),
    ("rebuild lab leaf1", "repair lab --rebuild leaf1"),
    ("rebuild leaf1", "repair --rebuild leaf1"),
    ("rebuild --help", "repair --help"),
    ("record lab -o out --push", "save --test-case lab -o out --push"),
    ("recover lab node01", "repair --only nodes lab node01"),
    ("watch lab --interval 1 --once --json", "status --watch lab --interval 1 --once --json"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), OLD)
def test_old_words_are_new_ones(old: str, new: str) -> None:
    """And the verb that they lead to reads them all."""
    word, *rest = old.split()
    assert renamed(word, rest) == new.split()
    verb: Any = cli
    words = new.split()
    context = click.Context(cli, **cli.context_settings)
    while isinstance(verb, click.Group) and words != ["--help"]:
        context = click.Context(verb, info_name="labctl", parent=context)
        verb = verb.get_command(context, words.pop(0))
        assert verb is not None, new
    if "--help" not in words:
        verb.make_context("labctl", words, parent=context, resilient_parsing=True)


def test_every_old_word_is_tried_and_hidden(run: Run) -> None:
    assert {old.split()[0] for old, _ in OLD} == set(RENAMED)
    assert not set(RENAMED) & set(VERBS)
    assert len(VERBS) <= 22
    page = run("--help").out
    assert not [word for word in RENAMED if f"  {word} " in page]
    offered = BashComplete(cli, {}, "labctl", "_LABCTL_COMPLETE").get_completions([], "")
    assert [item.value for item in offered] == list(VERBS)


@pytest.mark.parametrize("word", sorted(RENAMED))
def test_an_old_word_says_the_new_one_once(run: Run, word: str) -> None:
    done = run(word, "--help")
    assert done.code == 0
    assert done.err.splitlines() == [f"note: labctl {word} is now: labctl {' '.join(renamed(word, ['--help']))}"]


def test_old_words_do_what_they_did(run: Run, here: Here) -> None:
    """Their results are those of the new words; the hint is not among them."""
    here.state.kubeconfig.write_text("apiVersion: v1\n")
    for old, new in (
        ("list", "status --all"),
        ("list --past", "status --past"),
        ("kubeconfig", "kubectl --print-kubeconfig"),
        ("kubeconfig --show whitepaper", "kubectl --print-kubeconfig --show whitepaper"),
        ("kubeconfig", "kubectl whitepaper --print-kubeconfig"),
        ("heal", "repair --only faults"),
        ("recover whitepaper", "repair --only nodes whitepaper"),
    ):
        before, now = run(*old.split()), run(*new.split())
        assert before.code == now.code == 0, old
        assert before.out == now.out, old
        assert (len(before.err.splitlines()), now.err) == (1, ""), old
    assert json.loads(run("list", "--json").out)[0]["name"] == "whitepaper"
    assert len(json.loads(run("figures", "--json").out)) == len(ROWS)


def test_completion_goes_on_behind_old_words(run: Run, here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    found = BashComplete(cli, {}, "labctl", "_LABCTL_COMPLETE").get_completions(["recover", "whitepaper"], "node0")
    assert [item.value for item in found] == ["node01", "node02"]
    assert capsys.readouterr().err == ""


# --- help -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_help_of_a_verb(run: Run, verb: str) -> None:
    assert run("help", verb).out == run(verb, "--help").out


def test_help_alone_and_of_a_word_that_is_none(run: Run) -> None:
    assert run("help").out == run("--help").out
    assert run("help", "nonsense").code == 2


@pytest.mark.parametrize("verb", ["repair", "reset"])
def test_help_says_which_way_back_is_for_what(run: Run, verb: str) -> None:
    ways = run("help", verb).out.partition("Which way back is for what:\n")[2]
    assert [line.split()[1] for line in ways.splitlines()] == ["reset", "repair", "repair", "up", "down,"]
    assert all(line.strip() in WAYS_BACK for line in ways.splitlines())


# --- repair -----------------------------------------------------------------------------------------------------


def test_repair_of_a_whole_lab(run: Run, here: Here) -> None:
    assert run("repair").out == "nothing of lab whitepaper is to be repaired\n"
    body = json.loads(run("repair", "whitepaper", "--json").out)
    assert (body["healed"], body["recovered"]) == ([], [])


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the engine was asked, in its order."""
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        "labctl.engine.repair.recover", lambda _s, _r, node, _say: asked.append(("nodes", node)) or (node or "node01",)
    )
    monkeypatch.setattr("labctl.engine.proving.heal", lambda *_: asked.append(("faults", None)) or ["mine.cut"])
    monkeypatch.setattr(
        "labctl.engine.repair.rebuild", lambda _s, _r, name, _say: asked.append(("switch", name)) or "200 lines"
    )
    return asked


@pytest.mark.parametrize(
    ("typed", "asked", "told"),
    [
        ("", [("faults", None), ("nodes", None)], "healed mine.cut\nrecovered node01\n"),
        ("whitepaper node02", [("nodes", "node02")], "recovered node02\n"),
        ("node02", [("nodes", "node02")], "recovered node02\n"),
        ("--only nodes", [("nodes", None)], "recovered node01\n"),
        ("--only faults", [("faults", None)], "healed mine.cut\n"),
        ("--rebuild leaf2101", [("switch", "leaf2101")], "leaf2101 is new: 200 lines\n"),
    ],
)
def test_what_repair_does(
    run: Run, here: Here, done: list[tuple[str, Any]], typed: str, asked: list[tuple[str, Any]], told: str
) -> None:
    Journal(here.state.journal).write(ENTRY, "mine.cut", "begun")
    ran = run("repair", *typed.split())
    assert (ran.code, done, ran.out) == (0, asked, told), ran.err


@pytest.mark.parametrize(
    "typed", ["node01 --rebuild leaf2101", "--only nodes --rebuild leaf2101", "node01 --only faults"]
)
def test_what_does_not_go_together(run: Run, here: Here, done: list[tuple[str, Any]], typed: str) -> None:
    assert (run("repair", "whitepaper", *typed.split()).code, done) == (2, [])


@pytest.mark.parametrize(
    "typed",
    ["status --all --past", "status whitepaper --all", "status whitepaper --once", "status whitepaper node01",
     "report --record x", "report --paper a b", "report", "save --push", "ssh whitepaper leaf2101 --console -- x"],
)  # fmt: skip
def test_options_of_taken_in_verbs_that_do_not_go_together(run: Run, here: Here, typed: str) -> None:
    done = run(*typed.split())
    assert (done.code, done.out) == (2, ""), done.err
    assert Path("x").exists() is False
