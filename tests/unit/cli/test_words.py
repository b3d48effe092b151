"""The words that a newcomer types: groups of help, examples that work, what other tools call things, versions."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from labctl import __version__
from labctl.cli.main import cli
from labctl.cli.words import ELSEWHERE, GROUPS, VERBS
from labctl.shipped import topologies
from tests.unit.cli.conftest import Run

LINE = re.compile(r"^  (labctl .*)$", re.MULTILINE)


def verbs() -> dict[str, click.Command]:
    context = click.Context(cli)
    return {name: command for name in VERBS if (command := cli.get_command(context, name)) is not None}


def test_help_has_every_verb_in_one_group(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert sum(map(len, GROUPS.values())) == len(VERBS)
    for title, group in GROUPS.items():
        part = done.out.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in part.splitlines() if not line.startswith("   ")] == list(group)


def test_help_imports_no_verb() -> None:
    code = (
        "import sys; from labctl.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([name for name in sys.modules if name in ('yaml', 'pydantic')"
        " or name.startswith('labctl.cli.verbs.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("report", "calico", "completion")])
def test_a_verb_has_an_example_in_its_help(run: Run, verb: str) -> None:
    assert re.search(rf"^  labctl {verb}\b", run(verb, "--help").out, re.MULTILINE)


def test_every_example_can_be_typed(run: Run) -> None:
    """Read by the verb's own parser; what it names as a spec is shipped, or made by the example before."""
    found = LINE.findall(run("--help").out)
    for name in verbs():
        found += LINE.findall(run(name, "--help").out)
    assert len(found) > 30
    for line in found:
        for command in re.split(r" \| | && |; | > \S+", re.sub(r"  +.*", "", line)):
            words = command.split()
            if words[:1] != ["labctl"]:
                continue
            if words[1] == "help":
                words = ["labctl", *words[2:], "--help"]
            context = click.Context(cli)
            verb = cli.get_command(context, words[1])
            assert verb is not None, line
            verb.make_context(words[1], words[2:], parent=context, resilient_parsing=True)
            if words[1] in ("validate", "generate", "up", "graph") and len(words) > 2 and words[2][0] != "-":
                assert words[2] in (*topologies(), "lab.yaml"), line


@pytest.mark.parametrize("word", sorted(ELSEWHERE))
def test_words_of_other_tools_lead_to_ours(run: Run, word: str) -> None:
    ours = ELSEWHERE[word][0]
    assert ours.split()[0] in VERBS
    assert word not in VERBS
    done = run(word, "lab.yaml")
    assert done.code == 2
    assert done.err.startswith(f"error: labctl has no {word}: labctl {ours} ")
    assert f"  next: labctl {ours} lab.yaml\n" in done.err


def test_options_of_other_tools_are_not_carried_over(run: Run) -> None:
    assert run("deploy", "-t", "topo.clab.yml").err.endswith("  next: labctl up\n")


def test_a_misspelt_verb(run: Run) -> None:
    done = run("verfy")
    assert (done.code, "hint: did you mean verify?" in done.err) == (2, True)


def test_a_wrong_option_says_how_the_verb_is_used(run: Run) -> None:
    done = run("down", "--foo")
    assert done.code == 2
    assert done.err == (
        "error: no such option '--foo' [usage]\n  hint: labctl down [OPTIONS] [LAB|SPEC]\n  next: labctl down --help\n"
    )


def test_version(run: Run) -> None:
    assert run("--version").out == f"labctl, version {__version__}\n"
    rows = run("version").out.splitlines()
    assert [row.split("  ")[0] for row in rows] == ["PART", "labctl", "guest image", "control plane"]
    body = json.loads(run("version", "--json").out)
    assert (body["schema"], body["labctl"]) == ("labctl.version/v1", __version__)
    assert {part["part"]: part["state"] for part in body["parts"]} == {
        "guest image": "missing",
        "control plane": "missing",
    }


def test_python_dash_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labctl", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == f"labctl, version {__version__}\n"


def test_click_itself_finds_the_verbs() -> None:
    assert CliRunner().invoke(cli, ["up", "--help"]).exit_code == 0
