"""What the shell is offered: verbs, names of labs, nodes of the lab that was typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from labctl.cli.main import cli

NODES = {"leaf2101": {"kind": "switch"}, "node01": {"kind": "kube-node"}, "node02": {"kind": "kube-node"}}


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path))
    folder = tmp_path / "labs" / "paper" / "folder"
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text(json.dumps({"nodes": NODES}))


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
    ],
)
def test_offered(typed: list[str], begun: str, offered: list[str]) -> None:
    found = BashComplete(cli, {}, "labctl", "_LABCTL_COMPLETE").get_completions(typed, begun)
    assert [item.value for item in found] == offered
