"""What the node agents of an embedded lab are told of its nodes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.folder import load_folder
from labctl.render.folder import render_folder, write_folder
from labctl.runtime.embedded import daemon
from labctl.runtime.embedded.network import management_of
from labctl.spec.load import loads
from labctl.state import LabState


def test_the_control_plane_is_the_node_of_that_role_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "name: lab\ncluster: {nodes: [{name: alpha}, {name: beta, role: control-plane}, {name: gamma}]}\n"
    target = Target("standin", "standin")
    write_folder(render_folder(design(loads("lab.yaml", text), target)), tmp_path / "folder")
    folder = load_folder(tmp_path / "folder")
    ranges: dict[str, Any] = {}

    def control_plane(*given: Any, pod_ranges: tuple[str, ...]) -> MagicMock:
        ranges.update(services=given[6], pods=pod_ranges)
        return MagicMock(server="https://localhost:1")

    monkeypatch.setattr(daemon, "look", lambda _what: SimpleNamespace())
    monkeypatch.setattr(daemon, "control_plane", control_plane)
    _, told, _ = daemon.prepare_cluster(LabState("lab", tmp_path), folder, management_of(folder))
    assert [(node.name, node.namespace, node.control_plane) for node in told.nodes] == [
        ("alpha", "lab-worker", False), ("beta", "lab-control-plane", True), ("gamma", "lab-worker2", False),
    ]  # fmt: skip
    assert ranges == {
        "services": ("10.96.0.0/16", "2001:db8:42:1::/112"), "pods": ("10.244.0.0/16", "2001:db8:42::/56"),
    }  # fmt: skip
