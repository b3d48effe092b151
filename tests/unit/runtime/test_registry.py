"""A runtime is its package and one line: nothing else asks which one it is."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator

import pytest

from labctl.errors import UsageError
from labctl.runtime.api import Runtime
from labctl.runtime.select import RUNTIMES, host_of, made_with, new_runtime, runtime_class, runtime_for, runtime_of
from labctl.state import lab_state
from tests.conftest import ROOT
from tests.unit.cli.conftest import Run, run  # noqa: F401 - a fixture
from tests.unit.runtime.fakeruntime import PaperRuntime, register

CAPABILITIES = ("name", "images", "reached", "kept", "limit")


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Registered, and verbs that were imported before read the registry anew."""
    monkeypatch.setattr(PaperRuntime, "made", [])
    for name in [name for name in sys.modules if name in ("labctl.cli.verbs.run", "labctl.cli.verbs.host")]:
        monkeypatch.delitem(sys.modules, name)
    before = dict(RUNTIMES)
    register()
    yield "paper"
    RUNTIMES.clear()
    RUNTIMES.update(before)
    for name in ("labctl.cli.verbs.run", "labctl.cli.verbs.host"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", list(RUNTIMES))
def test_what_is_registered_has_all_that_is_asked(name: str) -> None:
    kind = runtime_class(name)
    assert kind.name == name
    assert [ability for ability in CAPABILITIES if ability not in dir(kind)] == []
    assert [method for method in vars(Runtime) if not method.startswith("_") and method not in dir(kind)] == []
    assert {"topology_reader", "examine", "ensure"} <= set(dir(host_of(name)))


def test_one_that_is_none() -> None:
    with pytest.raises(UsageError, match="there is no runtime virtualbox") as caught:
        runtime_class("virtualbox")
    assert caught.value.hint == f"one of {', '.join(RUNTIMES)}"


def test_which_is_taken_for_the_parts_of_a_target(paper: str) -> None:
    """The first that can; before all the one that the lab has."""
    assert runtime_for(()) == runtime_for(("standin", "none")) == next(iter(RUNTIMES))
    assert runtime_for(("n9kv", "standin")) == "containerlab"
    assert runtime_for(("n9kv", "kind"), has=paper) == runtime_for((), has=paper) == paper
    assert runtime_for(("standin", "kind"), has="embedded") == "containerlab", "embedded has no images"


def test_a_new_one_is_used_by_every_verb(run: Run, paper: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """``up`` boots with it and takes its limit, ``status`` and ``down`` find it again, ``doctor`` judges for it."""
    monkeypatch.setenv("LABCTL_SWITCH_PASSWORD", "chosen")
    assert json.loads(run("doctor", "--runtime", paper, "--json").out)["pencils"] == 1
    target = ("--target", "switch=n9kv,cluster=standin")
    done = run("up", "whitepaper", "--runtime", paper, *target, "--image", "leaf=my/leaf:1")
    assert (done.code, "error: paper does not boot [only-paper]" in done.err) == (5, True), done.err
    name, launcher, login = PaperRuntime.made[0]
    assert (name, launcher, login and login.password) == ("whitepaper", "auto", "chosen")
    state = lab_state("whitepaper")
    assert not state.exists, "its nodes are not worth a look, and nothing was pushed"
    state.make()
    state.runtime_file.write_text('{"runtime": "paper"}')
    assert (made_with(state), runtime_of(state).name, new_runtime(state, paper, "auto").name) == (paper,) * 3
    assert json.loads(run("status", "--all", "--json").out)[0]["runtime"] == paper
    told = run("status", "whitepaper").out
    assert "it is drawn" in told
    assert "from here they are not reached" not in told
    again = run("up", "whitepaper", "--runtime", "embedded")
    assert "was made with the paper runtime [other-runtime]\n  hint: --runtime paper goes on with it" in again.err
    assert run("down", "whitepaper").code == 0


OTHER_THINGS = {
    "part != 'containerlab'": "the key of a target, whose value is the version of a program",
    "'containerlab' not in _labels(own)": "a label of Docker's",
    "'containerlab' in _labels(one)": "a label of Docker's",
}
"""Comparisons with a word that is a runtime's name, too."""


def test_nothing_compares_the_name_of_a_runtime() -> None:
    """Nor reaches around the protocol: what it can is asked of its attributes."""
    own = tuple(
        f"labctl/{place}" for place in (*(f"runtime/{name}" for name in RUNTIMES), "runtime/select.py", "standin")
    )
    places = [
        path for path in sorted((ROOT / "labctl").rglob("*.py")) if not str(path.relative_to(ROOT)).startswith(own)
    ]
    found = [
        f"{path.relative_to(ROOT)}: {code}" for path in places for code in asked_by_name(ast.parse(path.read_text()))
    ]
    assert found == []


def asked_by_name(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        code = ast.unparse(node) if isinstance(node, ast.Compare | ast.Call | ast.Assign) else ""
        if isinstance(node, ast.Compare) and names_in(node) and code not in OTHER_THINGS:
            yield code
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value in RUNTIMES:
            yield code
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and "runtime" in code:
            yield code


def names_in(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and one.value in RUNTIMES}


def test_the_search_finds_what_it_looks_for() -> None:
    code = "if runtime.name != 'embedded': pass\nNAME = 'containerlab'\ngetattr(opened.runtime, 'pids', dict)()\n"
    assert len(list(asked_by_name(ast.parse(code + "x in ('embedded', 'y')\n")))) == 4
