"""What the evidence says of what ran, beyond what the folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labctl.engine.proving import HEALERS, verify_request
from labctl.runtime.api import Observation
from labctl.state import LabState


def environment(root: Path) -> Any:
    state = LabState("demo", root)
    now = Observation("embedded", "uml", alive=True, nodes={})
    return verify_request(state, object(), now, lambda _event: None, disruptive=False).environment  # type: ignore[arg-type]


def test_a_lab_of_labctls_own_parts(tmp_path: Path) -> None:
    assert environment(tmp_path) == {"runtime": "embedded", "launcher": "uml"}


def test_what_came_from_elsewhere_is_named_with_its_hashes(tmp_path: Path) -> None:
    row = {"name": "calico", "version": "3.31.0", "sha256": {"calico.yaml": "1" * 64}}
    (tmp_path / "inputs-used.json").write_text(json.dumps({"schema": "labctl.inputs-used/v1", "inputs": [row]}))
    assert environment(tmp_path)["inputs"]["calico"]["sha256"] == {"calico.yaml": "1" * 64}


def test_a_lab_is_healed_with_the_ways_back_of_all_checks() -> None:
    """A check adds its own by being imported, and whoever heals out of the journal imports them all."""
    assert HEALERS.keys() == {
        "switch-lines", "node-commands", "kube-patch", "kube-delete", "calico-mode", "by-itself", "scale-routes",
    }  # fmt: skip
