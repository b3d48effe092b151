"""What the shell is offered: verbs, names of labs, nodes of the lab that was typed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from labctl.cli.main import cli
from labctl.cli.sources import folder_of
from tests.conftest import ROOT

NODES = {"leaf2101": {"kind": "switch"}, "node01": {"kind": "kube-node"}, "node02": {"kind": "kube-node"}}


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path))
    folder = tmp_path / "labs" / "paper" / "folder"
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text(json.dumps({"nodes": NODES}))
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "bond-member.yaml").write_text("")


@pytest.mark.parametrize(
    ("typed", "begun", "offered"),
    [
        ([], "ver", ["verify", "version"]),
        (["ssh"], "pa", ["paper"]),
        (["ssh", "paper"], "", ["leaf2101"]),
        (["exec", "paper"], "node", ["node01", "node02"]),
        (["capture", "paper"], "leaf", ["leaf2101:"]),
        (["logs", "paper"], "node02", ["node02"]),
        (["down"], "p", ["paper"]),
        (["verify", "paper", "--scenario"], "ping", ["ping", "ping-ipip"]),
        (["ssh", "other"], "", []),
        (["ssh"], "leaf", ["leaf2101"]),
        (["exec"], "node0", ["node01", "node02"]),
        (["verify", "--scenario"], "bond", ["bond-member"]),
        (["verify", "paper", "--scenario"], "bond", ["bond-member"]),
        (["up"], "min", ["minimal"]),
        (["up", "--target"], "switch=n9kv,", ["switch=n9kv,cluster=standin", "switch=n9kv,cluster=kind"]),
        (["generate", "--image"], "sp", ["spine="]),
        (["completion"], "z", ["zsh"]),
        (["inventory", "--format"], "an", ["ansible"]),
    ],
)
def test_offered(typed: list[str], begun: str, offered: list[str]) -> None:
    found = BashComplete(cli, {}, "labctl", "_LABCTL_COMPLETE").get_completions(typed, begun)
    assert [item.value for item in found] == offered


@pytest.fixture
def bash(tmp_path: Path) -> Callable[..., list[str]]:
    """What a real bash is offered: its words as it cuts them, the last one is at the cursor."""
    script = CliRunner().invoke(cli, ["completion", "bash"]).stdout
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "labctl").write_text(f'#!/bin/sh\nexec {sys.executable} -m labctl "$@"\n')
    (tmp_path / "bin" / "labctl").chmod(0o755)

    def offered(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in ("labctl", *words))
        lines = f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words)}; COMPREPLY=()\n"
        done = subprocess.run(
            ["bash", "-c", lines + "_labctl_completion labctl 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\""],
            capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        )  # fmt: skip
        return done.stdout.split()

    return offered


def test_bash_completes_behind_a_colon_and_an_equals_sign(bash: Callable[..., list[str]], tmp_path: Path) -> None:
    """bash cuts words there, and replaces what stands behind the last cut alone."""
    with folder_of(ROOT / "topologies" / "minimal.yaml") as folder:
        shutil.copytree(folder, tmp_path / "labs" / "mini" / "folder")
    assert bash("capture", "mini", "leaf101", ":", "port")[0] == "port-channel11"
    assert bash("capture", "mini", "leaf101", ":")[0].startswith("Ethernet1/")
    assert "bond0" in bash("capture", "mini", "node01", ":", "")
    assert bash("up", "--target", "switch", "=", "n9kv,cluster", "=", "k") == ["kind"]
    assert bash("capture", "mini", "leaf10") == ["leaf101:", "leaf102:"]


def test_scripts_for_three_shells() -> None:
    for shell, text in (("bash", "complete -o nosort"), ("zsh", "#compdef labctl"), ("fish", "complete --no-files")):
        done = CliRunner().invoke(cli, ["completion", shell])
        assert (done.exit_code, text in done.stdout) == (0, True)
    assert CliRunner().invoke(cli, ["completion", "tcsh"]).exit_code == 2
